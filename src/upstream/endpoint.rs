//! One place that serves an upstream: its connections, its load, its breaker.

use std::{fmt, net::SocketAddr, sync::Arc};

use http::{
    Request, Response,
    uri::{Authority, Scheme},
};
use hyper::body::Incoming;
use tonic::body::Body;

use super::{
    breaker::Breaker,
    connection::{Dial, Pool},
    failure::Failure,
    load::Load,
    tls::Credentials,
};
use crate::mesh::MemoryAddress;

/// Tells endpoints apart when names are resolved again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Memory,
    Tcp(SocketAddr),
}

/// `host:port` as the settings name it; a name stands for several endpoints.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) text: String,
    pub(super) tls: Option<Arc<Credentials>>,
}

/// An endpoint.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) key: Key,
    /// `user/127.0.0.1:8082`, `user/memory`.
    pub(super) name: String,
    pub(super) breaker: Breaker,
    pub(super) load: Arc<Load>,
    scheme: Scheme,
    authority: Authority,
    pool: Pool,
}

impl Endpoint {
    pub(super) fn memory(service: &'static str, address: MemoryAddress, breaker: Breaker) -> Self {
        let authority = service.parse().expect("names of services are authorities");
        let dial = Dial::Memory(address);
        Self::new(service, Key::Memory, "memory", (Scheme::HTTP, authority), dial, breaker)
    }

    /// One of the addresses of a place.
    pub(super) fn tcp(service: &'static str, address: SocketAddr, place: &Place, breaker: Breaker) -> Self {
        let (host, authority) = place.names(address);
        let (scheme, dial) = match &place.tls {
            None => (Scheme::HTTP, Dial::Tcp(address)),
            Some(tls) => (Scheme::HTTPS, Dial::Tls(address, host, Arc::clone(tls))),
        };
        Self::new(service, Key::Tcp(address), address, (scheme, authority), dial, breaker)
    }

    fn new(
        service: &'static str,
        key: Key,
        place: impl fmt::Display,
        (scheme, authority): (Scheme, Authority),
        dial: Dial,
        breaker: Breaker,
    ) -> Self {
        Self {
            key,
            name: format!("{service}/{place}"),
            breaker,
            load: Load::new(),
            scheme,
            authority,
            pool: Pool::new(service, dial),
        }
    }

    pub(super) fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, Failure> {
        self.pool.send(request).await
    }
}

impl Place {
    /// Host and authority of an endpoint: what the settings say, since servers may tell their names apart by it.
    fn names(&self, address: SocketAddr) -> (String, Authority) {
        let named: Option<Authority> = self.text.parse().ok();
        let authority = named.unwrap_or_else(|| address.to_string().parse().expect("socket addresses are authorities"));
        let host = authority.host().to_owned();
        let told = self.tls.as_ref().and_then(|tls| tls.server_name()?.parse().ok());
        (host, told.unwrap_or(authority))
    }
}
