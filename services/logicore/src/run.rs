//! A role, from its first line in the log to its last.

use std::{io::IsTerminal, net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result};
use logicore::{
    Context, Error,
    layer::{self, GrpcService},
    mesh::{self, Listener},
    server::{self, Phase, Workers},
    settings::{Loaded, Origin, Role, Settings},
    telemetry,
};
use tokio::{net::TcpListener, runtime, task::JoinSet};

use crate::{
    banner,
    process::{self, Inner},
};

/// How long background work may take to end, once nobody asks for anything any more.
const LAST_WORK: Duration = Duration::from_secs(3);

/// Runs a role until it is told to end.
///
/// # Errors
/// When it cannot start, or breaks.
pub(crate) fn run(loaded: Loaded) -> Result<()> {
    let mut builder = runtime::Builder::new_multi_thread();
    if loaded.settings.role == Role::Gateway {
        // Callers have workers of their own; what is left is little.
        builder.worker_threads(1);
    }
    let runtime = builder
        .enable_all()
        .thread_name("logicore")
        .build()
        .context("cannot start threads")?;
    let result = runtime.block_on(life(loaded));
    runtime.shutdown_timeout(Duration::from_secs(1));
    telemetry::flush();
    result
}

async fn life(loaded: Loaded) -> Result<()> {
    let issuer_is_set = loaded
        .table()
        .any(|(name, _, origin)| name == "PUBLIC_URL" && *origin != Origin::Default);
    let mut settings = loaded.settings;
    outlive_hangups();
    let _traces = telemetry::init(&settings)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    if settings.role.hosts(Role::Gateway) {
        server::check_tls(&settings)?;
    }
    let sockets = Sockets::bind(&mut settings, issuer_is_set).await?;
    let (ctx, inner) = process::context(settings);
    tokio::spawn(signals(ctx.clone()));
    let result = serve(&ctx, inner, sockets).await;
    ctx.shutdown.cancel();
    ctx.tasks.close();
    if tokio::time::timeout(LAST_WORK, ctx.tasks.wait()).await.is_err() {
        tracing::warn!(tasks = ctx.tasks.len(), "background work did not end in time");
    }
    tracing::info!("ended");
    result
}

/// The ports of a process, taken before anything else is done: a port in use is the usual reason why a start fails.
struct Sockets {
    callers: Option<TcpListener>,
    peers: Option<TcpListener>,
    health: Option<TcpListener>,
}

impl Sockets {
    async fn bind(settings: &mut Settings, issuer_is_set: bool) -> Result<Self> {
        let gateway = settings.role.hosts(Role::Gateway);
        let apart = matches!(settings.role, Role::Auth | Role::User | Role::Admin);
        let mut sockets = Self {
            callers: None,
            peers: None,
            health: None,
        };
        if gateway {
            let listener = bind(settings.listen, "LOGICORE_LISTEN").await?;
            // Port 0 asks for any; from now on it is known.
            settings.listen = listener.local_addr()?;
            if !issuer_is_set {
                let scheme = if settings.tls.is_some() { "https" } else { "http" };
                settings.public_url = format!("{scheme}://localhost:{}", settings.listen.port());
            }
            sockets.callers = Some(listener);
        }
        if apart {
            sockets.peers = Some(bind(settings.mesh.listen, "LOGICORE_MESH_LISTEN").await?);
        }
        if let Some(address) = settings.mesh.health_listen.filter(|_| settings.role != Role::All) {
            sockets.health = Some(bind(address, "LOGICORE_HEALTH_LISTEN").await?);
        }
        Ok(sockets)
    }
}

async fn bind(address: SocketAddr, setting: &str) -> Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; another address can be set by {setting}"))
}

type Servers = JoinSet<Result<(), Error>>;

/// Starts what the role hosts and serves it to its end.
async fn serve(ctx: &Context, inner: Inner, sockets: Sockets) -> Result<()> {
    let mut servers = Servers::new();
    services(ctx, &mut servers, inner, sockets.peers).await?;
    ctx.access.watch(ctx);
    if let Some(listener) = sockets.health {
        let ctx = ctx.clone();
        servers.spawn(async move { mesh::serve_health(&ctx, listener).await });
    }
    if let Some(listener) = sockets.callers {
        let gateway = logicore_gateway::start(ctx).await?;
        tracing::info!(
            address = %listener.local_addr()?,
            role = ctx.settings.role.as_str(),
            version = logicore::VERSION,
            url = ctx.settings.public_url,
            "listening"
        );
        let on = ctx.clone();
        let workers = Workers::start().context("cannot start workers")?;
        servers.spawn(async move { server::serve(&on, listener, gateway, Some(workers)).await });
        banner::show(ctx).await;
    }
    let mut result = Ok(());
    while let Some(ended) = servers.join_next().await {
        let ended = ended.context("a server panicked").and_then(|r| r.map_err(Into::into));
        if let Err(error) = ended {
            tracing::error!(error = format!("{error:#}"), "a server ended");
            ctx.lifecycle.advance(Phase::Draining);
            result = Err(error);
        }
    }
    result
}

/// Starts the services that the role hosts: beside each other in memory, or alone on a port.
async fn services(ctx: &Context, servers: &mut Servers, inner: Inner, port: Option<TcpListener>) -> Result<()> {
    let (auth, user, admin) = tokio::try_join!(
        hosted(ctx, Role::Auth, logicore_auth::start(ctx)),
        hosted(ctx, Role::User, logicore_user::start(ctx)),
        hosted(ctx, Role::Admin, logicore_admin::start(ctx)),
    )?;
    let mut port = port.map(|listener| {
        let address = listener.local_addr();
        tracing::info!(
            address = %address.map_or_else(|e| e.to_string(), |a| a.to_string()),
            role = ctx.settings.role.as_str(),
            version = logicore::VERSION,
            "listening for peers"
        );
        Listener::Tcp(listener)
    });
    for (routes, memory, part) in [
        (auth, inner.auth, Role::Auth),
        (user, inner.user, Role::User),
        (admin, inner.admin, Role::Admin),
    ] {
        let Some(routes) = routes else { continue };
        let stack = layer::service_stack(ctx, routes);
        if part == Role::Auth {
            operators(ctx, servers, stack.clone());
        }
        if let Some(listener) = memory.map(Listener::Memory).or_else(|| port.take()) {
            let ctx = ctx.clone();
            servers.spawn(async move { mesh::serve(&ctx, listener, stack).await });
        }
    }
    Ok(())
}

/// Starts a service where the role hosts it; else its start, which is polled by nobody, never begins.
async fn hosted<S>(
    ctx: &Context,
    part: Role,
    start: impl Future<Output = Result<S, Error>>,
) -> Result<Option<S>, Error> {
    match ctx.settings.role.hosts(part) {
        true => start.await.map(Some),
        false => Ok(None),
    }
}

/// Opens the socket by which operators' commands on this machine reach auth. The service does without where it cannot be opened.
#[cfg(unix)]
fn operators(ctx: &Context, servers: &mut Servers, stack: GrpcService) {
    match mesh::operator_socket(&ctx.settings.data_dir) {
        Ok(listener) => {
            let ctx = ctx.clone();
            servers.spawn(async move { mesh::serve(&ctx, Listener::Operator(listener), stack).await });
        }
        Err(error) => {
            tracing::warn!(%error, "operators' commands cannot reach this process: no socket in the data folder")
        }
    }
}

#[cfg(not(unix))]
fn operators(_: &Context, _: &mut Servers, _: GrpcService) {}

/// SIGHUP asks for the routes to be read again, where there are some; it ends no process, at no time of its life. But that of a terminal
/// that closes does, where there are none.
#[cfg(unix)]
fn outlive_hangups() {
    use tokio::signal::unix::{SignalKind, signal};
    if !std::io::stderr().is_terminal() {
        // Its default, which is the end, does not come back.
        drop(signal(SignalKind::hangup()));
    }
}

#[cfg(not(unix))]
fn outlive_hangups() {}

/// The first signal begins the drain, the second ends the process at once.
async fn signals(ctx: Context) {
    let signal = asked_to_end().await;
    tracing::info!(signal, "shutting down");
    ctx.lifecycle.advance(Phase::Draining);
    asked_to_end().await;
    tracing::warn!("asked again: ending at once");
    telemetry::flush();
    std::process::exit(130);
}

#[cfg(unix)]
async fn asked_to_end() -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut term, mut int) = match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(term), Ok(int)) => (term, int),
        _ => return std::future::pending().await,
    };
    tokio::select! {
        _ = term.recv() => "SIGTERM",
        _ = int.recv() => "SIGINT",
    }
}

#[cfg(not(unix))]
async fn asked_to_end() -> &'static str {
    match tokio::signal::ctrl_c().await {
        Ok(()) => "Ctrl-C",
        Err(_) => std::future::pending().await,
    }
}
