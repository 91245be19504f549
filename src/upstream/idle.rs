//! When something last moved on a call, in either direction: streams have no deadline, but a silent one ends. And since when the
//! request is complete: until then whoever waits waits for the caller, not for the upstream.

use std::{
    sync::{
        Arc, OnceLock,
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
    complete: OnceLock<Instant>,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self(Arc::new(Last {
            start: Instant::now(),
            millis: AtomicU64::new(0),
            complete: OnceLock::new(),
        }))
    }

    pub(super) fn touch(&self) {
        let millis = u64::try_from(self.0.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.millis.store(millis, Ordering::Relaxed);
    }

    /// The caller has sent its whole request.
    pub(super) fn complete(&self) {
        self.0.complete.get_or_init(Instant::now);
    }

    /// How long the whole request has been there; `None` while the caller still sends.
    pub(super) fn since_complete(&self) -> Option<Duration> {
        self.0.complete.get().map(Instant::elapsed)
    }

    /// When the call becomes idle, if nothing moves until then.
    pub(super) fn idle_at(&self) -> Instant {
        self.0.start + Duration::from_millis(self.0.millis.load(Ordering::Relaxed)) + IDLE_TIMEOUT
    }
}
