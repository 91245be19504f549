//! One connection, in memory.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn::http2::SendRequest;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};

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

/// What a server answers everything with.
async fn ok(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(Body::new(Full::from("ok"))))
}

struct Served {
    sender: SendRequest<Empty<Bytes>>,
    task: tokio::task::JoinHandle<Ended>,
    metrics: Arc<Metrics>,
    since: Instant,
}

/// A connection of a caller in memory, which makes this much room for each answer.
async fn served(limits: &Limits, room: u32) -> Served {
    let metrics = Metrics::new();
    let connections =
        Connections::new(Protocols::Any, limits, HttpService::new(tower::service_fn(ok))).counted(&metrics);
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let task = tokio::spawn(async move { connections.drive(theirs, None).await });
    let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(room)
        .handshake(TokioIo::new(ours))
        .await
        .unwrap();
    tokio::spawn(connection);
    Served {
        sender,
        task,
        metrics,
        since: Instant::now(),
    }
}

impl Served {
    async fn ask(&mut self) -> hyper::Result<Response<Incoming>> {
        let request = Request::get("http://localhost/").body(Empty::new()).unwrap();
        self.sender.send_request(request).await
    }

    /// How long the connection was kept.
    async fn kept(self) -> Duration {
        assert_eq!(self.task.await.unwrap(), Ended::Well);
        self.since.elapsed()
    }
}

fn limits(idle: Duration, age: Duration) -> Limits {
    Limits {
        connection_idle: idle,
        connection_age: age,
        ..Settings::defaults(Role::Gateway).limits
    }
}

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_connection_on_which_nobody_asks_is_told_to_go() {
    let mut caller = served(&limits(10 * MINUTE, HOUR), 1 << 20).await;
    for _ in 0..5 {
        tokio::time::sleep(9 * MINUTE).await;
        caller.ask().await.unwrap().into_body().collect().await.unwrap();
    }
    let kept = caller.kept().await;
    assert!(kept > 46 * MINUTE && kept < 61 * MINUTE, "{kept:?}");
}

#[tokio::test(start_paused = true)]
async fn an_old_connection_is_told_to_go_and_loses_nothing() {
    let mut caller = served(&limits(10 * MINUTE, HOUR), 1 << 20).await;
    while !caller.sender.is_closed() {
        match caller.ask().await {
            Ok(answer) => assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "ok"),
            Err(error) => assert!(error.is_canceled() || error.is_closed(), "handed back: {error:?}"),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let kept = caller.kept().await;
    assert!(kept > 53 * MINUTE && kept < 67 * MINUTE, "{kept:?}");
}

#[tokio::test(start_paused = true)]
async fn who_makes_no_room_for_an_answer_is_cut_off() {
    let mut caller = served(&limits(HOUR, HOUR), 0).await;
    let _answer = caller.ask().await.unwrap();
    let metrics = Arc::clone(&caller.metrics);
    // Others of its requests change nothing.
    let kept = caller.kept().await;
    assert!(kept > 2 * MINUTE && kept < 4 * MINUTE, "{kept:?}");
    assert!(
        metrics.text().contains(r#"connections_refused_total{why="stalled"} 1"#),
        "{}",
        metrics.text()
    );
}

#[tokio::test]
async fn who_says_much_and_does_nothing_is_cut_off() {
    let metrics = Metrics::new();
    let limits = Settings::defaults(Role::Gateway).limits;
    for protocols in [Protocols::Any, Protocols::Http2] {
        let service = HttpService::new(tower::service_fn(ok));
        let connections = Connections::new(protocols, &limits, service).counted(&metrics);
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let task = tokio::spawn(async move { connections.drive(theirs, None).await });
        let (mut reader, mut writer) = tokio::io::split(ours);
        let drain = tokio::spawn(async move { tokio::io::copy(&mut reader, &mut tokio::io::sink()).await });
        let mut said = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        said.extend(frame(4, 0, 0, &[]));
        said.extend(frame(PING, 0, 0, b"opaque 8").repeat(10_000));
        let all = writer.write_all(&said).await;
        match protocols {
            Protocols::Any => {
                assert_eq!(task.await.unwrap(), Ended::Flood);
                assert!(metrics.text().contains(r#"connections_refused_total{why="flood"} 1"#));
            }
            Protocols::Http2 => {
                all.unwrap();
                assert!(!task.is_finished(), "a part of the deployment is believed");
                task.abort();
            }
        }
        drain.abort();
    }
}

/// A service that wants nothing of what it is asked.
async fn unwelcome(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(Unwelcome);
    Ok(response)
}

#[tokio::test]
async fn who_asks_for_nothing_but_refusals_is_cut_off() {
    let limits = Settings::defaults(Role::Gateway).limits;
    let service = HttpService::new(tower::service_fn(unwelcome));
    let connections = Connections::new(Protocols::Any, &limits, service);
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let task = tokio::spawn(async move { connections.drive(theirs, None).await });
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(ours))
        .await
        .unwrap();
    tokio::spawn(connection);
    let mut answered = 0;
    loop {
        let request = Request::get("http://localhost/").body(Empty::<Bytes>::new()).unwrap();
        match sender.send_request(request).await {
            Ok(_) => answered += 1,
            Err(_) => break,
        }
    }
    assert!((20..30).contains(&answered), "{answered}");
    assert_eq!(task.await.unwrap(), Ended::Flood);
}
