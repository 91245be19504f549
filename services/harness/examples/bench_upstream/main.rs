//! The service behind the gateway in `cargo xtask bench gateway`: answers as fast as it can, and counts what it answered.
//!
//! It knows HTTP/2 and gRPC's frames and no messages, so that as little as possible of a core goes to it. `GET /stats` over HTTP/1.1
//! tells how many calls ended with `grpc-status: 0`, counted when hyper took the trailers, since a load tool sees the HTTP status alone.

mod answer;
mod descriptors;

use std::{convert::Infallible, path::PathBuf};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Either, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::net::TcpListener;

use answer::Answer;

/// One byte of flags and four of length stand before each message (gRPC over HTTP/2).
const PREFIX: usize = 5;
const WINDOW: u32 = 4 << 20;
/// A load tool that stops amid its calls makes a proxy reset as many streams at once; that must not end the connection.
const RESETS: usize = 100_000;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", address] => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(serve(address)),
        ["describe", file, methods] => descriptors::write(&PathBuf::from(file), methods.parse()?),
        _ => bail!("usage: bench_upstream serve ADDRESS | describe FILE METHODS"),
    }
}

async fn serve(address: &str) -> Result<()> {
    let listener = TcpListener::bind(address).await.context("cannot listen")?;
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http2()
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_concurrent_streams(4096)
        .max_pending_accept_reset_streams(RESETS);
    loop {
        let (io, _) = listener.accept().await?;
        io.set_nodelay(true)?;
        let builder = builder.clone();
        tokio::spawn(async move {
            // A peer that goes away is no event here.
            let _ = builder.serve_connection(TokioIo::new(io), service_fn(answer)).await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Either<Answer, Full<Bytes>>>, Infallible> {
    if request.uri().path() == "/stats" {
        return Ok(Response::new(Either::Right(Full::from(answer::counted()))));
    }
    let streams = request.uri().path().ends_with("/Stream");
    let answer = match request.into_body().collect().await {
        Ok(body) if streams => Answer::stream(&body.to_bytes()),
        Ok(body) => Answer::once(body.to_bytes()),
        // The call is reset; nobody reads what follows.
        Err(_) => Answer::once(Bytes::new()),
    };
    let mut response = Response::new(Either::Left(answer));
    let grpc = http::HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(http::header::CONTENT_TYPE, grpc);
    Ok(response)
}
