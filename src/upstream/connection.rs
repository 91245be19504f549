//! Connections of one endpoint: dialled when first used, and again after GOAWAY or loss.
//!
//! Several connections, since one HTTP/2 connection is one lock. Taking a live one is two atomic loads; only a dial waits, and
//! those who wait for the same dial share its failure instead of queueing for one each.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::http2::{Builder, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tonic::body::Body;

use super::{
    failure::{Failure, Kind},
    tls::Credentials,
};
use crate::{
    error::{BoxError, Error, Reason},
    mesh::MemoryAddress,
};

/// Connections to one endpoint.
const CONNECTIONS: usize = 2;
/// Longest wait for a connection: three tries of it fit into the default deadline.
const DIAL_TIMEOUT: Duration = Duration::from_millis(1500);
/// A peer that is gone without a word is noticed after the sum of the two.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// hyper's 2 and 5 MiB let one slow stream hold too much.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
/// Response heads carry `grpc-status-details-bin`, which grows with what is wrong.
const HEADER_LIST: u32 = 64 << 10;
/// How often a request that was never sent is moved to a fresh connection before that counts as an attempt.
const MOVES: usize = 4;

/// Where to connect to.
#[derive(Clone, Debug)]
pub(super) enum Dial {
    Memory(MemoryAddress),
    Tcp(SocketAddr),
    /// With the host that the certificate must be of.
    Tls(SocketAddr, String, Arc<Credentials>),
}

/// The connections of an endpoint.
#[derive(Debug)]
pub(super) struct Pool {
    service: &'static str,
    dial: Dial,
    slots: [Slot; CONNECTIONS],
    next: AtomicUsize,
}

#[derive(Debug, Default)]
struct Slot {
    current: ArcSwapOption<Connection>,
    dialling: tokio::sync::Mutex<()>,
    failures: AtomicU64,
}

#[derive(Debug)]
struct Connection(SendRequest<Body>);

impl Pool {
    pub(super) fn new(service: &'static str, dial: Dial) -> Self {
        Self {
            service,
            dial,
            slots: Default::default(),
            next: AtomicUsize::new(0),
        }
    }

    /// Sends a request and waits for the response's head. Dropping the future resets the stream.
    pub(super) async fn send(&self, mut request: Request<Body>) -> Result<Response<Incoming>, Failure> {
        let slot = &self.slots[self.next.fetch_add(1, Ordering::Relaxed) % CONNECTIONS];
        for _ in 0..MOVES {
            let connection = self
                .connection(slot)
                .await
                .map_err(|e| Failure::connection(self.service, e))?;
            let sent = connection.0.clone().try_send_request(request).await;
            match sent {
                Ok(response) => return Ok(response),
                // After GOAWAY, while old streams live, the connection does not look closed: it hands the request back.
                Err(mut e) => match e.take_message() {
                    Some(unsent) => {
                        request = unsent;
                        slot.forget(&connection);
                    }
                    None => {
                        let failure = Failure::of(self.service, e.into_error());
                        if failure.kind == Kind::Unprocessed {
                            slot.forget(&connection);
                        }
                        return Err(failure);
                    }
                },
            }
        }
        Err(Failure::connection(
            self.service,
            "every connection closed before the request was sent",
        ))
    }

    async fn connection(&self, slot: &Slot) -> Result<Arc<Connection>, BoxError> {
        if let Some(live) = slot.live() {
            return Ok(live);
        }
        let failures = slot.failures.load(Ordering::Acquire);
        let _turn = slot.dialling.lock().await;
        if let Some(live) = slot.live() {
            return Ok(live);
        }
        if slot.failures.load(Ordering::Acquire) != failures {
            return Err("another call's dial failed".into());
        }
        match tokio::time::timeout(DIAL_TIMEOUT, self.connect()).await {
            Ok(Ok(sender)) => {
                let connection = Arc::new(Connection(sender));
                slot.current.store(Some(Arc::clone(&connection)));
                Ok(connection)
            }
            failed => {
                slot.failures.fetch_add(1, Ordering::Release);
                Err(match failed {
                    Ok(Err(e)) => e,
                    _ => io::Error::from(io::ErrorKind::TimedOut).into(),
                })
            }
        }
    }

    async fn connect(&self) -> Result<SendRequest<Body>, BoxError> {
        match &self.dial {
            Dial::Memory(address) => handshake(address.connect().await?).await,
            Dial::Tcp(address) => handshake(tcp(*address).await?).await,
            Dial::Tls(address, host, tls) => handshake(tls.connect(tcp(*address).await?, host).await?).await,
        }
    }
}

impl Slot {
    fn live(&self) -> Option<Arc<Connection>> {
        self.current.load_full().filter(|c| !c.0.is_closed())
    }

    fn forget(&self, connection: &Arc<Connection>) {
        let current = self.current.load();
        if current.as_ref().is_some_and(|c| Arc::ptr_eq(c, connection)) {
            self.current.compare_and_swap(&current, None);
        }
    }
}

async fn tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let io = TcpStream::connect(address).await?;
    io.set_nodelay(true)?;
    Ok(io)
}

async fn handshake<T>(io: T) -> Result<SendRequest<Body>, BoxError>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEADER_LIST)
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .handshake(TokioIo::new(io))
        .await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "upstream connection ended");
        }
    });
    Ok(sender)
}

/// The error of an upstream without an address.
pub(super) fn no_endpoint(service: &str) -> Error {
    Error::new(
        Reason::UpstreamUnavailable,
        format!("the {service} service has no endpoint"),
    )
    .retry_after(super::failure::RETRY_AFTER)
}
