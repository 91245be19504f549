//! What is remembered of tokens: bounded, never more than the key that proved it, never a decision.

use super::{cache::Digest, interned::Interned, *};

#[test]
fn a_token_is_remembered_once() {
    let signer = Signer::es256("k1");
    let world = World::with(&[&signer]);
    let token = signer.token(&claims());
    let first = world.verifier.verify(&token).unwrap();
    let second = world.verifier.verify(&token).unwrap();
    assert!(Arc::ptr_eq(&first, &second), "the second time nothing is read");
    assert_eq!(world.verifier.cache.len(), 1);
}

#[test]
fn a_refused_token_is_not_remembered() {
    let signer = Signer::es256("k1");
    let world = World::with(&[&signer]);
    let forged = Signer::es256("k1").token(&claims());
    for token in [forged.as_str(), "a.b.c", &signer.token(&with(claims(), "aud", "other"))] {
        assert_eq!(world.reason(token), Some(Reason::AuthTokenInvalid));
    }
    assert_eq!(world.verifier.cache.len(), 0);
}

#[test]
fn a_key_that_left_the_feed_takes_its_tokens_with_it() {
    let (old, new) = (Signer::es256("k1"), Signer::es256("k2"));
    let world = World::with(&[&old, &new]);
    let (by_old, by_new) = (old.token(&claims()), new.token(&claims()));
    assert_eq!((world.reason(&by_old), world.reason(&by_new)), (None, None));
    world.auth_says(EPOCH, vec![new.resource()]);
    assert_eq!(world.refusal(&by_old), "unknown kid");
    assert_eq!(world.reason(&by_new), None);
    assert_eq!(world.verifier.cache.len(), 1);
}

#[test]
fn a_key_that_was_replaced_under_its_name_takes_its_tokens_with_it() {
    let old = Signer::es256("k1");
    for new in [Signer::es256("k1"), Signer::eddsa("k1")] {
        let world = World::with(&[&old]);
        let token = old.token(&claims());
        assert_eq!(world.reason(&token), None);
        world.auth_says(EPOCH, vec![new.resource()]);
        assert_eq!(world.reason(&token), Some(Reason::AuthTokenInvalid), "{}", new.alg);
        assert_eq!(world.reason(&new.token(&claims())), None);
    }
}

#[test]
fn a_key_that_comes_again_unchanged_keeps_its_tokens() {
    let signer = Signer::es256("k1");
    let world = World::with(&[&signer]);
    let token = signer.token(&claims());
    let before = world.verifier.verify(&token).unwrap();
    world.auth_says(EPOCH, vec![signer.resource(), Signer::eddsa("k2").resource()]);
    let after = world.verifier.verify(&token).unwrap();
    assert!(Arc::ptr_eq(&before, &after));
}

#[test]
fn a_token_of_the_shared_secret_is_remembered_as_well() {
    let world = World::with_secret(&[]);
    let token = Signer::hs256(SECRET.as_bytes()).token(&claims());
    let first = world.verifier.verify(&token).unwrap();
    let second = world.verifier.verify(&token).unwrap();
    assert!(Arc::ptr_eq(&first, &second));
}

/// Bound of the whole cache: 32 shards of 512 places.
const MOST: usize = 32 * 512;

fn verified() -> Arc<Verified> {
    let key = Arc::new(VerifyingKey::from_secret(&Secret::new(SECRET)));
    let claims: Claims = serde_json::from_value(claims()).unwrap();
    Arc::new(claims.verified(key, &Interned::default()).unwrap())
}

fn number(n: u32) -> Digest {
    cache::digest(&n.to_string())
}

#[test]
fn the_cache_is_bounded_and_finds_what_is_in_use() {
    let (cache, verified) = (Cache::default(), verified());
    let (used, unused) = (cache::digest("used"), cache::digest("unused"));
    cache.put(used, verified.clone());
    cache.put(unused, verified.clone());
    for n in 0..120_000 {
        cache.put(number(n), verified.clone());
        if n % 1000 == 0 {
            assert!(cache.get(&used).is_some(), "after {n} others");
        }
    }
    assert!(cache.len() <= MOST, "{}", cache.len());
    assert!(cache.len() > MOST / 4, "it does remember: {}", cache.len());
    assert!(cache.get(&unused).is_none());
    assert!(cache.get(&number(119_999)).is_some());
}

#[test]
fn ten_thousand_tokens_that_take_turns_are_all_remembered() {
    let (cache, verified) = (Cache::default(), verified());
    (0..10_000).for_each(|n| cache.put(number(n), verified.clone()));
    for _ in 0..5 {
        let forgotten = (0..10_000).filter(|n| cache.get(&number(*n)).is_none()).count();
        assert_eq!(forgotten, 0);
    }
}

#[test]
fn what_is_removed_is_gone_and_its_place_is_taken_again() {
    let (cache, verified) = (Cache::default(), verified());
    let digest = cache::digest("token");
    cache.put(digest, verified.clone());
    // Enough for its shard to be full.
    (0..20_000).for_each(|n| cache.put(number(n), verified.clone()));
    cache.put(digest, verified.clone());
    cache.remove(&digest);
    assert!(cache.get(&digest).is_none());
    cache.put(digest, verified.clone());
    for n in 20_000..80_000 {
        cache.put(number(n), verified.clone());
        assert!(n % 500 > 0 || cache.get(&digest).is_some(), "after {n} others");
    }
    assert!(cache.len() <= MOST, "{}", cache.len());
}
