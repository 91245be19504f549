//! A watcher's copy of one producer's resources. Pure: it says what changed, others make it quick to read.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::mesh::{self as pb, resource::Kind};

/// What a producer last said, resource by resource.
#[derive(Debug, Default)]
pub(super) struct Replica {
    revision: Option<pb::Revision>,
    /// What is held is not what the producer holds at `revision`.
    out_of_step: bool,
    resources: BTreeMap<String, pb::Resource>,
    /// Revocations by the second in which they are over.
    expiry: BTreeSet<(i64, String)>,
    /// The last order carried out for each breaker.
    orders: BTreeMap<String, u64>,
}

/// A resource that came, changed or went.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) old: Option<pb::Resource>,
    pub(super) new: Option<pb::Resource>,
}

/// A delta that does not continue what is held; only a snapshot helps.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OutOfStep;

impl Replica {
    /// The point in the producer's history that is held.
    pub(super) fn revision(&self) -> Option<&pb::Revision> {
        self.revision.as_ref().filter(|_| !self.out_of_step)
    }

    /// Takes what is held as of no known point.
    pub(super) fn forget_revision(&mut self) {
        self.out_of_step = true;
    }

    /// Everything that is held.
    pub(super) fn resources(&self) -> impl Iterator<Item = &pb::Resource> + Clone {
        self.resources.values()
    }

    /// Everything that is held, as a snapshot.
    pub(super) fn to_snapshot(&self) -> Option<pb::Update> {
        Some(pb::Update {
            revision: Some(self.revision()?.clone()),
            upserts: self.resources.values().cloned().collect(),
            removed: Vec::new(),
        })
    }

    /// Replaces all. Returns the breakers to reset: those ordered while this watcher was away. Of another epoch, or when
    /// nothing was held before, orders are taken as carried out: they are older than this process, or cannot be compared.
    pub(super) fn snapshot(&mut self, update: pb::Update) -> Vec<String> {
        let continues = match (&self.revision, &update.revision) {
            (Some(old), Some(new)) => old.epoch == new.epoch,
            _ => false,
        };
        if !continues {
            self.orders.clear();
        }
        self.revision = update.revision;
        self.out_of_step = false;
        self.resources.clear();
        self.expiry.clear();
        let mut resets = Vec::new();
        for resource in update.upserts {
            resets.extend(self.ordered(&resource));
            self.insert(resource);
        }
        if continues { resets } else { Vec::new() }
    }

    /// Adds changes. Returns them, and the breakers to reset.
    pub(super) fn delta(&mut self, update: pb::Update) -> Result<(Vec<Change>, Vec<String>), OutOfStep> {
        let (Some(old), Some(new)) = (self.revision(), &update.revision) else {
            return Err(OutOfStep);
        };
        if old.epoch != new.epoch || new.number <= old.number {
            return Err(OutOfStep);
        }
        self.revision = update.revision;
        let (mut changes, mut resets) = (Vec::new(), Vec::new());
        for key in update.removed {
            changes.extend(self.remove(&key).map(|old| Change {
                old: Some(old),
                new: None,
            }));
        }
        for resource in update.upserts {
            resets.extend(self.ordered(&resource));
            changes.push(Change {
                old: self.remove(&resource.key),
                new: Some(resource.clone()),
            });
            self.insert(resource);
        }
        Ok((changes, resets))
    }

    /// Drops the revocations that were over at `now`, in seconds since 1970.
    pub(super) fn expire(&mut self, now: i64) -> Vec<Change> {
        let mut changes = Vec::new();
        while let Some((_, key)) = self.expiry.first().filter(|(at, _)| *at < now).cloned() {
            let old = self.remove(&key);
            changes.push(Change { old, new: None });
        }
        changes
    }

    fn insert(&mut self, resource: pb::Resource) {
        if let Some(at) = expire_second(&resource) {
            self.expiry.insert((at, resource.key.clone()));
        }
        self.resources.insert(resource.key.clone(), resource);
    }

    fn remove(&mut self, key: &str) -> Option<pb::Resource> {
        let old = self.resources.remove(key)?;
        if let Some(at) = expire_second(&old) {
            self.expiry.remove(&(at, key.to_owned()));
        }
        Some(old)
    }

    /// The breaker that a resource orders to be reset, once for each order.
    fn ordered(&mut self, resource: &pb::Resource) -> Option<String> {
        let Some(Kind::BreakerReset(reset)) = &resource.kind else {
            return None;
        };
        let last = self.orders.entry(reset.breaker.clone()).or_insert(0);
        if reset.order <= *last {
            return None;
        }
        *last = reset.order;
        Some(reset.breaker.clone())
    }
}

/// The last second in which a revocation matters; none for what does not end.
fn expire_second(resource: &pb::Resource) -> Option<i64> {
    match &resource.kind {
        Some(Kind::Revocation(marks)) => marks.expire_time.as_ref().map(|t| t.seconds),
        _ => None,
    }
}
