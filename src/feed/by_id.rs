//! Revocations of tokens, sessions and users: the many of the feed, each held once, in 48 bytes. A watcher holds 17 to 34 more for
//! each, which say when to drop it.
//!
//! The decision to question: a persistent map of small sorted arrays, and not of revocations. A map has about 150 bytes for each of its
//! entries, which a million of them pay and a few tens of thousands of arrays do not. A change copies one array, two kilobytes of
//! it when a million are held, and a reader's version stays whole.

use std::{str::FromStr, sync::Arc};

use rpds::HashTrieMapSync;
use uuid::Uuid;

use super::resource;
use crate::api::mesh::{self as pb, RevocationTarget as Target, resource::Kind};

/// Arrays, at most: a power of two, since an id's bits choose among them.
const ARRAYS: u64 = 1 << 15;

/// Which revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    id: Uuid,
    of: Of,
}

/// Whose id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Of {
    Token,
    Session,
    User,
}

/// The two marks of a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) revoked: u64,
    pub(super) stale: u64,
}

/// A revocation; its time's parts lie apart, so that an array has no gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: Id,
    ends: bool,
    nanos: i32,
    seconds: i64,
    mark: Mark,
}

/// Revocations by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ById(HashTrieMapSync<u16, Arc<[Entry]>>);

impl Id {
    pub(super) fn new(of: Of, id: Uuid) -> Self {
        Self { id, of }
    }

    /// Reads a resource's key.
    pub(super) fn of_key(key: &str) -> Option<Self> {
        let (target, id) = key.strip_prefix("revocation/")?.split_once('/')?;
        let of = [Of::Token, Of::Session, Of::User]
            .into_iter()
            .find(|of| resource::target_name(of.target()) == target)?;
        Some(Self::new(of, Uuid::from_str(id).ok()?))
    }

    fn array(self) -> u16 {
        let (high, low) = self.id.as_u64_pair();
        // Fibonacci hashing: whatever part of an id varies, the upper bits of the product do.
        let mixed = (high ^ low).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed / (u64::MAX / ARRAYS + 1)) as u16
    }
}

impl Of {
    fn target(self) -> Target {
        match self {
            Self::Token => Target::Token,
            Self::Session => Target::Session,
            Self::User => Target::User,
        }
    }
}

impl Entry {
    /// Reads a resource; `None` for everything else.
    pub(super) fn read(resource: &pb::Resource) -> Option<Self> {
        let Some(Kind::Revocation(marks)) = &resource.kind else {
            return None;
        };
        let of = match marks.target() {
            Target::Token => Of::Token,
            Target::Session => Of::Session,
            Target::User => Of::User,
            Target::Tenant | Target::All | Target::Unspecified => return None,
        };
        let end = marks.expire_time.unwrap_or_default();
        Some(Self {
            id: Id::new(of, Uuid::from_str(&marks.id).ok()?),
            ends: marks.expire_time.is_some(),
            nanos: end.nanos,
            seconds: end.seconds,
            mark: Mark {
                revoked: marks.revoked,
                stale: marks.stale,
            },
        })
    }

    /// The resource that was read.
    pub(super) fn resource(&self) -> pb::Resource {
        resource::revocation(pb::Revocation {
            target: self.id.of.target().into(),
            id: self.id.id.to_string(),
            revoked: self.mark.revoked,
            stale: self.mark.stale,
            expire_time: self.ends.then_some(prost_types::Timestamp {
                seconds: self.seconds,
                nanos: self.nanos,
            }),
        })
    }

    /// The last second in which it matters; none for what does not end.
    pub(super) fn end(&self) -> Option<i64> {
        self.ends.then_some(self.seconds)
    }
}

impl ById {
    /// The marks of one.
    pub(super) fn get(&self, id: Id) -> Option<&Mark> {
        Some(&self.find(id)?.mark)
    }

    /// Puts one in place of what was held of the same id.
    pub(super) fn put(&mut self, entry: Entry) {
        let number = entry.id.array();
        let array = match self.0.get(&number) {
            None => [entry].into(),
            Some(array) => {
                let (before, after) = match search(array, entry.id) {
                    Ok(at) => (&array[..at], &array[at + 1..]),
                    Err(at) => array.split_at(at),
                };
                joined(before, &[entry], after)
            }
        };
        self.0.insert_mut(number, array);
    }

    /// Takes one away. Returns whether it was there.
    pub(super) fn remove(&mut self, id: Id) -> bool {
        let number = id.array();
        let Some(array) = self.0.get(&number) else {
            return false;
        };
        let Ok(at) = search(array, id) else {
            return false;
        };
        if array.len() == 1 {
            self.0.remove_mut(&number);
        } else {
            let array = joined(&array[..at], &[], &array[at + 1..]);
            self.0.insert_mut(number, array);
        }
        true
    }

    /// Takes one away that was over at `now`, in seconds since 1970. Returns whether it was.
    pub(super) fn expire(&mut self, id: Id, now: i64) -> bool {
        let over = self.find(id).and_then(Entry::end).is_some_and(|end| end < now);
        over && self.remove(id)
    }

    /// All of them, in no order that says anything.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.0.values().flat_map(|array| array.iter())
    }

    fn find(&self, id: Id) -> Option<&Entry> {
        // Most processes hold none, and calls ask for three.
        if self.0.is_empty() {
            return None;
        }
        let array = self.0.get(&id.array())?;
        search(array, id).ok().map(|at| &array[at])
    }
}

impl From<Vec<Entry>> for ById {
    /// Of several of one id, the last counts.
    fn from(mut entries: Vec<Entry>) -> Self {
        entries.sort_by_key(|entry| (entry.id.array(), entry.id));
        entries.reverse();
        entries.dedup_by_key(|entry| entry.id);
        entries.reverse();
        let mut held = Self::default();
        for array in entries.chunk_by(|a, b| a.id.array() == b.id.array()) {
            held.0.insert_mut(array[0].id.array(), array.into());
        }
        held
    }
}

fn search(array: &[Entry], id: Id) -> Result<usize, usize> {
    array.binary_search_by_key(&id, |entry| entry.id)
}

fn joined(before: &[Entry], entry: &[Entry], after: &[Entry]) -> Arc<[Entry]> {
    let mut all = Vec::with_capacity(before.len() + entry.len() + after.len());
    all.extend_from_slice(before);
    all.extend_from_slice(entry);
    all.extend_from_slice(after);
    all.into()
}
