//! Logs, traces and metrics of a process.

#[cfg(test)]
pub(crate) mod capture;
mod json;
mod metrics;
mod recent;
mod requests;
mod sink;
mod start;
pub(crate) mod trace_context;

pub use metrics::Metrics;
pub use recent::{Recent, resident_bytes};
pub use requests::{Protocol, RequestMetrics, Requests};
pub use start::{Guard, flush, init};
