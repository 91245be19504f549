use std::{sync::Arc, time::Duration};

use logicore::{Error, Reason, ids::UserId, secret::Secret};

use super::harness::{OTHER, Person, World, by, days, email, from, minutes, nobody, reason, tenant};
use crate::{
    accounts::Email,
    auth::Tokens,
    passwords::{CHEAP, Params},
    revocations::Wanted,
};

/// A login on its way, in the background.
fn entering(world: &World, person: &Person) -> tokio::task::JoinHandle<Result<Tokens, Error>> {
    let (auth, person) = (Arc::clone(&world.auth), person.clone());
    tokio::spawn(async move {
        auth.login(&person.tenant, &person.email, &person.password, &nobody())
            .await
    })
}

fn wrong(person: &Person) -> Person {
    Person {
        password: Secret::new("not the password"),
        ..person.clone()
    }
}

#[tokio::test]
async fn a_login_gives_tokens_that_verifiers_take() {
    let world = World::new().await;
    let ann = world.person("acme", "ann").await;
    let tokens = world.login(&ann).await;
    assert_eq!(tokens.access_expires_in, minutes(15));
    assert_eq!(tokens.refresh_expires_in, days(7));
    let principal = world.verified(&tokens.access).await.unwrap();
    assert_eq!((principal.subject, &principal.tenant), (ann.id, &ann.tenant));
    assert_eq!((principal.session, &*principal.client), (tokens.session.id, "logicore"));
    assert_eq!(*principal.roles, ["user".parse().unwrap()]);
    let now = world.ctx.clock.now();
    assert_eq!((principal.issued_at, principal.authenticated_at), (now, now));
    assert_eq!(principal.expires_at, now + minutes(15));
    let (revision, _) = world.auth.store.mark_list().await.unwrap();
    assert_eq!(
        (&principal.epoch, principal.revision),
        (&world.auth.store.epoch(), revision)
    );
}

#[tokio::test]
async fn whoever_cannot_sign_in_gets_one_answer_after_one_hash() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let (invited, _) = world.invited("default", "bob").await;
    let disabled = world.person("default", "cid").await;
    world
        .auth
        .set_disabled(&disabled.tenant, disabled.id, true, &nobody())
        .await
        .unwrap();
    let as_other = |tenant, email, password: &str| Person {
        tenant,
        email,
        id: UserId::generate(),
        password: Secret::new(password),
    };
    let right = ann.password.expose();
    let tries = [
        wrong(&ann),
        as_other(tenant("default"), email("nobody"), right),
        as_other(tenant("acme"), email("ann"), right),
        as_other(tenant("default"), Email::lenient("no address"), right),
        as_other(tenant("default"), invited.email, right),
        as_other(tenant("default"), email("ann"), &right.repeat(100)),
        disabled,
    ];
    for person in tries {
        let before = world.auth.hasher.hashes();
        let error = world.try_login(&person, &nobody()).await.unwrap_err();
        let told = (error.reason(), error.message(), error.violations());
        let expected = (
            Reason::AuthInvalidCredentials,
            "the email or the password is not right",
            &[][..],
        );
        assert_eq!(told, expected, "{person:?}");
        assert_eq!(world.auth.hasher.hashes() - before, 1, "{person:?}");
    }
}

#[tokio::test]
async fn an_email_is_one_in_any_case() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let shouted = Person {
        email: Email::lenient("  ANN@Example.Com "),
        ..ann.clone()
    };
    assert_eq!(world.login(&shouted).await.account.id, ann.id);
}

#[tokio::test]
async fn failures_slow_an_account_down_wherever_they_come_from() {
    let world = World::new().await;
    let (ann, bob) = (
        world.person("default", "ann").await,
        world.person("default", "bob").await,
    );
    for n in 0..6 {
        let failed = world.try_login(&wrong(&ann), &from(n)).await;
        assert_eq!(reason(failed), Some(Reason::AuthInvalidCredentials));
    }
    let before = world.auth.hasher.hashes();
    let error = world.try_login(&ann, &from(100)).await.unwrap_err();
    assert_eq!(error.reason(), Reason::AuthThrottled);
    assert!(format!("{error:?}").contains("retry_after: Some(1s)"), "{error:?}");
    assert_eq!(world.auth.hasher.hashes(), before, "refused before anything is hashed");
    world.try_login(&bob, &from(100)).await.unwrap();
    world.advance(Duration::from_secs(1));
    world.try_login(&ann, &from(100)).await.unwrap();
    world.try_login(&wrong(&ann), &from(101)).await.unwrap_err();
    world.try_login(&ann, &from(102)).await.unwrap();
}

#[tokio::test]
async fn an_account_that_does_not_exist_is_slowed_like_one_that_does() {
    let world = World::new().await;
    let nobody_there = Person {
        tenant: tenant("default"),
        id: UserId::generate(),
        email: email("nobody"),
        password: Secret::new("x"),
    };
    for n in 0..6 {
        let failed = world.try_login(&nobody_there, &from(n)).await;
        assert_eq!(reason(failed), Some(Reason::AuthInvalidCredentials));
    }
    let failed = world.try_login(&nobody_there, &from(100)).await;
    assert_eq!(reason(failed), Some(Reason::AuthThrottled));
}

#[tokio::test]
async fn failures_slow_an_address_down_whatever_accounts_it_tries() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    for n in 0..6 {
        let person = Person {
            email: email(&format!("user{n}")),
            ..wrong(&ann)
        };
        world.try_login(&person, &from(1)).await.unwrap_err();
    }
    let refused = world.try_login(&ann, &from(1)).await;
    assert_eq!(reason(refused), Some(Reason::AuthThrottled));
    world.try_login(&ann, &from(2)).await.unwrap();
    world.advance(Duration::from_secs(1));
    world.try_login(&ann, &from(1)).await.unwrap();
}

#[tokio::test]
async fn one_record_tells_of_a_whole_wait() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    for _ in 0..6 {
        world.try_login(&wrong(&ann), &nobody()).await.unwrap_err();
    }
    let before = world.records().await.len();
    for _ in 0..10 {
        world.try_login(&ann, &nobody()).await.unwrap_err();
    }
    let records = world.records().await.split_off(before);
    assert_eq!(records.len(), 1);
    let told = (&*records[0].action, &*records[0].outcome, &*records[0].reason);
    assert_eq!(told, ("auth.login", "denied", "AUTH_THROTTLED"));
    let statistics = world.auth.statistics(None).await.unwrap();
    assert_eq!((statistics.logins_failed, statistics.logins_throttled), (6, 10));
}

#[tokio::test]
async fn a_password_set_between_check_and_insert_wins() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let (caller, _) = world.caller(&ann).await;
    let version = world
        .auth
        .store
        .account_find(&ann.tenant, ann.id)
        .await
        .unwrap()
        .unwrap()
        .version;
    let changed = world
        .auth
        .hasher
        .hash(&world.auth.hasher.reserve().unwrap(), &Secret::new(OTHER))
        .await
        .unwrap();

    let held = world.auth.hasher.occupy().await;
    let login = entering(&world, &ann);
    world.somebody_waits_to_hash().await;
    let change = crate::store::PasswordChange {
        tenant: ann.tenant.clone(),
        account: ann.id,
        version,
        password: changed,
        keep: caller.session,
    };
    let entry = crate::audit::Entry::new("auth.password_change", &ann.tenant, &nobody());
    let done = world
        .auth
        .store
        .password_change(change, world.auth.stamp(), entry)
        .await;
    assert_eq!(done.unwrap(), Some(0));
    drop(held);
    assert_eq!(reason(login.await.unwrap()), Some(Reason::AuthInvalidCredentials));
    let sessions = world
        .auth
        .sessions(&ann.tenant, ann.id, 0, None)
        .await
        .unwrap()
        .sessions;
    assert_eq!(sessions.iter().map(|s| s.id).collect::<Vec<_>>(), [caller.session]);
}

#[tokio::test]
async fn a_role_taken_between_check_and_insert_wins() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let editor = "editor".parse().unwrap();
    world
        .auth
        .grant_role(&ann.tenant, ann.id, &editor, &nobody())
        .await
        .unwrap();
    let held = world.auth.hasher.occupy().await;
    let login = entering(&world, &ann);
    world.somebody_waits_to_hash().await;
    world
        .auth
        .revoke_role(&ann.tenant, ann.id, &editor, &nobody())
        .await
        .unwrap();
    drop(held);
    let tokens = login.await.unwrap().unwrap();
    let principal = world.verified(&tokens.access).await.unwrap();
    assert_eq!(*principal.roles, ["user".parse().unwrap()]);
}

#[tokio::test]
async fn a_login_under_way_while_everyone_is_revoked_begins_after_it() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let held = world.auth.hasher.occupy().await;
    let login = entering(&world, &ann);
    world.somebody_waits_to_hash().await;
    world
        .auth
        .revoke_access(None, Wanted::Everyone, &nobody())
        .await
        .unwrap();
    drop(held);
    let tokens = login.await.unwrap().unwrap();
    assert!(world.verified(&tokens.access).await.is_ok());
    world.refresh(&tokens.refresh).await.unwrap();
}

#[tokio::test]
async fn an_account_disabled_between_check_and_insert_stays_out() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let held = world.auth.hasher.occupy().await;
    let login = entering(&world, &ann);
    world.somebody_waits_to_hash().await;
    world
        .auth
        .set_disabled(&ann.tenant, ann.id, true, &nobody())
        .await
        .unwrap();
    drop(held);
    assert_eq!(reason(login.await.unwrap()), Some(Reason::AuthInvalidCredentials));
}

#[tokio::test]
async fn a_login_that_never_catches_up_leaves_its_record_too() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let hasher = &world.auth.hasher;
    let mut held = hasher.occupy().await;
    let login = entering(&world, &ann);
    for role in ["one", "two", "three"] {
        world.somebody_waits_to_hash().await;
        let role = role.parse().unwrap();
        world
            .auth
            .grant_role(&ann.tenant, ann.id, &role, &nobody())
            .await
            .unwrap();
        // Queues behind the login before it is let on, so that its next look waits again.
        let next = tokio::join!(biased; hasher.occupy(), async { drop(held) });
        held = next.0;
    }
    assert_eq!(reason(login.await.unwrap()), Some(Reason::AuthInvalidCredentials));
    let last = world.records().await.pop().unwrap();
    let told = (&*last.action, &*last.outcome, &*last.reason);
    assert_eq!(told, ("auth.login", "failure", "AUTH_INVALID_CREDENTIALS"));
}

#[tokio::test]
async fn a_full_queue_is_said_before_anything_is_hashed() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let before = world.auth.hasher.hashes();
    let places: Vec<_> = std::iter::from_fn(|| world.auth.hasher.reserve().ok()).collect();
    for _ in 0..20 {
        let error = world.try_login(&ann, &from(1)).await.unwrap_err();
        assert_eq!(error.reason(), Reason::AuthHashQueueFull);
        assert!(format!("{error:?}").contains("retry_after: Some("), "{error:?}");
    }
    assert_eq!(world.auth.hasher.hashes(), before);
    drop(places);
    let after = world.try_login(&ann, &from(1)).await;
    assert!(after.is_ok(), "what was not checked is nobody's failure");
}

#[tokio::test]
async fn a_password_is_hashed_anew_when_the_parameters_change() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let stored = async |world: &World| {
        let found = world.auth.store.account_find(&ann.tenant, ann.id).await.unwrap();
        found.unwrap().password.unwrap()
    };
    let old = stored(&world).await;
    let stronger = Params { passes: 2, ..CHEAP };
    let world = world.rehashing(stronger, |_| {}).await.unwrap();
    world.try_login(&wrong(&ann), &nobody()).await.unwrap_err();
    assert_eq!(stored(&world).await, old, "only a right password is hashed anew");
    world.login(&ann).await;
    let new = stored(&world).await;
    assert!(new.expose().contains("t=2"), "{}", new.expose());
    let before = world.auth.hasher.hashes();
    world.login(&ann).await;
    assert_eq!((stored(&world).await, world.auth.hasher.hashes() - before), (new, 1));
}

#[tokio::test]
async fn a_caller_who_signs_in_again_is_told_by_the_account_that_it_proved() {
    let world = World::new().await;
    let (ann, bob) = (
        world.person("default", "ann").await,
        world.person("default", "bob").await,
    );
    let (as_ann, _) = world.caller(&ann).await;
    let tokens = world.try_login(&bob, &by(&as_ann)).await.unwrap();
    let record = world.records().await.pop().unwrap();
    assert_eq!(record.actor, bob.id.to_string());
    assert_eq!(record.session, tokens.session.id.to_string());
}
