//! A watcher's copy: what continues it, what runs out, which orders are new.

use super::*;
use crate::feed::replica::{DROPPED, OutOfStep, Prepared, Replica};

impl From<pb::Update> for Prepared {
    fn from(update: pb::Update) -> Self {
        Snapshot::from(update).into()
    }
}

fn holding(resources: Vec<pb::Resource>) -> Replica {
    let mut replica = Replica::default();
    replica.snapshot(update(7, resources).into());
    replica
}

fn keys(replica: &Replica) -> Vec<String> {
    sorted(replica.resources()).into_iter().map(|r| r.key).collect()
}

#[test]
fn a_snapshot_replaces_everything() {
    let mut replica = holding(vec![tenant("a", false), tenant("b", false)]);
    replica.snapshot(update(9, vec![tenant("b", true), tenant("c", false)]).into());
    assert_eq!(keys(&replica), ["tenant/b", "tenant/c"]);
    assert_eq!(replica.revision(), Some(&revision(EPOCH, 9)));
    assert_eq!(
        replica.to_snapshot(),
        Some(update(9, vec![tenant("b", true), tenant("c", false)]).into())
    );
}

#[test]
fn a_delta_changes_what_it_names() {
    let mut replica = holding(vec![tenant("a", false), tenant("b", false)]);
    let mut next = update(9, vec![tenant("a", true), tenant("c", false)]);
    next.removed = vec!["tenant/b".to_owned(), "tenant/unknown".to_owned()];
    let (changes, resets) = replica.delta(next).unwrap();
    assert_eq!(keys(&replica), ["tenant/a", "tenant/c"]);
    assert!(resets.is_empty());
    let told: Vec<_> = changes
        .iter()
        .map(|c| (c.old.as_deref().cloned(), c.new.as_deref().cloned()))
        .collect();
    assert_eq!(
        told,
        [
            (Some(tenant("b", false)), None),
            (Some(tenant("a", false)), Some(tenant("a", true))),
            (None, Some(tenant("c", false))),
        ]
    );
}

#[test]
fn a_delta_that_does_not_continue_is_refused_and_changes_nothing() {
    assert_eq!(Replica::default().delta(update(1, Vec::new())).err(), Some(OutOfStep));
    let mut replica = holding(vec![tenant("a", false)]);
    let other = vec![tenant("a", true)];
    let wrong = [
        update(7, other.clone()),
        update(6, other.clone()),
        update_of("epoch-2", 8, other.clone()),
        pb::Update {
            revision: None,
            ..update(8, other)
        },
    ];
    for update in wrong {
        assert_eq!(replica.delta(update.clone()).err(), Some(OutOfStep), "{update:?}");
        assert_eq!(
            replica.to_snapshot(),
            Some(super::update(7, vec![tenant("a", false)]).into())
        );
    }
}

#[test]
fn what_is_out_of_step_is_held_on_to_until_a_snapshot_comes() {
    let mut replica = holding(vec![tenant("a", false)]);
    replica.forget_revision();
    assert_eq!(replica.revision(), None);
    assert_eq!(replica.to_snapshot(), None);
    assert_eq!(replica.delta(update(8, Vec::new())).err(), Some(OutOfStep));
    assert_eq!(keys(&replica), ["tenant/a"]);
    replica.snapshot(update(8, vec![tenant("b", false)]).into());
    assert_eq!(replica.revision(), Some(&revision(EPOCH, 8)));
}

/// How many are dropped at this second.
fn dropped(replica: &mut Replica, now: i64) -> usize {
    replica.expire(now).0
}

#[test]
fn a_revocation_is_dropped_after_its_last_second() {
    let (a, b) = (UserId::generate(), UserId::generate());
    let mut replica = holding(vec![revoked(a, 5, 100), revoked(b, 5, 200), tenant("a", false)]);
    assert_eq!(dropped(&mut replica, 100), 0, "its last second");
    assert_eq!(dropped(&mut replica, 101), 1);
    assert_eq!(sorted(replica.resources()), [revoked(b, 5, 200), tenant("a", false)]);
    assert_eq!(dropped(&mut replica, 101), 0, "once");
    assert_eq!(dropped(&mut replica, i64::MAX), 1);
    assert_eq!(keys(&replica), ["tenant/a"], "what has no end stays");
}

#[test]
fn of_very_many_that_end_at_once_the_rest_is_dropped_the_next_time() {
    let each = |seconds: std::ops::Range<usize>| seconds.map(|n| revoked(UserId::generate(), 5, 100 + (n % 3) as i64));
    let mut replica = holding(each(0..2 * DROPPED + 7).collect());
    assert_eq!(dropped(&mut replica, 100), 0);
    assert_eq!(dropped(&mut replica, 200), DROPPED);
    replica.delta(update(8, each(0..3).collect())).unwrap();
    assert_eq!(dropped(&mut replica, 200), DROPPED);
    assert_eq!(dropped(&mut replica, 200), 10, "none is passed over");
    assert!(keys(&replica).is_empty());
}

#[test]
fn a_tenants_revocation_ends_as_well_and_is_told_of() {
    let mut all = revoked(UserId::generate(), 5, 100);
    let Some(pb::resource::Kind::Revocation(marks)) = all.kind.take() else {
        panic!("a revocation");
    };
    let acme = resource::revocation(pb::Revocation {
        target: Target::Tenant.into(),
        id: "acme".to_owned(),
        ..marks
    });
    let mut replica = holding(vec![acme.clone()]);
    assert_eq!(dropped(&mut replica, 100), 0);
    let (count, changes) = replica.expire(101);
    assert_eq!((count, changes[0].old.as_deref()), (1, Some(&acme)));
    assert!(keys(&replica).is_empty());
}

#[test]
fn a_revocation_that_was_renewed_lives_by_its_new_end() {
    let user = UserId::generate();
    let mut replica = holding(vec![revoked(user, 5, 100)]);
    replica.delta(update(8, vec![revoked(user, 9, 300)])).unwrap();
    assert_eq!(dropped(&mut replica, 200), 0);
    assert_eq!(dropped(&mut replica, 301), 1);
    replica.delta(update(9, vec![revoked(user, 10, 400)])).unwrap();
    let key = resource::revocation_id(Target::User, &user.to_string());
    replica.delta(removal(10, &[&key])).unwrap();
    assert_eq!(dropped(&mut replica, i64::MAX), 0, "its producer took it back");
    replica.snapshot(update(11, vec![revoked(user, 5, 100)]).into());
    replica.snapshot(update(12, Vec::new()).into());
    assert_eq!(
        dropped(&mut replica, i64::MAX),
        0,
        "a snapshot forgets the ends as well"
    );
}

fn orders(replica: &mut Replica, number: u64, orders: &[(&str, u64)]) -> Vec<String> {
    let resources = orders.iter().map(|(name, order)| resource::breaker_reset(name, *order));
    replica.delta(update(number, resources.collect())).unwrap().1
}

#[test]
fn an_order_is_carried_out_once() {
    let mut replica = holding(Vec::new());
    assert_eq!(orders(&mut replica, 8, &[("user", 1)]), ["user"]);
    assert!(orders(&mut replica, 9, &[("user", 1)]).is_empty(), "the same one again");
    assert_eq!(orders(&mut replica, 10, &[("user", 2), ("auth", 1)]), ["user", "auth"]);
    assert!(orders(&mut replica, 11, &[("user", 1)]).is_empty(), "an older one");
}

#[test]
fn an_order_is_not_carried_out_again_after_a_reconnect() {
    let mut replica = holding(Vec::new());
    orders(&mut replica, 8, &[("user", 3)]);
    let again = vec![resource::breaker_reset("user", 3)];
    assert!(replica.snapshot(update(9, again.clone()).into()).is_empty());
    replica.forget_revision();
    assert!(
        replica.snapshot(update(10, again).into()).is_empty(),
        "nor after a defect"
    );
}

#[test]
fn an_order_given_while_the_watcher_was_away_is_carried_out() {
    let mut replica = holding(vec![resource::breaker_reset("user", 3)]);
    let missed = vec![resource::breaker_reset("user", 4), resource::breaker_reset("auth", 1)];
    assert_eq!(replica.snapshot(update(9, missed).into()), ["auth", "user"]);
}

#[test]
fn an_order_that_is_older_than_the_watcher_is_not_carried_out() {
    let mut replica = Replica::default();
    assert!(
        replica
            .snapshot(update(7, vec![resource::breaker_reset("user", 3)]).into())
            .is_empty()
    );
    assert!(orders(&mut replica, 8, &[("user", 3)]).is_empty());
    assert_eq!(orders(&mut replica, 9, &[("user", 4)]), ["user"]);
}

#[test]
fn orders_of_another_epoch_are_counted_anew() {
    let mut replica = holding(vec![resource::breaker_reset("user", 30)]);
    let first = vec![resource::breaker_reset("user", 1)];
    assert!(replica.snapshot(update_of("epoch-2", 1, first).into()).is_empty());
    let second = update_of("epoch-2", 2, vec![resource::breaker_reset("user", 2)]);
    assert_eq!(
        replica.delta(second).unwrap().1,
        ["user"],
        "2 is new here, though 30 was had before"
    );
}
