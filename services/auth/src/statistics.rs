//! Counters of logins and refreshes since start, for the statistics that operators see; the same events feed the metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use logicore::{Error, ids::TenantId, telemetry::Metrics};

use crate::{auth::Auth, store::Counts};

/// Counters since start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    succeeded: AtomicU64,
    failed: AtomicU64,
    throttled: AtomicU64,
    refreshes: AtomicU64,
    replays: AtomicU64,
}

/// Counters and rows at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Statistics {
    pub(crate) logins_succeeded: u64,
    pub(crate) logins_failed: u64,
    pub(crate) logins_throttled: u64,
    pub(crate) refreshes: u64,
    pub(crate) replays: u64,
    pub(crate) rows: Counts,
}

impl Counters {
    /// Counts a login: `success`, `failure`, `throttled`, `queue_full` or `error`.
    pub(crate) fn login(&self, outcome: &'static str, metrics: &Metrics) {
        match outcome {
            "success" => add(&self.succeeded),
            "failure" => add(&self.failed),
            "throttled" | "queue_full" => add(&self.throttled),
            _ => {}
        }
        metrics.logins.with_label_values(&[outcome]).inc();
    }

    /// Counts a refresh: `success`, `invalid`, `replayed` or `error`.
    pub(crate) fn refresh(&self, outcome: &'static str, metrics: &Metrics) {
        match outcome {
            "success" => add(&self.refreshes),
            "replayed" => add(&self.replays),
            _ => {}
        }
        metrics.refreshes.with_label_values(&[outcome]).inc();
    }
}

impl Auth {
    /// The statistics; rows are counted in `tenant`, or in all.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub(crate) async fn statistics(&self, tenant: Option<&TenantId>) -> Result<Statistics, Error> {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Ok(Statistics {
            logins_succeeded: read(&self.counts.succeeded),
            logins_failed: read(&self.counts.failed),
            logins_throttled: read(&self.counts.throttled),
            refreshes: read(&self.counts.refreshes),
            replays: read(&self.counts.replays),
            rows: self.store.counts(tenant, self.clock.now()).await?,
        })
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
