//! Revocations, made quick to look up: persistent maps, so that a reader's version stays whole while a delta makes the next
//! one by copying a path of a few nodes.

use std::{str::FromStr, sync::Arc};

use rpds::HashTrieMapSync;
use uuid::Uuid;

use crate::{
    access::Principal,
    api::mesh::{self as pb, RevocationTarget as Target},
    error::{Error, Reason},
};

/// The two marks of a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mark {
    revoked: u64,
    stale: u64,
}

/// Every mark in force.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    tokens: HashTrieMapSync<Uuid, Mark>,
    sessions: HashTrieMapSync<Uuid, Mark>,
    users: HashTrieMapSync<Uuid, Mark>,
    tenants: HashTrieMapSync<Arc<str>, Mark>,
    all: Option<Mark>,
}

impl Marks {
    /// Puts the marks of a target, or takes them away.
    pub(super) fn set(&mut self, marks: &pb::Revocation, present: bool) {
        let mark = present.then_some(Mark {
            revoked: marks.revoked,
            stale: marks.stale,
        });
        match marks.target() {
            Target::Token => set_id(&mut self.tokens, &marks.id, mark),
            Target::Session => set_id(&mut self.sessions, &marks.id, mark),
            Target::User => set_id(&mut self.users, &marks.id, mark),
            Target::Tenant => set(&mut self.tenants, marks.id.as_str().into(), mark),
            Target::All => self.all = mark,
            Target::Unspecified => tracing::error!(id = marks.id, "a revocation of nothing"),
        }
    }

    /// Judges a token of `principal` while auth's store is in `epoch`. A token of another epoch cannot be compared: any mark on
    /// it counts, and without one it must be refreshed, which asks auth.
    pub(super) fn judge(&self, principal: &Principal, epoch: &str) -> Result<(), Error> {
        let same = *principal.epoch == *epoch;
        let below = |mark: u64| mark > 0 && (!same || principal.revision < mark);
        let mut stale = !same;
        for mark in self.of(principal) {
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

    fn of<'a>(&'a self, principal: &'a Principal) -> impl Iterator<Item = &'a Mark> {
        let found = [
            self.all.as_ref(),
            self.tenants.get(principal.tenant.as_str()),
            self.users.get(&principal.subject.0),
            self.sessions.get(&principal.session.0),
            self.tokens.get(&principal.token.0),
        ];
        found.into_iter().flatten()
    }
}

fn set_id(map: &mut HashTrieMapSync<Uuid, Mark>, id: &str, mark: Option<Mark>) {
    match Uuid::from_str(id) {
        Ok(id) => set(map, id, mark),
        Err(_) => tracing::error!(id, "a revocation of something that has no such id"),
    }
}

fn set<K: Eq + std::hash::Hash>(map: &mut HashTrieMapSync<K, Mark>, id: K, mark: Option<Mark>) {
    match mark {
        Some(mark) => map.insert_mut(id, mark),
        None => {
            map.remove_mut(&id);
        }
    }
}
