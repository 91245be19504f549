//! What a producer has published: the resources in force, and the last changes that led there. Pure.

use std::collections::{BTreeMap, VecDeque};

use super::resources::{Gathering, Resources, Snapshot};
use crate::api::mesh as pb;

/// Resources and removals kept in the log. A watcher that has missed more gets a snapshot, which costs no more than that.
const LOG_WEIGHT: usize = 4096;

/// One published change.
#[derive(Debug)]
struct Entry {
    /// The head before it.
    after: u64,
    upserts: Vec<pb::Resource>,
    removed: Vec<String>,
}

impl Entry {
    fn weight(&self) -> usize {
        1 + self.upserts.len() + self.removed.len()
    }
}

/// What a watcher needs next.
#[derive(Debug)]
pub(super) enum Next {
    /// It is up to date.
    Nothing,
    /// It continues from what it has.
    Delta(pb::Update),
    /// It starts over.
    Snapshot(Snapshot),
}

/// A producer's state.
#[derive(Debug)]
pub(super) struct History {
    epoch: String,
    head: u64,
    resources: Resources,
    log: VecDeque<Entry>,
    weight: usize,
}

impl History {
    pub(super) fn new(epoch: String, head: u64, resources: Vec<pb::Resource>) -> Self {
        let mut gathering = Gathering::default();
        gathering.extend(resources);
        Self {
            epoch,
            head,
            resources: gathering.finish().resources,
            log: VecDeque::new(),
            weight: 0,
        }
    }

    /// Adds a change and returns the head after it. A revision that does not grow is the publisher's defect; the change goes
    /// out under the next number all the same, since a lost revocation is worse than a wrong number.
    pub(super) fn publish(&mut self, revision: u64, upserts: Vec<pb::Resource>, removed: Vec<String>) -> u64 {
        let after = self.head;
        self.head = revision.max(after + 1);
        for key in &removed {
            self.resources.remove(key);
        }
        self.resources.extend(upserts.iter().cloned());
        let entry = Entry {
            after,
            upserts,
            removed,
        };
        self.weight += entry.weight();
        self.log.push_back(entry);
        while self.weight > LOG_WEIGHT {
            match self.log.pop_front() {
                Some(old) => self.weight -= old.weight(),
                None => break,
            }
        }
        self.head
    }

    /// What comes after `have`.
    pub(super) fn next(&self, have: Option<&pb::Revision>) -> Next {
        let Some(have) = have.filter(|h| h.epoch == self.epoch && h.number <= self.head) else {
            return Next::Snapshot(self.snapshot());
        };
        if have.number == self.head {
            return Next::Nothing;
        }
        match self.log.iter().position(|e| e.after == have.number) {
            Some(first) => Next::Delta(self.delta(first)),
            None => Next::Snapshot(self.snapshot()),
        }
    }

    /// Epoch and number of the newest change.
    pub(super) fn head(&self) -> pb::Revision {
        pb::Revision {
            epoch: self.epoch.clone(),
            number: self.head,
        }
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            revision: Some(self.head()),
            resources: self.resources.clone(),
        }
    }

    /// The changes from `first` on as one: the last word on each key.
    fn delta(&self, first: usize) -> pb::Update {
        let mut last = BTreeMap::new();
        for entry in self.log.range(first..) {
            last.extend(entry.removed.iter().map(|key| (key.as_str(), None)));
            last.extend(entry.upserts.iter().map(|r| (r.key.as_str(), Some(r))));
        }
        let mut update = pb::Update {
            revision: Some(self.head()),
            ..pb::Update::default()
        };
        for (key, resource) in last {
            match resource {
                Some(resource) => update.upserts.push(resource.clone()),
                None => update.removed.push(key.to_owned()),
            }
        }
        update
    }

    #[cfg(test)]
    pub(super) fn resources(&self) -> &Resources {
        &self.resources
    }
}
