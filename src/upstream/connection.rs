//! One HTTP/2 connection to an endpoint: how it is made, how many calls are on it, how calls leave it.
//!
//! h2 itself and not hyper's client: that puts two tasks and two channels between a call and its stream, which is half of what it
//! costs; and h2's errors say what became of a call.
//!
//! The decision to question: a young call whose caller left is not reset at once. A server that finds requests taken back before it
//! has looked at them takes that for an attack (CVE-2023-44487) and ends the connection, and with it the calls of everybody else.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::Bytes;
use h2::{
    RecvStream,
    client::{Builder, ResponseFuture, SendRequest},
};
use http::{Request, Response};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::Instant,
};
use tonic::body::Body;

use super::{
    driver::{Driver, Running},
    paced::{Paced, Tally},
    sending::{Sending, send_body},
    tls::Credentials,
    unread::Answers,
    wire::{Inner, Wire},
};
use crate::{error::BoxError, mesh::MemoryAddress, server::Gathered};

/// Servers of others may punish HTTP/2's pings (grpc-go allows one in five minutes); those of TCP they do not even see.
const PROBE_AFTER: Duration = Duration::from_secs(10);
const PROBE_EVERY: Duration = Duration::from_secs(5);
/// What we sent, and nobody has acknowledged for so long, is lost with the connection. Linux asks nothing by [`PROBE_AFTER`] while it waits
/// for that, and without a limit waits for a quarter of an hour; a path that a firewall forgot would take all calls until then.
const LOST_AFTER: Duration = Duration::from_secs(15);
/// What an answer may send before somebody has read it.
const STREAM_WINDOW: u32 = 512 << 10;
/// What all of them may: more than those that are on a connection together, or a few callers who do not read would stop the answers to
/// all the others.
const CONNECTION_WINDOW: u32 = 64 << 20;
/// Longest frame that an upstream may send: a long answer in a quarter of the frames that it takes by default (RFC 9113, 4.2).
const LARGEST_FRAME: u32 = 64 << 10;
/// Response heads carry `grpc-status-details-bin`, which grows with what is wrong.
const HEADER_LIST: u32 = 64 << 10;
/// Bytes that wait for room on one stream, at most.
const SEND_BUFFER: usize = 1 << 20;
/// Streams that we reset and remember, so that what comes late for them is no error.
const RESETS_REMEMBERED: usize = 256;
/// What frames that nobody reads may take in h2 (see [`super::unread`]) before it ends the connection: more than can come from one look
/// at them to the next.
const UNREAD: usize = 64 << 20;
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
    sender: SendRequest<Bytes>,
    /// It takes no more calls.
    ended: Arc<AtomicBool>,
    /// Calls that are on it.
    streams: AtomicUsize,
    tally: Arc<Tally>,
    answers: Arc<Answers>,
    /// Calls that ever were.
    calls: AtomicUsize,
    /// Calls that were left by their callers.
    resets: AtomicUsize,
    /// Calls that fit well.
    comfort: AtomicUsize,
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
    let socket = SockRef::from(&io);
    // Without them a peer that is gone is noticed later.
    if let Err(error) = socket.set_tcp_keepalive(&keepalive).and_then(|()| lost_after(&socket)) {
        tracing::debug!(%error, "connection without TCP keepalive");
    }
    Ok(io)
}

#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
fn lost_after(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_tcp_user_timeout(Some(LOST_AFTER))
}

#[cfg(not(any(target_os = "android", target_os = "fuchsia", target_os = "linux")))]
fn lost_after(_: &SockRef<'_>) -> io::Result<()> {
    Ok(())
}

async fn handshake<T>(io: T, own: bool) -> Result<(Arc<Connection>, Running), BoxError>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (tally, answers) = (Arc::<Tally>::default(), Arc::<Answers>::default());
    let io = Gathered::http2(Paced::new(io, Arc::clone(&tally)));
    let (sender, connection) = Builder::new()
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(LARGEST_FRAME)
        .max_header_list_size(HEADER_LIST)
        .max_concurrent_reset_streams(RESETS_REMEMBERED)
        .max_send_buffer_size(SEND_BUFFER)
        .data_frame_budget(UNREAD)
        .handshake(io)
        .await?;
    let ended = Arc::new(AtomicBool::new(false));
    let driver = Driver::new(
        connection,
        Arc::clone(&ended),
        own,
        (Arc::clone(&tally), Arc::clone(&answers)),
    );
    let connection = Connection {
        sender,
        ended,
        streams: AtomicUsize::new(0),
        tally,
        answers,
        calls: AtomicUsize::new(0),
        resets: AtomicUsize::new(0),
        comfort: AtomicUsize::new(COMFORT),
    };
    Ok((Arc::new(connection), Box::pin(driver)))
}

impl Connection {
    /// Whether calls may be put on it.
    pub(super) fn usable(&self) -> bool {
        self.lives() && self.resets.load(Relaxed) < RESETS
    }

    /// Whether calls can be put on it.
    pub(super) fn lives(&self) -> bool {
        !self.ended.load(Relaxed)
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

    /// Sends a request; what comes waits for the response's head. Dropping that, or the response's body, resets the stream, though not
    /// at once.
    ///
    /// # Errors
    /// When it was never sent.
    #[expect(
        clippy::result_large_err,
        reason = "it hands the request back, which no call is to pay a box for"
    )]
    pub(super) fn send(self: &Arc<Self>, request: Request<Body>, one_answer: bool) -> Result<Waiting, Unsent> {
        let mut sender = self.sender.clone();
        // A handle of its own never waits: it only asks whether the connection takes calls.
        if let Poll::Ready(Err(error)) = sender.poll_ready(&mut Context::from_waker(Waker::noop())) {
            return Err(Unsent { request, error });
        }
        let (parts, body) = request.into_parts();
        let all = http_body::Body::is_end_stream(&body);
        let (answer, stream) = match sender.send_request(Request::from_parts(parts, ()), all) {
            Ok(sent) => sent,
            Err(error) => return Ok(Waiting::failed(error)),
        };
        self.calls.fetch_add(1, Relaxed);
        self.streams.fetch_add(1, Relaxed);
        self.tally.unanswered.fetch_add(1, Relaxed);
        let sending = (!all).then(|| Sending::new(stream, body));
        Ok(Waiting {
            call: Some(Call {
                answer,
                stream: Stream {
                    connection: Arc::clone(self),
                    body: None,
                    unanswered: true,
                },
                one_answer,
            }),
            sending,
            failed: None,
            since: Instant::now(),
        })
    }
}

/// A request that went nowhere.
pub(super) struct Unsent {
    pub(super) request: Request<Body>,
    pub(super) error: h2::Error,
}

/// A call whose answer has not begun.
pub(super) struct Waiting {
    call: Option<Call>,
    /// What of the request is not on its way yet.
    sending: Option<Sending>,
    failed: Option<h2::Error>,
    since: Instant,
}

impl Waiting {
    fn failed(error: h2::Error) -> Self {
        Self {
            call: None,
            sending: None,
            failed: Some(error),
            since: Instant::now(),
        }
    }
}

struct Call {
    answer: ResponseFuture,
    stream: Stream,
    one_answer: bool,
}

impl Call {
    /// The answer has begun.
    fn wire(mut self, inner: RecvStream) -> Wire {
        if self.one_answer {
            return Wire::new(Inner::One(inner), Some(self.stream));
        }
        self.stream.answered();
        let kept = self.stream.connection.answers.keep(inner);
        Wire::new(Inner::Streams(kept), Some(self.stream))
    }
}

impl Future for Waiting {
    type Output = Result<Response<Wire>, h2::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(call) = &mut this.call else {
            return this
                .failed
                .take()
                .map_or(Poll::Pending, |error| Poll::Ready(Err(error)));
        };
        if let Some(sending) = this.sending.take() {
            call.stream.body = send_body(sending, cx);
        }
        let answered = ready!(Pin::new(&mut call.answer).poll(cx));
        let Some(call) = this.call.take() else {
            return Poll::Pending;
        };
        Poll::Ready(answered.map(|response| response.map(|inner| call.wire(inner))))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Some(mut call) = self.call.take() else { return };
        call.stream.answered();
        call.stream.count_reset();
        let left = YOUNG.saturating_sub(self.since.elapsed());
        if let Some(runtime) = tokio::runtime::Handle::try_current().ok().filter(|_| !left.is_zero()) {
            runtime.spawn(async move {
                let _ = tokio::time::timeout(left, call.answer).await;
                drop(call.stream);
            });
        }
    }
}

/// A call's place on its connection, and the task that sends its body where one had to.
#[derive(Debug)]
pub(super) struct Stream {
    connection: Arc<Connection>,
    body: Option<tokio::task::AbortHandle>,
    unanswered: bool,
}

impl Stream {
    /// The call is left before its end.
    pub(super) fn count_reset(&self) {
        self.connection.resets.fetch_add(1, Relaxed);
    }

    /// Nobody waits for the answer any more.
    fn answered(&mut self) {
        if std::mem::take(&mut self.unanswered) {
            self.connection.tally.unanswered.fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.answered();
        self.connection.streams.fetch_sub(1, Relaxed);
        if let Some(body) = &self.body {
            body.abort();
        }
    }
}
