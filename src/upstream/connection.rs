//! One HTTP/2 connection to an endpoint: how it is made, how many calls are on it, how calls leave it.
//!
//! The decision to question: a young call whose caller left is not reset at once. A server that finds requests taken back before it
//! has looked at them takes that for an attack (CVE-2023-44487) and ends the connection, and with it the calls of everybody else.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::{
    body::Incoming,
    client::conn::{
        TrySendError,
        http2::{Builder, Connection as Driver, SendRequest},
    },
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::Instant,
};
use tonic::body::Body;

use super::tls::Credentials;
use crate::{error::BoxError, mesh::MemoryAddress};

/// Within our own deployment a peer that is gone without a word is noticed after the sum of the two.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Servers of others may punish HTTP/2's pings (grpc-go allows one in five minutes); those of TCP they do not even see.
const PROBE_AFTER: Duration = Duration::from_secs(10);
const PROBE_EVERY: Duration = Duration::from_secs(5);
/// What an answer may send before somebody has read it.
const STREAM_WINDOW: u32 = 512 << 10;
/// What all of them may: more than those that are on a connection together, or a few callers who do not read would stop the answers to
/// all the others.
const CONNECTION_WINDOW: u32 = 64 << 20;
/// Response heads carry `grpc-status-details-bin`, which grows with what is wrong.
const HEADER_LIST: u32 = 64 << 10;
/// Streams that we reset and remember, so that what comes late for them is no error.
const RESETS_REMEMBERED: usize = 256;
/// Calls that a connection carries before another one is opened beside it, where the peer allows as many.
const COMFORT: usize = 100;
/// Age that a stream reaches before it is reset: by then its server has seen it.
const YOUNG: Duration = Duration::from_millis(100);
/// Streams that were reset on a connection until it takes no more calls: servers count them (Netty: 200 in 30 s).
const RESETS: usize = 100;

/// Where to connect to.
#[derive(Clone, Debug)]
pub(super) enum Dial {
    Memory(MemoryAddress),
    Tcp(SocketAddr),
    /// With the host that the certificate must be of.
    Tls(SocketAddr, String, Arc<Credentials>),
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    sender: SendRequest<Body>,
    /// Calls that are on it.
    streams: AtomicUsize,
    /// Calls that ever were.
    calls: AtomicUsize,
    /// Calls that were left by their callers.
    resets: AtomicUsize,
    /// Calls that fit well.
    comfort: AtomicUsize,
}

/// What runs a connection; ends with it.
pub(super) type Running = Pin<Box<dyn Runs>>;

/// hyper's half of a connection.
pub(super) trait Runs: Future<Output = hyper::Result<()>> + Send {
    /// Streams that the peer allows at once.
    fn allowed(&self) -> usize;
}

impl<T> Runs for Driver<TokioIo<T>, Body, TokioExecutor>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    fn allowed(&self) -> usize {
        self.current_max_send_streams()
    }
}

impl Dial {
    /// Connects. `own`: a part of this deployment is at the other end.
    pub(super) async fn connect(&self, own: bool) -> Result<(Arc<Connection>, Running), BoxError> {
        match self {
            Self::Memory(address) => handshake(address.connect().await?, own).await,
            Self::Tcp(address) => handshake(tcp(*address).await?, own).await,
            Self::Tls(address, host, tls) => handshake(tls.connect(tcp(*address).await?, host).await?, own).await,
        }
    }
}

async fn tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let io = TcpStream::connect(address).await?;
    io.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(PROBE_EVERY);
    // Without it a peer that is gone is noticed later.
    if let Err(error) = SockRef::from(&io).set_tcp_keepalive(&keepalive) {
        tracing::debug!(%error, "connection without TCP keepalive");
    }
    Ok(io)
}

async fn handshake<T>(io: T, own: bool) -> Result<(Arc<Connection>, Running), BoxError>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, driver) = Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEADER_LIST)
        .max_concurrent_reset_streams(RESETS_REMEMBERED)
        .keep_alive_interval(own.then_some(KEEPALIVE_INTERVAL))
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(own)
        .handshake(TokioIo::new(io))
        .await?;
    let connection = Connection {
        sender,
        streams: AtomicUsize::new(0),
        calls: AtomicUsize::new(0),
        resets: AtomicUsize::new(0),
        comfort: AtomicUsize::new(COMFORT),
    };
    Ok((Arc::new(connection), Box::pin(driver)))
}

impl Connection {
    /// Whether calls may be put on it.
    pub(super) fn usable(&self) -> bool {
        !self.sender.is_closed() && self.resets.load(Relaxed) < RESETS
    }

    /// Calls that are on it.
    pub(super) fn streams(&self) -> usize {
        self.streams.load(Relaxed)
    }

    /// Calls that ever were.
    pub(super) fn calls(&self) -> usize {
        self.calls.load(Relaxed)
    }

    /// Notes how many streams the peer allows.
    pub(super) fn note_allowed(&self, allowed: usize) {
        self.comfort.store(allowed.clamp(1, COMFORT), Relaxed);
    }

    /// Whether another call fits well.
    pub(super) fn has_room(&self) -> bool {
        self.streams() < self.comfort.load(Relaxed)
    }

    /// Sends a request and waits for the response's head. Dropping the future or the response's body resets the stream, though
    /// not at once.
    pub(super) fn send(self: &Arc<Self>, request: Request<Body>) -> Waiting {
        self.calls.fetch_add(1, Relaxed);
        self.streams.fetch_add(1, Relaxed);
        Waiting {
            answer: Some(Box::pin(self.sender.clone().try_send_request(request))),
            stream: Some(Stream(Arc::clone(self))),
            since: Instant::now(),
        }
    }
}

type Sent = Pin<Box<dyn Future<Output = Result<Response<Incoming>, TrySendError<Request<Body>>>> + Send>>;

/// A call whose answer has not begun.
pub(super) struct Waiting {
    answer: Option<Sent>,
    stream: Option<Stream>,
    since: Instant,
}

impl Future for Waiting {
    type Output = Result<Response<Wire>, TrySendError<Request<Body>>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(answer) = &mut self.answer else {
            return Poll::Pending;
        };
        let answered = std::task::ready!(answer.as_mut().poll(cx));
        self.answer = None;
        let stream = self.stream.take();
        Poll::Ready(answered.map(|response| {
            response.map(|inner| Wire {
                inner,
                stream,
                whole: false,
            })
        }))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let (Some(answer), Some(stream)) = (self.answer.take(), self.stream.take()) else {
            return;
        };
        stream.0.resets.fetch_add(1, Relaxed);
        let left = YOUNG.saturating_sub(self.since.elapsed());
        if let Some(runtime) = tokio::runtime::Handle::try_current().ok().filter(|_| !left.is_zero()) {
            runtime.spawn(async move {
                let _ = tokio::time::timeout(left, answer).await;
                drop(stream);
            });
        }
    }
}

/// A call's place on its connection.
#[derive(Debug)]
struct Stream(Arc<Connection>);

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Relaxed);
    }
}

/// The body of a response as it comes; has its place on the connection until it is dropped.
#[derive(Debug)]
pub(super) struct Wire {
    inner: Incoming,
    stream: Option<Stream>,
    whole: bool,
}

impl HttpBody for Wire {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => self.whole = frame.is_trailers(),
            Poll::Ready(_) => self.whole = true,
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let Some(stream) = self
            .stream
            .as_ref()
            .filter(|_| !self.whole && !self.inner.is_end_stream())
        {
            stream.0.resets.fetch_add(1, Relaxed);
        }
    }
}
