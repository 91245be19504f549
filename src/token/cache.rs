//! Claims of verified tokens, found by the token's digest, so that no bearer token stays in memory.
//!
//! Each shard has places in a ring. Where all are taken the next token gets the place of the first one, from where the last was found,
//! that nobody has asked for since (CLOCK, or second chance). So the memory is bounded, and a token in use stays.
//!
//! One goes as one comes, and never many at once: their memory would be thousands of holes all over the heap, the allocator would give
//! each to a call in its turn, and all calls would work in cold memory, at a third more.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use aws_lc_rs::digest::{SHA256, digest as sha};

use super::verified::Verified;

/// A power of two, well above the number of cores.
const SHARDS: usize = 32;

/// Places of a shard: 16 384 in all. There is room for
/// 10,000 tokens that take turns, uneven as shards are: what is forgotten is verified again, which costs as much as the rest of a call.
const PLACES: usize = 512;

/// SHA-256 of a token.
pub(super) type Digest = [u8; 32];

/// Takes the digest of a token.
pub(super) fn digest(token: &str) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(sha(&SHA256, token.as_bytes()).as_ref());
    out
}

#[derive(Debug, Default)]
struct Shard {
    /// Where a token has its place.
    found: HashMap<Digest, usize>,
    places: Vec<Place>,
    /// Where the next victim is looked for.
    hand: usize,
}

#[derive(Debug)]
struct Place {
    digest: Digest,
    /// `None` where it was forgotten.
    verified: Option<Arc<Verified>>,
    /// Since the hand last passed.
    asked: AtomicBool,
}

/// The cache.
#[derive(Debug)]
pub(super) struct Cache(Box<[RwLock<Shard>]>);

impl Default for Cache {
    fn default() -> Self {
        Self((0..SHARDS).map(|_| RwLock::default()).collect())
    }
}

impl Cache {
    /// What is known of a token.
    pub(super) fn get(&self, digest: &Digest) -> Option<Arc<Verified>> {
        let shard = self.shard(digest).read().unwrap_or_else(PoisonError::into_inner);
        let place = &shard.places[*shard.found.get(digest)?];
        // Looked at first: a write would take the line from all other cores each time.
        if !place.asked.load(Relaxed) {
            place.asked.store(true, Relaxed);
        }
        place.verified.clone()
    }

    /// Remembers a token.
    pub(super) fn put(&self, digest: Digest, verified: Arc<Verified>) {
        let mut shard = self.shard(&digest).write().unwrap_or_else(PoisonError::into_inner);
        shard.put(digest, verified);
    }

    /// Forgets a token.
    pub(super) fn remove(&self, digest: &Digest) {
        let mut shard = self.shard(digest).write().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = shard.found.remove(digest) {
            shard.places[at].verified = None;
        }
    }

    fn shard(&self, digest: &Digest) -> &RwLock<Shard> {
        &self.0[usize::from(digest[0]) % SHARDS]
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|s| s.read().map_or(0, |s| s.found.len())).sum()
    }
}

impl Shard {
    fn put(&mut self, digest: Digest, verified: Arc<Verified>) {
        let place = Place {
            digest,
            verified: Some(verified),
            asked: AtomicBool::new(false),
        };
        // Two calls may have verified it at once.
        if let Some(at) = self.found.get(&digest) {
            self.places[*at] = place;
            return;
        }
        let at = if self.places.len() < PLACES {
            self.places.push(place);
            self.places.len() - 1
        } else {
            let at = self.victim();
            let old = std::mem::replace(&mut self.places[at], place);
            // A place that was forgotten may have its digest elsewhere by now.
            if old.verified.is_some() {
                self.found.remove(&old.digest);
            }
            at
        };
        self.found.insert(digest, at);
    }

    /// The next place that nobody has asked for since the hand passed it; that is the first one at the latest when it comes round.
    fn victim(&mut self) -> usize {
        loop {
            let at = self.hand;
            self.hand = (at + 1) % PLACES;
            let asked = self.places[at].asked.get_mut();
            if !std::mem::take(asked) {
                return at;
            }
        }
    }
}
