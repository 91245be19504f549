//! The well-behaved caller: one connection, a call every now and then, no retries.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use logicore_harness::{System, framed};
use tokio::{net::TcpStream, task::JoinSet, time::Instant};

const EVERY: Duration = Duration::from_millis(40);
/// Far more than a call takes, since other tests share the machine; the table shows what it did take.
const IN_TIME: Duration = Duration::from_secs(2);

/// A caller with a token.
pub(super) struct Caller {
    sender: SendRequest<Full<Bytes>>,
    bearer: String,
}

/// What became of its calls.
#[derive(Debug, Default)]
pub(super) struct Calls {
    pub(super) made: usize,
    pub(super) in_time: usize,
    /// How long they took, the shortest first.
    pub(super) took: Vec<Duration>,
    /// What went wrong with those that failed.
    pub(super) failed: Vec<String>,
}

impl Caller {
    pub(super) async fn new(system: &System) -> anyhow::Result<Self> {
        let io = TcpStream::connect(system.address()).await?;
        io.set_nodelay(true)?;
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await?;
        tokio::spawn(connection);
        let bearer = format!("Bearer {}", system.demo().await?.access);
        Ok(Self { sender, bearer })
    }

    /// Calls for a while.
    pub(super) async fn calls(&self, during: Duration) -> Calls {
        let (end, mut due) = (Instant::now() + during, tokio::time::interval(EVERY));
        let mut out = JoinSet::new();
        while Instant::now() < end {
            due.tick().await;
            out.spawn(call(self.sender.clone(), self.bearer.clone()));
        }
        let mut calls = Calls::default();
        while let Some(ended) = out.join_next().await {
            calls.made += 1;
            match ended {
                Ok(Ok(took)) => {
                    calls.in_time += usize::from(took <= IN_TIME);
                    calls.took.push(took);
                }
                Ok(Err(error)) => calls.failed.push(format!("{error:#}")),
                Err(error) => calls.failed.push(error.to_string()),
            }
        }
        calls.took.sort_unstable();
        calls
    }
}

impl Calls {
    /// What so many percent of the calls took at most.
    pub(super) fn percentile(&self, percent: usize) -> Duration {
        let at = (self.took.len() * percent / 100).min(self.took.len().saturating_sub(1));
        self.took.get(at).copied().unwrap_or_default()
    }
}

async fn call(mut sender: SendRequest<Full<Bytes>>, bearer: String) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let request = Request::post("http://localhost/logicore.auth.v1.AuthService/GetMe")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", bearer)
        .body(Full::new(framed(&[])))?;
    let (head, body) = sender.send_request(request).await?.into_parts();
    let trailers = body.collect().await?.trailers().cloned().unwrap_or_default();
    let status = trailers.get("grpc-status").or_else(|| head.headers.get("grpc-status"));
    anyhow::ensure!(status.is_some_and(|s| s == "0"), "{:?} {trailers:?}", head.headers);
    Ok(begun.elapsed())
}
