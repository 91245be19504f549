use logicore::{
    Reason,
    ids::{SessionId, UserId},
    secret::Secret,
};

use super::harness::{World, by, days, minutes, nobody, opened, reason, tenant};
use crate::refresh;

#[tokio::test]
async fn sessions_are_listed_page_by_page_without_the_dead() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.insert(0, world.login(&ann).await.session.id);
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = world.auth.sessions(&ann.tenant, ann.id, 2, after).await.unwrap();
        seen.extend(page.sessions.iter().map(|s| s.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, made);
    let all = world.auth.sessions(&ann.tenant, ann.id, 5, None).await.unwrap();
    assert_eq!(
        (all.sessions.len(), all.next),
        (5, None),
        "a full last page is the last one"
    );
    let elsewhere = world.auth.sessions(&tenant("acme"), ann.id, 0, None).await.unwrap();
    assert!(elsewhere.sessions.is_empty());
    world.advance(days(7));
    let later = world.auth.sessions(&ann.tenant, ann.id, 0, None).await.unwrap();
    assert!(later.sessions.is_empty());
}

#[tokio::test]
async fn a_logout_ends_the_session_of_its_refresh_token_however_often() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let (out, other) = (world.login(&ann).await, world.login(&ann).await);
    let before = world.records().await.len();
    for _ in 0..3 {
        world.auth.logout(Some(&out.refresh), None, &nobody()).await.unwrap();
    }
    assert_eq!(world.records().await.len(), before + 1);
    assert_eq!(world.verified(&out.access).await.unwrap_err(), Reason::AuthTokenRevoked);
    assert_eq!(
        reason(world.refresh(&out.refresh).await),
        Some(Reason::AuthRefreshInvalid)
    );
    assert!(world.verified(&other.access).await.is_ok());
}

#[tokio::test]
async fn a_logout_by_access_token_ends_the_callers_session() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let (caller, tokens) = world.caller(&ann).await;
    for _ in 0..2 {
        world.auth.logout(None, Some(&caller), &by(&caller)).await.unwrap();
    }
    assert_eq!(
        world.verified(&tokens.access).await.unwrap_err(),
        Reason::AuthTokenRevoked
    );
    assert_eq!(
        reason(world.refresh(&tokens.refresh).await),
        Some(Reason::AuthRefreshInvalid)
    );
}

#[tokio::test]
async fn a_logout_takes_a_token_that_was_retired_long_ago() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let first = world.login(&ann).await;
    let second = world.refresh(&first.refresh).await.unwrap();
    world.advance(minutes(5));
    world.auth.logout(Some(&first.refresh), None, &nobody()).await.unwrap();
    assert_eq!(
        reason(world.refresh(&second.refresh).await),
        Some(Reason::AuthRefreshInvalid)
    );
}

#[tokio::test]
async fn a_logout_of_nothing_is_refused_and_of_a_strange_token_is_done() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let tokens = world.login(&ann).await;
    let nothing = world.auth.logout(None, None, &nobody()).await;
    assert_eq!(reason(nothing), Some(Reason::AuthTokenMissing));
    let strange = refresh::Keyring::new(&[Secret::new("the secret of another deployment")]);
    let forged = opened(&world, &tokens.refresh).seal(&strange);
    for token in [forged, Secret::new("x")] {
        world.auth.logout(Some(&token), None, &nobody()).await.unwrap();
    }
    assert!(world.verified(&tokens.access).await.is_ok());
}

#[tokio::test]
async fn nobody_ends_a_session_of_somebody_else() {
    let world = World::new().await;
    let (ann, bob) = (
        world.person("default", "ann").await,
        world.person("default", "bob").await,
    );
    let elsewhere = world.person("acme", "ann").await;
    let (caller, own) = world.caller(&ann).await;
    let of_others = [world.login(&bob).await, world.login(&elsewhere).await];
    let ids = of_others.iter().map(|t| t.session.id).chain([SessionId::generate()]);
    for id in ids {
        let refused = world.auth.revoke_session(&caller, id, &by(&caller)).await.unwrap_err();
        let told = (refused.reason(), refused.message());
        assert_eq!(told, (Reason::ResourceNotFound, "there is no such session"));
    }
    for tokens in &of_others {
        assert!(world.verified(&tokens.access).await.is_ok());
    }
    let second = world.login(&ann).await;
    world
        .auth
        .revoke_session(&caller, second.session.id, &by(&caller))
        .await
        .unwrap();
    assert_eq!(
        world.verified(&second.access).await.unwrap_err(),
        Reason::AuthTokenRevoked
    );
    assert!(world.verified(&own.access).await.is_ok());
}

#[tokio::test]
async fn all_sessions_end_but_the_current_one_where_it_is_kept() {
    let world = World::new().await;
    let (ann, bob) = (
        world.person("default", "ann").await,
        world.person("default", "bob").await,
    );
    let (caller, own) = world.caller(&ann).await;
    let (other, of_bob) = (world.login(&ann).await, world.login(&bob).await);
    assert_eq!(
        world.auth.revoke_sessions(&caller, true, &by(&caller)).await.unwrap(),
        1
    );
    assert_eq!(
        world.verified(&other.access).await.unwrap_err(),
        Reason::AuthTokenRevoked
    );
    assert!(world.verified(&own.access).await.is_ok());
    let own = world.refresh(&own.refresh).await.unwrap();

    assert_eq!(
        world.auth.revoke_sessions(&caller, false, &by(&caller)).await.unwrap(),
        1
    );
    assert_eq!(world.verified(&own.access).await.unwrap_err(), Reason::AuthTokenRevoked);
    assert!(world.verified(&of_bob.access).await.is_ok());
    let again = world.login(&ann).await;
    assert!(
        world.verified(&again.access).await.is_ok(),
        "whoever signs in again is in"
    );
}

#[tokio::test]
async fn a_good_token_is_told_to_its_own_tenant_alone() {
    let world = World::new().await;
    let ann = world.person("acme", "ann").await;
    let (caller, tokens) = world.caller(&ann).await;
    let own = world
        .auth
        .introspect(&ann.tenant, &tokens.access)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (own.subject, own.session, own.access),
        (ann.id, tokens.session.id, Some(caller.token))
    );
    assert_eq!(
        (&own.tenant, own.roles.len(), own.expires),
        (&ann.tenant, 1, caller.expires_at)
    );
    let own = world
        .auth
        .introspect(&ann.tenant, &tokens.refresh)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (own.subject, own.access, own.expires),
        (ann.id, None, tokens.session.expire_time)
    );
    for token in [&tokens.access, &tokens.refresh] {
        let other = world.auth.introspect(&tenant("default"), token).await.unwrap();
        assert!(other.is_none());
    }
}

#[tokio::test]
async fn a_token_that_is_not_good_is_inactive() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let active = async |token: &Secret| {
        let found = world.auth.introspect(&ann.tenant, token).await.unwrap();
        found.is_some()
    };
    let (first, ended) = (world.login(&ann).await, world.login(&ann).await);
    let second = world.refresh(&first.refresh).await.unwrap();
    world.settled().await;
    assert!(active(&first.refresh).await, "within the grace it would be answered");
    world.advance(refresh::GRACE);
    assert!(!active(&first.refresh).await);
    assert!(active(&second.refresh).await, "asking ends nothing");

    // The store knows of the end before the feed has brought the mark.
    world.cut_off().await;
    world.auth.logout(Some(&ended.refresh), None, &nobody()).await.unwrap();
    assert!(!active(&ended.access).await && !active(&ended.refresh).await);
    assert!(active(&first.access).await);
    world.advance(minutes(16));
    assert!(!active(&first.access).await, "expired");
    assert!(!active(&Secret::new(UserId::generate().to_string())).await);
}
