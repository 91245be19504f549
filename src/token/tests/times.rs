//! Time: the skew of thirty seconds, tokens before their time, times that contradict each other.

use std::time::Duration;

use super::*;

#[test]
fn an_expired_token_is_refused_after_the_skew() {
    let signer = Signer::es256("k1");
    let world = World::with(&[&signer]);
    let (kept, fresh) = (signer.token(&claims()), signer.token(&claims()));
    assert_eq!(world.reason(&kept), None);
    world.advance(900 + 29);
    assert_eq!(world.reason(&kept), None, "29 s past its end, remembered");
    assert_eq!(world.reason(&fresh), None, "29 s past its end, seen for the first time");
    world.advance(1);
    assert_eq!(world.reason(&kept), Some(Reason::AuthTokenExpired));
    assert_eq!(world.reason(&fresh), Some(Reason::AuthTokenExpired));
}

#[test]
fn a_token_is_refused_before_its_time_less_the_skew() {
    let signer = Signer::es256("k1");
    let world = World::with(&[&signer]);
    for name in ["nbf", "iat"] {
        let early = signer.token(&with(claims(), name, NOW + 31));
        assert_eq!(world.refusal(&early), "used before its time", "{name}");
        assert_eq!(world.refusal(&early), "used before its time", "{name}, remembered");
        let within = signer.token(&with(claims(), name, NOW + 30));
        assert_eq!(world.reason(&within), None, "{name}");
    }
}

#[test]
fn a_token_comes_of_age_while_it_is_remembered() {
    let signer = Signer::es256("k1");
    let world = World::with(&[&signer]);
    let early = signer.token(&with(claims(), "nbf", NOW + 60));
    assert_eq!(world.refusal(&early), "used before its time");
    world.advance(30);
    assert_eq!(world.reason(&early), None);
}

#[test]
fn times_that_contradict_each_other_are_refused() {
    let signer = Signer::es256("k1");
    let world = World::with(&[&signer]);
    let contradiction = "its times contradict each other";
    let table = [
        ("exp", json!(NOW), contradiction),
        ("exp", json!(NOW - 1), contradiction),
        ("iat", json!(NOW + 900), contradiction),
        ("nbf", json!(NOW + 900), contradiction),
        ("exp", json!(253_402_300_800_i64), "a time out of range"),
        ("exp", json!(i64::MAX), "a time out of range"),
        ("iat", json!(-1), "a time out of range"),
        ("nbf", json!(i64::MIN), "a time out of range"),
        ("auth_time", json!(-1), "a time out of range"),
        ("exp", json!(f64::from(i32::MAX)), UNREADABLE),
        ("exp", json!("1900000000"), UNREADABLE),
        ("exp", json!(u64::MAX), UNREADABLE),
    ];
    for (name, value, why) in table {
        let token = signer.token(&with(claims(), name, value.clone()));
        assert_eq!(world.refusal(&token), why, "{name}: {value}");
    }
}

#[test]
fn a_logout_may_come_late() {
    let signer = Signer::es256("k1");
    let world = World::with(&[&signer]);
    let claims = claims();
    let token = signer.token(&claims);
    world.advance(3600);
    assert_eq!(world.reason(&token), Some(Reason::AuthTokenExpired));
    let verified = world.verifier.verify_expired(&token).unwrap();
    assert_eq!(*verified, principal(&claims));
    assert_eq!(world.verifier.cache.len(), 0, "what is over is not remembered");
}

#[test]
fn an_expired_token_must_still_be_a_token() {
    let signer = Signer::es256("k1");
    let world = World::with(&[&signer]);
    let forged = Signer::es256("k1").token(&claims());
    world.advance(3600);
    let refused = world.verifier.verify_expired(&forged).unwrap_err();
    assert_eq!(refused.reason(), Reason::AuthTokenInvalid);
}

#[test]
fn a_stream_ends_with_its_token_to_the_second() {
    let signer = Signer::es256("k1");
    let world = World::with(&[&signer]);
    let principal = world.verifier.verify(&signer.token(&claims())).unwrap();
    assert_eq!(world.verifier.lifetime(&principal), Duration::from_secs(900));
    world.clock.advance(Duration::from_millis(899_999));
    assert!(world.verifier.still_good(&principal).is_ok());
    assert_eq!(world.verifier.lifetime(&principal), Duration::from_millis(1));
    world.clock.advance(Duration::from_millis(1));
    let over = world.verifier.still_good(&principal).unwrap_err();
    assert_eq!(over.reason(), Reason::AuthTokenExpired);
    world.advance(10);
    assert_eq!(world.verifier.lifetime(&principal), Duration::ZERO);
}
