//! Where a process stands in its life, for readiness and for the order in which its listeners end.
//!
//! Whoever gets the signal to stop calls [`Lifecycle::advance`] with [`Phase::Draining`] and cancels `Context::shutdown` only when
//! the listeners have returned: requests in flight still need what runs in the background.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Where a process stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Not listening yet.
    Starting,
    /// Taking requests.
    Serving,
    /// Ready no more, but still taking requests: balancers need time to see it.
    Draining,
    /// Taking no new connection; streams are ended, other requests finish.
    Closing,
}

/// The phase of a process, shared by the listeners that move it and the probes that tell it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lifecycle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    phase: watch::Sender<Phase>,
    /// Listeners that other processes reach. Those in memory outlive them, since requests on their way in end there.
    outer: watch::Sender<usize>,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self(Arc::new(Inner {
            phase: watch::Sender::new(Phase::Starting),
            outer: watch::Sender::new(0),
        }))
    }
}

impl Lifecycle {
    /// The phase now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.0.phase.borrow()
    }

    /// Moves on. Nothing leads back: a process that drains never serves again.
    pub fn advance(&self, to: Phase) {
        self.0.phase.send_if_modified(|phase| {
            let forward = *phase < to;
            if forward {
                *phase = to;
            }
            forward
        });
    }

    /// Tells of each change.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Phase> {
        self.0.phase.subscribe()
    }

    /// Waits until the process is in `phase` or past it.
    pub async fn reached(&self, phase: Phase) {
        let mut changes = self.subscribe();
        // The sender lives as long as `self`.
        let _ = changes.wait_for(|now| *now >= phase).await;
    }

    /// Waits until the process shall end, and says so to everybody.
    pub(crate) async fn draining(&self, shutdown: &CancellationToken) {
        tokio::select! {
            () = shutdown.cancelled() => self.advance(Phase::Draining),
            () = self.reached(Phase::Draining) => {}
        }
    }

    /// Counts a listener that other processes reach, until the guard goes.
    pub(crate) fn outer_listener(&self) -> OuterListener {
        self.0.outer.send_modify(|n| *n += 1);
        OuterListener(self.clone())
    }

    /// Waits until no other process reaches this one any more.
    pub(crate) async fn unreachable(&self) {
        let _ = self.0.outer.subscribe().wait_for(|n| *n == 0).await;
    }
}

/// A listener that other processes reach.
#[derive(Debug)]
pub(crate) struct OuterListener(Lifecycle);

impl Drop for OuterListener {
    fn drop(&mut self) {
        self.0.0.outer.send_modify(|n| *n -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draining_process_never_serves_again() {
        let life = Lifecycle::default();
        life.advance(Phase::Draining);
        life.advance(Phase::Serving);
        assert_eq!(life.phase(), Phase::Draining);
    }

    #[tokio::test]
    async fn a_cancelled_process_drains() {
        let (life, shutdown) = (Lifecycle::default(), CancellationToken::new());
        shutdown.cancel();
        life.draining(&shutdown).await;
        assert_eq!(life.phase(), Phase::Draining);
    }
}
