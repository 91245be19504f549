//! The access feed: how keys, revocations, roles and tenants reach every process that decides about requests.
//!
//! [`Producer`] is the side of auth and admin, [`AccessView`] the side of everybody, [`resource`] spells what travels. A
//! producer keeps no queue for a watcher: each watcher's stream reads the one bounded history at its own pace and gets a
//! snapshot when it has fallen behind it, so publishing never waits for anyone.
//!
//! There may be a million revocations. Both sides hold each once, readers and writers share it, and a snapshot travels and is
//! saved in parts.

mod by_id;
mod disk;
mod history;
mod keeper;
mod marks;
mod producer;
mod replica;
pub mod resource;
mod resources;
mod roles;
mod stream;
#[cfg(test)]
mod tests;
mod view;
mod watcher;

use std::time::Duration;

pub use producer::{Producer, Watcher};
pub use stream::FeedService;
pub use view::AccessView;
#[cfg(any(test, feature = "testkit"))]
pub(crate) use view::Source;
pub(crate) use view::not_ready;

/// How often a producer tells its head to a watcher.
pub const HEARTBEAT: Duration = Duration::from_millis(500);

/// Name of the producer of keys and revocations.
pub const AUTH: &str = "auth";

/// Name of the producer of roles, tenants and orders.
pub const ADMIN: &str = "admin";
