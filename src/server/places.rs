//! How many connections there are at once, in all and of one address, so that one caller does not take the places of the others.

use std::{
    net::IpAddr,
    sync::{Arc, atomic::AtomicUsize, atomic::Ordering::Relaxed},
};

use dashmap::{DashMap, mapref::entry::Entry};

/// Places of connections. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Places(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    all: usize,
    of_one: usize,
    taken: AtomicUsize,
    by_address: DashMap<IpAddr, usize>,
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
        let address = network(address);
        let mut taken = self.0.by_address.entry(address).or_insert(0);
        if *taken >= self.0.of_one {
            return None;
        }
        *taken += 1;
        Some(OfAddress(Arc::clone(&self.0), address))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Relaxed);
    }
}

impl Drop for OfAddress {
    fn drop(&mut self) {
        if let Entry::Occupied(mut taken) = self.0.by_address.entry(self.1) {
            *taken.get_mut() -= 1;
            if *taken.get() == 0 {
                taken.remove();
            }
        }
    }
}

/// The network that an address stands for: whoever has one IPv6 address has a /64 of them.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 => v4,
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
}
