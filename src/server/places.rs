//! How many connections there are at once, in all and of one address, so that one caller does not take the places of the others.
//!
//! The decision to question: an address whose connections were cut off for a flood is served, but later. Cutting off alone costs the
//! attacker one connect; refusing would let one neighbour behind a shared address shut the others out.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, atomic::AtomicUsize, atomic::Ordering::Relaxed},
    time::Duration,
};

use dashmap::{DashMap, mapref::entry::Entry};
use tokio::time::Instant;

use super::networks::network;

/// Wait of the next connection after the first flood; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// An address that kept quiet for so long is like any other.
const FORGIVEN: Duration = Duration::from_secs(60);
/// Addresses above which those that are forgiven are looked for.
const MANY: usize = 1000;
/// How often at most.
const SWEEP: Duration = Duration::from_secs(1);

/// Places of connections. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Places(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    all: usize,
    of_one: usize,
    taken: AtomicUsize,
    by_address: DashMap<IpAddr, Address>,
    /// When those that are forgiven were last looked for.
    swept: Mutex<Option<Instant>>,
}

#[derive(Debug, Default)]
struct Address {
    taken: usize,
    /// How many floods there were, and when the last one.
    floods: u32,
    last: Option<Instant>,
}

/// A place among all; free when dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<Inner>);

/// A place among those of one address; free when dropped.
#[derive(Debug)]
pub(super) struct OfAddress(Arc<Inner>, IpAddr);

impl Places {
    pub(super) fn new(all: usize, of_one: usize) -> Self {
        Self(Arc::new(Inner {
            all,
            of_one,
            taken: AtomicUsize::new(0),
            by_address: DashMap::new(),
            swept: Mutex::default(),
        }))
    }

    /// A place, while there is one.
    pub(super) fn take(&self) -> Option<Place> {
        let taken = self.0.taken.fetch_add(1, Relaxed);
        let place = Place(Arc::clone(&self.0));
        (taken < self.0.all).then_some(place)
    }

    /// A place of this address, while there is one.
    pub(super) fn take_of(&self, address: IpAddr) -> Option<OfAddress> {
        self.0.sweep();
        let address = network(address);
        let mut of_it = self.0.by_address.entry(address).or_default();
        if of_it.taken >= self.0.of_one {
            return None;
        }
        of_it.taken += 1;
        Some(OfAddress(Arc::clone(&self.0), address))
    }
}

impl Inner {
    /// Drops those that are forgiven, once in a while: where as many are connected there is nothing to drop, and each look takes all
    /// locks.
    fn sweep(&self) {
        if self.by_address.len() <= MANY {
            return;
        }
        // Whoever else is at it does it for all.
        let Ok(mut swept) = self.swept.try_lock() else { return };
        if swept.is_none_or(|at| at.elapsed() >= SWEEP) {
            self.by_address.retain(|_, a| a.taken > 0 || !a.is_forgiven());
            *swept = Some(Instant::now());
        }
    }
}

impl Address {
    fn is_forgiven(&self) -> bool {
        self.last.is_none_or(|last| last.elapsed() >= FORGIVEN)
    }

    fn wait(&self) -> Duration {
        match self.floods {
            0 => Duration::ZERO,
            _ if self.is_forgiven() => Duration::ZERO,
            floods => FIRST_WAIT.saturating_mul(1 << (floods - 1).min(10)).min(LONGEST_WAIT),
        }
    }
}

impl OfAddress {
    /// How long its connection waits before it is served.
    pub(super) fn wait(&self) -> Duration {
        self.0.by_address.get(&self.1).map_or(Duration::ZERO, |a| a.wait())
    }

    /// Its connection was a flood.
    pub(super) fn flooded(&self) {
        let mut of_it = self.0.by_address.entry(self.1).or_default();
        let before = if of_it.is_forgiven() { 0 } else { of_it.floods };
        of_it.floods = before.saturating_add(1);
        of_it.last = Some(Instant::now());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Relaxed);
    }
}

impl Drop for OfAddress {
    fn drop(&mut self) {
        if let Entry::Occupied(mut of_it) = self.0.by_address.entry(self.1) {
            of_it.get_mut().taken -= 1;
            if of_it.get().taken == 0 && of_it.get().is_forgiven() {
                of_it.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_it_is_given_back() {
        let places = Places::new(2, 1);
        let (a, _b) = (places.take().unwrap(), places.take().unwrap());
        assert!(places.take().is_none() && places.take().is_none());
        drop(a);
        assert!(places.take().is_some());
    }

    #[test]
    fn an_address_has_its_own_places() {
        let at = |text: &str| text.parse::<IpAddr>().unwrap();
        let places = Places::new(100, 2);
        let first = places.take_of(at("192.0.2.1")).unwrap();
        let _second = places.take_of(at("::ffff:192.0.2.1")).unwrap();
        assert!(places.take_of(at("192.0.2.1")).is_none());
        assert!(places.take_of(at("192.0.2.2")).is_some());
        drop(first);
        assert!(places.take_of(at("192.0.2.1")).is_some());

        let _six = [places.take_of(at("2001:db8::1")), places.take_of(at("2001:db8::2"))];
        assert!(places.take_of(at("2001:db8::3")).is_none(), "one /64");
        drop(_six);
        let left: Vec<_> = places.0.by_address.iter().map(|e| *e.key()).collect();
        assert_eq!(left, [at("192.0.2.1")], "who left is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn who_floods_waits_longer_each_time_and_is_forgiven() {
        let places = Places::new(10_000, 10_000);
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let mut waits = Vec::new();
        for _ in 0..8 {
            let place = places.take_of(one).unwrap();
            waits.push(place.wait().as_millis());
            place.flooded();
        }
        assert_eq!(waits, [0, 50, 100, 200, 400, 800, 1600, 2000]);
        assert_eq!(places.take_of(other).unwrap().wait(), Duration::ZERO);

        tokio::time::advance(FORGIVEN).await;
        let place = places.take_of(one).unwrap();
        assert_eq!(place.wait(), Duration::ZERO);
        place.flooded();
        assert_eq!(place.wait(), FIRST_WAIT);
        drop(place);

        // Addresses that are forgiven are not kept.
        tokio::time::advance(FORGIVEN).await;
        let held: Vec<_> = (0..MANY as u32 + 1)
            .map(|n| places.take_of(IpAddr::from((n + (10 << 24)).to_be_bytes())))
            .collect();
        let _more = places.take_of(other);
        assert!(!places.0.by_address.contains_key(&one));
        assert_eq!(places.0.by_address.len(), held.len() + 1);
    }
}
