//! Counters of requests. A [`RequestMetrics`] has its labels resolved once, so that a request costs a few atomic additions.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, Registry, core::Collector as _};
use tonic::Code;

use super::{
    metrics::{SECONDS, counters, histograms},
    recent::Window,
};
use crate::error;

/// How a caller speaks: the label `protocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// gRPC over HTTP/2.
    Grpc,
    /// gRPC-Web.
    GrpcWeb,
    /// JSON over HTTP.
    Rest,
    /// Connect.
    Connect,
}

impl Protocol {
    /// Every protocol.
    pub const ALL: [Protocol; 4] = [Self::Grpc, Self::GrpcWeb, Self::Rest, Self::Connect];

    /// The label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::GrpcWeb => "grpc-web",
            Self::Rest => "rest",
            Self::Connect => "connect",
        }
    }
}

/// Counters of requests by service, method and protocol.
#[derive(Debug)]
pub struct Requests {
    total: IntCounterVec,
    errors: IntCounterVec,
    responses: IntCounterVec,
    duration: HistogramVec,
    window: Arc<Window>,
}

impl Requests {
    /// Requests and errors of all methods since start.
    #[must_use]
    pub fn totals(&self) -> (u64, u64) {
        let sum = |counters: &IntCounterVec| {
            let families = counters.collect().into_iter();
            let counts = families.flat_map(|f| {
                f.get_metric()
                    .iter()
                    .map(|m| m.get_counter().get_value())
                    .collect::<Vec<_>>()
            });
            counts.sum::<f64>() as u64
        };
        (sum(&self.total), sum(&self.errors))
    }

    pub(super) fn new(registry: &Registry, window: Arc<Window>) -> Self {
        const LABELS: &[&str] = &["service", "method", "protocol"];
        Self {
            total: counters(registry, "api_requests_total", "Requests that ended.", LABELS),
            errors: counters(
                registry,
                "api_errors_total",
                "Requests that failed by the server's fault.",
                LABELS,
            ),
            responses: counters(
                registry,
                "api_responses_total",
                "Requests that ended, by gRPC code.",
                &["service", "method", "protocol", "code"],
            ),
            duration: histograms(
                registry,
                "api_request_duration_seconds",
                "Time from the request's head to its status.",
                LABELS,
                SECONDS,
            ),
            window,
        }
    }

    /// The counters of a method, at zero from now on. Service and method must come from a closed set, never from a caller.
    #[must_use]
    pub fn handle(&self, service: &str, method: &str, protocol: Protocol) -> RequestMetrics {
        let labels = [service, method, protocol.as_str()];
        RequestMetrics(Arc::new(Handle {
            total: self.total.with_label_values(&labels),
            errors: self.errors.with_label_values(&labels),
            duration: self.duration.with_label_values(&labels),
            by_code: Default::default(),
            responses: self.responses.clone(),
            labels: [service.to_owned(), method.to_owned(), protocol.as_str().to_owned()],
            window: Arc::clone(&self.window),
        }))
    }
}

/// The counters of one method in one protocol. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RequestMetrics(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    total: IntCounter,
    errors: IntCounter,
    duration: Histogram,
    /// Made when a code first happens: 17 for every method at once would be mostly zeros.
    by_code: [OnceLock<IntCounter>; 17],
    responses: IntCounterVec,
    labels: [String; 3],
    window: Arc<Window>,
}

impl RequestMetrics {
    /// Counts a request that ended with `code` after `took`.
    pub fn record(&self, code: Code, took: Duration) {
        let h = &*self.0;
        let fault = error::servers_fault(code);
        h.total.inc();
        if fault {
            h.errors.inc();
        }
        h.duration.observe(took.as_secs_f64());
        h.by_code[code as usize]
            .get_or_init(|| {
                let [service, method, protocol] = &h.labels;
                h.responses
                    .with_label_values(&[service, method, protocol, error::code_name(code)])
            })
            .inc();
        h.window.record(took, fault);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metrics;

    #[test]
    fn requests_and_errors_exist_from_zero_with_identical_labels() {
        let metrics = Metrics::new();
        let _handle = metrics.requests.handle("s", "M", Protocol::Rest);
        let text = metrics.text();
        for name in ["api_requests_total", "api_errors_total"] {
            let line = format!(r#"{name}{{method="M",protocol="rest",service="s"}} 0"#);
            assert!(text.contains(&line), "{line}\n{text}");
        }
    }

    #[test]
    fn only_a_servers_fault_is_an_error() {
        let metrics = Metrics::new();
        let handle = metrics.requests.handle("s", "M", Protocol::Grpc);
        for code in [Code::Ok, Code::NotFound, Code::ResourceExhausted, Code::Unimplemented] {
            handle.record(code, Duration::from_millis(3));
        }
        handle.record(Code::Unavailable, Duration::from_millis(3));
        let text = metrics.text();
        let labels = r#"{method="M",protocol="grpc",service="s"}"#;
        assert!(text.contains(&format!("api_requests_total{labels} 5")), "{text}");
        assert!(text.contains(&format!("api_errors_total{labels} 1")), "{text}");
        assert!(
            text.contains(r#"api_responses_total{code="UNAVAILABLE",method="M",protocol="grpc",service="s"} 1"#),
            "{text}"
        );
        assert!((metrics.recent().error_ratio - 0.2).abs() < 1e-9);
    }
}
