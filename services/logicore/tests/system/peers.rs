//! Other people's programs against the running system: the ones that callers and operators use, as they use them.
//!
//! A program that is missing fails the test and says how to get it. Every server takes a free port, and what a test starts ends
//! with the test.

#[path = "peers/browser.rs"]
mod browser;
#[path = "peers/connect.rs"]
mod connect;
#[path = "peers/curl.rs"]
mod curl;
#[path = "peers/grpcurl.rs"]
mod grpcurl;
#[path = "peers/health.rs"]
mod health;
#[path = "peers/jaeger.rs"]
mod jaeger;
#[path = "peers/openapi.rs"]
mod openapi;
#[path = "peers/peer.rs"]
mod peer;
#[path = "peers/prometheus.rs"]
mod prometheus;
#[path = "peers/python.rs"]
mod python;
#[path = "peers/shipments.rs"]
mod shipments;
#[path = "peers/strace.rs"]
mod strace;
