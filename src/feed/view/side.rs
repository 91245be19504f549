//! What is held of one producer, and when that was last heard.

use std::{
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::lock;
use crate::feed::replica::Replica;

/// What is held of one producer.
#[derive(Debug)]
pub(super) struct Side {
    replica: Mutex<Replica>,
    born: Instant,
    /// When the producer was last heard, in milliseconds after `born`; `NEVER` before the first time.
    heard: AtomicI64,
    /// Grows with every change.
    pub(super) version: AtomicU64,
}

const NEVER: i64 = i64::MIN;

impl Side {
    pub(super) fn new() -> Self {
        Self {
            replica: Mutex::default(),
            born: Instant::now(),
            heard: AtomicI64::new(NEVER),
            version: AtomicU64::new(0),
        }
    }

    pub(super) fn replica(&self) -> MutexGuard<'_, Replica> {
        lock(&self.replica)
    }

    pub(super) fn hear(&self, ago: Duration) {
        self.heard.store(self.uptime().saturating_sub(millis(ago)), Relaxed);
    }

    pub(super) fn age(&self) -> Option<Duration> {
        let heard = self.heard.load(Relaxed);
        let age = self.uptime().saturating_sub(heard).max(0).unsigned_abs();
        (heard != NEVER).then(|| Duration::from_millis(age))
    }

    fn uptime(&self) -> i64 {
        millis(self.born.elapsed())
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
