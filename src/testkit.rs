//! What tests of every package start from. No production code may use it.

use std::sync::Arc;

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    clock::Clock,
    context::{Context, Neighbours},
    feed::AccessView,
    mesh::Identity,
    policy,
    settings::{Role, Settings},
    telemetry::Metrics,
    token::Verifier,
    upstream::Upstream,
};

/// The context of a process of this role whose neighbours are nowhere, on the machine's clock.
#[must_use]
pub fn context(role: Role) -> Context {
    context_with(Settings::defaults(role))
}

/// The same with settings of one's own.
#[must_use]
pub fn context_with(settings: Settings) -> Context {
    let clock = Clock::system();
    let settings = Arc::new(settings);
    let metrics = Metrics::new();
    let policies = Arc::new(policy::Table::compiled_in());
    let identity = Identity::from_settings(&settings, clock.clone());
    let nowhere = |name| {
        let (identity, policies) = (Arc::clone(&identity), Arc::clone(&policies));
        Upstream::new(
            name,
            Vec::new(),
            identity,
            policies,
            &settings.resilience,
            Arc::clone(&metrics),
        )
    };
    let access = AccessView::new(None);
    let verifier = Verifier::new(
        settings.public_url.clone(),
        settings.jwt.audience.clone(),
        None,
        Arc::clone(&access),
        clock.clone(),
    );
    Context {
        neighbours: Neighbours {
            auth: nowhere("auth"),
            user: nowhere("user"),
            admin: nowhere("admin"),
        },
        clock,
        metrics,
        policies,
        identity: Arc::clone(&identity),
        access,
        verifier: Arc::new(verifier),
        lifecycle: Default::default(),
        shutdown: CancellationToken::new(),
        tasks: TaskTracker::new(),
        settings: Arc::clone(&settings),
    }
}
