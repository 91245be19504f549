//! A gRPC server that answers every path with an empty message, its name, and the names of the headers that it saw.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost_reflect::DescriptorPool;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{body::Body, service::Routes};
use tower::ServiceExt;

/// The server; it ends with this value.
pub(super) struct Echo {
    pub(super) address: SocketAddr,
    calls: Arc<Mutex<HashMap<String, usize>>>,
    _end: Option<DropGuard>,
}

impl Echo {
    pub(super) async fn start(name: &'static str) -> Self {
        Self::serve(name, None).await
    }

    /// One that tells its descriptors by this version of reflection alone.
    pub(super) async fn reflecting(name: &'static str, pool: &DescriptorPool, version: &str) -> Self {
        let builder = tonic_reflection::server::Builder::configure();
        let set = pool.encode_to_vec();
        let builder = builder.register_encoded_file_descriptor_set(&set);
        let routes = match version {
            "v1" => Routes::new(builder.build_v1().unwrap()),
            _ => Routes::new(builder.build_v1alpha().unwrap()),
        };
        Self::serve(name, Some(routes)).await
    }

    /// An address that nobody listens at.
    pub(super) fn nobody() -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        Self {
            address: free.local_addr().unwrap(),
            calls: Arc::default(),
            _end: None,
        }
    }

    pub(super) fn calls_of(&self, path: &str) -> usize {
        self.calls.lock().unwrap().get(path).copied().unwrap_or_default()
    }

    pub(super) fn calls(&self) -> usize {
        self.calls.lock().unwrap().values().sum()
    }

    async fn serve(name: &'static str, reflection: Option<Routes>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
        let end = CancellationToken::new();
        let (counted, stop) = (Arc::clone(&calls), end.clone());
        tokio::spawn(async move {
            loop {
                let io = tokio::select! {
                    accepted = listener.accept() => accepted.unwrap().0,
                    () = stop.cancelled() => return,
                };
                let (counted, reflection) = (Arc::clone(&counted), reflection.clone());
                let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
                    let (counted, reflection) = (Arc::clone(&counted), reflection.clone());
                    async move {
                        let path = request.uri().path().to_owned();
                        match reflection {
                            Some(routes) if path.starts_with("/grpc.reflection.") => {
                                routes.prepare().oneshot(request.map(Body::new)).await
                            }
                            _ => {
                                *counted.lock().unwrap().entry(path).or_default() += 1;
                                Ok(answer(name, request.headers()))
                            }
                        }
                    }
                });
                let stop = stop.clone();
                tokio::spawn(async move {
                    let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    tokio::select! {
                        _ = builder.serve_connection(TokioIo::new(io), service) => {}
                        () = stop.cancelled() => {}
                    }
                });
            }
        });
        Self {
            address,
            calls,
            _end: Some(end.drop_guard()),
        }
    }
}

fn answer(name: &str, seen: &HeaderMap) -> Response<Body> {
    let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
    let frames = [
        Ok::<_, tonic::Status>(Frame::data(Bytes::from_static(&[0; 5]))),
        Ok(Frame::trailers(trailers)),
    ];
    let seen: Vec<_> = seen.keys().map(|name| name.as_str()).collect();
    Response::builder()
        .header("content-type", "application/grpc")
        .header("x-server", name)
        .header("x-seen", seen.join(","))
        .body(Body::new(StreamBody::new(tokio_stream::iter(frames))))
        .unwrap()
}
