use std::{sync::Arc, time::Duration};

use logicore::{Error, Reason, access::Principal, secret::Secret};

use super::harness::{OTHER, PASSWORD, Person, World, by, from, nobody, reason};
use crate::codes::PROVISION_LIFE;

impl World {
    async fn change(&self, caller: &Principal, current: &str, new: &str) -> Result<u64, Error> {
        let (current, new) = (Secret::new(current), Secret::new(new));
        self.auth.change_password(caller, &current, &new, &by(caller)).await
    }

    async fn set(&self, code: &Secret, new: &str) -> Result<(), Error> {
        self.auth.set_password(code, &Secret::new(new), &nobody()).await
    }
}

fn with(person: &Person, password: &str) -> Person {
    Person {
        password: Secret::new(password),
        ..person.clone()
    }
}

#[tokio::test]
async fn a_change_asks_for_the_current_password() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let (caller, tokens) = world.caller(&ann).await;
    let refused = world.change(&caller, OTHER, "green ideas sleep furiously").await;
    assert_eq!(reason(refused), Some(Reason::AuthInvalidCredentials));
    let same = world.change(&caller, PASSWORD, PASSWORD).await;
    assert_eq!(reason(same), Some(Reason::PasswordUnacceptable));
    world.login(&ann).await;
    world.refresh(&tokens.refresh).await.unwrap();
}

#[tokio::test]
async fn a_change_ends_the_other_sessions_and_keeps_its_own() {
    let world = World::new().await;
    let (ann, bob) = (
        world.person("default", "ann").await,
        world.person("default", "bob").await,
    );
    let (caller, own) = world.caller(&ann).await;
    let (one, two, of_bob) = (
        world.login(&ann).await,
        world.login(&ann).await,
        world.login(&bob).await,
    );
    assert_eq!(world.change(&caller, PASSWORD, OTHER).await.unwrap(), 2);
    for ended in [one, two] {
        assert_eq!(
            world.verified(&ended.access).await.unwrap_err(),
            Reason::AuthTokenRevoked
        );
        assert_eq!(
            reason(world.refresh(&ended.refresh).await),
            Some(Reason::AuthRefreshInvalid)
        );
    }
    for kept in [own, of_bob] {
        assert!(world.verified(&kept.access).await.is_ok());
        world.refresh(&kept.refresh).await.unwrap();
    }
    let old = world.try_login(&ann, &nobody()).await;
    assert_eq!(reason(old), Some(Reason::AuthInvalidCredentials));
    world.login(&with(&ann, OTHER)).await;
}

#[tokio::test]
async fn wrong_current_passwords_slow_down_like_failed_logins() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let (caller, _) = world.caller(&ann).await;
    for _ in 0..6 {
        let refused = world.change(&caller, "not the password", OTHER).await;
        assert_eq!(reason(refused), Some(Reason::AuthInvalidCredentials));
    }
    let before = (world.auth.hasher.hashes(), world.records().await.len());
    for _ in 0..5 {
        let refused = world.change(&caller, PASSWORD, OTHER).await;
        assert_eq!(reason(refused), Some(Reason::AuthThrottled));
    }
    assert_eq!(
        reason(world.try_login(&ann, &nobody()).await),
        Some(Reason::AuthThrottled)
    );
    assert_eq!(world.auth.hasher.hashes(), before.0);
    assert_eq!(
        world.records().await.len(),
        before.1 + 1,
        "one record tells of the wait"
    );
    world.advance(Duration::from_secs(1));
    world.change(&caller, PASSWORD, OTHER).await.unwrap();
}

#[tokio::test]
async fn of_two_changes_at_once_one_wins() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let (caller, _) = world.caller(&ann).await;
    let held = world.auth.hasher.occupy().await;
    let changes: Vec<_> = [OTHER, "green ideas sleep furiously"]
        .map(|new| {
            let (auth, caller) = (Arc::clone(&world.auth), Arc::clone(&caller));
            tokio::spawn(async move {
                let (current, new) = (Secret::new(PASSWORD), Secret::new(new));
                auth.change_password(&caller, &current, &new, &nobody()).await.is_ok()
            })
        })
        .into();
    world.somebody_waits_to_hash().await;
    drop(held);
    let mut won = 0;
    for change in changes {
        won += u32::from(change.await.unwrap());
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn a_change_whose_session_ended_meanwhile_is_refused() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let (caller, tokens) = world.caller(&ann).await;
    world.auth.logout(Some(&tokens.refresh), None, &nobody()).await.unwrap();
    let refused = world.change(&caller, PASSWORD, OTHER).await;
    assert_eq!(reason(refused), Some(Reason::AuthTokenRevoked));
    world.login(&ann).await;
}

#[tokio::test]
async fn a_code_sets_a_password_once_and_ends_all_sessions() {
    let world = World::new().await;
    let admin = world.person("default", "admin").await;
    let before = world.login(&admin).await;
    let (account, code) = world.auth.bootstrap_admin(&admin.email, &nobody()).await.unwrap();
    assert_eq!(account.id, admin.id);
    let during = world.login(&admin).await;
    world.set(&code.text, OTHER).await.unwrap();
    for ended in [before, during] {
        assert_eq!(
            world.verified(&ended.access).await.unwrap_err(),
            Reason::AuthTokenRevoked
        );
        assert_eq!(
            reason(world.refresh(&ended.refresh).await),
            Some(Reason::AuthRefreshInvalid)
        );
    }
    let again = world.set(&code.text, "green ideas sleep furiously").await;
    assert_eq!(reason(again), Some(Reason::AuthCodeInvalid));
    world.login(&with(&admin, OTHER)).await;
}

#[tokio::test]
async fn a_code_is_refused_after_its_time_and_when_it_is_none() {
    let world = World::new().await;
    let (_, in_time) = world.invited("default", "ann").await;
    let (_, late) = world.invited("default", "bob").await;
    world.advance(PROVISION_LIFE - Duration::from_micros(1));
    world.set(&in_time, PASSWORD).await.unwrap();
    world.advance(Duration::from_micros(1));
    for code in [late, Secret::new("x"), Secret::new("")] {
        assert_eq!(reason(world.set(&code, PASSWORD).await), Some(Reason::AuthCodeInvalid));
    }
}

#[tokio::test]
async fn a_refused_password_leaves_the_code_good() {
    let world = World::new().await;
    let (_, code) = world.invited("default", "ann").await;
    assert_eq!(
        reason(world.set(&code, "short").await),
        Some(Reason::PasswordUnacceptable)
    );
    let places: Vec<_> = std::iter::from_fn(|| world.auth.hasher.reserve().ok()).collect();
    assert_eq!(
        reason(world.set(&code, PASSWORD).await),
        Some(Reason::AuthHashQueueFull)
    );
    drop(places);
    world.set(&code, PASSWORD).await.unwrap();
}

#[tokio::test]
async fn guessing_codes_is_slowed_for_the_address() {
    let world = World::new().await;
    let (_, code) = world.invited("default", "ann").await;
    let try_from = async |code: &Secret, last| {
        let (new, actor) = (Secret::new(PASSWORD), from(last));
        reason(world.auth.set_password(code, &new, &actor).await)
    };
    for _ in 0..6 {
        assert_eq!(
            try_from(&Secret::new("a guess"), 1).await,
            Some(Reason::AuthCodeInvalid)
        );
    }
    assert_eq!(try_from(&code, 1).await, Some(Reason::AuthThrottled));
    assert_eq!(try_from(&code, 2).await, None);
}

#[tokio::test]
async fn the_rules_hold_wherever_a_password_is_set() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let (caller, _) = world.caller(&ann).await;
    let (_, code) = world.invited("default", "bob").await;
    let short = "x7#Kq2!vB9$mW4";
    let endless: String = (0..99).map(|n| format!("{n}vök ")).collect();
    let of_length = |n| endless.chars().take(n).collect::<String>();
    for bad in [short, &of_length(257), "passwordpassword", "Logicore2026!!!"] {
        let by_change = world.change(&caller, PASSWORD, bad).await;
        assert_eq!(reason(by_change), Some(Reason::PasswordUnacceptable), "{bad}");
        assert_eq!(
            reason(world.set(&code, bad).await),
            Some(Reason::PasswordUnacceptable),
            "{bad}"
        );
    }
    let own = world.change(&caller, PASSWORD, "Ann@example.com").await;
    assert_eq!(reason(own), Some(Reason::PasswordUnacceptable));
    assert_eq!(
        reason(world.set(&code, "bob@example.com").await),
        Some(Reason::PasswordUnacceptable)
    );

    world.change(&caller, PASSWORD, "x7#Kq2!vB9$mW4z").await.unwrap();
    world.change(&caller, "x7#Kq2!vB9$mW4z", &of_length(256)).await.unwrap();
    world.login(&with(&ann, &of_length(256))).await;
    world.set(&code, &of_length(15)).await.unwrap();
}
