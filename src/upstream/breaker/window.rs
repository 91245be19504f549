//! Successes and failures of the last ten seconds, in buckets of one.

use std::time::Duration;

use tokio::time::Instant;

const BUCKETS: usize = 10;
const BUCKET: Duration = Duration::from_secs(1);

/// A sliding window. Adding costs the same whatever the rate.
#[derive(Debug)]
pub(super) struct Window {
    /// (successes, failures) of each bucket.
    ring: [(u64, u64); BUCKETS],
    head: usize,
    /// Start of the head bucket.
    head_at: Instant,
}

impl Window {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            ring: [(0, 0); BUCKETS],
            head: 0,
            head_at: now,
        }
    }

    pub(super) fn add(&mut self, success: bool, now: Instant) {
        self.slide(now);
        let bucket = &mut self.ring[self.head];
        if success {
            bucket.0 += 1;
        } else {
            bucket.1 += 1;
        }
    }

    pub(super) fn totals(&mut self, now: Instant) -> (u64, u64) {
        self.slide(now);
        self.ring.iter().fold((0, 0), |sum, b| (sum.0 + b.0, sum.1 + b.1))
    }

    fn slide(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.head_at);
        if elapsed >= BUCKET * 10 {
            *self = Self::new(now);
            return;
        }
        while now.saturating_duration_since(self.head_at) >= BUCKET {
            self.head = (self.head + 1) % BUCKETS;
            self.ring[self.head] = (0, 0);
            self.head_at += BUCKET;
        }
    }
}
