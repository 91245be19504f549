//! The mesh: what every LogiCore service shares and seldom changes.
//!
//! | module | owns |
//! |---|---|
//! | [`api`] | generated messages, clients, servers, descriptor sets |
//! | [`policy`] | what each method needs, read from the descriptors |
//! | [`error`] | the one table of errors: reason, gRPC code, HTTP status |
//! | [`settings`] | the one place that reads settings |
//! | [`framing`], [`compression`] | messages of gRPC on the wire: where they begin, what they hold when inflated |
//! | `join` | small pieces of bodies, joined |
//! | [`token`], [`access`], [`feed`] | who calls, what they may do, and how that knowledge arrives |
//! | [`layer`] | the middlewares of a request's way in |
//! | [`upstream`] | a request's way out: retry, breaker, balance, connection |
//! | [`health`] | `grpc.health.v1`, answered from the state |
//! | [`mesh`] | how roles of one deployment reach and trust each other |
//! | [`server`] | listening, TLS, limits, drain |
//! | [`stamp`] | whether files have changed |
//! | [`telemetry`] | logs, traces, metrics |
//! | [`context`] | what all parts of one process share |

pub mod access;
pub mod api;
pub mod clock;
pub mod compression;
pub mod context;
pub mod error;
pub mod feed;
pub mod framing;
pub mod health;
pub mod ids;
mod join;
pub mod layer;
pub mod mesh;
mod pem;
pub mod policy;
pub mod secret;
pub mod server;
pub mod settings;
pub mod stamp;
pub mod telemetry;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
pub mod token;
pub mod upstream;

pub use context::Context;
pub use error::{Error, Reason};

/// Version of the program, as `--version` and `/health` tell it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
