//! How many of an upstream's calls each caller has, so that no one caller takes all of its places.
//!
//! The decision to question: there is no table of callers, which would have each call wait for a lock and allocate. A caller counts by two
//! of a few hundred counters, one of either row, and the lower one is believed (a count-min sketch). So who shares one of them with a busy
//! caller is not held to that caller's calls, and of 65,000 others one shares both, or k² where k callers are busy. The hash is seeded:
//! nobody chooses whom to meet.

use std::{
    hash::BuildHasher as _,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
};

use http::Extensions;

use crate::{
    access::Principal,
    ids::UserId,
    server::{PeerAddr, network},
};

#[cfg(not(test))]
type Hashes = std::hash::RandomState;
/// Who meets whom is the same in every run of a test.
#[cfg(test)]
type Hashes = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;

/// One for each value of a byte.
const COUNTERS: usize = 1 << u8::BITS;

/// Who calls, as far as places are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Caller {
    User(UserId),
    Network(IpAddr),
}

impl Caller {
    /// Nobody where the process itself calls.
    fn of(request: &Extensions) -> Option<Self> {
        match request.get::<Arc<Principal>>() {
            Some(principal) => Some(Self::User(principal.subject)),
            None => request
                .get::<PeerAddr>()
                .map(|peer| Self::Network(network(peer.0.ip()))),
        }
    }
}

/// The calls of all callers.
#[derive(Debug)]
pub(super) struct Shares {
    rows: [[AtomicU32; COUNTERS]; 2],
    seed: Hashes,
}

/// Where a call is counted: in each row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat([u8; 2]);

impl Shares {
    pub(super) fn new() -> Self {
        Self {
            rows: [const { [const { AtomicU32::new(0) }; COUNTERS] }; 2],
            seed: Hashes::default(),
        }
    }

    /// Counts a call of whoever has made this request, unless it would be one beyond `share`. `Ok(None)` where nobody has.
    pub(super) fn take(&self, request: &Extensions, share: usize) -> Result<Option<Seat>, Exceeded> {
        let Some(caller) = Caller::of(request) else {
            return Ok(None);
        };
        let [first, second, ..] = self.seed.hash_one(caller).to_ne_bytes();
        let seat = Seat([first, second]);
        let share = u32::try_from(share).unwrap_or(u32::MAX);
        // Looked at first, so that refusals count nothing that would hide a place which is just given back.
        if self.calls(seat) >= share {
            return Err(Exceeded);
        }
        for counter in self.counters(seat) {
            counter.fetch_add(1, SeqCst);
        }
        // The last of those who come together sees all the others in both of its counters.
        if self.calls(seat) > share {
            self.give_back(seat);
            return Err(Exceeded);
        }
        Ok(Some(seat))
    }

    pub(super) fn give_back(&self, seat: Seat) {
        for counter in self.counters(seat) {
            counter.fetch_sub(1, SeqCst);
        }
    }

    fn calls(&self, seat: Seat) -> u32 {
        let [a, b] = self.counters(seat).map(|counter| counter.load(SeqCst));
        a.min(b)
    }

    fn counters(&self, Seat([first, second]): Seat) -> [&AtomicU32; 2] {
        let [a, b] = &self.rows;
        [&a[usize::from(first)], &b[usize::from(second)]]
    }

    /// Calls that are counted.
    #[cfg(test)]
    pub(super) fn counted(&self) -> u32 {
        self.rows[0].iter().map(|counter| counter.load(SeqCst)).sum()
    }
}

/// The caller has its share.
#[derive(Debug)]
pub(super) struct Exceeded;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit;

    fn from(address: &str) -> Extensions {
        let mut request = Extensions::new();
        request.insert(PeerAddr(format!("{address}:7").parse().unwrap()));
        request
    }

    #[test]
    fn who_shares_one_counter_with_a_busy_caller_has_its_own_share() {
        let shares = Shares::new();
        let busy = from("192.0.2.1");
        while shares.take(&busy, 100).is_ok() {}
        let refused = (0..=255_u8)
            .flat_map(|c| [10, 11].map(|b| from(&format!("198.{b}.0.{c}"))))
            .filter(|other| match shares.take(other, 100) {
                Ok(seat) => {
                    shares.give_back(seat.unwrap());
                    false
                }
                Err(Exceeded) => true,
            });
        assert_eq!(refused.count(), 0);
        assert_eq!(shares.counted(), 100);
    }

    /// Signed in.
    fn by(subject: UserId, address: &str) -> Extensions {
        let mut request = from(address);
        request.insert(Arc::new(testkit::principal(subject)));
        request
    }

    #[test]
    fn who_is_signed_in_is_one_caller_from_wherever_it_calls() {
        let shares = Shares::new();
        let [one, other] = [1, 2].map(|n| UserId(uuid::Uuid::from_u128(n)));
        assert!(shares.take(&by(one, "192.0.2.1"), 1).is_ok());
        assert!(shares.take(&by(one, "192.0.2.2"), 1).is_err());
        assert!(shares.take(&by(other, "192.0.2.1"), 1).is_ok());
        assert!(shares.take(&from("192.0.2.1"), 1).is_ok(), "nor are strangers it");
    }

    #[test]
    fn a_network_is_one_caller_and_the_process_itself_is_none() {
        let shares = Shares::new();
        assert!(shares.take(&from("[2001:db8::1]"), 1).is_ok());
        assert!(shares.take(&from("[2001:db8::2]"), 1).is_err(), "of one /64");
        assert!(shares.take(&Extensions::new(), 0).unwrap().is_none());
    }

    #[test]
    fn never_more_than_the_share_whoever_races() {
        let shares = Shares::new();
        let caller = from("192.0.2.1");
        let (held, most) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        if let Ok(Some(seat)) = shares.take(&caller, 3) {
                            most.fetch_max(held.fetch_add(1, SeqCst) + 1, SeqCst);
                            held.fetch_sub(1, SeqCst);
                            shares.give_back(seat);
                        }
                    }
                });
            }
        });
        assert!((1..=3).contains(&most.into_inner()));
        assert_eq!(shares.counted(), 0);
    }
}
