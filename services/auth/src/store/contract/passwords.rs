//! Claims about passwords and single-use codes.

use logicore::{
    ids::{SessionId, UserId},
    secret::Secret,
};

use super::{Fixture, at, entry, now, stamp, tenant};
use crate::{
    accounts::{Account, State},
    revocations::Target,
    store::PasswordChange,
};

fn change(account: UserId, version: i64, keep: SessionId) -> PasswordChange {
    PasswordChange {
        tenant: tenant("default"),
        account,
        version,
        password: Secret::new("changed"),
        keep,
    }
}

impl Fixture {
    async fn change(&self, change: PasswordChange) -> Option<u64> {
        let action = entry("auth.password_change");
        self.store.password_change(change, stamp(0), action).await.unwrap()
    }

    async fn redeem(&self, code: &str, seconds: i64) -> Option<Account> {
        let password = Secret::new("redeemed");
        self.store
            .code_redeem(code.as_bytes(), &password, stamp(seconds), entry("auth.password_set"))
            .await
            .unwrap()
    }

    async fn password(&self, account: UserId) -> String {
        let record = self.record("default", account).await;
        record.password.unwrap().expose().to_owned()
    }
}

pub(crate) async fn a_password_change_loses_to_a_newer_version(f: &Fixture) {
    let ann = f.person("default", "ann").await;
    let session = f.session("default", ann).await;
    let version = f.record("default", ann).await.version;
    assert_eq!(f.change(change(ann, version, session)).await, Some(0));
    assert_eq!(f.password(ann).await, "changed");
    let records = f.actions().await;
    assert_eq!(
        f.change(change(ann, version, session)).await,
        None,
        "of the older version"
    );
    assert_eq!(f.actions().await, records);

    let late = f.new_session("default", ann).await;
    let version = f.record("default", ann).await.version;
    f.change(change(ann, version, session)).await.unwrap();
    assert!(
        !f.begin(late).await,
        "a login that checked the older password loses too"
    );
}

pub(crate) async fn a_password_change_needs_its_living_session(f: &Fixture) {
    let (ann, bob) = (f.person("default", "ann").await, f.person("default", "bob").await);
    let of_bob = f.session("default", bob).await;
    let version = f.record("default", ann).await.version;
    for keep in [SessionId::generate(), of_bob] {
        assert_eq!(f.change(change(ann, version, keep)).await, None);
    }
    assert_eq!(f.password(ann).await, "hash");
    assert_eq!(f.living("default", bob).await, [of_bob]);
}

pub(crate) async fn a_password_change_ends_the_other_sessions_one_by_one(f: &Fixture) {
    let (ann, bob) = (f.person("default", "ann").await, f.person("default", "bob").await);
    let [one, own, two] = [
        f.session("default", ann).await,
        f.session("default", ann).await,
        f.session("default", ann).await,
    ];
    let of_bob = f.session("default", bob).await;
    let user = f.mark(&Target::User(ann)).await;
    let version = f.record("default", ann).await.version;
    assert_eq!(f.change(change(ann, version, own)).await, Some(2));
    assert_eq!(f.living("default", ann).await, [own]);
    assert_eq!(f.living("default", bob).await, [of_bob]);
    let revision = f.revision().await;
    for ended in [one, two] {
        assert_eq!(f.mark(&Target::Session(ended)).await.unwrap().revoked, revision);
    }
    assert!(f.mark(&Target::Session(own)).await.is_none());
    assert_eq!(
        f.mark(&Target::User(ann)).await,
        user,
        "the user as a whole is not marked"
    );
}

pub(crate) async fn a_code_is_good_until_its_time(f: &Fixture) {
    let ann = f.invited("default", "ann").await;
    let code = b"default/ann";
    for (seconds, good) in [(0, true), (3599, true), (3600, false), (9999, false)] {
        let found = f.store.code_find(code, at(seconds)).await.unwrap();
        assert_eq!(found.map(|a| a.id), good.then_some(ann), "after {seconds} s");
    }
    assert!(f.store.code_find(b"default/bob", now()).await.unwrap().is_none());
    let records = f.actions().await;
    assert!(f.redeem("default/ann", 3600).await.is_none());
    assert_eq!(f.actions().await, records);
    let redeemed = f.redeem("default/ann", 3599).await.unwrap();
    assert_eq!((redeemed.id, redeemed.state), (ann, State::Active));
    assert!(f.store.code_find(code, now()).await.unwrap().is_none(), "used up");
}

pub(crate) async fn a_code_is_good_for_one_of_many_at_once(f: &Fixture) {
    f.invited("default", "ann").await;
    let tries: Vec<_> = (0..20)
        .map(|n| {
            let store = f.store.clone();
            tokio::spawn(async move {
                let password = Secret::new(format!("hash {n}"));
                let action = entry("auth.password_set");
                let redeemed = store.code_redeem(b"default/ann", &password, stamp(0), action).await;
                redeemed.unwrap().is_some()
            })
        })
        .collect();
    let mut redeemed = 0;
    for one in tries {
        redeemed += u32::from(one.await.unwrap());
    }
    assert_eq!(redeemed, 1);
    let records = f.actions().await;
    assert_eq!(records, ["account.provision", "auth.password_set"]);
}

pub(crate) async fn redeeming_ends_every_session(f: &Fixture) {
    let ann = f.person("default", "ann").await;
    f.session("default", ann).await;
    // A code for somebody who has a password: the first admin's.
    let mut new = super::new_account("default", "ann");
    new.code = super::code("bootstrap", 100);
    f.store.admin_bootstrap(new, stamp(0), entry("x")).await.unwrap();
    let late = f.new_session("default", ann).await;
    assert_eq!(f.redeem("bootstrap", 0).await.unwrap().id, ann);
    assert!(f.living("default", ann).await.is_empty());
    assert_eq!(f.mark(&Target::User(ann)).await.unwrap().revoked, f.revision().await);
    assert_eq!(f.password(ann).await, "redeemed");
    assert!(!f.begin(late).await, "a login with the older password loses");
}

pub(crate) async fn a_disabled_account_has_no_code(f: &Fixture) {
    let ann = f.invited("default", "ann").await;
    f.disable("default", ann).await;
    assert!(f.store.code_find(b"default/ann", now()).await.unwrap().is_none());
    assert!(f.redeem("default/ann", 0).await.is_none());
    assert!(f.record("default", ann).await.password.is_none());
}
