//! A service of the test's own that the gateway takes for one of its upstreams: it keeps what it was sent and answers what it is told.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use logicore_harness::framed;
use tokio::{net::TcpListener, task::JoinSet};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A service behind the gateway. It ends when dropped.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    _tasks: JoinSet<()>,
}

impl Upstream {
    /// Answers every unary call with this message, after this time.
    ///
    /// # Errors
    /// When no port is free.
    pub(crate) async fn start(message: &[u8], after: Duration) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let (answer, kept) = (framed(message), Arc::clone(&seen));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((io, _)) = listener.accept().await {
                let (answer, kept) = (answer.clone(), Arc::clone(&kept));
                let service = service_fn(move |request| reply(request, answer.clone(), Arc::clone(&kept), after));
                let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let connection = server.serve_connection(TokioIo::new(io), service);
                connections.spawn(async move { drop(connection.await) });
            }
        });
        Ok(Self {
            address,
            seen,
            _tasks: tasks,
        })
    }

    /// What has come to a path so far.
    pub(crate) fn seen(&self, path: &str) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|s| s.path == path).cloned().collect()
    }
}

async fn reply(
    request: Request<Incoming>,
    answer: Bytes,
    seen: Arc<Mutex<Vec<Seen>>>,
    after: Duration,
) -> Result<Response<impl hyper::body::Body<Data = Bytes, Error = Infallible>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(Seen {
        path: head.uri.path().to_owned(),
        headers: head.headers,
        body,
    });
    tokio::time::sleep(after).await;
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let body = Full::new(answer).with_trailers(std::future::ready(Some(Ok(trailers))));
    let response = Response::builder().header("content-type", "application/grpc");
    Ok(response.body(body).expect("a response of constants"))
}
