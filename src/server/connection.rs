//! Connections of one listener: how each is served, and how all of them end.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use prometheus::IntGauge;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::body::Body;
use tower::{ServiceExt, util::Oneshot};

use super::{HEAD_TIMEOUT, HttpService, PeerAddr, counted::Counted};
use crate::{settings::Limits, telemetry::Metrics};

/// What a message of the usual 4 MiB needs to flow without a pause for every window update.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
/// A peer that is gone without a word is noticed after both together.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// Streams that a peer opened and reset before we looked, after which it is a flood (CVE-2023-44487).
const PENDING_RESETS: usize = 20;
/// Streams that we had to reset for a peer's mistakes, after which it is a flood (CVE-2025-8671).
const LOCAL_RESETS: usize = 256;
/// Streams at once of a peer within the deployment, and those that it reset before we looked: callers who leave together are no fault of
/// the peer that tells us, and cutting it off would fail the calls of all the others.
const PEER_STREAMS: u32 = 1024;
/// Headers are read up to so many times what is taken, so that whoever sends a little too much is told so in its own protocol by what
/// is served here; beyond that hyper answers with a bare status.
const HEADROOM: usize = 2;
/// What a peer may send on top: it passes on what callers sent, and adds to it. Without this room, headers just below the limit would
/// be refused behind the gateway, which would look like a failure of the service.
const PEER_HEADERS: usize = 8 << 10;
/// The least that hyper takes as the buffer of an HTTP/1 head.
const LEAST_BUFFER: usize = 8 << 10;
/// Length of HTTP/2's preface. Until so much has come hyper does not know the protocol, and waits without a limit of its own.
const PREFACE: usize = 24;
/// After a drain's end: what a connection gets to notice.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// What a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocols {
    /// HTTP/1.1 and HTTP/2.
    Any,
    /// HTTP/2 with prior knowledge, as gRPC does.
    Http2,
}

/// Connections of one listener. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Connections {
    builder: Arc<auto::Builder<TokioExecutor>>,
    service: HttpService,
    open: Option<IntGauge>,
    /// Says GOAWAY.
    closing: CancellationToken,
    /// Ends what has not ended by itself.
    kill: CancellationToken,
    tasks: TaskTracker,
}

impl Connections {
    pub(crate) fn new(protocols: Protocols, limits: &Limits, service: HttpService) -> Self {
        Self {
            builder: Arc::new(builder(protocols, limits)),
            service,
            open: None,
            closing: CancellationToken::new(),
            kill: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// Shows these connections as `connections_open`.
    pub(crate) fn counted(mut self, metrics: &Metrics) -> Self {
        self.open = Some(metrics.connections.clone());
        self
    }

    /// Runs a connection's task, which ends with [`Connections::close`] at the latest.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let kill = self.kill.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = task => {}
                () = kill.cancelled() => {}
            }
        });
    }

    /// Serves one connection to its end.
    pub(crate) async fn drive<I>(&self, io: I, peer: Option<SocketAddr>)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let _open = self.open.as_ref().map(Open::new);
        let received = Arc::new(AtomicUsize::new(0));
        let io = Counted::new(io, Arc::clone(&received));
        let entry = Entry {
            service: self.service.clone(),
            peer,
        };
        let connection = self.builder.serve_connection(TokioIo::new(io), entry);
        tokio::pin!(connection);
        let head = tokio::time::sleep(HEAD_TIMEOUT);
        tokio::pin!(head);
        let (mut head_due, mut closing) = (true, false);
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(error = %crate::error::chain(error.as_ref()), "connection broke off");
                    }
                    return;
                }
                () = &mut head, if head_due => {
                    head_due = false;
                    if received.load(Relaxed) < PREFACE {
                        tracing::debug!("connection stayed silent");
                        return;
                    }
                }
                () = self.closing.cancelled(), if !closing => {
                    closing = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }

    /// Says GOAWAY to all, waits for what is in flight, ends the rest after `limit`.
    pub(crate) async fn close(&self, limit: Duration) {
        self.closing.cancel();
        self.tasks.close();
        if tokio::time::timeout(limit, self.tasks.wait()).await.is_err() {
            tracing::warn!(
                connections = self.tasks.len(),
                "drain took too long; connections are cut"
            );
            self.kill.cancel();
            let _ = tokio::time::timeout(LAST_MOMENT, self.tasks.wait()).await;
        }
    }
}

fn builder(protocols: Protocols, limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    let header_bytes = match protocols {
        Protocols::Any => limits.header_bytes * HEADROOM,
        Protocols::Http2 => limits.header_bytes * HEADROOM + PEER_HEADERS,
    };
    if protocols == Protocols::Http2 {
        builder = builder.http2_only();
    }
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(header_bytes.max(LEAST_BUFFER));
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(match protocols {
            Protocols::Any => limits.streams_per_connection,
            // A proven peer multiplexes all its callers.
            Protocols::Http2 => limits.streams_per_connection.max(PEER_STREAMS),
        })
        .max_header_list_size(u32::try_from(header_bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(match protocols {
            Protocols::Any => PENDING_RESETS,
            Protocols::Http2 => PEER_STREAMS as usize,
        })
        .max_local_error_reset_streams(LOCAL_RESETS)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

/// The seam between hyper and the stack.
struct Entry {
    service: HttpService,
    peer: Option<SocketAddr>,
}

impl hyper::service::Service<Request<Incoming>> for Entry {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Oneshot<HttpService, Request<Body>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let mut request = request.map(Body::new);
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(PeerAddr(peer));
        }
        self.service.clone().oneshot(request)
    }
}

/// One of `connections_open`.
struct Open(IntGauge);

impl Open {
    fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::settings::{Role, Settings};

    const RST_STREAM: u8 = 3;
    const PING: u8 = 6;
    const GOAWAY: u8 = 7;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    /// What a server says to a hundred requests that their caller takes back at once: an answered PING, or GOAWAY.
    async fn after_resets(protocols: Protocols) -> u8 {
        let never = tower::service_fn(|_| std::future::pending::<Result<Response<Body>, Infallible>>());
        let limits = Settings::defaults(Role::Gateway).limits;
        let connections = Connections::new(protocols, &limits, HttpService::new(never));
        let (mut ours, theirs) = tokio::io::duplex(1 << 20);
        tokio::spawn(async move { connections.drive(theirs, None).await });
        let mut said = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        said.extend(frame(4, 0, 0, &[]));
        for stream in (1..200).step_by(2) {
            // POST, http, and the path `/`, from HPACK's static table.
            said.extend(frame(1, 5, stream, &[0x83, 0x86, 0x84]));
            said.extend(frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]));
        }
        said.extend(frame(PING, 0, 0, b"all said"));
        ours.write_all(&said).await.unwrap();
        loop {
            let mut head = [0; 9];
            ours.read_exact(&mut head).await.unwrap();
            let [_, high, low, kind, ..] = head;
            let mut payload = vec![0; usize::from(u16::from_be_bytes([high, low]))];
            ours.read_exact(&mut payload).await.unwrap();
            if kind == GOAWAY || (kind == PING && payload == b"all said") {
                return kind;
            }
        }
    }

    #[tokio::test]
    async fn a_peer_is_not_cut_off_for_callers_who_leave() {
        assert_eq!(after_resets(Protocols::Http2).await, PING);
        assert_eq!(
            after_resets(Protocols::Any).await,
            GOAWAY,
            "one caller that resets so many floods"
        );
    }
}
