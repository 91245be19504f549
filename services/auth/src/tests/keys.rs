use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use logicore::{
    Reason,
    secret::Secret,
    settings::{Algorithm, Settings},
};
use serde_json::Value;

use super::harness::{Person, World, minutes, nobody, reason};
use crate::{
    auth::MARGIN,
    keys::{JWKS_MAX_AGE, Key},
    revocations::Wanted,
};

const ONE: &str = "the first secret, of thirty-two bytes and more";
const TWO: &str = "the second secret, of thirty-two bytes and more";

impl World {
    fn algorithms(&self) -> Vec<&'static str> {
        self.auth.signer.keys().iter().map(|k| k.material.name()).collect()
    }

    fn kids(&self) -> Vec<String> {
        self.auth.signer.keys().iter().map(|k: &Key| k.kid.clone()).collect()
    }

    /// Header of an access token of now.
    async fn signs(&self, person: &Person) -> Value {
        let tokens = self.login(person).await;
        self.verified(&tokens.access).await.unwrap();
        let (header, _) = tokens.access.expose().split_once('.').unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap()
    }
}

fn algorithm(algorithm: Algorithm) -> impl Fn(&mut Settings) {
    move |s| s.jwt.algorithm = algorithm
}

fn secrets(now: Option<&'static str>, before: Option<&'static str>) -> impl Fn(&mut Settings) {
    move |s| {
        s.jwt.secret = now.map(Secret::new);
        s.jwt.secret_previous = before.map(Secret::new);
    }
}

#[tokio::test]
async fn each_algorithm_signs_what_verifiers_take() {
    for (by, name) in [
        (Algorithm::Es256, "ES256"),
        (Algorithm::EdDsa, "EdDSA"),
        (Algorithm::Rs256, "RS256"),
    ] {
        let world = World::with(algorithm(by)).await;
        let ann = world.person("default", "ann").await;
        let header = world.signs(&ann).await;
        assert_eq!((&header["alg"], &header["typ"]), (&name.into(), &"at+jwt".into()));
        let jwks: Value = serde_json::from_str(&world.ctx.access.jwks()).unwrap();
        let published = jwks["keys"].as_array().unwrap();
        assert_eq!(published.len(), 1);
        assert_eq!(
            (&published[0]["kid"], &published[0]["alg"]),
            (&header["kid"], &name.into())
        );
        for secret in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(published[0].get(secret).is_none(), "{name} publishes `{secret}`");
        }
    }
}

#[tokio::test]
async fn a_shared_secret_signs_and_is_never_published() {
    let shared = |s: &mut Settings| {
        s.jwt.algorithm = Algorithm::Hs256;
        s.jwt.secret = Some(Secret::new(ONE));
    };
    let world = World::with(shared).await;
    let ann = world.person("default", "ann").await;
    assert_eq!(
        world.signs(&ann).await,
        serde_json::json!({"alg": "HS256", "typ": "at+jwt"})
    );
    assert_eq!(&*world.ctx.access.jwks(), r#"{"keys":[]}"#);
    let tokens = world.login(&ann).await;
    world
        .auth
        .revoke_access(None, Wanted::User(ann.id), &nobody())
        .await
        .unwrap();
    assert_eq!(
        world.verified(&tokens.access).await.unwrap_err(),
        Reason::AuthTokenRevoked
    );

    // Whoever moves away from it leaves its tokens behind, and no session.
    let tokens = world.login(&ann).await;
    let world = world.restarted(secrets(Some(ONE), None)).await.unwrap();
    assert_eq!(
        world.verified(&tokens.access).await.unwrap_err(),
        Reason::AuthTokenInvalid
    );
    let next = world.refresh(&tokens.refresh).await.unwrap();
    assert!(world.verified(&next.access).await.is_ok());
}

#[tokio::test]
async fn a_shared_secret_that_is_not_set_is_refused() {
    let world = World::new().await;
    let refused = world.restarted(algorithm(Algorithm::Hs256)).await.err().unwrap();
    assert_eq!(refused.reason(), Reason::StateForbids);
    assert!(refused.message().contains("JWT_SECRET"), "{refused}");
}

#[tokio::test]
async fn the_first_key_signs_at_once_and_stays() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let kid = world.signs(&ann).await["kid"].clone();
    let tokens = world.login(&ann).await;
    let world = world.restarted(|_| {}).await.unwrap();
    assert!(world.verified(&tokens.access).await.is_ok());
    assert_eq!(world.signs(&ann).await["kid"], kid);
    assert_eq!(world.kids().len(), 1);
}

#[tokio::test]
async fn a_new_key_is_published_before_it_signs_and_the_old_one_after_it_signed() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let world = world.restarted(algorithm(Algorithm::EdDsa)).await.unwrap();
    assert_eq!(world.algorithms(), ["ES256", "EdDSA"]);
    assert_eq!(JWKS_MAX_AGE, Duration::from_secs(300));
    world.advance(JWKS_MAX_AGE - Duration::from_micros(1));
    assert_eq!(
        world.signs(&ann).await["alg"],
        "ES256",
        "caches may not know the new one"
    );
    let last = world.login(&ann).await;
    world.advance(Duration::from_micros(1));
    assert_eq!(world.signs(&ann).await["alg"], "EdDSA");

    world.advance(last.access_expires_in - Duration::from_secs(1));
    world.auth.sweep().await;
    assert!(
        world.verified(&last.access).await.is_ok(),
        "its last token is good to its end"
    );
    world.advance(MARGIN);
    world.auth.sweep().await;
    let kept = world.auth.store.key_list().await.unwrap();
    assert_eq!(
        kept.iter().map(|k| &*k.algorithm).collect::<Vec<_>>(),
        ["ES256", "EdDSA"]
    );
    world.advance(Duration::from_secs(1));
    world.auth.sweep().await;
    let kept = world.auth.store.key_list().await.unwrap();
    assert_eq!(kept.iter().map(|k| &*k.algorithm).collect::<Vec<_>>(), ["EdDSA"]);
    assert_eq!(world.signs(&ann).await["alg"], "EdDSA");
    let jwks = world.ctx.access.jwks();
    assert!(!jwks.contains("ES256") && jwks.contains("EdDSA"), "{jwks}");
}

#[tokio::test]
async fn a_key_that_retires_signs_nothing_that_outlives_it() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let world = world.restarted(algorithm(Algorithm::EdDsa)).await.unwrap();
    // Back to ES256 while the first key is published for a little longer.
    world.advance(minutes(20));
    assert_eq!(world.signs(&ann).await["alg"], "EdDSA");
    let world = world.restarted(|_| {}).await.unwrap();
    assert_eq!(world.algorithms(), ["ES256", "EdDSA", "ES256"]);
    assert_eq!(world.signs(&ann).await["alg"], "EdDSA");
    let tokens = world.login(&ann).await;
    world.advance(minutes(2));
    world.auth.sweep().await;
    assert!(world.verified(&tokens.access).await.is_ok());
    world.advance(JWKS_MAX_AGE);
    let kid = world.signs(&ann).await["kid"].clone();
    assert_eq!(kid, *world.kids().last().unwrap());
}

#[tokio::test]
async fn keys_are_sealed_and_sealed_anew_when_the_secret_changes() {
    let world = World::with(secrets(Some(ONE), None)).await;
    let ann = world.person("default", "ann").await;
    let tokens = world.login(&ann).await;
    assert!(!world.folder().join("master.key").exists());
    let seals = async |world: &World| {
        let keys = world.auth.store.key_list().await.unwrap();
        let secrets = world.auth.store.secret_list().await.unwrap();
        let seals = keys
            .into_iter()
            .map(|k| k.sealed)
            .chain(secrets.into_iter().map(|(_, sealed)| sealed));
        seals.collect::<Vec<_>>()
    };
    let first = seals(&world).await;
    assert_eq!(first.len(), 2, "a signing key and the refresh secret");
    let world = world.restarted(secrets(Some(ONE), None)).await.unwrap();
    assert_eq!(seals(&world).await, first);

    let world = world.restarted(secrets(Some(TWO), Some(ONE))).await.unwrap();
    let second = seals(&world).await;
    assert!(first.iter().zip(&second).all(|(a, b)| a != b));
    let world = world.restarted(secrets(Some(TWO), None)).await.unwrap();
    assert!(world.verified(&tokens.access).await.is_ok());
    world.refresh(&tokens.refresh).await.unwrap();
}

#[tokio::test]
async fn without_a_secret_the_folder_holds_the_key_and_a_secret_can_take_over() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let tokens = world.login(&ann).await;
    let key = world.folder().join("master.key");
    assert!(key.exists());
    let world = world.restarted(secrets(Some(ONE), None)).await.unwrap();
    std::fs::remove_file(&key).unwrap();
    let world = world.restarted(secrets(Some(ONE), None)).await.unwrap();
    assert!(world.verified(&tokens.access).await.is_ok());

    // And back, while the secret of before is named.
    let world = world.restarted(secrets(None, Some(ONE))).await.unwrap();
    let world = world.restarted(|_| {}).await.unwrap();
    world.refresh(&tokens.refresh).await.unwrap();
}

#[tokio::test]
async fn a_start_that_cannot_open_its_keys_is_refused_and_says_what_to_do() {
    for lost in [secrets(Some(TWO), None), secrets(None, None)] {
        let world = World::with(secrets(Some(ONE), None)).await;
        let refused = world.restarted(lost).await.err().unwrap();
        assert_eq!(refused.reason(), Reason::StateForbids);
        for advice in ["JWT_SECRET", "JWT_SECRET_PREVIOUS", "master.key"] {
            assert!(refused.message().contains(advice), "{refused}");
        }
        assert!(!refused.message().contains(TWO));
    }
}

#[tokio::test]
async fn a_start_that_was_refused_has_changed_nothing() {
    let world = World::with(secrets(Some(ONE), None)).await;
    let ann = world.person("default", "ann").await;
    let kept = world.auth.store.key_list().await.unwrap();
    let refused = world.restarted(secrets(Some(TWO), None)).await;
    assert_eq!(reason(refused), Some(Reason::StateForbids));
    let world = world.restarted(secrets(Some(ONE), None)).await.unwrap();
    assert_eq!(world.auth.store.key_list().await.unwrap(), kept);
    world.login(&ann).await;
}
