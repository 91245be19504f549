//! How busy an endpoint is: peak EWMA of its response time, times the calls that are out.
//!
//! A peak counts at once and is forgotten over ten seconds, so an endpoint that turns slow loses its calls within one. An
//! endpoint nobody has measured is taken for slow, so that a new one is not flooded. A failure counts on top and is forgotten
//! sooner, or at the next answer: an endpoint that was restarted must not wait a minute for its calls.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

const DECAY: Duration = Duration::from_secs(10);
const UNMEASURED: Duration = Duration::from_millis(30);
/// What a failed call counts as: an endpoint that fails fast must not look quick.
const FAILED: Duration = Duration::from_secs(1);
const FAILURE_DECAY: Duration = Duration::from_secs(2);

/// The load of one endpoint.
#[derive(Debug)]
pub(super) struct Load {
    pending: AtomicUsize,
    ewma: Mutex<Ewma>,
}

#[derive(Debug)]
struct Ewma {
    seconds: f64,
    at: Instant,
    failed: Option<Instant>,
}

impl Load {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            pending: AtomicUsize::new(0),
            ewma: Mutex::new(Ewma {
                seconds: UNMEASURED.as_secs_f64(),
                at: Instant::now(),
                failed: None,
            }),
        })
    }

    /// Lower is better.
    pub(super) fn score(&self) -> f64 {
        let pending = self.pending.load(Ordering::Relaxed) as f64;
        let ewma = self.lock();
        let failure = ewma
            .failed
            .map_or(0.0, |at| FAILED.as_secs_f64() * remains(at.elapsed(), FAILURE_DECAY));
        (ewma.seconds * remains(ewma.at.elapsed(), DECAY) + failure) * (pending + 1.0)
    }

    /// A call begins.
    pub(super) fn begin(self: &Arc<Self>) -> Call {
        self.pending.fetch_add(1, Ordering::Relaxed);
        Call {
            load: Arc::clone(self),
            since: Instant::now(),
            measured: false,
        }
    }

    fn observe(&self, took: Duration) {
        let now = Instant::now();
        let took = took.as_secs_f64();
        let mut ewma = self.lock();
        let keep = remains(now.saturating_duration_since(ewma.at), DECAY);
        ewma.seconds = if took > ewma.seconds {
            took
        } else {
            ewma.seconds * keep + took * (1.0 - keep)
        };
        ewma.at = now;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Ewma> {
        self.ewma.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn remains(elapsed: Duration, decay: Duration) -> f64 {
    (-elapsed.as_secs_f64() / decay.as_secs_f64()).exp()
}

/// One call that is out; ends when dropped.
#[derive(Debug)]
pub(super) struct Call {
    load: Arc<Load>,
    since: Instant,
    measured: bool,
}

impl Call {
    pub(super) fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }

    /// The upstream has answered.
    pub(super) fn answered(&mut self) {
        if !std::mem::replace(&mut self.measured, true) {
            self.load.observe(self.since.elapsed());
            self.load.lock().failed = None;
        }
    }

    /// The upstream has failed.
    pub(super) fn failed(&mut self) {
        self.measured = true;
        self.load.lock().failed = Some(Instant::now());
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.load.pending.fetch_sub(1, Ordering::Relaxed);
        if !self.measured {
            // Nobody waited for the end; it took at least as long as this.
            let so_far = self.since.elapsed();
            if so_far.as_secs_f64() > self.load.lock().seconds {
                self.load.observe(so_far);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn after(secs: u64, load: &Arc<Load>) -> f64 {
        tokio::time::advance(Duration::from_secs(secs)).await;
        load.score()
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_weighs_at_once_and_is_soon_forgotten() {
        let load = Load::new();
        load.begin().answered();
        let before = load.score();
        load.begin().failed();
        assert!(load.score() > before + 0.9);
        assert!(after(20, &load).await < before + 0.001);

        load.begin().failed();
        load.begin().answered();
        assert!(load.score() <= before, "an answer ends it");
    }
}
