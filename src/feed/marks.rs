//! Revocations, made quick to look up: persistent maps, so that a reader's version stays whole while a delta makes the next
//! one by copying a path of a few nodes. Those by id are the very ones that the replica holds.

use std::sync::Arc;

use rpds::HashTrieMapSync;

use super::{
    by_id::{ById, Id, Mark, Of},
    resources::{Change, Resources},
};
use crate::{
    access::Principal,
    api::mesh::{self as pb, RevocationTarget as Target, resource::Kind},
    error::{Error, Reason},
};

/// Every mark in force.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    ids: ById,
    tenants: HashTrieMapSync<Arc<str>, Mark>,
    all: Option<Mark>,
}

impl Marks {
    /// The marks among what is held.
    pub(super) fn of(resources: &Resources) -> Self {
        let mut marks = Self {
            ids: resources.ids().clone(),
            ..Self::default()
        };
        resources.whole().for_each(|resource| marks.set(resource, true));
        marks
    }

    /// Follows what is held through these changes.
    pub(super) fn follow(&mut self, resources: &Resources, changes: &[Change]) {
        self.ids = resources.ids().clone();
        for change in changes {
            change.old.iter().for_each(|old| self.set(old, false));
            change.new.iter().for_each(|new| self.set(new, true));
        }
    }

    /// Puts the marks of a resource, if it has any, or takes them away.
    fn set(&mut self, resource: &pb::Resource, present: bool) {
        let Some(Kind::Revocation(marks)) = &resource.kind else {
            return;
        };
        let mark = present.then_some(Mark {
            revoked: marks.revoked,
            stale: marks.stale,
        });
        match (marks.target(), mark) {
            (Target::Tenant, Some(mark)) => self.tenants.insert_mut(marks.id.as_str().into(), mark),
            (Target::Tenant, None) => {
                self.tenants.remove_mut(marks.id.as_str());
            }
            (Target::All, mark) => self.all = mark,
            (Target::Token | Target::Session | Target::User, _) => {
                tracing::error!(id = marks.id, "a revocation of something that has no such id");
            }
            (Target::Unspecified, _) => tracing::error!(id = marks.id, "a revocation of nothing"),
        }
    }

    /// Judges a token of `principal` while auth's store is in `epoch`. A token of another epoch cannot be compared: any mark on
    /// it counts, and without one it must be refreshed, which asks auth.
    pub(super) fn judge(&self, principal: &Principal, epoch: &str) -> Result<(), Error> {
        let same = *principal.epoch == *epoch;
        let below = |mark: u64| mark > 0 && (!same || principal.revision < mark);
        let mut stale = !same;
        for mark in self.found(principal) {
            if below(mark.revoked) {
                return Err(Error::new(
                    Reason::AuthTokenRevoked,
                    "the access token was revoked: sign in again",
                ));
            }
            stale |= below(mark.stale);
        }
        if stale {
            return Err(Error::new(
                Reason::AuthTokenStale,
                "the account's rights changed after this access token was issued: refresh it",
            ));
        }
        Ok(())
    }

    fn found<'a>(&'a self, principal: &'a Principal) -> impl Iterator<Item = &'a Mark> {
        let found = [
            self.all.as_ref(),
            self.tenants.get(principal.tenant.as_str()),
            self.ids.get(Id::new(Of::User, principal.subject.0)),
            self.ids.get(Id::new(Of::Session, principal.session.0)),
            self.ids.get(Id::new(Of::Token, principal.token.0)),
        ];
        found.into_iter().flatten()
    }
}
