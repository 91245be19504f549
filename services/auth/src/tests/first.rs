//! The first accounts: bootstrap and demo.

use std::time::Duration;

use logicore::{
    Reason,
    ids::TenantId,
    secret::Secret,
    settings::{DEMO_ADMIN_ID, DEMO_USER_ID, Settings},
};

use super::harness::{PASSWORD, Person, World, email, nobody, reason};
use crate::accounts::{Email, State};

fn demo(called: &str, password: &str) -> Person {
    Person {
        tenant: TenantId::default(),
        id: DEMO_USER_ID,
        email: Email::new(&format!("{called}@example.com")).unwrap(),
        password: Secret::new(password),
    }
}

fn demo_user() -> Person {
    demo("demo", "demo123")
}

fn create(settings: &mut Settings) {
    settings.demo = Some(true);
}

#[tokio::test]
async fn the_first_admin_is_made_until_one_can_sign_in() {
    let world = World::new().await;
    let (account, older) = world.auth.bootstrap_admin(&email("ann"), &nobody()).await.unwrap();
    let names: Vec<_> = account.roles.iter().map(|r| r.as_str()).collect();
    assert_eq!(
        (account.state, &*names),
        (State::Invited, &["admin", "operator", "user"][..])
    );
    let (_, newer) = world.auth.bootstrap_admin(&email("ann"), &nobody()).await.unwrap();
    assert_eq!(newer.expire_time, world.ctx.clock.now() + Duration::from_secs(30 * 60));
    let password = Secret::new(PASSWORD);
    let set = async |code| reason(world.auth.set_password(code, &password, &nobody()).await);
    assert_eq!(set(&older.text).await, Some(Reason::AuthCodeInvalid));
    world.advance(Duration::from_secs(30 * 60));
    assert_eq!(set(&newer.text).await, Some(Reason::AuthCodeInvalid), "too old");

    let (account, code) = world.auth.bootstrap_admin(&email("ann"), &nobody()).await.unwrap();
    assert_eq!(set(&code.text).await, None);
    let refused = world.auth.bootstrap_admin(&email("bob"), &nobody()).await;
    assert_eq!(reason(refused), Some(Reason::StateForbids));

    // Once that admin is out, somebody must be able to come in.
    world
        .auth
        .set_disabled(&account.tenant, account.id, true, &nobody())
        .await
        .unwrap();
    let same = world.auth.bootstrap_admin(&email("ann"), &nobody()).await;
    assert_eq!(
        reason(same),
        Some(Reason::StateForbids),
        "a disabled account stays disabled"
    );
    world.auth.bootstrap_admin(&email("bob"), &nobody()).await.unwrap();
}

#[tokio::test]
async fn demo_accounts_are_made_in_an_empty_folder_and_keep_their_short_passwords() {
    let world = World::with(create).await;
    let tokens = world.login(&demo_user()).await;
    assert_eq!(tokens.account.id, DEMO_USER_ID);
    assert_eq!(tokens.account.roles, ["user".parse().unwrap()]);
    let admin = world.login(&demo("admin", "admin123")).await;
    assert_eq!(admin.account.id, DEMO_ADMIN_ID);
    let names: Vec<_> = admin.account.roles.iter().map(|r| r.as_str()).collect();
    assert_eq!(names, ["admin", "operator", "user"]);
    let refused = world.auth.bootstrap_admin(&email("ann"), &nobody()).await;
    assert_eq!(reason(refused), Some(Reason::StateForbids), "the demo has an admin");

    let before = world.records().await.len();
    let world = world.restarted(create).await.unwrap();
    assert_eq!(world.records().await.len(), before, "they are there");
    world.login(&demo_user()).await;
}

#[tokio::test]
async fn no_demo_accounts_come_into_a_folder_that_has_accounts() {
    let world = World::new().await;
    world.person("default", "ann").await;
    let world = world.restarted(create).await.unwrap();
    let refused = world.try_login(&demo_user(), &nobody()).await;
    assert_eq!(reason(refused), Some(Reason::AuthInvalidCredentials));
}

#[tokio::test]
async fn a_start_that_does_not_ask_for_demo_accounts_leaves_those_that_are_there() {
    let world = World::with(create).await;
    let tokens = world.login(&demo_user()).await;
    let world = world.restarted(|s| s.demo = Some(false)).await.unwrap();
    world.refresh(&tokens.refresh).await.unwrap();
    world.login(&demo_user()).await;
}

#[tokio::test]
async fn a_start_beyond_the_loopback_or_in_production_disables_the_demo_for_good() {
    let beyond = |s: &mut Settings| s.listen.set_ip([0, 0, 0, 0].into());
    let production = |s: &mut Settings| s.production = true;
    for end in [&beyond as &dyn Fn(&mut Settings), &production] {
        let world = World::with(create).await;
        let tokens = world.login(&demo_user()).await;
        let world = world.restarted(end).await.unwrap();
        assert_eq!(
            world.verified(&tokens.access).await.unwrap_err(),
            Reason::AuthTokenRevoked
        );
        assert_eq!(
            reason(world.refresh(&tokens.refresh).await),
            Some(Reason::AuthRefreshInvalid)
        );
        for person in [demo_user(), demo("admin", "admin123")] {
            let refused = world.try_login(&person, &nobody()).await;
            assert_eq!(reason(refused), Some(Reason::AuthInvalidCredentials));
        }
        let told = world
            .records()
            .await
            .into_iter()
            .filter(|r| r.action == "account.disable")
            .count();
        assert_eq!(told, 2);
        world.auth.bootstrap_admin(&email("ann"), &nobody()).await.unwrap();

        let world = world.restarted(create).await.unwrap();
        let refused = world.try_login(&demo_user(), &nobody()).await;
        assert_eq!(
            reason(refused),
            Some(Reason::AuthInvalidCredentials),
            "they do not come back"
        );
    }
}
