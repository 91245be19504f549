mod callers;

use std::{convert::Infallible, io, path::Path};

use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    task::JoinHandle,
};
use tokio_rustls::TlsConnector;

use super::*;
use crate::{
    pem,
    settings::{Role, Settings, Tls},
    testkit,
};

type NoBody = Empty<bytes::Bytes>;

struct Running {
    ctx: Context,
    address: SocketAddr,
    task: JoinHandle<Result<(), Error>>,
}

fn settings() -> Settings {
    let mut settings = Settings::defaults(Role::Gateway);
    settings.resilience.drain_delay = Duration::from_millis(50);
    settings.resilience.drain_timeout = Duration::from_millis(1500);
    settings
}

/// Answers the caller's address; `/slow` after a while; `/worker` the number of the worker that serves it.
async fn answer(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    if request.uri().path() == "/slow" {
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    if request.uri().path() == "/worker" {
        return Ok(Response::new(Body::new(Full::from(current_worker().to_string()))));
    }
    let text = request.extensions().get::<PeerAddr>().map(|p| p.0.to_string());
    Ok(Response::new(Body::new(Full::from(text.unwrap_or_default()))))
}

async fn start(settings: Settings) -> Running {
    start_by(settings, Some(Workers::start().unwrap())).await
}

/// Without workers all runs on the test's own runtime, whose clock may stand still.
async fn start_by(settings: Settings, workers: Option<Workers>) -> Running {
    let ctx = testkit::context_with(settings);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let on = ctx.clone();
    let service = HttpService::new(tower::service_fn(answer));
    let task = tokio::spawn(async move { serve(&on, listener, service, workers).await });
    ctx.lifecycle.reached(Phase::Serving).await;
    Running { ctx, address, task }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Lets the process drain; gives the time that took.
    async fn drain(self) -> Duration {
        let started = Instant::now();
        self.ctx.lifecycle.advance(Phase::Draining);
        self.task.await.unwrap().unwrap();
        started.elapsed()
    }
}

async fn http1(mut io: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> String {
    io.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A reset after the answer is as good as an end.
    let _ = io.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

async fn http2(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> SendRequest<NoBody> {
    let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .handshake(TokioIo::new(io))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

fn get(path: &str) -> Request<NoBody> {
    Request::get(format!("http://localhost{path}"))
        .body(Empty::new())
        .unwrap()
}

#[tokio::test]
async fn connections_are_given_to_workers_in_turn() {
    let server = start(settings()).await;
    let (mut held, mut by) = (Vec::new(), Vec::new());
    for _ in 1..worker_numbers() {
        let mut sender = http2(server.connect().await).await;
        let response = sender.send_request(get("/worker")).await.unwrap();
        let number = response.into_body().collect().await.unwrap().to_bytes();
        by.push(String::from_utf8(number.into()).unwrap().parse::<usize>().unwrap());
        held.push(sender);
    }
    by.sort_unstable();
    assert_eq!(by, (1..worker_numbers()).collect::<Vec<_>>());
}

#[tokio::test]
async fn one_port_speaks_http1_and_http2_and_knows_its_callers() {
    let server = start(settings()).await;
    let io = server.connect().await;
    let ours = io.local_addr().unwrap().to_string();
    let answer = http1(io, "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with(&ours),
        "{answer}"
    );

    let io = server.connect().await;
    let ours = io.local_addr().unwrap().to_string();
    let mut sender = http2(io).await;
    let response = sender.send_request(get("/")).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, ours);
    assert!(server.ctx.metrics.text().contains("connections_open 1"));
}

#[tokio::test]
async fn what_is_in_flight_finishes_while_the_process_drains() {
    let server = start(settings()).await;
    let mut sender = http2(server.connect().await).await;
    let slow = tokio::spawn(sender.send_request(get("/slow")));
    tokio::time::sleep(Duration::from_millis(50)).await;
    let address = server.address;
    let took = server.drain().await;
    assert_eq!(slow.await.unwrap().unwrap().status(), 200);
    assert!(took < Duration::from_millis(1500), "{took:?}");
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn requests_are_taken_during_the_drains_delay() {
    let mut settings = settings();
    settings.resilience.drain_delay = Duration::from_millis(300);
    let server = start(settings).await;
    server.ctx.lifecycle.advance(Phase::Draining);
    let answer = http1(
        server.connect().await,
        "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    server.drain().await;
}

#[tokio::test]
async fn silent_peers_do_not_hold_a_drain() {
    let server = start(settings()).await;
    let _silent = server.connect().await;
    let mut half = server.connect().await;
    half.write_all(b"GET / HTTP/1.1\r\nhost:").await.unwrap();
    // Speaks HTTP/2 once, with a request under way that it never reads the answer of, and then never again.
    let mut deaf = server.connect().await;
    deaf.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let took = server.drain().await;
    assert!(took < Duration::from_millis(3000), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_says_nothing_is_sent_away() {
    let server = start_by(settings(), None).await;
    for said in ["", "PRI * HTTP/2.0"] {
        let mut io = server.connect().await;
        io.write_all(said.as_bytes()).await.unwrap();
        let before = Instant::now();
        let mut rest = Vec::new();
        let _ = io.read_to_end(&mut rest).await;
        let waited = before.elapsed();
        assert!(
            waited >= Duration::from_secs(9) && waited < Duration::from_secs(12),
            "{said:?} {waited:?}"
        );
    }
}

#[tokio::test]
async fn headers_far_beyond_the_limit_are_answered_431() {
    let server = start(settings()).await;
    let long = "x".repeat(40 << 10);
    let answer = http1(
        server.connect().await,
        &format!("GET / HTTP/1.1\r\nhost: x\r\na: {long}\r\n\r\n"),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");

    let mut sender = http2(server.connect().await).await;
    let mut request = get("/");
    // Several, since a client's own table of headers takes no single one of that size.
    for n in 0..20 {
        let name = http::HeaderName::try_from(format!("x-{n}")).unwrap();
        request.headers_mut().insert(name, long[..2 << 10].parse().unwrap());
    }
    let status = sender.send_request(request).await.map(|r| r.status().as_u16());
    // hyper's client may itself hold to the limit that the server announced.
    assert!(matches!(status, Ok(431) | Err(_)), "{status:?}");
}

#[tokio::test]
async fn beyond_the_cap_callers_are_told_in_their_protocol() {
    let mut settings = settings();
    settings.limits.connections = 1;
    let server = start(settings).await;
    let mut first = http2(server.connect().await).await;
    first.send_request(get("/")).await.unwrap();

    let answer = http1(server.connect().await, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 1"),
        "{answer}"
    );

    let mut second = http2(server.connect().await).await;
    let refused = second.send_request(get("/")).await;
    assert!(refused.is_err(), "GOAWAY");

    drop(first);
    for _ in 0..100 {
        let answer = http1(
            server.connect().await,
            "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        )
        .await;
        if answer.starts_with("HTTP/1.1 200") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the place of a connection that ended stays taken");
}

fn write_certificate(dir: &Path) -> rcgen::Certificate {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(dir.join("cert.pem"), made.cert.pem()).unwrap();
    made.cert
}

async fn handshake(
    address: SocketAddr,
    trusted: &rcgen::Certificate,
    alpn: &[u8],
) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    handshake_on(TcpStream::connect(address).await?, trusted, alpn).await
}

async fn handshake_on(
    io: TcpStream,
    trusted: &rcgen::Certificate,
    alpn: &[u8],
) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, io).await
}

fn with_tls(dir: &Path) -> Settings {
    let mut settings = settings();
    settings.tls = Some(Tls {
        cert: dir.join("cert.pem"),
        key: dir.join("key.pem"),
    });
    settings
}

#[tokio::test]
async fn tls_speaks_both_protocols_and_follows_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let first = write_certificate(dir.path());
    let server = start(with_tls(dir.path())).await;
    let io = handshake(server.address, &first, b"h2").await.unwrap();
    assert_eq!(io.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    assert_eq!(http2(io).await.send_request(get("/")).await.unwrap().status(), 200);
    let io = handshake(server.address, &first, b"http/1.1").await.unwrap();
    let answer = http1(io, "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    // A half-written pair leaves the old one in force, a whole one replaces it.
    std::fs::write(dir.path().join("key.pem"), "no key").unwrap();
    tokio::time::sleep(pem::LOOK_EVERY + Duration::from_millis(300)).await;
    handshake(server.address, &first, b"h2").await.unwrap();
    let second = write_certificate(dir.path());
    for _ in 0..100 {
        if handshake(server.address, &second, b"h2").await.is_ok() {
            assert!(handshake(server.address, &first, b"h2").await.is_err());
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the new certificate is not served");
}

#[tokio::test]
async fn a_certificate_that_cannot_be_read_refuses_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let ctx = testkit::context_with(with_tls(dir.path()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refused = serve(&ctx, listener, HttpService::new(tower::service_fn(answer)), None).await;
    assert!(refused.unwrap_err().message().contains("cert.pem"));
}
