//! What all parts of one process share, made once at start.

use std::sync::Arc;

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    api::mesh::CircuitBreaker, clock::Clock, feed::AccessView, mesh::Identity, policy, server::Lifecycle,
    settings::Settings, telemetry::Metrics, token::Verifier, upstream::Upstream,
};

/// Handles to the neighbours, whether they share the process or not. Each carries its whole way out: retry, breaker, balance.
#[derive(Clone, Debug)]
pub struct Neighbours {
    /// The auth service.
    pub auth: Upstream,
    /// The user service.
    pub user: Upstream,
    /// The admin service.
    pub admin: Upstream,
}

impl Neighbours {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> [&Upstream; 3] {
        [&self.auth, &self.user, &self.admin]
    }

    /// The breakers of all of them.
    #[must_use]
    pub fn breakers(&self) -> Vec<CircuitBreaker> {
        self.all().into_iter().flat_map(Upstream::breakers).collect()
    }
}

/// What all parts of one process share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Context {
    /// Effective settings.
    pub settings: Arc<Settings>,
    /// Wall clock.
    pub clock: Clock,
    /// Counters and histograms.
    pub metrics: Arc<Metrics>,
    /// Policies of every method that is compiled in.
    pub policies: Arc<policy::Table>,
    /// Proof of membership towards peers.
    pub identity: Arc<Identity>,
    /// What is known of keys, revocations and roles.
    pub access: Arc<AccessView>,
    /// Judges access tokens by `access`.
    pub verifier: Arc<Verifier>,
    /// The other services.
    pub neighbours: Neighbours,
    /// Whether the process starts, serves or drains, as readiness tells it.
    pub lifecycle: Lifecycle,
    /// Cancelled when the process shall end: background tasks stop at it.
    pub shutdown: CancellationToken,
    /// Background tasks; the process waits for them after `shutdown`.
    pub tasks: TaskTracker,
}
