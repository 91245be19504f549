use std::time::Duration;

use logicore::{
    Error, Reason,
    ids::{SessionId, TenantId, TokenId, UserId},
    secret::Secret,
};

use super::harness::{Person, World, nobody, reason, tenant};
use crate::{
    auth::{MARGIN, Tokens},
    revocations::Wanted,
};

impl World {
    async fn revoke(&self, of: Option<&TenantId>, wanted: Wanted) -> Result<u64, Error> {
        self.auth.revoke_access(of, wanted, &nobody()).await
    }

    /// Which of these sessions verifiers still take, and auth still refreshes.
    async fn living(&self, all: &[&Tokens]) -> Vec<bool> {
        let mut living = Vec::new();
        for tokens in all {
            let refreshed = self.refresh(&tokens.refresh).await.is_ok();
            assert_eq!(self.verified(&tokens.access).await.is_ok(), refreshed);
            living.push(refreshed);
        }
        living
    }
}

struct Cast {
    ann: Person,
    first: Tokens,
    second: Tokens,
    of_bob: Tokens,
    elsewhere: Tokens,
}

/// Two sessions of one person, one of a colleague, one of another tenant.
async fn cast(world: &World) -> Cast {
    let ann = world.person("default", "ann").await;
    let bob = world.person("default", "bob").await;
    let other = world.person("acme", "cid").await;
    Cast {
        first: world.login(&ann).await,
        second: world.login(&ann).await,
        of_bob: world.login(&bob).await,
        elsewhere: world.login(&other).await,
        ann,
    }
}

#[tokio::test]
async fn access_ends_for_what_is_named_and_nothing_else() {
    let world = World::new().await;
    let c = cast(&world).await;
    let all = [&c.first, &c.second, &c.of_bob, &c.elsewhere];
    let default = TenantId::default();
    let cases = [
        (Wanted::Session(c.first.session.id), 1, [false, true, true, true]),
        (Wanted::User(c.ann.id), 1, [false, false, true, true]),
        (Wanted::Everyone, 1, [false, false, false, true]),
    ];
    for (wanted, ended, living) in cases {
        let told = format!("{wanted:?}");
        assert_eq!(world.revoke(Some(&default), wanted).await.unwrap(), ended, "{told}");
        assert_eq!(world.living(&all).await, living, "{told}");
    }
    assert_eq!(world.revoke(None, Wanted::Everyone).await.unwrap(), 1);
    assert_eq!(world.living(&all).await, [false; 4]);
}

#[tokio::test]
async fn a_token_ends_alone_and_a_refresh_token_ends_its_session() {
    let world = World::new().await;
    let c = cast(&world).await;
    let default = TenantId::default();
    let jti = world.verified(&c.second.access).await.unwrap().token;
    let by_id = Wanted::Token(Secret::new(jti.to_string()));
    for (wanted, ended) in [(Wanted::Token(c.first.access.clone()), &c.first), (by_id, &c.second)] {
        assert_eq!(world.revoke(Some(&default), wanted).await.unwrap(), 0);
        assert_eq!(
            world.verified(&ended.access).await.unwrap_err(),
            Reason::AuthTokenRevoked
        );
        let next = world.refresh(&ended.refresh).await.unwrap();
        assert!(world.verified(&next.access).await.is_ok(), "its session goes on");
    }
    let refresh = Wanted::Token(c.of_bob.refresh.clone());
    assert_eq!(world.revoke(Some(&default), refresh).await.unwrap(), 1);
    assert_eq!(world.living(&[&c.of_bob, &c.elsewhere]).await, [false, true]);
}

#[tokio::test]
async fn a_tenant_ends_nothing_of_another_tenant() {
    let world = World::new().await;
    let c = cast(&world).await;
    let acme = tenant("acme");
    for wanted in [Wanted::Session(c.first.session.id), Wanted::User(c.ann.id)] {
        let refused = world.revoke(Some(&acme), wanted).await;
        assert_eq!(reason(refused), Some(Reason::ResourceNotFound));
    }
    for token in [&c.first.access, &c.first.refresh] {
        let ended = world.revoke(Some(&acme), Wanted::Token(token.clone())).await;
        assert_eq!(ended.unwrap(), 0, "an unknown token is no error");
    }
    assert_eq!(world.revoke(Some(&acme), Wanted::Everyone).await.unwrap(), 1);
    let all = [&c.first, &c.second, &c.of_bob, &c.elsewhere];
    assert_eq!(world.living(&all).await, [true, true, true, false]);

    // An operator, who names no tenant, reaches them all.
    assert_eq!(world.revoke(None, Wanted::User(c.ann.id)).await.unwrap(), 2);
    assert_eq!(world.living(&[&c.first, &c.of_bob]).await, [false, true]);
}

#[tokio::test]
async fn what_is_unknown_is_not_found_and_an_unknown_token_is_no_error() {
    let world = World::new().await;
    let (before, revision) = (
        world.records().await.len(),
        world.auth.store.mark_list().await.unwrap().0,
    );
    for wanted in [Wanted::Session(SessionId::generate()), Wanted::User(UserId::generate())] {
        assert_eq!(reason(world.revoke(None, wanted).await), Some(Reason::ResourceNotFound));
    }
    let nonsense = Wanted::Token(Secret::new("x"));
    assert_eq!(world.revoke(None, nonsense).await.unwrap(), 0);
    assert_eq!(world.records().await.len(), before);
    assert_eq!(world.auth.store.mark_list().await.unwrap().0, revision);
    let future = Wanted::Token(Secret::new(TokenId::generate().to_string()));
    world.revoke(None, future).await.unwrap();
    assert_eq!(world.records().await.len(), before + 1);
}

#[tokio::test]
async fn nobody_hears_that_a_token_is_ended_or_over_while_it_cannot_be_judged() {
    let world = World::deaf().await;
    let ann = world.person("default", "ann").await;
    let tokens = world.login(&ann).await;
    let refused = world.revoke(None, Wanted::Token(tokens.access.clone())).await;
    assert_eq!(reason(refused), Some(Reason::NotReady));
    let asked = world.auth.introspect(&ann.tenant, &tokens.access).await;
    assert_eq!(reason(asked), Some(Reason::NotReady));
    let refresh = world.auth.introspect(&ann.tenant, &tokens.refresh).await.unwrap();
    assert!(refresh.is_some(), "the store alone knows of refresh tokens");
    assert_eq!(world.revoke(None, Wanted::Token(tokens.refresh)).await.unwrap(), 1);
}

#[tokio::test]
async fn older_tokens_get_the_mark_and_newer_ones_do_not() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    for round in 0..3 {
        let older = world.login(&ann).await;
        let before = world.auth.store.mark_list().await.unwrap().0;
        world.revoke(Some(&ann.tenant), Wanted::User(ann.id)).await.unwrap();
        assert_eq!(world.auth.store.mark_list().await.unwrap().0, before + 1);
        let newer = world.login(&ann).await;
        // Not a tick has passed: it is order that decides.
        assert_eq!(
            world.verified(&older.access).await.unwrap_err(),
            Reason::AuthTokenRevoked,
            "{round}"
        );
        assert!(world.verified(&newer.access).await.is_ok(), "{round}");
    }
}

#[tokio::test]
async fn marks_and_keys_are_there_after_a_restart() {
    let world = World::new().await;
    let c = cast(&world).await;
    world.revoke(None, Wanted::User(c.ann.id)).await.unwrap();
    let world = world.restarted(|_| {}).await.unwrap();
    let all = [&c.first, &c.second, &c.of_bob, &c.elsewhere];
    assert_eq!(world.living(&all).await, [false, false, true, true]);
}

#[tokio::test]
async fn a_mark_goes_when_no_verifier_takes_its_tokens_any_more() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let tokens = world.login(&ann).await;
    world.revoke(None, Wanted::User(ann.id)).await.unwrap();
    let marks = async || world.auth.statistics(None).await.unwrap().rows.marks;
    let kept = world.auth.lives.kept();
    assert_eq!(kept, tokens.access_expires_in + MARGIN);
    let skew = logicore::token::SKEW.to_std().unwrap();
    assert!(
        MARGIN > 2 * skew,
        "a verifier that is late grants the skew by its own clock"
    );
    world.advance(kept - Duration::from_micros(1));
    world.auth.sweep().await;
    assert_eq!(marks().await, 1);
    world.advance(Duration::from_micros(1));
    world.auth.sweep().await;
    assert_eq!(marks().await, 0);
    assert_eq!(
        world.verified(&tokens.access).await.unwrap_err(),
        Reason::AuthTokenExpired
    );
}

#[tokio::test]
async fn marks_outlive_tokens_that_were_made_when_tokens_lived_longer() {
    let hour = Duration::from_secs(3600);
    let world = World::with(|s| s.jwt.expiry = hour).await;
    let ann = world.person("default", "ann").await;
    let long = world.login(&ann).await;
    assert_eq!(long.access_expires_in, hour);
    let world = world.restarted(|_| {}).await.unwrap();
    assert_eq!(world.auth.lives.kept(), hour + MARGIN);
    world.revoke(None, Wanted::User(ann.id)).await.unwrap();
    world.advance(hour - Duration::from_secs(1));
    world.auth.sweep().await;
    assert_eq!(
        world.verified(&long.access).await.unwrap_err(),
        Reason::AuthTokenRevoked
    );
}
