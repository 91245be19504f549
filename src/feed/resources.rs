//! Resources in force, each held once. A copy shares everything with the original, so that whoever saves or sends all of them needs
//! no lock while it does.

use std::{borrow::Cow, sync::Arc};

use rpds::RedBlackTreeMapSync;

use super::by_id::{ById, Entry, Id};
use crate::api::mesh as pb;

/// Resources that one message holds, or one piece of a file: about half a megabyte of revocations.
pub(super) const PART: usize = 4096;

/// Resources in force. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Resources {
    /// Those that are held as they came.
    whole: RedBlackTreeMapSync<String, Arc<pb::Resource>>,
    ids: ById,
}

/// All that is in force at a point of a producer's history.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Snapshot {
    pub(super) revision: Option<pb::Revision>,
    pub(super) resources: Resources,
}

/// What became of a key: a resource came, changed or went. Revocations of tokens, sessions and users are not told of.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) old: Option<Arc<pb::Resource>>,
    pub(super) new: Option<Arc<pb::Resource>>,
}

impl Resources {
    /// Puts a resource in place of one of the same key.
    pub(super) fn insert(&mut self, resource: pb::Resource) -> Change {
        let mut change = self.remove(&resource.key);
        match Entry::read(&resource) {
            Some(entry) => self.ids.put(entry),
            None => {
                let new = change.new.insert(Arc::new(resource));
                self.whole.insert_mut(new.key.clone(), new.clone());
            }
        }
        change
    }

    /// Takes a resource away.
    pub(super) fn remove(&mut self, key: &str) -> Change {
        if let Some(id) = Id::of_key(key) {
            self.ids.remove(id);
        }
        let old = self.whole.get(key).cloned();
        if old.is_some() {
            self.whole.remove_mut(key);
        }
        Change { old, new: None }
    }

    /// Takes a revocation away that was over at `now`, in seconds since 1970. Returns whether it was.
    pub(super) fn expire(&mut self, id: Id, now: i64) -> bool {
        self.ids.expire(id, now)
    }

    /// Those that are held as they came: all but revocations of tokens, sessions and users. By key.
    pub(super) fn whole(&self) -> impl Iterator<Item = &pb::Resource> {
        self.whole.values().map(AsRef::as_ref)
    }

    /// Revocations of tokens, sessions and users.
    pub(super) fn ids(&self) -> &ById {
        &self.ids
    }

    /// Everything.
    pub(super) fn iter(&self) -> impl Iterator<Item = Cow<'_, pb::Resource>> {
        let ids = self.ids.iter().map(|entry| Cow::Owned(entry.resource()));
        self.whole().map(Cow::Borrowed).chain(ids)
    }
}

impl Extend<pb::Resource> for Resources {
    fn extend<T: IntoIterator<Item = pb::Resource>>(&mut self, resources: T) {
        for resource in resources {
            self.insert(resource);
        }
    }
}

impl Snapshot {
    /// What is in force, in updates of at most `size` resources each: one at least, and all but the last say that there are more.
    pub(super) fn parts(&self, size: usize) -> impl Iterator<Item = pb::Update> {
        let mut resources = self.resources.iter().map(Cow::into_owned).peekable();
        let mut done = false;
        std::iter::from_fn(move || {
            if done {
                return None;
            }
            let upserts = resources.by_ref().take(size).collect();
            done = resources.peek().is_none();
            Some(pb::Update {
                revision: self.revision.clone(),
                upserts,
                removed: Vec::new(),
                more: !done,
            })
        })
    }
}

/// A snapshot that is being put together.
///
/// Arrays that grow one by one would leave holes of all sizes behind, thousands of them, and whatever a call needs would be found in
/// another cold one each time: with a million revocations calls cost nearly twice as much.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    snapshot: Snapshot,
    ids: Vec<Entry>,
}

impl Gathering {
    /// Of what is in force at `revision`.
    pub(super) fn new(revision: Option<pb::Revision>) -> Self {
        Self {
            snapshot: Snapshot {
                revision,
                ..Snapshot::default()
            },
            ids: Vec::new(),
        }
    }

    /// What it is in force at.
    pub(super) fn revision(&self) -> Option<&pb::Revision> {
        self.snapshot.revision.as_ref()
    }

    /// How many have come.
    pub(super) fn len(&self) -> usize {
        self.ids.len() + self.snapshot.resources.whole.size()
    }

    /// All that was put together.
    pub(super) fn finish(mut self) -> Snapshot {
        self.snapshot.resources.ids = self.ids.into();
        self.snapshot
    }
}

impl Extend<pb::Resource> for Gathering {
    fn extend<T: IntoIterator<Item = pb::Resource>>(&mut self, resources: T) {
        for resource in resources {
            match Entry::read(&resource) {
                Some(entry) => self.ids.push(entry),
                None => drop(self.snapshot.resources.insert(resource)),
            }
        }
    }
}

impl From<pb::Update> for Snapshot {
    fn from(update: pb::Update) -> Self {
        let mut gathering = Gathering::new(update.revision);
        gathering.extend(update.upserts);
        gathering.finish()
    }
}
