//! Unary calls over a few connections with so many streams each, and connections that say nothing.

use std::{fs, io::Read, rc::Rc, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{HeaderValue, Request, uri::PathAndQuery};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, task::JoinSet, time::Instant};

/// What is sent, and for how long.
pub(crate) struct Load {
    pub(crate) path: PathAndQuery,
    /// One framed message, which an echo gives back.
    pub(crate) message: Bytes,
    pub(crate) tokens: Vec<HeaderValue>,
    /// Whose turn it is: the run before left off there, else few tokens would be used over and over.
    pub(crate) first: usize,
    /// Where that is kept.
    pub(crate) turn: String,
    pub(crate) streams: usize,
    pub(crate) seconds: f64,
}

impl Load {
    fn go_on_at(&self, next: usize) -> Result<()> {
        fs::write(&self.turn, (next % self.tokens.len()).to_string()).context("cannot note whose turn it is")
    }
}

/// Whose turn it is, as the run before noted it.
pub(crate) fn first(turn: &str) -> usize {
    fs::read_to_string(turn)
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or_default()
}

/// One token a line, as values of `authorization`.
pub(crate) fn tokens(file: &str) -> Result<Vec<HeaderValue>> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
    text.lines()
        .map(|token| Ok(HeaderValue::try_from(format!("Bearer {token}"))?))
        .collect()
}

/// Calls, each time with the next token. Prints calls that were answered with status 0 and the message that was sent, others, and
/// the seconds that it took.
pub(crate) async fn run(address: &str, load: Load, connections: usize) -> Result<()> {
    let load = Arc::new(load);
    let next = Arc::new(std::sync::atomic::AtomicUsize::new(load.first));
    let start = Instant::now();
    let until = start + Duration::from_secs_f64(load.seconds);
    let mut callers = JoinSet::new();
    for _ in 0..connections {
        let sender = connect(address).await?;
        for _ in 0..load.streams {
            let (load, next, mut sender, address) =
                (Arc::clone(&load), Arc::clone(&next), sender.clone(), address.to_owned());
            callers.spawn(async move {
                let mut counts = (0_u64, 0_u64);
                while Instant::now() < until {
                    let token = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % load.tokens.len();
                    match call(&mut sender, &address, &load, token).await {
                        Ok(true) => counts.0 += 1,
                        _ => counts.1 += 1,
                    }
                }
                counts
            });
        }
    }
    let all = callers.join_all().await;
    let (good, bad) = all.iter().fold((0, 0), |sum, n| (sum.0 + n.0, sum.1 + n.1));
    load.go_on_at(next.load(std::sync::atomic::Ordering::Relaxed))?;
    say(&format!("{good} {bad} {}", start.elapsed().as_secs_f64()));
    Ok(())
}

async fn call(sender: &mut SendRequest<Full<Bytes>>, address: &str, load: &Load, token: usize) -> Result<bool> {
    let request = Request::post(format!("http://{address}{}", load.path))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", load.tokens[token].clone())
        .body(Full::new(load.message.clone()))?;
    sender.ready().await?;
    let body = sender.send_request(request).await?.into_body().collect().await?;
    let good = body
        .trailers()
        .is_some_and(|t| t.get("grpc-status").is_some_and(|s| s == "0"));
    Ok(good && body.to_bytes() == load.message)
}

/// Opens connections and keeps them, without a call, until standard input ends.
pub(crate) async fn idle(address: &str, connections: usize) -> Result<()> {
    let mut held = Vec::new();
    for _ in 0..connections {
        held.push(Rc::new(connect(address).await?));
    }
    say(&connections.to_string());
    tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0])).await??;
    Ok(())
}

async fn connect(address: &str) -> Result<SendRequest<Full<Bytes>>> {
    let io = TcpStream::connect(address).await.context("cannot connect")?;
    io.set_nodelay(true)?;
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .handshake(TokioIo::new(io))
        .await?;
    tokio::spawn(connection);
    Ok(sender)
}

#[allow(clippy::print_stdout, reason = "a command-line program talks to its caller")]
fn say(line: &str) {
    println!("{line}");
}
