//! Claims of verified tokens, found by the token's digest, so that no bearer token stays in memory.
//!
//! Each shard has two generations: when the young one is full it becomes the old one, and what was old and not asked for
//! since is forgotten. So the memory is bounded, nothing is ever searched for a victim, and a token in use stays.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use aws_lc_rs::digest::{SHA256, digest as sha};

use super::verified::Verified;

/// A power of two, well above the number of cores.
const SHARDS: usize = 32;

/// Entries of one generation of one shard. A generation has room for 10,000 tokens that take turns, uneven as shards are: what falls out
/// of both is verified again, which costs as much as the call. Both hold 32,768 at most, about 20 MB, and half of that again where
/// services of others are told of each.
const GENERATION: usize = 512;

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
    young: HashMap<Digest, Arc<Verified>>,
    old: HashMap<Digest, Arc<Verified>>,
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
        let lock = self.shard(digest);
        let shard = lock.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(hit) = shard.young.get(digest) {
            return Some(hit.clone());
        }
        let hit = shard.old.get(digest)?.clone();
        drop(shard);
        // Keeps it for another generation; when others hold the lock the next hit will do.
        if let Ok(mut shard) = lock.try_write() {
            shard.put(*digest, hit.clone());
        }
        Some(hit)
    }

    /// Remembers a token.
    pub(super) fn put(&self, digest: Digest, verified: Arc<Verified>) {
        let mut shard = self.shard(&digest).write().unwrap_or_else(PoisonError::into_inner);
        shard.put(digest, verified);
    }

    /// Forgets a token.
    pub(super) fn remove(&self, digest: &Digest) {
        let mut shard = self.shard(digest).write().unwrap_or_else(PoisonError::into_inner);
        shard.young.remove(digest);
        shard.old.remove(digest);
    }

    fn shard(&self, digest: &Digest) -> &RwLock<Shard> {
        &self.0[usize::from(digest[0]) % SHARDS]
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let size = |s: &RwLock<Shard>| s.read().map_or(0, |s| s.young.len() + s.old.len());
        self.0.iter().map(size).sum()
    }
}

impl Shard {
    fn put(&mut self, digest: Digest, verified: Arc<Verified>) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(&digest);
        self.young.insert(digest, verified);
    }
}
