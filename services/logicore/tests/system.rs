//! The whole system as a caller meets it: the real program, as one process and as four, each time in a folder of its own.
//!
//! What needs other people's programs (grpcurl, a browser, Jaeger ...) stands behind the feature `peers`, which `cargo xtask test`
//! switches on after it has installed them.

#[path = "system/attacks.rs"]
mod attacks;
#[path = "system/bad_input.rs"]
mod bad_input;
#[path = "system/crash.rs"]
mod crash;
#[path = "system/limits.rs"]
mod limits;
#[path = "system/outage.rs"]
mod outage;
#[cfg(feature = "peers")]
#[path = "system/peers.rs"]
mod peers;
#[path = "system/protocols.rs"]
mod protocols;
#[path = "system/revocation.rs"]
mod revocation;
#[path = "system/routes.rs"]
mod routes;
#[path = "system/settings.rs"]
mod settings;
#[path = "system/support.rs"]
mod support;
#[path = "system/tour.rs"]
mod tour;
#[path = "system/upstream.rs"]
mod upstream;
