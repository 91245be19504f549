//! Claims about the first accounts.

use logicore::{
    ids::{RoleName, TenantId, UserId},
    secret::Secret,
};

use super::{Fixture, code, email, entry, new_account, now, role, stamp, tenant};
use crate::{
    accounts::State,
    revocations::Target,
    store::{Bootstrapped, DemoAccount, NewAccount},
};

const ROLES: [&str; 3] = ["admin", "operator", "user"];

fn roles() -> Vec<RoleName> {
    ROLES.map(role).to_vec()
}

fn first_admin(called: &str, of: &str) -> NewAccount {
    NewAccount {
        roles: roles(),
        code: code(of, 1800),
        ..new_account("default", called)
    }
}

fn demo(called: &str) -> DemoAccount {
    DemoAccount {
        id: UserId::generate(),
        email: email(called),
        roles: roles(),
        password: Secret::new("demo hash"),
    }
}

impl Fixture {
    async fn bootstrap(&self, called: &str, of: &str) -> Bootstrapped {
        let new = first_admin(called, of);
        let action = entry("account.bootstrap");
        self.store.admin_bootstrap(new, stamp(0), action).await.unwrap()
    }

    async fn code_is_good(&self, code: &str) -> bool {
        self.store.code_find(code.as_bytes(), now()).await.unwrap().is_some()
    }

    async fn make_demo(&self, accounts: Vec<DemoAccount>) -> bool {
        let records = accounts.iter().map(|_| entry("account.provision")).collect();
        self.store.demo_create(accounts, records).await.unwrap()
    }
}

pub(crate) async fn the_first_admin_can_be_made_again_until_one_can_sign_in(f: &Fixture) {
    let Bootstrapped::Account(account) = f.bootstrap("ann", "one").await else {
        panic!("there is no admin yet");
    };
    assert_eq!((account.state, account.roles), (State::Invited, roles()));
    assert!(matches!(f.bootstrap("bob", "two").await, Bootstrapped::Account(_)));
    assert!(!f.code_is_good("one").await, "the older code is void, whoever has it");
    assert!(f.code_is_good("two").await);

    let password = Secret::new("hash");
    let redeemed = f
        .store
        .code_redeem(b"two", &password, stamp(0), entry("auth.password_set"));
    redeemed.await.unwrap().unwrap();
    let before = (f.revision().await, f.actions().await);
    for called in ["ann", "bob", "cid"] {
        assert!(matches!(f.bootstrap(called, "three").await, Bootstrapped::AdminExists));
    }
    assert_eq!((f.revision().await, f.actions().await), before);
    assert!(!f.code_is_good("three").await);
    let absent = f.store.account_find_by_email(&TenantId::default(), &email("cid")).await;
    assert!(absent.unwrap().is_none());
}

pub(crate) async fn an_account_that_exists_becomes_the_first_admin(f: &Fixture) {
    let ann = f.person("default", "ann").await;
    let late = f.new_session("default", ann).await;
    let Bootstrapped::Account(account) = f.bootstrap("ann", "one").await else {
        panic!("there is no admin yet");
    };
    assert_eq!(
        (account.id, account.state, account.roles),
        (ann, State::Active, roles())
    );
    assert_eq!(f.mark(&Target::User(ann)).await.unwrap().stale, f.revision().await);
    assert!(!f.begin(late).await, "a login under way looks again");
    assert!(matches!(f.bootstrap("ann", "two").await, Bootstrapped::AdminExists));
    let record = f.backend.records().await.pop().unwrap();
    assert_eq!(
        (record.action, record.target),
        ("account.bootstrap".to_owned(), format!("account/{ann}"))
    );
}

pub(crate) async fn a_disabled_account_is_not_made_admin(f: &Fixture) {
    let ann = f.person("default", "ann").await;
    f.disable("default", ann).await;
    assert!(matches!(f.bootstrap("ann", "one").await, Bootstrapped::Disabled));
    assert_eq!(f.record("default", ann).await.account.roles, [role("user")]);
    assert!(!f.code_is_good("one").await);
    let elsewhere = f.person("acme", "bob").await;
    let admin = role("admin");
    f.store
        .account_grant_role(&tenant("acme"), elsewhere, &admin, stamp(0), entry("x"))
        .await
        .unwrap();
    let made = f.bootstrap("cid", "two").await;
    assert!(
        matches!(made, Bootstrapped::Account(_)),
        "admins of other tenants do not count"
    );
}

pub(crate) async fn demo_accounts_are_made_in_an_empty_store_alone(f: &Fixture) {
    let (user, admin) = (demo("demo"), demo("admin"));
    let id = admin.id;
    assert!(f.make_demo(vec![user, admin]).await);
    let record = f.record("default", id).await;
    assert_eq!((record.account.state, record.account.roles), (State::Active, roles()));
    assert_eq!(record.password, Some(Secret::new("demo hash")));
    let records = f.actions().await;
    assert_eq!(records, ["account.provision"; 2]);
    assert!(!f.make_demo(vec![demo("other")]).await);
    assert_eq!(f.actions().await, records);
    let other = f
        .store
        .account_find_by_email(&TenantId::default(), &email("other"))
        .await;
    assert!(other.unwrap().is_none());
}

pub(crate) async fn demo_accounts_alone_are_disabled(f: &Fixture) {
    let demo = demo("demo");
    let id = demo.id;
    f.make_demo(vec![demo]).await;
    let ann = f.person("default", "ann").await;
    let (_, own) = (f.session("default", id).await, f.session("default", ann).await);
    let disable = async || f.store.demo_disable(stamp(0), entry("account.disable")).await.unwrap();
    assert_eq!(disable().await, 1);
    assert_eq!(f.record("default", id).await.account.state, State::Disabled);
    assert!(f.living("default", id).await.is_empty());
    assert_eq!(f.mark(&Target::User(id)).await.unwrap().revoked, f.revision().await);
    assert_eq!(f.record("default", ann).await.account.state, State::Active);
    assert_eq!(f.living("default", ann).await, [own]);
    let record = f.backend.records().await.pop().unwrap();
    assert_eq!(record.target, format!("account/{id}"));
    let before = (f.revision().await, f.actions().await);
    assert_eq!(disable().await, 0, "they are already");
    assert_eq!((f.revision().await, f.actions().await), before);
}
