//! A role's face towards its peers.

use std::time::Duration;

use tokio::net::TcpListener;

#[cfg(unix)]
use super::operator::as_operator;
use super::{health, memory::MemoryListener};
use crate::{
    context::Context,
    error::{Error, Reason},
    layer::GrpcService,
    server::{self, Connections, Phase, Protocols},
    settings::Role,
};

/// What connections within the process get to end: nobody outside waits for them any more.
const INNER_DRAIN: Duration = Duration::from_secs(2);

/// Where a role listens for its peers.
#[derive(Debug)]
pub enum Listener {
    /// Peers in this process.
    Memory(MemoryListener),
    /// Peers in others.
    Tcp(TcpListener),
    /// Operators' commands on this machine.
    #[cfg(unix)]
    Operator(tokio::net::UnixListener),
}

/// Serves a role's stack to its peers until the process drains or `ctx.shutdown`, and then to its end. gRPC health stands beside
/// the stack and needs no role token.
///
/// # Errors
/// When a listener that other machines reach would speak plaintext without being told to.
pub async fn serve(ctx: &Context, listener: Listener, service: GrpcService) -> Result<(), Error> {
    let service = match &listener {
        #[cfg(unix)]
        Listener::Operator(_) => as_operator(ctx, service),
        _ => service,
    };
    let service = health::beside(ctx, service);
    let connections = Connections::new(Protocols::Http2, &ctx.settings.limits, service);
    match listener {
        Listener::Memory(listener) => serve_memory(ctx, listener, connections).await,
        Listener::Tcp(listener) => {
            may_be_plaintext(ctx, &listener)?;
            serve_tcp(ctx, listener, connections).await;
        }
        #[cfg(unix)]
        Listener::Operator(listener) => serve_operator(ctx, &listener, connections).await,
    }
    Ok(())
}

async fn serve_tcp(ctx: &Context, listener: TcpListener, connections: Connections) {
    if !ctx.settings.role.hosts(Role::Gateway) {
        ctx.lifecycle.advance(Phase::Serving);
    }
    let all = connections.clone();
    server::accept_tcp(ctx, listener, &connections, move |io, address| {
        let connections = all.clone();
        async move {
            // Without it small answers wait for an acknowledgement.
            let _ = io.set_nodelay(true);
            connections.drive(io, Some(address)).await;
        }
    })
    .await;
}

/// Ends as soon as the process drains: a command is asked again, it need not be waited for.
#[cfg(unix)]
async fn serve_operator(ctx: &Context, listener: &tokio::net::UnixListener, connections: Connections) {
    let stop = ctx.lifecycle.draining(&ctx.shutdown);
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok((io, _)) => {
                    let connection = connections.clone();
                    connections.spawn(async move {
                    connection.drive(io, None).await;
                });
                }
                Err(error) => {
                    tracing::warn!(%error, "operators' connection could not be accepted");
                    tokio::time::sleep(server::ACCEPT_PAUSE).await;
                }
            },
        }
    }
    connections.close(INNER_DRAIN).await;
}

/// Ends after every listener that other processes reach: requests that came in there still call within the process.
async fn serve_memory(ctx: &Context, mut listener: MemoryListener, connections: Connections) {
    let stop = async {
        ctx.lifecycle.draining(&ctx.shutdown).await;
        let limit = ctx.settings.resilience.drain_timeout;
        let _ = tokio::time::timeout(limit, ctx.lifecycle.unreachable()).await;
    };
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => {
                // Nobody can dial any more, but connections may still be in use.
                let Some(io) = accepted else { break stop.await };
                let connection = connections.clone();
                connections.spawn(async move {
                    connection.drive(io, None).await;
                });
            }
        }
    }
    ctx.lifecycle.advance(Phase::Closing);
    connections.close(INNER_DRAIN).await;
}

fn may_be_plaintext(ctx: &Context, listener: &TcpListener) -> Result<(), Error> {
    let address = listener.local_addr().map_err(Error::internal)?;
    if address.ip().is_loopback() || ctx.settings.mesh.plaintext {
        return Ok(());
    }
    Err(Error::new(
        Reason::StateForbids,
        format!(
            "peers would be served in plaintext on {address}, which other machines reach: set LOGICORE_MESH_PLAINTEXT=true \
             if the network between the roles is trusted, or LOGICORE_MESH_LISTEN to a loopback address"
        ),
    ))
}
