//! Counters of a method by protocol, with their labels resolved.

use std::sync::{Arc, OnceLock};

use logicore::{
    policy::Method,
    telemetry::{Metrics, RequestMetrics},
};

use crate::protocol::Protocol;

/// The counters of one method. LogiCore's own methods are counted from zero on; those of other people's services, of which there
/// may be thousands, from their first call on.
#[derive(Debug)]
pub(crate) struct Counters {
    metrics: Arc<Metrics>,
    service: Arc<str>,
    method: Arc<str>,
    of: [OnceLock<RequestMetrics>; Protocol::ALL.len()],
}

impl Counters {
    pub(crate) fn new(metrics: &Arc<Metrics>, method: &Method) -> Self {
        Self::named(metrics, &method.service, &method.name)
    }

    /// Of requests that mean no method.
    pub(crate) fn unknown(metrics: &Arc<Metrics>) -> Self {
        let unknown = Self::named(metrics, &"unknown".into(), &"unknown".into());
        unknown.begin();
        unknown
    }

    fn named(metrics: &Arc<Metrics>, service: &Arc<str>, method: &Arc<str>) -> Self {
        Self {
            metrics: Arc::clone(metrics),
            service: Arc::clone(service),
            method: Arc::clone(method),
            of: Default::default(),
        }
    }

    /// Shows all of them, at zero.
    pub(crate) fn begin(&self) {
        for protocol in Protocol::ALL {
            self.of(protocol);
        }
    }

    pub(crate) fn of(&self, protocol: Protocol) -> &RequestMetrics {
        let resolve = || self.metrics.requests.handle(&self.service, &self.method, protocol);
        self.of[protocol as usize].get_or_init(resolve)
    }
}
