//! A server whose every frame a test can choose: h2 without anything of ours on top.

use std::{
    net::SocketAddr,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use h2::server::SendResponse;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};
use tokio_rustls::TlsAcceptor;
use tonic_health::pb::health_check_response::ServingStatus;

use super::*;

/// What the server does with a call.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// Head, one message, trailers with this status.
    Full(Code),
    /// Head and trailers.
    Trailers(Code),
    /// Trailers with something beside the status.
    With(Code, &'static str, &'static str),
    /// A head that is all there is.
    Head(Code),
    /// RST_STREAM instead of a head.
    Reset(h2::Reason),
    /// RST_STREAM after the head.
    HeadThenReset(h2::Reason),
    /// RST_STREAM after head and a message.
    DataThenReset(h2::Reason),
    /// Head, a message, and the end.
    NoTrailers,
    /// Head, a message, and trailers that say nothing of a status.
    NoStatus,
    /// Something that is no gRPC.
    Http(u16, &'static str),
    /// Head and a message; then the connection is gone.
    DataThenGone,
    /// All that is well, and then GOAWAY.
    FullThenGoAway,
    /// The request's metadata and body again: as head, body and trailers.
    Echo,
}

/// A call as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// Scheme and authority.
    pub(super) base: String,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// A running server.
pub(super) struct Peer {
    address: SocketAddr,
    shared: Arc<Shared_>,
}

struct Shared_ {
    replies: Vec<Reply>,
    seen: Mutex<Vec<Seen>>,
    calls: AtomicUsize,
    connections: AtomicUsize,
    /// Calls with `x-silent`, which are never answered, and how many of them were taken back.
    silent: AtomicUsize,
    resets: AtomicUsize,
    health: Mutex<Result<ServingStatus, Code>>,
    /// The first connection answers its first call by a GOAWAY that leaves it out.
    refuses_first: bool,
    tls: Option<TlsAcceptor>,
}

impl Peer {
    /// Plays these replies in order, the last one again and again.
    pub(super) async fn start(replies: impl Into<Vec<Reply>>) -> Self {
        Self::launch(replies.into(), false, None).await
    }

    /// The same behind TLS.
    pub(super) async fn start_tls(replies: impl Into<Vec<Reply>>, config: rustls::ServerConfig) -> Self {
        Self::launch(replies.into(), false, Some(Arc::new(config).into())).await
    }

    /// The same, after a first connection that goes away before it looks at its first call.
    pub(super) async fn start_going_away(replies: impl Into<Vec<Reply>>) -> Self {
        Self::launch(replies.into(), true, None).await
    }

    /// The same on this listener, in the runtime that is entered.
    pub(super) fn on(listener: TcpListener, replies: impl Into<Vec<Reply>>) -> Self {
        Self::begin(listener, replies.into(), false, None)
    }

    async fn launch(replies: Vec<Reply>, refuses_first: bool, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::begin(listener, replies, refuses_first, tls)
    }

    fn begin(listener: TcpListener, replies: Vec<Reply>, refuses_first: bool, tls: Option<TlsAcceptor>) -> Self {
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared_ {
            replies,
            seen: Mutex::default(),
            calls: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            silent: AtomicUsize::new(0),
            resets: AtomicUsize::new(0),
            health: Mutex::new(Ok(ServingStatus::Serving)),
            refuses_first,
            tls,
        });
        tokio::spawn(accept(listener, shared.clone()));
        Self { address, shared }
    }

    pub(super) fn address(&self) -> Address {
        Address::Tcp(self.address.to_string())
    }

    /// The calls so far.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// How many calls came.
    pub(super) fn calls(&self) -> usize {
        self.shared.calls.load(Ordering::SeqCst)
    }

    pub(super) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Calls that asked for silence.
    pub(super) fn silent(&self) -> usize {
        self.shared.silent.load(Ordering::SeqCst)
    }

    /// Of these, the ones that were taken back.
    pub(super) fn resets(&self) -> usize {
        self.shared.resets.load(Ordering::SeqCst)
    }

    /// What checks of health are told from now on.
    pub(super) fn set_health(&self, health: Result<ServingStatus, Code>) {
        *self.shared.health.lock().unwrap() = health;
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared_>) {
    loop {
        let (io, _) = listener.accept().await.unwrap();
        let number = shared.connections.fetch_add(1, Ordering::SeqCst);
        if number == 0 && shared.refuses_first {
            tokio::spawn(go_away(io));
        } else {
            let shared = shared.clone();
            tokio::spawn(async move {
                match shared.tls.clone() {
                    None => connection(io, shared).await,
                    Some(tls) => {
                        if let Ok(io) = tls.accept(io).await {
                            connection(io, shared).await;
                        }
                    }
                }
            });
        }
    }
}

/// Speaks just enough HTTP/2 to say GOAWAY with a last stream of 0 when a call arrives.
async fn go_away(mut io: TcpStream) {
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    const HEADERS: u8 = 1;
    const GOAWAY: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    io.write_all(&SETTINGS).await.unwrap();
    io.read_exact(&mut [0; 24]).await.unwrap();
    loop {
        let mut head = [0; 9];
        io.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        io.read_exact(&mut vec![0; length]).await.unwrap();
        if head[3] == HEADERS {
            break;
        }
    }
    io.write_all(&GOAWAY).await.unwrap();
    let _ = io.read_to_end(&mut Vec::new()).await;
}

/// What a call may ask of its connection.
#[derive(Default)]
struct Orders {
    gone: Notify,
    go_away: Notify,
}

async fn connection<T: AsyncRead + AsyncWrite + Unpin>(io: T, shared: Arc<Shared_>) {
    let orders = Arc::new(Orders::default());
    let Ok(mut connection) = h2::server::Builder::new()
        .initial_window_size(1 << 20)
        .initial_connection_window_size(1 << 20)
        .handshake::<_, Bytes>(io)
        .await
    else {
        return;
    };
    loop {
        tokio::select! {
            () = orders.gone.notified() => return,
            () = orders.go_away.notified() => connection.graceful_shutdown(),
            accepted = connection.accept() => {
                let Some(Ok((request, respond))) = accepted else { return };
                tokio::spawn(serve_call(request, respond, shared.clone(), orders.clone()));
            }
        }
    }
}

async fn serve_call(
    request: Request<h2::RecvStream>,
    mut respond: SendResponse<Bytes>,
    shared: Arc<Shared_>,
    orders: Arc<Orders>,
) {
    if request.headers().contains_key("x-silent") {
        shared.silent.fetch_add(1, Ordering::SeqCst);
        let _ = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
        shared.resets.fetch_add(1, Ordering::SeqCst);
        return;
    }
    if request.uri().path() == "/grpc.health.v1.Health/Check" {
        let health = *shared.health.lock().unwrap();
        let _ = tell_health(health, &mut respond);
        return;
    }
    let number = shared.calls.fetch_add(1, Ordering::SeqCst);
    let reply = shared
        .replies
        .get(number)
        .or(shared.replies.last())
        .expect("one at least");
    if let Reply::Reset(reason) = reply {
        return respond.send_reset(*reason);
    }
    let (head, mut body) = request.into_parts();
    let mut data = Vec::new();
    while let Some(Ok(chunk)) = body.data().await {
        let _ = body.flow_control().release_capacity(chunk.len());
        data.extend_from_slice(&chunk);
    }
    let base = head.uri.clone().into_parts();
    let seen = Seen {
        base: match (base.scheme, base.authority) {
            (Some(scheme), Some(authority)) => format!("{scheme}://{authority}"),
            _ => String::new(),
        },
        path: head.uri.path().to_owned(),
        headers: head.headers,
        body: data.into(),
    };
    shared.seen.lock().unwrap().push(seen.clone());
    // An answer that cannot be sent belongs to a caller who left.
    let _ = answer(reply.clone(), seen, &mut respond, &orders).await;
}

async fn answer(reply: Reply, seen: Seen, respond: &mut SendResponse<Bytes>, orders: &Orders) -> Result<(), h2::Error> {
    let message = Bytes::from_static(MESSAGE);
    match reply {
        Reply::Full(code) | Reply::Trailers(code) | Reply::With(code, ..) => {
            let mut stream = respond.send_response(grpc(), false)?;
            if matches!(reply, Reply::Full(_)) {
                stream.send_data(message, false)?;
            }
            let mut trailers = status(code);
            if let Reply::With(_, name, value) = reply {
                trailers.insert(name, HeaderValue::from_static(value));
            }
            stream.send_trailers(trailers)
        }
        Reply::FullThenGoAway => {
            let mut stream = respond.send_response(grpc(), false)?;
            stream.send_data(message, false)?;
            stream.send_trailers(status(Code::Ok))?;
            orders.go_away.notify_one();
            Ok(())
        }
        Reply::Head(code) => {
            let mut response = grpc();
            response.headers_mut().extend(status(code));
            respond.send_response(response, true).map(drop)
        }
        Reply::Http(code, kind) => {
            let response = Response::builder().status(code).header("content-type", kind);
            let mut stream = respond.send_response(response.body(()).unwrap(), false)?;
            stream.send_data(Bytes::from_static(b"<h1>no gRPC</h1>"), true)
        }
        Reply::Echo => echo(seen, respond),
        broken => {
            let mut stream = respond.send_response(grpc(), false)?;
            if let Reply::HeadThenReset(reason) = broken {
                settle().await;
                stream.send_reset(reason);
                return Ok(());
            }
            stream.send_data(message, matches!(broken, Reply::NoTrailers))?;
            if let Reply::NoStatus = broken {
                let mut trailers = HeaderMap::new();
                trailers.insert("x-note", HeaderValue::from_static("no status"));
                return stream.send_trailers(trailers);
            }
            settle().await;
            match broken {
                Reply::DataThenReset(reason) => stream.send_reset(reason),
                Reply::DataThenGone => orders.gone.notify_one(),
                _ => {}
            }
            Ok(())
        }
    }
}

fn tell_health(health: Result<ServingStatus, Code>, respond: &mut SendResponse<Bytes>) -> Result<(), h2::Error> {
    let mut stream = respond.send_response(grpc(), false)?;
    let Ok(serving) = health else {
        return stream.send_trailers(status(health.unwrap_err()));
    };
    // Field 1 of HealthCheckResponse, a varint.
    let message = [0, 0, 0, 0, 2, 8, serving as u8];
    stream.send_data(Bytes::copy_from_slice(&message), false)?;
    stream.send_trailers(status(Code::Ok))
}

fn echo(seen: Seen, respond: &mut SendResponse<Bytes>) -> Result<(), h2::Error> {
    let mut response = grpc();
    let mut trailers = status(Code::Ok);
    let own = |name: &HeaderName| name.as_str().starts_with("x-own");
    for (name, value) in seen.headers.iter().filter(|(name, _)| own(name)) {
        response.headers_mut().append(name, value.clone());
        trailers.append(name, value.clone());
    }
    let mut stream = respond.send_response(response, false)?;
    stream.send_data(seen.body, false)?;
    stream.send_trailers(trailers)
}

/// Lets what was written go out first: h2 forgets what waits on a stream that is reset.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

fn grpc() -> Response<()> {
    Response::builder()
        .header("content-type", "application/grpc")
        .body(())
        .unwrap()
}

fn status(code: Code) -> HeaderMap {
    body::trailers(&Status::new(code, "as scripted"))
}
