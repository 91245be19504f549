//! Listening: TCP and TLS, limits on connections, HTTP/1.1 and HTTP/2 on one port, drain.
//!
//! | module | owns |
//! |---|---|
//! | `places` | how many connections there are, of all and of one address |
//! | `networks` | which addresses belong together, and whose word is believed |
//! | `proxy` | the PROXY protocol of balancers in front |
//! | `tls` | certificate and key |
//! | `connection` | one connection from its first byte to its last, and its protocol |
//! | `life` | how long a connection is kept |
//! | `counted`, `frames`, `traffic` | what goes over it, and what of that is too much or too little |
//! | `gather` | small writes, held for one turn |
//! | `refuse` | telling that there is no place |
//! | `workers` | threads that serve callers |
//! | `phase` | where the process stands in its life |
//!
//! The loop is our own and not tonic's, because every wait of it must be bounded: a peer that is silent, or that never answers a
//! GOAWAY, must not keep a process alive (hyper #4170).

mod connection;
mod counted;
mod frames;
mod gather;
mod life;
mod networks;
mod phase;
mod places;
mod proxy;
mod refuse;
#[cfg(test)]
mod tests;
mod tls;
mod traffic;
mod workers;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http::{Request, Response};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::Instant,
};
use tonic::body::Body;
use tower::util::BoxCloneSyncService;

use self::places::{OfAddress, Place, Places};
use crate::{context::Context, error::Error, settings::Settings};

pub(crate) use connection::{Connections, Ended, Protocols};
pub(crate) use frames::only_listens;
pub(crate) use gather::Gathered;
pub use networks::{Networks, network};
pub use phase::{Lifecycle, Phase};
pub use traffic::Unwelcome;
pub use workers::Workers;
pub(crate) use workers::{current as current_worker, numbers as worker_numbers};

/// What a listener serves. The peer's address is in the request's extensions as [`PeerAddr`].
pub type HttpService = BoxCloneSyncService<Request<Body>, Response<Body>, std::convert::Infallible>;

/// Address of the other end of the connection.
#[derive(Clone, Copy, Debug)]
pub struct PeerAddr(pub SocketAddr);

/// Whether a listener could be started with the certificate and key of the settings.
///
/// # Errors
/// `STATE_FORBIDS` with what is wrong with which file.
pub fn check_tls(settings: &Settings) -> Result<(), Error> {
    settings
        .tls
        .as_ref()
        .map_or(Ok(()), |files| tls::Certificate::load(files).map(drop))
}

/// Longest wait for a TLS handshake, and for the first bytes of a request.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after a failed `accept`: the usual cause, too many open files, does not pass at once.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves callers on `listener`, by `workers` where there are some, until the process drains or `ctx.shutdown`, then: readiness off, `drain_delay`, GOAWAY, in-flight
/// requests, end; all within `drain_timeout`.
///
/// # Errors
/// When certificate or key cannot be read.
pub async fn serve(
    ctx: &Context,
    listener: TcpListener,
    service: HttpService,
    workers: Option<Workers>,
) -> Result<(), Error> {
    let tls = match &ctx.settings.tls {
        Some(files) => Some(tls::Certificate::load(files)?),
        None => None,
    };
    if let Some(certificate) = &tls {
        ctx.tasks.spawn(Arc::clone(certificate).watch(ctx.shutdown.clone()));
    }
    let front = Arc::new(Front {
        connections: Connections::new(Protocols::Any, &ctx.settings.limits, service)
            .counted(&ctx.metrics)
            .by(workers),
        tls,
        places: Places::new(
            ctx.settings.limits.connections,
            ctx.settings.limits.connections_per_address,
        ),
        balancers: Networks::new(&ctx.settings.proxy_protocol),
        proxies: Networks::new(&ctx.settings.trusted_proxies),
        refusals: Arc::new(Semaphore::new(refuse::AT_ONCE)),
    });
    ctx.lifecycle.advance(Phase::Serving);
    accept_tcp(ctx, listener, &front.connections.clone(), move |io, address| {
        let front = Arc::clone(&front);
        async move { front.take(io, address).await }
    })
    .await;
    Ok(())
}

/// The way of a TCP listener from its first connection to its last: each connection becomes a task of `connections`.
pub(crate) async fn accept_tcp<F, T>(ctx: &Context, listener: TcpListener, connections: &Connections, take: F)
where
    F: Fn(TcpStream, SocketAddr) -> T + Clone + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let _outer = ctx.lifecycle.outer_listener();
    let drain_started = {
        let stop = async {
            ctx.lifecycle.draining(&ctx.shutdown).await;
            let started = Instant::now();
            tokio::time::sleep(ctx.settings.resilience.drain_delay).await;
            started
        };
        tokio::pin!(stop);
        loop {
            tokio::select! {
                started = &mut stop => break started,
                accepted = listener.accept() => match accepted {
                    Ok((io, address)) => connections.take(io, address, &take),
                    Err(error) => {
                        tracing::warn!(%error, "connection could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
    };
    drop(listener);
    ctx.lifecycle.advance(Phase::Closing);
    let left = ctx
        .settings
        .resilience
        .drain_timeout
        .saturating_sub(drain_started.elapsed());
    connections.close(left).await;
}

/// The port that callers see.
struct Front {
    connections: Connections,
    tls: Option<Arc<tls::Certificate>>,
    places: Places,
    /// They speak the PROXY protocol.
    balancers: Networks,
    /// They bring many callers each.
    proxies: Networks,
    refusals: Arc<Semaphore>,
}

/// A connection that is served.
struct Admitted {
    io: TcpStream,
    address: SocketAddr,
    of_all: Place,
    /// None where an address brings many callers.
    of_address: Option<OfAddress>,
}

impl Front {
    async fn take(&self, io: TcpStream, address: SocketAddr) {
        // Boxed, as is all that is over before a connection is served: a task stays as large as its largest moment.
        let Some(admitted) = Box::pin(self.admit(io, address)).await else {
            return;
        };
        let Admitted {
            io,
            address,
            of_all: _place,
            of_address,
        } = admitted;
        let drive = match &self.tls {
            None => self.connections.drive(io, Some(address)),
            Some(certificate) => match Box::pin(certificate.accept(io)).await {
                None => return,
                Some(io) => self.connections.drive(io, Some(address)),
            },
        };
        if drive.await == Ended::Flood
            && let Some(place) = of_address
        {
            place.flooded();
        }
    }

    /// Finds out who comes, and a place. `None` for whom there is none, who has been told.
    async fn admit(&self, mut io: TcpStream, address: SocketAddr) -> Option<Admitted> {
        let Some(of_all) = self.places.take() else {
            self.refuse("full", io).await;
            return None;
        };
        if let Err(error) = io.set_nodelay(true) {
            tracing::debug!(%error, "connection without TCP_NODELAY");
        }
        let address = match self.caller(&mut io, address).await {
            Ok(address) => address,
            Err(error) => {
                tracing::debug!(%error, %address, "no PROXY header");
                self.connections.count_refused("proxy");
                return None;
            }
        };
        let many = self.proxies.contain(address.ip()) || self.balancers.contain(address.ip());
        let of_address = if many { None } else { self.places.take_of(address.ip()) };
        if of_address.is_none() && !many {
            self.refuse("address", io).await;
            return None;
        }
        if let Some(place) = &of_address {
            tokio::time::sleep(place.wait()).await;
        }
        Some(Admitted {
            io,
            address,
            of_all,
            of_address,
        })
    }

    /// Who is at the other end, as a balancer says where one is in front.
    async fn caller(&self, io: &mut TcpStream, peer: SocketAddr) -> std::io::Result<SocketAddr> {
        if !self.balancers.contain(peer.ip()) {
            return Ok(peer);
        }
        Ok(proxy::header(io).await?.unwrap_or(peer))
    }

    async fn refuse(&self, why: &str, io: TcpStream) {
        self.connections.count_refused(why);
        // Beyond this many refusals at once, closing is all the politeness there is.
        if let Ok(_one) = Arc::clone(&self.refusals).try_acquire_owned() {
            refuse::politely(io, self.tls.is_some()).await;
        }
    }
}
