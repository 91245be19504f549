//! One place that serves an upstream: its connections, its load, its breaker.

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use http::{
    Request, Response, Uri,
    uri::{Authority, Parts, PathAndQuery, Scheme},
};
use tonic::body::Body;

use super::{
    breaker::Breaker, connection::Dial, failure::Failure, load::Load, pool::Pool, tls::Credentials, wire::Wire,
};
use crate::{
    mesh::MemoryAddress,
    server::{current_worker, worker_numbers},
};

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

/// What all endpoints of an upstream have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Common {
    pub(super) service: &'static str,
    /// They are parts of this deployment.
    pub(super) own: bool,
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
    /// By the number of the worker, which has connections of its own.
    pools: Box<[Pool]>,
    /// As it said when it was last asked for its health.
    serves: AtomicBool,
}

impl Endpoint {
    pub(super) fn memory(common: Common, address: MemoryAddress, breaker: Breaker) -> Self {
        let authority = common.service.parse().expect("names of services are authorities");
        let dial = Dial::Memory(address);
        Self::new(common, Key::Memory, "memory", (Scheme::HTTP, authority), dial, breaker)
    }

    /// One of the addresses of a place.
    pub(super) fn tcp(common: Common, address: SocketAddr, place: &Place, breaker: Breaker) -> Self {
        let (host, authority) = place.names(address);
        let (scheme, dial) = match &place.tls {
            None => (Scheme::HTTP, Dial::Tcp(address)),
            Some(tls) => (Scheme::HTTPS, Dial::Tls(address, host, Arc::clone(tls))),
        };
        Self::new(common, Key::Tcp(address), address, (scheme, authority), dial, breaker)
    }

    fn new(
        common: Common,
        key: Key,
        place: impl fmt::Display,
        (scheme, authority): (Scheme, Authority),
        dial: Dial,
        breaker: Breaker,
    ) -> Self {
        Self {
            key,
            name: format!("{}/{place}", common.service),
            breaker,
            load: Load::new(),
            scheme,
            authority,
            pools: (0..worker_numbers())
                .map(|_| Pool::new(common.service, dial.clone(), common.own))
                .collect(),
            serves: AtomicBool::new(true),
        }
    }

    /// Where a path is at this endpoint.
    pub(super) fn uri(&self, path: Option<PathAndQuery>) -> Uri {
        let mut parts = Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = path;
        Uri::from_parts(parts).unwrap_or_default()
    }

    /// Whether it serves, as it said when it was last asked.
    pub(super) fn serves(&self) -> bool {
        self.serves.load(Relaxed)
    }

    pub(super) fn set_serves(&self, serves: bool) {
        self.serves.store(serves, Relaxed);
    }

    /// `one_answer`: it is one message.
    pub(super) async fn send(&self, request: Request<Body>, one_answer: bool) -> Result<Response<Wire>, Failure> {
        self.pools[current_worker()].send(request, one_answer).await
    }

    /// How many connections it has.
    #[cfg(test)]
    pub(super) fn connections(&self) -> usize {
        self.pools.iter().map(Pool::size).sum()
    }

    /// Calls on that one of them which has most.
    #[cfg(test)]
    pub(super) fn most_streams(&self) -> usize {
        self.pools.iter().map(Pool::most_streams).max().unwrap_or_default()
    }

    /// The same, with those that only finish what is on them.
    #[cfg(test)]
    pub(super) fn living(&self) -> usize {
        self.pools.iter().map(Pool::living).sum()
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
