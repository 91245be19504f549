//! Claims about orders to breakers, and figures.

use chrono::Duration;

use super::{Fixture, now, record, role, tenant};
use crate::feed::Fact;

pub(crate) async fn orders_to_a_breaker_grow(f: &Fixture) {
    let first = f
        .store
        .breaker_reset("user", now(), record("default", "breaker.reset", 0))
        .await
        .unwrap();
    let earlier = now() - Duration::hours(1);
    let second = f
        .store
        .breaker_reset("user", earlier, record("default", "breaker.reset", 1))
        .await
        .unwrap();
    assert!(second > first);
    let last = f.published.all().pop().unwrap().1;
    assert!(last.contains(&Fact::BreakerReset("user".to_owned(), second)));
}

pub(crate) async fn old_orders_are_dropped(f: &Fixture) {
    f.store
        .breaker_reset("user/a", now(), record("default", "breaker.reset", 0))
        .await
        .unwrap();
    let later = now() + Duration::hours(25);
    f.store
        .breaker_reset("user/b", later, record("default", "breaker.reset", 1))
        .await
        .unwrap();
    let last = f.published.all().pop().unwrap().1;
    assert!(last.contains(&Fact::BreakerResetGone("user/a".to_owned())), "{last:?}");
}

pub(crate) async fn counts_are_the_tenants_own(f: &Fixture) {
    f.put(role("default", "a", &[])).await;
    f.put(role("acme", "a", &[])).await;
    f.put(role("acme", "b", &[])).await;
    let counts = f.store.tenant_counts(&tenant("acme")).await.unwrap();
    assert_eq!((counts.roles, counts.audit_events), (2, 2));
}
