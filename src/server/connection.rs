//! Connections of one listener: how each is served, and how all of them end.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use pin_project_lite::pin_project;
use prometheus::IntGauge;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::body::Body;
use tower::{ServiceExt, util::Oneshot};

use super::{
    Gathered, HEAD_TIMEOUT, HttpService, PeerAddr, Workers,
    counted::Counted,
    frames::Frames,
    life::{Due, Life, Looks},
    traffic::{Answer, Traffic, Unwelcome},
};
use crate::{join::Joined, settings::Limits, telemetry::Metrics};

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

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// As connections do.
    Well,
    /// We cut it off for what its peer did.
    Flood,
}

/// Connections of one listener. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Connections {
    builder: Arc<auto::Builder<TokioExecutor>>,
    service: HttpService,
    /// None for proven peers.
    life: Option<Life>,
    metrics: Option<Arc<Metrics>>,
    workers: Option<Workers>,
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
            life: (protocols == Protocols::Any).then_some(Life {
                idle: limits.connection_idle,
                age: limits.connection_age,
            }),
            metrics: None,
            workers: None,
            closing: CancellationToken::new(),
            kill: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// Shows these connections as `connections_open`, and what is done about them as `connections_refused_total`.
    pub(crate) fn counted(mut self, metrics: &Arc<Metrics>) -> Self {
        self.metrics = Some(Arc::clone(metrics));
        self
    }

    /// Has workers serve what is accepted, instead of the runtime that accepts it.
    pub(super) fn by(mut self, workers: Option<Workers>) -> Self {
        self.workers = workers;
        self
    }

    /// Counts a connection that is cut off.
    pub(super) fn count_refused(&self, why: &str) {
        tracing::debug!(why, "connection refused");
        if let Some(metrics) = &self.metrics {
            metrics.connections_refused.with_label_values(&[why]).inc();
        }
    }

    /// Runs the task of a connection that was accepted, where such tasks run.
    pub(super) fn take<F, T>(&self, io: TcpStream, address: SocketAddr, task: &F)
    where
        F: Fn(TcpStream, SocketAddr) -> T + Clone + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        let Some(place) = self.workers.as_ref().and_then(Workers::place) else {
            return self.spawn(task(io, address));
        };
        let (task, runtime) = (task.clone(), place.runtime().clone());
        // It is known to the runtime that accepted it, and has to be to the worker's.
        let moved = io.into_std();
        let task = async move {
            let _place = place;
            match moved.and_then(TcpStream::from_std) {
                Ok(io) => task(io, address).await,
                Err(error) => tracing::warn!(%error, "connection could not be given to a worker"),
            }
        };
        self.tasks.spawn_on(self.ending(task), &runtime);
    }

    /// Runs a connection's task, which ends with [`Connections::close`] at the latest.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(self.ending(task));
    }

    fn ending(&self, task: impl Future<Output = ()> + Send + 'static) -> impl Future<Output = ()> + Send + 'static {
        let kill = self.kill.clone();
        // Boxed: in the block below it would stand twice, and an idle connection is little more than its task.
        let task = Box::pin(task);
        async move {
            tokio::select! {
                () = task => {}
                () = kill.cancelled() => {}
            }
        }
    }

    /// Serves one connection to its end. Boxed: a task has room for each kind of connection that it could become, and a
    /// connection without TLS would carry the room for one with it.
    pub(crate) fn drive<I>(&self, io: I, peer: Option<SocketAddr>) -> Pin<Box<dyn Future<Output = Ended> + Send + '_>>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        Box::pin(self.live(io, peer))
    }

    async fn live<I>(&self, io: I, peer: Option<SocketAddr>) -> Ended
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let _open = self.metrics.as_ref().map(|m| Open::new(&m.connections));
        let traffic: Arc<Traffic> = Arc::default();
        let frames = match self.life {
            Some(_) => Frames::watched(),
            None => Frames::believed(),
        };
        // What is held for a turn is not sent: only what the socket took is progress, and counts.
        let io = Gathered::accepted(Counted::new(io, Arc::clone(&traffic), frames));
        let entry = Entry {
            service: self.service.clone(),
            peer,
            traffic: Arc::clone(&traffic),
        };
        let connection = self.builder.serve_connection(TokioIo::new(io), entry);
        tokio::pin!(connection);
        let mut looks = Looks::new(self.life);
        let mut closing = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    let flood = traffic.flood.load(Relaxed);
                    let Err(error) = ended else { return Ended::Well };
                    tracing::debug!(error = %crate::error::chain(error.as_ref()), "connection broke off");
                    if flood || cut_off(error.as_ref()) {
                        self.count_refused("flood");
                        return Ended::Flood;
                    }
                    return Ended::Well;
                }
                due = looks.due(&traffic) => if let Due::Cut(why) = due {
                    self.count_refused(why);
                    return Ended::Well;
                },
                () = self.closing.cancelled(), if !closing => {}
            }
            closing = true;
            looks.ending();
            connection.as_mut().graceful_shutdown();
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

/// Whether h2 has ended a connection for what its peer did.
fn cut_off(error: &(dyn std::error::Error + 'static)) -> bool {
    let h2 = std::iter::successors(Some(error), |e| e.source()).find_map(|e| e.downcast_ref::<h2::Error>());
    h2.is_some_and(|e| e.is_go_away() && e.is_library())
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
    traffic: Arc<Traffic>,
}

impl hyper::service::Service<Request<Incoming>> for Entry {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.traffic.requests.fetch_add(1, Relaxed);
        let mut request = request.map(|body| Body::new(Joined::new(body)));
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(PeerAddr(peer));
        }
        Answering {
            future: self.service.clone().oneshot(request),
            traffic: Arc::clone(&self.traffic),
        }
    }
}

pin_project! {
    /// An answer on its way.
    struct Answering {
        #[pin]
        future: Oneshot<HttpService, Request<Body>>,
        traffic: Arc<Traffic>,
    }
}

impl Future for Answering {
    type Output = Result<Response<Answer>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(response) = ready!(this.future.poll(cx));
        if response.extensions().get::<Unwelcome>().is_some() {
            this.traffic.note_unwelcome();
        }
        Poll::Ready(Ok(response.map(|body| Answer::new(body, Arc::clone(this.traffic)))))
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
mod tests;
