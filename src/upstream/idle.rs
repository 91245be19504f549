//! When something last moved on a call, in either direction: streams have no deadline, but a silent one ends.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// Silence in both directions after which a stream ends.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(300);

/// The last movement of a call. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Activity(Arc<Last>);

#[derive(Debug)]
struct Last {
    start: Instant,
    millis: AtomicU64,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self(Arc::new(Last {
            start: Instant::now(),
            millis: AtomicU64::new(0),
        }))
    }

    pub(super) fn touch(&self) {
        let millis = u64::try_from(self.0.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.millis.store(millis, Ordering::Relaxed);
    }

    /// When the call becomes idle, if nothing moves until then.
    pub(super) fn idle_at(&self) -> Instant {
        self.0.start + Duration::from_millis(self.0.millis.load(Ordering::Relaxed)) + IDLE_TIMEOUT
    }
}
