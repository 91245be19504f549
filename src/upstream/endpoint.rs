//! One place that serves an upstream: its connections, its load, its breaker.

use std::{fmt, net::SocketAddr, sync::Arc};

use http::{Request, Response, uri::Authority};
use hyper::body::Incoming;
use tonic::body::Body;

use super::{
    breaker::Breaker,
    connection::{Dial, Pool},
    failure::Failure,
    load::Load,
};
use crate::mesh::MemoryAddress;

/// Tells endpoints apart when names are resolved again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Memory,
    Tcp(SocketAddr),
}

/// An endpoint.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) key: Key,
    /// `user/127.0.0.1:8082`, `user/memory`.
    pub(super) name: String,
    pub(super) breaker: Breaker,
    pub(super) load: Arc<Load>,
    authority: Authority,
    pool: Pool,
}

impl Endpoint {
    pub(super) fn memory(service: &'static str, address: MemoryAddress, breaker: Breaker) -> Self {
        Self::new(service, Key::Memory, "memory", Dial::Memory(address), breaker)
    }

    pub(super) fn tcp(service: &'static str, address: SocketAddr, breaker: Breaker) -> Self {
        Self::new(service, Key::Tcp(address), address, Dial::Tcp(address), breaker)
    }

    fn new(service: &'static str, key: Key, place: impl fmt::Display, dial: Dial, breaker: Breaker) -> Self {
        let authority = match &dial {
            Dial::Memory(_) => service.to_owned(),
            Dial::Tcp(address) => address.to_string(),
        };
        Self {
            key,
            name: format!("{service}/{place}"),
            breaker,
            load: Load::new(),
            authority: authority
                .parse()
                .expect("names of services and socket addresses are authorities"),
            pool: Pool::new(service, dial),
        }
    }

    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, Failure> {
        self.pool.send(request).await
    }
}
