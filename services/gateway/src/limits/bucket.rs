//! Leaky buckets by the generic cell rate algorithm (GCRA): one number for each key, the time at which its bucket is full again.

use std::{hash::Hash, time::Duration};

use dashmap::DashMap;
use tokio::time::Instant;

/// The buckets of one limit.
#[derive(Debug)]
pub(super) struct Buckets<K: Eq + Hash> {
    units: u32,
    window: Duration,
    /// What one unit takes to come back.
    each: Duration,
    start: Instant,
    /// When each bucket is full again, counted from `start`. Those that are full need no entry.
    full_at: DashMap<K, Duration>,
}

/// How a key stands after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) allowed: bool,
    /// Units left.
    pub(super) remaining: u32,
    /// Until the bucket is full again.
    pub(super) reset: Duration,
    /// Until the same request would be let in; zero when it was.
    pub(super) retry_after: Duration,
}

impl<K: Eq + Hash> Buckets<K> {
    /// `units` in each `window`, all at once or spread.
    pub(super) fn new(units: u32, window: Duration) -> Self {
        Self {
            units,
            window,
            each: window / units.max(1),
            start: Instant::now(),
            full_at: DashMap::new(),
        }
    }

    pub(super) fn units(&self) -> u32 {
        self.units
    }

    /// Takes `cost` units, or says when there will be as many. What costs more than there ever is takes all.
    pub(super) fn take(&self, key: K, cost: u32) -> Standing {
        let now = self.start.elapsed();
        let cost = self.each * cost.clamp(1, self.units.max(1));
        let mut full_at = self.full_at.entry(key).or_insert(now);
        let debt = full_at.saturating_sub(now);
        let after = debt + cost;
        if after > self.window {
            return self.standing(false, debt, after - self.window);
        }
        *full_at = now + after;
        self.standing(true, after, Duration::ZERO)
    }

    fn standing(&self, allowed: bool, debt: Duration, retry_after: Duration) -> Standing {
        let left = self.window.saturating_sub(debt).as_nanos() / self.each.as_nanos().max(1);
        Standing {
            allowed,
            remaining: u32::try_from(left).unwrap_or(u32::MAX).min(self.units),
            reset: debt,
            retry_after,
        }
    }

    /// Forgets buckets that are full: a key that never comes again must not stay.
    pub(super) fn sweep(&self) {
        let now = self.start.elapsed();
        self.full_at.retain(|_, full_at| *full_at > now);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.full_at.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn units_come_back_one_by_one() {
        let buckets = Buckets::new(60, MINUTE);
        let allowed = (0..100).filter(|_| buckets.take("a", 1).allowed).count();
        assert_eq!(allowed, 60);
        let refused = buckets.take("a", 1);
        assert_eq!((refused.allowed, refused.remaining), (false, 0));
        assert_eq!(refused.retry_after, Duration::from_secs(1));
        assert_eq!(refused.reset, MINUTE);
        tokio::time::advance(Duration::from_secs(3)).await;
        let allowed = (0..100).filter(|_| buckets.take("a", 1).allowed).count();
        assert_eq!(allowed, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn keys_do_not_share() {
        let buckets = Buckets::new(1, MINUTE);
        assert!(buckets.take("a", 1).allowed);
        assert!(!buckets.take("a", 1).allowed);
        assert!(buckets.take("b", 1).allowed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dear_request_takes_more_and_never_more_than_all() {
        let buckets = Buckets::new(10, MINUTE);
        assert_eq!(buckets.take("a", 5).remaining, 5);
        assert!(!buckets.take("a", 6).allowed);
        assert!(buckets.take("a", 5).allowed);
        assert!(buckets.take("b", 50).allowed, "else it could never be made");
    }

    #[tokio::test(start_paused = true)]
    async fn full_buckets_are_forgotten_and_others_are_not() {
        let buckets = Buckets::new(60, MINUTE);
        for i in 0..100 {
            buckets.take(i, 1);
        }
        buckets.take(7, 30);
        tokio::time::advance(Duration::from_secs(2)).await;
        buckets.sweep();
        assert_eq!(buckets.len(), 1);
        assert_eq!(buckets.take(7, 1).remaining, 30);
    }
}
