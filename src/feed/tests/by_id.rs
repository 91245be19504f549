//! Revocations by id: read from resources, given back as they were, found again.

use std::collections::BTreeMap;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::feed::by_id::{ById, Entry, Id, Mark, Of};

fn marks(target: Target, id: &str, end: Option<(i64, i32)>) -> pb::Resource {
    resource::revocation(pb::Revocation {
        target: target.into(),
        id: id.to_owned(),
        revoked: 3,
        stale: 4,
        expire_time: end.map(|(seconds, nanos)| prost_types::Timestamp { seconds, nanos }),
    })
}

#[test]
fn what_is_read_is_given_back() {
    let id = Uuid::now_v7().to_string();
    for target in [Target::Token, Target::Session, Target::User] {
        for end in [None, Some((0, 0)), Some((-1, 5)), Some((i64::MAX, 999_999_999))] {
            let marks = marks(target, &id, end);
            let entry = Entry::read(&marks).unwrap();
            assert_eq!(entry.resource(), marks);
            assert_eq!(entry.end(), end.map(|(seconds, _)| seconds));
            assert_eq!(Id::of_key(&marks.key), Some(entry.id));
        }
    }
}

#[test]
fn everything_else_is_not_read() {
    let id = Uuid::now_v7().to_string();
    let others = [
        marks(Target::Tenant, &id, None),
        marks(Target::All, "", None),
        marks(Target::Unspecified, &id, None),
        marks(Target::User, "acme", None),
        marks(Target::User, "", None),
        tenant("acme", true),
        key("k1"),
    ];
    for other in others {
        assert_eq!(Entry::read(&other), None, "{other:?}");
        assert_eq!(Id::of_key(&other.key), None, "{other:?}");
    }
}

#[test]
fn an_entry_is_small() {
    assert!(size_of::<Entry>() <= 48, "there may be a million");
}

#[test]
fn who_holds_it_says_what_is_revoked() {
    let id = Uuid::now_v7();
    let mut held = ById::default();
    held.put(Entry::read(&marks(Target::Session, &id.to_string(), None)).unwrap());
    let found = |of| held.get(Id::new(of, id)).copied();
    assert_eq!(found(Of::Session), Some(Mark { revoked: 3, stale: 4 }));
    assert_eq!((found(Of::User), found(Of::Token)), (None, None));
}

#[test]
fn a_copy_stays_as_it_was() {
    let mut held = ById::default();
    let entries: Vec<_> = (0..1000)
        .map(|n| Entry::read(&revoked(UserId::generate(), n, 100)).unwrap())
        .collect();
    entries.iter().for_each(|entry| held.put(*entry));
    let before = held.clone();
    for entry in &entries {
        assert!(held.remove(entry.id) && !held.remove(entry.id));
    }
    assert_eq!((held.iter().count(), before.iter().count()), (0, 1000));
    assert!(entries.iter().all(|entry| before.get(entry.id).is_some()));
}

proptest! {
    #[test]
    fn it_is_a_map(steps in proptest::collection::vec((0..40_u128, 0..3_u8, 0..9_u64), 0..200)) {
        let (mut held, mut expected) = (ById::default(), BTreeMap::new());
        let mut put = Vec::new();
        for (number, what, below) in steps {
            // Both halves count the same, so that some share an array.
            let (high, low) = (number / 6, number % 6);
            let user = UserId(Uuid::from_u128(high << 64 | low));
            let marks = revoked(user, below, 100);
            let entry = Entry::read(&marks).unwrap();
            if what == 0 {
                prop_assert_eq!(held.remove(entry.id), expected.remove(&marks.key).is_some());
            } else {
                held.put(entry);
                put.push(entry);
                expected.insert(marks.key.clone(), marks);
            }
        }
        let there: BTreeMap<_, _> = held.iter().map(Entry::resource).map(|r| (r.key.clone(), r)).collect();
        prop_assert_eq!(held.iter().count(), there.len());
        prop_assert_eq!(there, expected);
        let mut one_by_one = ById::default();
        put.iter().for_each(|entry| one_by_one.put(*entry));
        prop_assert_eq!(ById::from(put), one_by_one, "made at once, it is the same");
    }
}
