//! The counters behind the throttle, in bounded memory: keys are hashes of fixed size, and when the table is full, those go first
//! that slow nobody down.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, Hash, RandomState},
    net::IpAddr,
    time::Duration,
};

use chrono::{DateTime, Utc};
use logicore::ids::TenantId;

use super::{DECAY, FIRST, IN_FLIGHT, delay, since};
use crate::accounts::Email;

/// Lanes at most: some 6 MB.
const LANES: usize = 1 << 16;

/// Known pairs of account and address in each of two generations.
const KNOWN: usize = 1 << 15;

/// What is counted, hashed under a random key so that nobody can choose two that collide.
pub(super) type Key = (u64, u64);

/// Makes keys.
#[derive(Debug, Default)]
pub(super) struct Keys(RandomState, RandomState);

impl Keys {
    pub(super) fn account(&self, tenant: &TenantId, email: &Email) -> Key {
        self.key(("account", tenant, email))
    }

    pub(super) fn pair(&self, tenant: &TenantId, email: &Email, address: IpAddr) -> Key {
        self.key(("pair", tenant, email, network(address)))
    }

    pub(super) fn address(&self, address: IpAddr) -> Key {
        self.key(("address", network(address)))
    }

    fn key(&self, what: impl Hash) -> Key {
        (self.0.hash_one(&what), self.1.hash_one(&what))
    }
}

/// An IPv6 subscriber has a whole /64 to choose addresses from.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let mut octets = v6.octets();
            octets[8..].fill(0);
            octets.into()
        }
        v4 => v4,
    }
}

#[derive(Debug)]
struct Lane {
    failures: u32,
    in_flight: u32,
    /// Last failure.
    last: DateTime<Utc>,
    refused: bool,
}

impl Lane {
    /// Failures that are not forgotten yet.
    fn weight(&self, free: u32, now: DateTime<Utc>) -> u32 {
        let quiet = since(self.last, now).saturating_sub(delay(self.failures, free));
        let forgotten = quiet.as_secs() / DECAY.as_secs();
        self.failures
            .saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX))
    }
}

/// Counters by key.
#[derive(Debug, Default)]
pub(super) struct Lanes(HashMap<Key, Lane>);

impl Lanes {
    /// How long the lane must still wait.
    pub(super) fn wait(&self, key: Key, free: u32, now: DateTime<Utc>) -> Option<Duration> {
        let lane = self.0.get(&key)?;
        let weight = lane.weight(free, now);
        let wait = delay(weight, free).saturating_sub(since(lane.last, now));
        if !wait.is_zero() {
            return Some(wait);
        }
        let room = if weight > free { 1 } else { IN_FLIGHT };
        (lane.in_flight >= room).then_some(FIRST)
    }

    /// Notes a refusal; returns whether it is the first since the last failure.
    pub(super) fn refuse(&mut self, key: Key) -> bool {
        self.0
            .get_mut(&key)
            .is_some_and(|lane| !std::mem::replace(&mut lane.refused, true))
    }

    pub(super) fn enter(&mut self, key: Key, now: DateTime<Utc>) {
        if self.0.len() >= LANES && !self.0.contains_key(&key) {
            self.make_room(now);
        }
        let lane = self.0.entry(key).or_insert(Lane {
            failures: 0,
            in_flight: 0,
            last: now,
            refused: false,
        });
        lane.in_flight += 1;
    }

    pub(super) fn leave(&mut self, key: Key) {
        if let Some(lane) = self.0.get_mut(&key) {
            lane.in_flight = lane.in_flight.saturating_sub(1);
            if lane.in_flight == 0 && lane.failures == 0 {
                self.0.remove(&key);
            }
        }
    }

    pub(super) fn fail(&mut self, key: Key, now: DateTime<Utc>) {
        let lane = self.0.entry(key).or_insert(Lane {
            failures: 0,
            in_flight: 0,
            last: now,
            refused: false,
        });
        lane.failures = lane.weight(super::ACCOUNT_FREE, now).saturating_add(1);
        lane.last = now;
        lane.refused = false;
    }

    /// Forgets the failures; others under way stay counted.
    pub(super) fn clear(&mut self, key: Key) {
        if let Some(lane) = self.0.get_mut(&key) {
            lane.failures = 0;
            lane.refused = false;
        }
        self.leave(key);
    }

    pub(super) fn forget_one(&mut self, key: Key, now: DateTime<Utc>) {
        if let Some(lane) = self.0.get_mut(&key) {
            lane.failures = lane.weight(super::ADDRESS_FREE, now).saturating_sub(1);
            if lane.in_flight == 0 && lane.failures == 0 {
                self.0.remove(&key);
            }
        }
    }

    /// Drops what is forgotten, then what slows nobody, then the lightest half.
    fn make_room(&mut self, now: DateTime<Utc>) {
        let free = super::ACCOUNT_FREE;
        for least in [1, free + 1] {
            self.0
                .retain(|_, lane| lane.in_flight > 0 || lane.weight(free, now) >= least);
            if self.0.len() < LANES * 7 / 8 {
                return;
            }
        }
        let mut weights: Vec<u32> = self.0.values().map(|lane| lane.failures).collect();
        weights.sort_unstable();
        let median = weights[weights.len() / 2];
        let mut spare = self.0.len() / 2;
        self.0.retain(|_, lane| {
            let goes = spare > 0 && lane.in_flight == 0 && lane.failures <= median;
            spare -= usize::from(goes);
            !goes
        });
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Accounts and the addresses that they signed in from; the older half goes when it is full.
#[derive(Debug, Default)]
pub(super) struct Known {
    young: HashSet<Key>,
    old: HashSet<Key>,
}

impl Known {
    pub(super) fn contains(&self, pair: Key) -> bool {
        self.young.contains(&pair) || self.old.contains(&pair)
    }

    pub(super) fn insert(&mut self, pair: Key) {
        if self.young.len() >= KNOWN {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(pair);
    }
}
