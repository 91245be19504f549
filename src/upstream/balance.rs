//! Chooses an endpoint for an attempt: of two taken at random, the less loaded (P2C on peak EWMA).
//!
//! The decision to question: an endpoint whose breaker waits for its probe is chosen before all others, once, so that it comes
//! back under little traffic as well. At most half of the endpoints may be Open; where more are, because others went away, the
//! breakers are not asked at all.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use rand::Rng;
use tokio::{sync::Notify, time::Instant};

use super::{
    breaker::{Breaker, Config, Event, Permit, Pickable, State},
    endpoint::{Common, Endpoint, Key, Place},
    load,
};
use crate::{mesh::Address, telemetry::Metrics};

/// How often names are looked up again.
const REFRESH: Duration = Duration::from_secs(30);
/// How soon at the earliest, when connections fail.
const REFRESH_SOON: Duration = Duration::from_secs(1);
/// Longest wait for a resolver.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);

/// The endpoints of an upstream.
#[derive(Debug)]
pub(super) struct Balance {
    common: Common,
    config: Config,
    metrics: Arc<Metrics>,
    names: Vec<Place>,
    /// Endpoints that need no look-up.
    fixed: Vec<Arc<Endpoint>>,
    endpoints: ArcSwap<Vec<Arc<Endpoint>>>,
    census: Arc<Census>,
    lookup: tokio::sync::Mutex<()>,
    stale: Notify,
}

/// How many endpoints there are, and how many of them are Open.
#[derive(Debug, Default)]
struct Census {
    all: AtomicUsize,
    open: AtomicUsize,
}

/// An endpoint chosen for one attempt.
#[derive(Debug)]
pub(super) struct Picked {
    pub(super) endpoint: Arc<Endpoint>,
    /// Absent where the breakers are not asked.
    pub(super) permit: Option<Permit>,
    pub(super) call: load::Call,
}

impl Balance {
    pub(super) fn new(common: Common, addresses: Vec<Address>, config: Config, metrics: Arc<Metrics>) -> Self {
        let mut balance = Self {
            common,
            config,
            metrics,
            names: Vec::new(),
            fixed: Vec::new(),
            endpoints: ArcSwap::default(),
            census: Arc::default(),
            lookup: tokio::sync::Mutex::default(),
            stale: Notify::new(),
        };
        for address in addresses {
            let place = match address {
                Address::Memory(m) => {
                    let endpoint = Endpoint::memory(common, m, balance.breaker());
                    balance.fixed.push(Arc::new(endpoint));
                    continue;
                }
                Address::Tcp(text) => Place { text, tls: None },
                Address::Tls(text, tls) => Place { text, tls: Some(tls) },
            };
            match place.text.parse() {
                Ok(address) => {
                    let endpoint = Endpoint::tcp(common, address, &place, balance.breaker());
                    balance.fixed.push(Arc::new(endpoint));
                }
                Err(_) => balance.names.push(place),
            }
        }
        balance.replace(balance.fixed.clone());
        balance
    }

    pub(super) fn endpoints(&self) -> Arc<Vec<Arc<Endpoint>>> {
        self.endpoints.load_full()
    }

    /// Whether names stand behind it, which have to be looked up now and then.
    pub(super) fn named(&self) -> bool {
        !self.names.is_empty()
    }

    /// Chooses; `None` where there is no endpoint.
    pub(super) async fn pick(&self) -> Option<Picked> {
        self.resolve_first().await;
        choose(&self.endpoints.load())
    }

    /// All endpoints; looked up where they never were.
    pub(super) async fn known(&self) -> Arc<Vec<Arc<Endpoint>>> {
        self.resolve_first().await;
        self.endpoints()
    }

    async fn resolve_first(&self) {
        if self.endpoints.load().is_empty() && self.named() {
            // Apart: it is as large as a call's whole future, and seldom needed.
            Box::pin(self.look_up(true)).await;
        }
    }

    /// Connections fail: names may have moved.
    pub(super) fn suspect(&self) {
        if self.named() {
            self.stale.notify_one();
        }
    }

    /// Looks names up again, once it is time. Its caller loops.
    pub(super) async fn refresh(&self) {
        let since = Instant::now();
        tokio::select! {
            () = tokio::time::sleep(REFRESH) => {}
            () = self.stale.notified() => tokio::time::sleep_until(since + REFRESH_SOON).await,
        }
        self.look_up(false).await;
    }

    async fn look_up(&self, only_if_empty: bool) {
        let _one_at_a_time = self.lookup.lock().await;
        let old = self.endpoints();
        if only_if_empty && !old.is_empty() {
            return;
        }
        let mut found: BTreeMap<SocketAddr, &Place> = BTreeMap::new();
        for place in &self.names {
            for address in self.resolve(&place.text).await {
                found.entry(address).or_insert(place);
            }
        }
        if found.is_empty() {
            return;
        }
        let named = found.into_iter().map(|(address, place)| {
            let known = old.iter().find(|e| e.key == Key::Tcp(address)).cloned();
            known.unwrap_or_else(|| Arc::new(Endpoint::tcp(self.common, address, place, self.breaker())))
        });
        self.replace(self.fixed.iter().cloned().chain(named).collect());
    }

    async fn resolve(&self, name: &str) -> Vec<SocketAddr> {
        match tokio::time::timeout(LOOKUP_TIMEOUT, tokio::net::lookup_host(name)).await {
            Ok(Ok(addresses)) => return addresses.collect(),
            Ok(Err(error)) => tracing::warn!(service = self.common.service, name, %error, "name not resolved"),
            Err(_) => tracing::warn!(service = self.common.service, name, "name not resolved in time"),
        }
        Vec::new()
    }

    fn replace(&self, endpoints: Vec<Arc<Endpoint>>) {
        let open = endpoints.iter().filter(|e| e.breaker.snapshot().state != State::Closed);
        self.census.open.store(open.count(), Ordering::Relaxed);
        self.census.all.store(endpoints.len(), Ordering::Relaxed);
        self.endpoints.store(Arc::new(endpoints));
    }

    fn breaker(&self) -> Breaker {
        let (service, metrics, census) = (self.common.service, Arc::clone(&self.metrics), Arc::clone(&self.census));
        // An operator may close what is closed already.
        let open = AtomicBool::new(false);
        let observer = move |event: Event, _| {
            match event {
                Event::Opened => open.store(true, Ordering::Relaxed),
                Event::Closed | Event::Reset if open.swap(false, Ordering::Relaxed) => census.closed(),
                _ => {}
            }
            metrics
                .breaker_events
                .with_label_values(&[service, "endpoint", event.as_str()])
                .inc();
        };
        let census = Arc::clone(&self.census);
        Breaker::new(
            self.config,
            Box::new(observer),
            Some(Box::new(move || census.may_open())),
        )
    }
}

impl Census {
    /// Takes one of the places of Open endpoints: half of them all, so never the last.
    fn may_open(&self) -> bool {
        let places = self.all.load(Ordering::Relaxed) / 2;
        self.open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| {
                (open < places).then_some(open + 1)
            })
            .is_ok()
    }

    fn closed(&self) {
        let _ = self
            .open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| open.checked_sub(1));
    }
}

fn choose(endpoints: &[Arc<Endpoint>]) -> Option<Picked> {
    if let [only] = endpoints {
        return Some(take(only, only.breaker.acquire().ok()));
    }
    let mut pickable = Vec::with_capacity(endpoints.len());
    let mut open = 0;
    for endpoint in endpoints {
        match endpoint.breaker.pickable() {
            Pickable::Yes => pickable.push(endpoint),
            // A probe would only tell what is known.
            Pickable::Probe if endpoint.serves() => {
                if let Ok(permit) = endpoint.breaker.acquire() {
                    return Some(take(endpoint, Some(permit)));
                }
                open += 1;
            }
            Pickable::Probe | Pickable::No => open += 1,
        }
    }
    let asked = open * 2 <= endpoints.len();
    if !asked {
        pickable = endpoints.iter().collect();
    }
    if pickable.iter().any(|e| e.serves()) {
        pickable.retain(|e| e.serves());
    }
    let chosen = less_loaded(&pickable)?;
    let permit = if asked { chosen.breaker.acquire().ok() } else { None };
    Some(take(chosen, permit))
}

fn less_loaded<'a>(from: &[&'a Arc<Endpoint>]) -> Option<&'a Arc<Endpoint>> {
    match from {
        [] => None,
        [only] => Some(only),
        _ => {
            let mut rng = rand::rng();
            let a = rng.random_range(0..from.len());
            let b = (a + rng.random_range(1..from.len())) % from.len();
            let (a, b) = (from[a], from[b]);
            Some(if a.load.score() <= b.load.score() { a } else { b })
        }
    }
}

fn take(endpoint: &Arc<Endpoint>, permit: Option<Permit>) -> Picked {
    Picked {
        endpoint: Arc::clone(endpoint),
        permit,
        call: endpoint.load.begin(),
    }
}

#[cfg(test)]
mod tests;
