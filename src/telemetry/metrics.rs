//! Every metric of a process, by its given name, in a registry of its own so that tests do not share counters.
//!
//! One struct for all parts instead of a macro in each: a dashboard's names can be checked against one place, and a metric
//! that is never counted still shows.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use prometheus::{
    Encoder, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder, core::Collector,
};

use super::{
    recent::{Recent, Window},
    requests::Requests,
};

/// Bounds in seconds of what a caller waits for: from a cached answer (0.5 ms) to a caller who has long gone (10 s).
pub(super) const SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Jobs that share one commit: doubling, since a group grows with the load.
const JOBS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

type Hook = Box<dyn Fn() + Send + Sync>;

/// Every metric of the process, made once. Labels come from closed sets, which each field's line names.
pub struct Metrics {
    registry: Registry,
    before_scrape: Mutex<Vec<Hook>>,
    window: Arc<Window>,
    /// `api_requests_total`, `api_errors_total`, `api_responses_total`, `api_request_duration_seconds`.
    pub requests: Requests,
    /// `circuit_breaker_events_total{service,scope,event}`: scope `service` or `endpoint`; event `opened`, `half_opened`,
    /// `closed`, `rejected` or `reset`.
    pub breaker_events: IntCounterVec,
    /// `circuit_breaker_state{service}`: 0 Closed, 1 HalfOpen, 2 Open.
    pub breaker_state: IntGaugeVec,
    /// `upstream_retries_total{service,outcome}`.
    pub retries: IntCounterVec,
    /// `upstream_calls_refused_total{service,why}`: `full` or `caller`.
    pub calls_refused: IntCounterVec,
    /// `access_feed_age_seconds{producer}`: `auth` or `admin`.
    pub feed_age: GaugeVec,
    /// `rate_limited_total{limit}`: `principal` or `address`.
    pub rate_limited: IntCounterVec,
    /// `auth_logins_total{outcome}`.
    pub logins: IntCounterVec,
    /// `auth_refreshes_total{outcome}`.
    pub refreshes: IntCounterVec,
    /// `auth_hash_duration_seconds`.
    pub hash_duration: Histogram,
    /// `auth_hash_queue_length`.
    pub hash_queue: IntGauge,
    /// `store_commit_duration_seconds{service}`.
    pub commit_duration: HistogramVec,
    /// `store_commit_jobs{service}`: jobs of one group commit.
    pub commit_jobs: HistogramVec,
    /// `audit_outbox_pending{service}`.
    pub outbox_pending: IntGaugeVec,
    /// `connections_open`.
    pub connections: IntGauge,
    /// `routes_reloads_total{outcome}`: `applied`, `unchanged` or `refused`.
    pub route_reloads: IntCounterVec,
    /// `routes_last_reload_successful`: 0 while the routes in force are older than what the file or a service says.
    pub route_reload_good: IntGauge,
    /// `connections_refused_total{why}`: `full`, `address`, `proxy`, `silent`, `stalled` or `flood`.
    pub connections_refused: IntCounterVec,
}

impl Metrics {
    /// A registry of its own with everything in it.
    #[must_use]
    pub fn new() -> Arc<Self> {
        let registry = Registry::new();
        let r = &registry;
        let window = Arc::new(Window::default());
        let metrics = Self {
            requests: Requests::new(r, Arc::clone(&window)),
            breaker_events: counters(
                r,
                "circuit_breaker_events_total",
                "Changes of breakers and calls that they refused.",
                &["service", "scope", "event"],
            ),
            breaker_state: gauges(
                r,
                "circuit_breaker_state",
                "State of the breaker of an upstream service: 0 Closed, 1 HalfOpen, 2 Open.",
                &["service"],
            ),
            retries: counters(
                r,
                "upstream_retries_total",
                "Attempts after the first one, and those that the budget refused.",
                &["service", "outcome"],
            ),
            calls_refused: counters(
                r,
                "upstream_calls_refused_total",
                "Attempts that were refused since the upstream, or the caller of it, had as many calls at once as it may.",
                &["service", "why"],
            ),
            feed_age: add(
                r,
                GaugeVec::new(
                    Opts::new(
                        "access_feed_age_seconds",
                        "Time since a producer of the access feed was last heard.",
                    ),
                    &["producer"],
                ),
            ),
            rate_limited: counters(
                r,
                "rate_limited_total",
                "Requests that a rate limit refused.",
                &["limit"],
            ),
            logins: counters(r, "auth_logins_total", "Logins by outcome.", &["outcome"]),
            refreshes: counters(r, "auth_refreshes_total", "Refreshes by outcome.", &["outcome"]),
            hash_duration: add(
                r,
                Histogram::with_opts(
                    HistogramOpts::new("auth_hash_duration_seconds", "Time to hash one password.")
                        .buckets(SECONDS.to_vec()),
                ),
            ),
            hash_queue: add(
                r,
                IntGauge::new("auth_hash_queue_length", "Passwords that wait to be hashed."),
            ),
            commit_duration: histograms(
                r,
                "store_commit_duration_seconds",
                "Time of one group commit, from its start to the disk.",
                &["service"],
                SECONDS,
            ),
            commit_jobs: histograms(r, "store_commit_jobs", "Jobs of one group commit.", &["service"], JOBS),
            outbox_pending: gauges(
                r,
                "audit_outbox_pending",
                "Audit records that wait to be delivered.",
                &["service"],
            ),
            route_reloads: counters(
                r,
                "routes_reloads_total",
                "Times that the routes of other services were read.",
                &["outcome"],
            ),
            route_reload_good: add(
                r,
                IntGauge::new(
                    "routes_last_reload_successful",
                    "Whether the routes that were last read are in force.",
                ),
            ),
            connections: add(r, IntGauge::new("connections_open", "Connections of callers.")),
            connections_refused: counters(
                r,
                "connections_refused_total",
                "Connections of callers that were refused or cut off.",
                &["why"],
            ),
            before_scrape: Mutex::default(),
            window,
            registry: registry.clone(),
        };
        // Where there are no routes nothing is refused.
        metrics.route_reload_good.set(1);
        gauges(
            r,
            "logicore_build_info",
            "Always 1; the version is its label.",
            &["version"],
        )
        .with_label_values(&[crate::VERSION])
        .set(1);
        #[cfg(target_os = "linux")]
        r.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))
            .expect("the process collector's names are registered once");
        Arc::new(metrics)
    }

    /// Calls `hook` before every scrape, for gauges that are read and not counted.
    pub fn before_scrape(&self, hook: impl Fn() + Send + Sync + 'static) {
        self.before_scrape
            .lock()
            .expect("no hook panics while it is being added")
            .push(Box::new(hook));
    }

    /// The Prometheus text format (`text/plain; version=0.0.4`).
    #[must_use]
    pub fn text(&self) -> String {
        if let Ok(hooks) = self.before_scrape.lock() {
            hooks.iter().for_each(|hook| hook());
        }
        let mut out = Vec::with_capacity(16 << 10);
        TextEncoder::new()
            .encode(&self.registry.gather(), &mut out)
            .expect("every family has a name and a metric");
        String::from_utf8(out).expect("the encoder writes text")
    }

    /// What the last minute was like.
    #[must_use]
    pub fn recent(&self) -> Recent {
        self.window.read()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// Registers a collector. Names and labels are constants of this module, so a failure is a defect that any test finds.
pub(super) fn add<C: Collector + Clone + 'static>(registry: &Registry, made: prometheus::Result<C>) -> C {
    let collector = made.expect("names, labels and buckets are valid constants");
    registry
        .register(Box::new(collector.clone()))
        .expect("every name is registered once");
    collector
}

pub(super) fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    add(registry, IntCounterVec::new(Opts::new(name, help), labels))
}

fn gauges(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    add(registry, IntGaugeVec::new(Opts::new(name, help), labels))
}

pub(super) fn histograms(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
    buckets: &[f64],
) -> HistogramVec {
    let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    add(registry, HistogramVec::new(opts, labels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_processes_share_no_counters() {
        let (a, b) = (Metrics::new(), Metrics::new());
        a.connections.inc();
        assert!(a.text().contains("connections_open 1"));
        assert!(b.text().contains("connections_open 0"));
        assert!(
            b.text().contains("routes_last_reload_successful 1"),
            "nothing is refused yet"
        );
    }

    #[test]
    fn a_gauge_can_be_read_at_the_scrape() {
        let metrics = Metrics::new();
        let age = metrics.feed_age.clone();
        metrics.before_scrape(move || age.with_label_values(&["auth"]).set(1.5));
        assert!(
            metrics
                .text()
                .contains(r#"access_feed_age_seconds{producer="auth"} 1.5"#)
        );
    }

    #[test]
    fn the_version_is_told() {
        let line = format!(r#"logicore_build_info{{version="{}"}} 1"#, crate::VERSION);
        assert!(Metrics::new().text().contains(&line));
    }
}
