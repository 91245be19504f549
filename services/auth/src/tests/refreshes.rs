use std::{sync::Arc, time::Duration};

use logicore::{Reason, secret::Secret};

use super::harness::{World, days, minutes, nobody, opened, reason};
use crate::refresh::{self, GRACE};

#[tokio::test]
async fn a_refresh_rotates_the_token_and_slides_the_session() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let first = world.login(&ann).await;
    world.advance(days(6));
    let second = world.refresh(&first.refresh).await.unwrap();
    assert_eq!(
        (
            opened(&world, &first.refresh).generation,
            opened(&world, &second.refresh).generation
        ),
        (1, 2)
    );
    assert_eq!(second.session.id, first.session.id);
    assert_eq!(
        (second.refresh_expires_in, second.access_expires_in),
        (days(7), minutes(15))
    );
    assert_eq!(second.session.end_time, first.session.end_time);
    let principal = world.verified(&second.access).await.unwrap();
    assert_eq!(principal.session, first.session.id);
    assert_eq!(
        principal.authenticated_at, first.session.create_time,
        "the login is as old as it is"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_refreshes_at_once_get_one_successor() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let first = world.login(&ann).await;
    let tries: Vec<_> = (0..200)
        .map(|_| {
            let (auth, token) = (Arc::clone(&world.auth), first.refresh.clone());
            tokio::spawn(async move { auth.refresh(&token, &nobody()).await })
        })
        .collect();
    let mut given = Vec::new();
    for one in tries {
        given.push(one.await.unwrap().unwrap());
    }
    assert!(given.iter().all(|t| t.refresh == given[0].refresh));
    assert_eq!(opened(&world, &given[0].refresh).generation, 2);
    for tokens in &given {
        assert!(world.verified(&tokens.access).await.is_ok());
    }
    world.refresh(&given[0].refresh).await.unwrap();
}

#[tokio::test]
async fn a_retired_token_gets_the_current_one_within_the_grace_and_extends_nothing() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let first = world.login(&ann).await;
    let second = world.refresh(&first.refresh).await.unwrap();
    world.advance(GRACE - Duration::from_micros(1));
    let again = world.refresh(&first.refresh).await.unwrap();
    assert_eq!(again.refresh, second.refresh);
    assert_eq!(again.session.expire_time, second.session.expire_time);
    assert_eq!(again.session.refresh_time, second.session.refresh_time);
    assert_eq!(again.refresh_expires_in, days(7) - GRACE + Duration::from_micros(1));
    assert!(world.verified(&again.access).await.is_ok());

    // Two steps behind, within the grace of its own retirement: still the current one.
    let third = world.refresh(&second.refresh).await.unwrap();
    let again = world.refresh(&second.refresh).await.unwrap();
    assert_eq!(again.refresh, third.refresh);
}

#[tokio::test]
async fn two_hundred_rotations_within_the_grace_forget_none() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let first = world.login(&ann).await.refresh;
    let mut current = first.clone();
    for _ in 0..200 {
        world.advance(Duration::from_millis(40));
        current = world.refresh(&current).await.unwrap().refresh;
    }
    assert_eq!(opened(&world, &current).generation, 201);
    let straggler = world.refresh(&first).await.unwrap();
    assert_eq!(straggler.refresh, current);
    let family = world
        .auth
        .store
        .session_find_by_family(opened(&world, &first).family)
        .await
        .unwrap();
    assert!(family.unwrap().retired.len() <= 41, "the row stays small");

    // The first was retired 8 s ago. Neighbours share an entry, so it may last a quarter of a second longer, and no more.
    world.advance(Duration::from_millis(2300));
    assert_eq!(reason(world.refresh(&first).await), Some(Reason::AuthRefreshReplayed));
}

#[tokio::test]
async fn a_token_replayed_after_the_grace_ends_the_family_and_its_access_tokens() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let (first, other) = (world.login(&ann).await, world.login(&ann).await);
    let second = world.refresh(&first.refresh).await.unwrap();
    world.advance(GRACE);
    assert_eq!(
        reason(world.refresh(&first.refresh).await),
        Some(Reason::AuthRefreshReplayed)
    );
    assert_eq!(
        reason(world.refresh(&second.refresh).await),
        Some(Reason::AuthRefreshInvalid)
    );
    for token in [&first.access, &second.access] {
        assert_eq!(world.verified(token).await.unwrap_err(), Reason::AuthTokenRevoked);
    }
    assert!(world.verified(&other.access).await.is_ok(), "other sessions go on");
    let statistics = world.auth.statistics(None).await.unwrap();
    assert_eq!(
        (statistics.refreshes, statistics.replays, statistics.rows.sessions),
        (1, 1, 1)
    );
}

#[tokio::test]
async fn a_generation_that_was_never_given_out_is_refused_and_changes_nothing() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let first = world.login(&ann).await;
    let token = refresh::Token {
        generation: 2,
        ..opened(&world, &first.refresh)
    };
    let ahead = token.seal(&world.auth.refresh_keys);
    assert_eq!(reason(world.refresh(&ahead).await), Some(Reason::AuthRefreshInvalid));
    assert!(world.verified(&first.access).await.is_ok());
    let second = world.refresh(&first.refresh).await.unwrap();
    assert_eq!(
        second.refresh, ahead,
        "it is the next one, and good once it is given out"
    );
}

#[tokio::test]
async fn a_token_that_is_none_of_ours_is_refused_without_a_record() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let first = world.login(&ann).await;
    let before = world.records().await.len();
    let strange = refresh::Keyring::new(&[Secret::new("the secret of another deployment")]);
    let forged = opened(&world, &first.refresh).seal(&strange);
    for token in [forged, Secret::new("x"), Secret::new("a.b.1.c"), first.access] {
        assert_eq!(reason(world.refresh(&token).await), Some(Reason::AuthRefreshInvalid));
    }
    assert_eq!(world.records().await.len(), before);
}

#[tokio::test]
async fn a_session_that_is_not_refreshed_ends() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let (in_time, late) = (world.login(&ann).await, world.login(&ann).await);
    world.advance(days(7) - Duration::from_micros(1));
    world.refresh(&in_time.refresh).await.unwrap();
    world.advance(Duration::from_micros(1));
    assert_eq!(
        reason(world.refresh(&late.refresh).await),
        Some(Reason::AuthRefreshInvalid)
    );
    world.auth.sweep().await;
    assert_eq!(
        reason(world.refresh(&late.refresh).await),
        Some(Reason::AuthRefreshInvalid)
    );
    assert_eq!(world.auth.statistics(None).await.unwrap().rows.sessions, 1);
}

#[tokio::test]
async fn no_refresh_carries_a_session_past_its_end() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let first = world.login(&ann).await;
    let mut token = first.refresh;
    for _ in 0..4 {
        world.advance(days(6));
        token = world.refresh(&token).await.unwrap().refresh;
    }
    world.advance(days(6) - minutes(5));
    let last = world.refresh(&token).await.unwrap();
    assert_eq!(
        (last.refresh_expires_in, last.access_expires_in),
        (minutes(5), minutes(5))
    );
    let principal = world.verified(&last.access).await.unwrap();
    assert_eq!(principal.expires_at, first.session.end_time);
    world.advance(minutes(5));
    assert_eq!(
        reason(world.refresh(&last.refresh).await),
        Some(Reason::AuthRefreshInvalid)
    );
}

#[tokio::test]
async fn an_access_token_never_outlives_its_session() {
    let world = World::with(|s| s.jwt.refresh_expiry = minutes(1)).await;
    let ann = world.person("default", "ann").await;
    let tokens = world.login(&ann).await;
    assert_eq!(
        (tokens.access_expires_in, tokens.refresh_expires_in),
        (minutes(1), minutes(1))
    );
}

#[tokio::test]
async fn a_refresh_gives_the_roles_of_now() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let first = world.login(&ann).await;
    let editor = "editor".parse().unwrap();
    world
        .auth
        .grant_role(&ann.tenant, ann.id, &editor, &nobody())
        .await
        .unwrap();
    assert_eq!(world.verified(&first.access).await.unwrap_err(), Reason::AuthTokenStale);
    let second = world.refresh(&first.refresh).await.unwrap();
    let principal = world.verified(&second.access).await.unwrap();
    assert_eq!(*principal.roles, [editor, "user".parse().unwrap()]);
}

#[tokio::test]
async fn refresh_tokens_outlive_a_restart_and_a_change_of_their_secret() {
    let (old, new) = ("the refresh secret of last month", "the refresh secret of this month");
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let made = world.login(&ann).await.refresh;
    let world = world.restarted(|_| {}).await.unwrap();
    let made = world.refresh(&made).await.unwrap().refresh;

    // From the one that was made here to one of the settings, then to another one.
    let world = world
        .restarted(|s| s.jwt.refresh_secret = Some(Secret::new(old)))
        .await
        .unwrap();
    let first = world.refresh(&made).await.unwrap().refresh;
    let change = |s: &mut logicore::settings::Settings| {
        s.jwt.refresh_secret = Some(Secret::new(new));
        s.jwt.refresh_secret_previous = Some(Secret::new(old));
    };
    let world = world.restarted(change).await.unwrap();
    let second = world.refresh(&first).await.unwrap().refresh;
    let world = world
        .restarted(|s| s.jwt.refresh_secret = Some(Secret::new(new)))
        .await
        .unwrap();
    world.refresh(&second).await.unwrap();
    assert_eq!(
        reason(world.refresh(&first).await),
        Some(Reason::AuthRefreshInvalid),
        "its secret is gone"
    );
}
