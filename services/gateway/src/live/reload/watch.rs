//! When there is a reason to read the routes again.

use std::time::Duration;

use logicore::settings::routes::Descriptors;
use tokio::time::Instant;

use super::Reloader;
use crate::routes::foreign::Described;

/// How often files are looked at: where a ConfigMap is mounted, no event tells of its change.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often reflection is asked again, and how often while it has not answered yet.
const REFLECT_EVERY: Duration = Duration::from_secs(30);
const REFLECT_SOON: Duration = Duration::from_secs(2);

impl Reloader {
    /// Reads again whenever there is a reason to, until the process ends.
    pub(crate) async fn watch(mut self) {
        let shutdown = self.ctx.shutdown.clone();
        let mut reflected = Instant::now();
        loop {
            let looked = tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.hangups.next() => false,
                () = tokio::time::sleep(LOOK_EVERY) => true,
            };
            let due = self.reflection_due().is_some_and(|every| reflected.elapsed() >= every);
            if looked && !due && !self.changed().await {
                continue;
            }
            reflected = Instant::now();
            self.reload().await;
        }
    }

    /// How long reflection is left alone; `None` where nothing reflects.
    fn reflection_due(&self) -> Option<Duration> {
        let reflects = |u: &Described| u.settings.descriptors == Descriptors::Reflection;
        if !self.state.load().pending.is_empty() {
            return Some(REFLECT_SOON);
        }
        self.current
            .load()
            .upstreams
            .iter()
            .any(reflects)
            .then_some(REFLECT_EVERY)
    }
}

/// Requests to read again.
#[derive(Debug)]
pub(super) struct Hangups(#[cfg(unix)] Option<tokio::signal::unix::Signal>);

impl Hangups {
    #[cfg(unix)]
    pub(super) fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        Self(signal(SignalKind::hangup()).ok())
    }

    #[cfg(not(unix))]
    pub(super) fn new() -> Self {
        Self()
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.0
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }
}
