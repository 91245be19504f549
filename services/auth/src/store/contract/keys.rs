//! Claims about sealed keys and secrets.

use super::{Fixture, at, entry};
use crate::store::StoredKey;

fn key(kid: &str, seconds: i64) -> StoredKey {
    StoredKey {
        kid: kid.to_owned(),
        algorithm: "ES256".to_owned(),
        sealed: kid.as_bytes().to_vec(),
        active_time: at(seconds),
        retire_time: None,
    }
}

impl Fixture {
    async fn put_key(&self, key: StoredKey, retire: i64) {
        let action = entry("key.create");
        self.store.key_insert(key, at(retire), action).await.unwrap();
    }
}

pub(crate) async fn keys_come_oldest_first_and_the_newest_succeeds(f: &Fixture) {
    let revision = f.revision().await;
    f.put_key(key("first", 0), 0).await;
    f.put_key(key("third", 300), 400).await;
    f.put_key(key("second", 200), 500).await;
    let found = f.store.key_list().await.unwrap();
    let retiring = |mut key: StoredKey, seconds| {
        key.retire_time = Some(at(seconds));
        key
    };
    let expected = [
        retiring(key("first", 0), 400),
        key("second", 200),
        retiring(key("third", 300), 500),
    ];
    assert_eq!(found, expected, "what retires already keeps its time");
    assert_eq!(f.revision().await, revision + 3);
    assert_eq!(f.actions().await, ["key.create"; 3]);
    let again = f
        .store
        .key_insert(key("first", 900), at(900), entry("key.create"))
        .await;
    assert!(again.is_err(), "an id is given once");
    assert_eq!(f.store.key_list().await.unwrap(), expected);
    assert_eq!(f.actions().await.len(), 3);
}

pub(crate) async fn seals_are_replaced_by_name(f: &Fixture) {
    f.put_key(key("a", 0), 0).await;
    f.put_key(key("b", 1), 9).await;
    f.store.secret_insert("refresh", b"old").await.unwrap();
    f.store.secret_insert("other", b"other").await.unwrap();
    let keys = vec![("a".to_owned(), b"new".to_vec()), ("none".to_owned(), b"x".to_vec())];
    let secrets = vec![("refresh".to_owned(), b"newer".to_vec())];
    f.store.key_reseal(keys, secrets).await.unwrap();
    let seals: Vec<_> = f
        .store
        .key_list()
        .await
        .unwrap()
        .into_iter()
        .map(|k| k.sealed)
        .collect();
    assert_eq!(seals, [b"new".to_vec(), b"b".to_vec()]);
    let kept = f.store.secret_list().await.unwrap();
    let expected = [("other", b"other".to_vec()), ("refresh", b"newer".to_vec())];
    assert_eq!(kept, expected.map(|(name, sealed)| (name.to_owned(), sealed)));
}

pub(crate) async fn a_secret_is_kept_once(f: &Fixture) {
    assert!(f.store.secret_list().await.unwrap().is_empty());
    f.store.secret_insert("refresh", b"first").await.unwrap();
    f.store.secret_insert("refresh", b"second").await.unwrap();
    let kept = f.store.secret_list().await.unwrap();
    assert_eq!(kept, [("refresh".to_owned(), b"first".to_vec())]);
}

pub(crate) async fn the_longest_life_of_tokens_is_remembered(f: &Fixture) {
    for (now, longest) in [(900, 900), (60, 900), (3600, 3600), (900, 3600)] {
        assert_eq!(f.store.token_life_raise(now).await.unwrap(), longest);
    }
}
