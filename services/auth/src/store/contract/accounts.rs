//! Claims about accounts.

use logicore::ids::UserId;

use super::{Fixture, email, entry, new_account, role, stamp, tenant};
use crate::{
    accounts::State,
    revocations::Target,
    store::{Provisioned, Removal, RoleRevocation},
};

pub(crate) async fn an_account_is_seen_in_its_tenant_alone(f: &Fixture) {
    let ann = f.person("acme", "ann").await;
    let (own, other) = (tenant("acme"), tenant("default"));
    let found = f.store.account_find_by_email(&own, &email("ann")).await.unwrap();
    assert_eq!(found.unwrap().account.id, ann);
    assert_eq!(f.store.account_tenant(None, ann).await.unwrap(), Some(own.clone()));
    assert_eq!(
        f.store.account_tenant(Some(&own), ann).await.unwrap(),
        Some(own.clone())
    );

    assert!(f.store.account_find(&other, ann).await.unwrap().is_none());
    let by_email = f.store.account_find_by_email(&other, &email("ann")).await.unwrap();
    assert!(by_email.is_none());
    assert_eq!(f.store.account_tenant(Some(&other), ann).await.unwrap(), None);
    assert!(f.store.account_batch(&other, &[ann]).await.unwrap().is_empty());

    let before = (f.actions().await, f.record("acme", ann).await.version);
    let disabled = f.store.account_set_disabled(&other, ann, true, stamp(0), entry("x"));
    assert!(disabled.await.unwrap().is_none());
    let admin = role("admin");
    let granted = f.store.account_grant_role(&other, ann, &admin, stamp(0), entry("x"));
    assert!(granted.await.unwrap().is_none());
    let user = role("user");
    let taken = f
        .store
        .account_revoke_role(&other, ann, &user, false, stamp(0), entry("x"));
    assert!(matches!(taken.await.unwrap(), RoleRevocation::Absent));
    let removed = f.store.account_remove_unfinished(&other, ann, entry("x")).await;
    assert_eq!(removed.unwrap(), Removal::Absent);
    assert_eq!((f.actions().await, f.record("acme", ann).await.version), before);
}

pub(crate) async fn one_email_can_be_an_account_in_each_tenant(f: &Fixture) {
    let (one, two) = (f.person("acme", "ann").await, f.person("default", "ann").await);
    for (of, id) in [("acme", one), ("default", two)] {
        let found = f.store.account_find_by_email(&tenant(of), &email("ann")).await.unwrap();
        assert_eq!(found.unwrap().account.id, id);
    }
}

pub(crate) async fn a_batch_gives_those_that_exist_with_their_roles(f: &Fixture) {
    let (ann, bob) = (f.person("default", "ann").await, f.invited("default", "bob").await);
    let admin = role("admin");
    f.store
        .account_grant_role(&tenant("default"), ann, &admin, stamp(0), entry("x"))
        .await
        .unwrap();
    let ids = [bob, UserId::generate(), ann, ann];
    let mut found = f.store.account_batch(&tenant("default"), &ids).await.unwrap();
    found.sort_by_key(|a| a.email.as_str().to_owned());
    let facts: Vec<_> = found.iter().map(|a| (a.id, a.state, a.roles.clone())).collect();
    assert_eq!(
        facts,
        [
            (ann, State::Active, vec![role("admin"), role("user")]),
            (bob, State::Invited, vec![role("user")]),
        ]
    );
    assert!(f.store.account_batch(&tenant("default"), &[]).await.unwrap().is_empty());
}

pub(crate) async fn a_repeated_provision_finds_the_account_and_replaces_the_code(f: &Fixture) {
    let first = new_account("default", "ann");
    let mut again = first.clone();
    again.code.hash = b"another".to_vec();
    for (new, records) in [(first.clone(), 1), (again, 2)] {
        let made = f
            .store
            .account_provision(new, entry("account.provision"))
            .await
            .unwrap();
        let Provisioned::Account { account, coded: true } = made else {
            panic!("it is there with its code: {made:?}");
        };
        assert_eq!((account.id, account.state), (first.id, State::Invited));
        assert_eq!(f.actions().await.len(), records);
    }
    let older = f.store.code_find(&first.code.hash, first.now).await.unwrap();
    assert!(older.is_none(), "the older code is void");
    assert!(f.store.code_find(b"another", first.now).await.unwrap().is_some());
}

pub(crate) async fn an_id_or_email_of_another_account_is_refused(f: &Fixture) {
    let ann = f.invited("default", "ann").await;
    let records = f.actions().await;
    for (of, called) in [("default", "bob"), ("acme", "ann")] {
        let mut new = new_account(of, called);
        new.id = ann;
        let made = f.store.account_provision(new, entry("x")).await.unwrap();
        assert!(matches!(made, Provisioned::IdTaken), "{of} {called}");
    }
    let made = f
        .store
        .account_provision(new_account("default", "ann"), entry("x"))
        .await;
    assert!(matches!(made.unwrap(), Provisioned::EmailTaken));
    assert_eq!(f.actions().await, records);
}

pub(crate) async fn an_account_with_a_password_gets_no_new_code(f: &Fixture) {
    let ann = f.person("default", "ann").await;
    let records = f.actions().await;
    let mut new = new_account("default", "ann");
    new.id = ann;
    let hash = new.code.hash.clone();
    let made = f.store.account_provision(new, entry("x")).await.unwrap();
    assert!(matches!(made, Provisioned::Account { coded: false, .. }));
    assert!(f.store.code_find(&hash, super::now()).await.unwrap().is_none());
    assert_eq!(f.actions().await, records);
}

pub(crate) async fn only_an_account_without_a_password_is_removed(f: &Fixture) {
    let (ann, bob) = (f.person("default", "ann").await, f.invited("default", "bob").await);
    let default = tenant("default");
    let removed = async |id| {
        f.store
            .account_remove_unfinished(&default, id, entry("x"))
            .await
            .unwrap()
    };
    assert_eq!(removed(ann).await, Removal::InUse);
    assert_eq!(removed(bob).await, Removal::Removed);
    assert_eq!(removed(bob).await, Removal::Absent);
    assert!(f.store.account_find(&default, bob).await.unwrap().is_none());
    let code = f.store.code_find(b"default/bob", super::now()).await.unwrap();
    assert!(code.is_none(), "its code went with it");
    assert_eq!(f.actions().await.iter().filter(|a| *a == "x").count(), 1);
}

pub(crate) async fn disabling_ends_sessions_and_outdates_logins(f: &Fixture) {
    let ann = f.person("default", "ann").await;
    f.session("default", ann).await;
    let late = f.new_session("default", ann).await;
    let disabled = f
        .store
        .account_set_disabled(&tenant("default"), ann, true, stamp(0), entry("account.disable"))
        .await
        .unwrap();
    assert_eq!(disabled.unwrap().state, State::Disabled);
    assert!(f.living("default", ann).await.is_empty());
    let mark = f.mark(&Target::User(ann)).await.unwrap();
    assert_eq!((mark.revoked, mark.stale), (f.revision().await, 0));
    let record = f.backend.records().await.pop().unwrap();
    assert_eq!(record.action, "account.disable");
    assert!(record.details.unwrap().fields.contains_key("sessions"));
    assert!(!f.begin(late).await, "a login under way loses");
    let current = f.new_session("default", ann).await;
    assert!(!f.begin(current).await, "so does one that knows");

    let enabled = f
        .store
        .account_set_disabled(&tenant("default"), ann, false, stamp(1), entry("account.enable"))
        .await
        .unwrap();
    assert_eq!(enabled.unwrap().state, State::Active);
    f.session("default", ann).await;
}

pub(crate) async fn what_is_so_already_is_neither_marked_nor_recorded(f: &Fixture) {
    let ann = f.person("default", "ann").await;
    let before = (
        f.revision().await,
        f.actions().await,
        f.record("default", ann).await.version,
    );
    let enabled = f
        .store
        .account_set_disabled(&tenant("default"), ann, false, stamp(0), entry("x"))
        .await;
    assert_eq!(enabled.unwrap().unwrap().state, State::Active);
    let after = (
        f.revision().await,
        f.actions().await,
        f.record("default", ann).await.version,
    );
    assert_eq!(after, before);
}

pub(crate) async fn what_was_written_is_there_after_a_restart(f: &Fixture) {
    let ann = f.person("default", "ann").await;
    let session = f.session("default", ann).await;
    let before = (f.store.epoch(), f.revision().await, f.actions().await);
    let f = f.backend.reopened().await;
    assert_eq!((f.store.epoch(), f.revision().await, f.actions().await), before);
    assert_eq!(f.living("default", ann).await, [session]);
    assert!(f.mark(&Target::User(ann)).await.is_some());
}
