//! A watcher's copy of one producer's resources. Pure: it says what changed, others make it quick to read.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    by_id::{Entry, Id},
    resources::{Change, Resources, Snapshot},
};
use crate::api::mesh::{self as pb, resource::Kind};

/// What a producer last said, resource by resource.
#[derive(Debug, Default)]
pub(super) struct Replica {
    revision: Option<pb::Revision>,
    /// What is held is not what the producer holds at `revision`.
    out_of_step: bool,
    resources: Resources,
    ends: Ends,
    /// The last order carried out for each breaker.
    orders: BTreeMap<String, u64>,
}

/// Revocations by the second in which they are over.
#[derive(Debug, Default)]
struct Ends {
    whole: BTreeSet<(i64, String)>,
    /// Where to look. What was renewed or taken back since stands here until its second comes, which costs less than finding it.
    ids: BTreeMap<i64, Vec<Id>>,
}

/// A snapshot with all made that takes its time where very many are revoked, so that nobody waits for a replica meanwhile.
#[derive(Debug)]
pub(super) struct Prepared {
    snapshot: Snapshot,
    ends: Ends,
}

/// A delta that does not continue what is held; only a snapshot helps.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OutOfStep;

/// Revocations that are dropped at once, at most: some 25 ms where a million are held. The rest waits for the next time: what is over
/// does no harm, and a second's share of a million that last a quarter of an hour is a ninth of this.
pub(super) const DROPPED: usize = 10_000;

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
    pub(super) fn resources(&self) -> &Resources {
        &self.resources
    }

    /// Everything that is held, as a snapshot.
    pub(super) fn to_snapshot(&self) -> Option<Snapshot> {
        Some(Snapshot {
            revision: Some(self.revision()?.clone()),
            resources: self.resources.clone(),
        })
    }

    /// Replaces all. Returns the breakers to reset: those ordered while this watcher was away. Of another epoch, or when
    /// nothing was held before, orders are taken as carried out: they are older than this process, or cannot be compared.
    pub(super) fn snapshot(&mut self, Prepared { snapshot, ends }: Prepared) -> Vec<String> {
        let continues = match (&self.revision, &snapshot.revision) {
            (Some(old), Some(new)) => old.epoch == new.epoch,
            _ => false,
        };
        if !continues {
            self.orders.clear();
        }
        self.revision = snapshot.revision;
        self.out_of_step = false;
        self.resources = snapshot.resources;
        self.ends = ends;
        let resets = new_orders(&mut self.orders, self.resources.whole());
        if continues { resets } else { Vec::new() }
    }

    /// Applies a delta. Returns what it did, in that order, and the breakers to reset.
    pub(super) fn delta(&mut self, update: pb::Update) -> Result<(Vec<Change>, Vec<String>), OutOfStep> {
        let (Some(old), Some(new)) = (self.revision(), &update.revision) else {
            return Err(OutOfStep);
        };
        if old.epoch != new.epoch || new.number <= old.number {
            return Err(OutOfStep);
        }
        self.revision = update.revision;
        let resets = new_orders(&mut self.orders, &update.upserts);
        let mut changes = Vec::new();
        for key in update.removed {
            changes.extend(self.remove(&key));
        }
        for resource in update.upserts {
            if let Some(entry) = Entry::read(&resource) {
                self.ends.put(&entry);
            }
            let change = self.resources.insert(resource);
            changes.extend(self.ends.follow(change));
        }
        Ok((changes, resets))
    }

    /// Drops revocations that were over at `now`, in seconds since 1970: of those by id, [`DROPPED`] at most. Returns how many, and
    /// what it did.
    pub(super) fn expire(&mut self, now: i64) -> (usize, Vec<Change>) {
        let mut changes = Vec::new();
        while let Some((_, key)) = self.ends.whole.first().filter(|(at, _)| *at < now).cloned() {
            changes.extend(self.remove(&key));
        }
        let mut dropped = changes.len();
        let over = self.ends.over(now, DROPPED);
        dropped += over.into_iter().filter(|id| self.resources.expire(*id, now)).count();
        (dropped, changes)
    }

    fn remove(&mut self, key: &str) -> Option<Change> {
        let change = self.resources.remove(key);
        self.ends.follow(change)
    }
}

impl From<Snapshot> for Prepared {
    fn from(snapshot: Snapshot) -> Self {
        let ends = Ends::of(&snapshot.resources);
        Self { snapshot, ends }
    }
}

impl Ends {
    fn of(resources: &Resources) -> Self {
        let mut ends = Self::default();
        resources.ids().iter().for_each(|entry| ends.put(entry));
        let whole = resources.whole().filter_map(|r| Some((end(r)?, r.key.clone())));
        ends.whole.extend(whole);
        ends
    }

    fn put(&mut self, entry: &Entry) {
        if let Some(at) = entry.end() {
            self.ids.entry(at).or_default().push(entry.id);
        }
    }

    /// Takes out where to look for those that were over at `now`: `most` of them.
    fn over(&mut self, now: i64, most: usize) -> Vec<Id> {
        let mut over = Vec::new();
        while let Some(mut due) = self.ids.first_entry().filter(|due| *due.key() < now) {
            let ids = due.get_mut();
            let rest = ids.len().saturating_sub(most - over.len());
            over.extend(ids.drain(rest..));
            if rest > 0 {
                break;
            }
            due.remove();
        }
        over
    }

    /// Takes a change in, and passes it on if there was one.
    fn follow(&mut self, change: Change) -> Option<Change> {
        if let Some(old) = &change.old
            && let Some(at) = end(old)
        {
            self.whole.remove(&(at, old.key.clone()));
        }
        if let Some(new) = &change.new
            && let Some(at) = end(new)
        {
            self.whole.insert((at, new.key.clone()));
        }
        (change.old.is_some() || change.new.is_some()).then_some(change)
    }
}

/// The breakers that resources order to be reset, once for each order.
fn new_orders<'a>(
    last: &mut BTreeMap<String, u64>,
    resources: impl IntoIterator<Item = &'a pb::Resource>,
) -> Vec<String> {
    let mut new = Vec::new();
    for resource in resources {
        let Some(Kind::BreakerReset(reset)) = &resource.kind else {
            continue;
        };
        let last = last.entry(reset.breaker.clone()).or_insert(0);
        if reset.order > *last {
            *last = reset.order;
            new.push(reset.breaker.clone());
        }
    }
    new
}

/// The last second in which a revocation matters; none for what does not end.
fn end(resource: &pb::Resource) -> Option<i64> {
    match &resource.kind {
        Some(Kind::Revocation(marks)) => marks.expire_time.as_ref().map(|t| t.seconds),
        _ => None,
    }
}
