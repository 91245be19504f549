//! What all roles of a process share, made once; and how the roles reach each other.

use std::sync::Arc;

use logicore::{
    Context,
    clock::Clock,
    context::Neighbours,
    feed::AccessView,
    mesh::{Address, Identity, MemoryListener, memory},
    policy,
    settings::{Role, Settings},
    telemetry::Metrics,
    token::Verifier,
    upstream::Upstream,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Where the roles of this process accept each other's connections.
#[derive(Debug, Default)]
pub(crate) struct Inner {
    pub(crate) auth: Option<MemoryListener>,
    pub(crate) user: Option<MemoryListener>,
    pub(crate) admin: Option<MemoryListener>,
}

/// The context of a process, and the listeners of the roles that it hosts beside each other.
pub(crate) fn context(settings: Settings) -> (Context, Inner) {
    let settings = Arc::new(settings);
    let clock = Clock::system();
    let metrics = Metrics::new();
    let policies = Arc::new(policy::Table::compiled_in());
    let identity = Identity::from_settings(&settings, clock.clone());
    let access = AccessView::new(snapshots(&settings));
    let verifier = Verifier::from_settings(&settings, Arc::clone(&access), clock.clone());
    let mut inner = Inner::default();
    let upstream = |name, addresses| {
        let (identity, policies) = (Arc::clone(&identity), Arc::clone(&policies));
        Upstream::new(
            name,
            addresses,
            identity,
            policies,
            &settings.resilience,
            Arc::clone(&metrics),
        )
    };
    let neighbours = Neighbours {
        auth: upstream("auth", addresses(&settings, &settings.peers.auth, &mut inner.auth)),
        user: upstream("user", addresses(&settings, &settings.peers.user, &mut inner.user)),
        admin: upstream("admin", addresses(&settings, &settings.peers.admin, &mut inner.admin)),
    };
    let context = Context {
        settings: Arc::clone(&settings),
        clock,
        metrics,
        policies,
        identity,
        access,
        verifier: Arc::new(verifier),
        neighbours,
        lifecycle: Default::default(),
        shutdown: CancellationToken::new(),
        tasks: TaskTracker::new(),
    };
    (context, inner)
}

/// In memory where every role shares the process, else where the settings say.
fn addresses(settings: &Settings, peers: &[String], inner: &mut Option<MemoryListener>) -> Vec<Address> {
    if settings.role == Role::All {
        let (address, listener) = memory();
        *inner = Some(listener);
        return vec![Address::Memory(address)];
    }
    peers.iter().cloned().map(Address::Tcp).collect()
}

/// Where the last access snapshots are kept. A gateway runs without, on a file system that it may not write to.
fn snapshots(settings: &Settings) -> Option<std::path::PathBuf> {
    if settings.role == Role::Cli {
        return None;
    }
    let data_dir = &settings.data_dir;
    let mut folder = std::fs::DirBuilder::new();
    folder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
    match folder.create(data_dir) {
        Ok(()) => Some(data_dir.to_owned()),
        Err(error) => {
            tracing::warn!(%error, folder = %data_dir.display(), "no access snapshot is kept: the data folder cannot be made");
            None
        }
    }
}
