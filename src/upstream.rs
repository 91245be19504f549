//! A request's way out: retry, limit and breaker of the service, balance, breaker of the endpoint, per-try timeout, connection. The same
//! way serves the gateway (bytes through) and the services (under generated clients).
//!
//! | module | owns |
//! |---|---|
//! | `plan` | deadline, time of one attempt, whether a call may be repeated |
//! | `retry` | which failures are tried again, when, and how many in all |
//! | `replay` | the request's body, copied while it is forwarded |
//! | `attempt` | one attempt, from the service's breaker to the response's head |
//! | `places`, `shares` | how many calls there are at once, and of one caller |
//! | `breaker` | Closed, Open, HalfOpen |
//! | `balance`, `load` | the choice of an endpoint, names looked up again |
//! | `endpoint`, `pool`, `connection`, `tls` | connections to one place |
//! | `paced` | how a connection is read that brings many small pieces |
//! | `health` | endpoints asked whether they serve |
//! | `wire`, `unread` | the response's body as it comes, and what of it nobody reads |
//! | `answer`, `count`, `judge` | the response's body, its messages, and what its end says to breakers and balance |
//! | `failure` | what went wrong, and what that allows |
//!
//! The decision to question: a call answers with a gRPC status whatever happens (`Infallible`), so no layer above has a second
//! kind of error to map.

mod answer;
mod attempt;
mod balance;
mod breaker;
mod connection;
mod count;
mod driver;
mod endpoint;
mod failure;
mod health;
mod idle;
mod judge;
mod load;
mod paced;
mod places;
mod plan;
mod pool;
mod replay;
mod retry;
mod sending;
mod shares;
mod status;
#[cfg(test)]
mod tests;
mod tls;
mod unread;
mod wire;

use std::{
    collections::BTreeSet,
    convert::Infallible,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task,
    time::Duration,
};

use http::{Request, Response, header};
use tonic::body::Body;
use tower::retry::budget::TpsBudget;

pub use tls::{Credentials, Tls};

use self::{
    balance::Balance,
    breaker::{Breaker, Config, Event, State},
    endpoint::Common,
    places::Places,
    plan::Plan,
};
use crate::{
    api::mesh as pb,
    layer::outgoing,
    mesh::{Address, Identity},
    policy,
    settings::Resilience,
    telemetry::Metrics,
};

/// A name that lives as long as the process: names of upstreams come from the settings, so there are few, and their metrics keep
/// them anyway.
#[must_use]
pub fn intern(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return known;
    }
    let name: &'static str = Box::leak(name.into());
    names.insert(name);
    name
}

/// A service somewhere else. Cheap to clone; takes gRPC requests as HTTP/2 messages and never fails but with a gRPC status.
#[derive(Clone)]
pub struct Upstream(Arc<Shared>);

/// Whose service an upstream is.
#[derive(Clone, Debug)]
pub enum Trust {
    /// A part of this deployment: this process proves itself to it by role tokens, and callers by their own tokens.
    Mesh(Arc<Identity>),
    /// Somebody else's: it sees neither of these tokens.
    Foreign,
}

impl From<Arc<Identity>> for Trust {
    fn from(identity: Arc<Identity>) -> Self {
        Self::Mesh(identity)
    }
}

struct Shared {
    name: &'static str,
    places: Arc<Places>,
    breaker: Breaker,
    balance: Arc<Balance>,
    budget: TpsBudget,
    trust: Trust,
    policies: Arc<policy::Table>,
    metrics: Arc<Metrics>,
    attempts: u32,
    service_timeout: Duration,
    held: Arc<Held>,
}

/// Shared by all who share the endpoints, and by none of the tasks that look after these: it lives as long as there is an upstream.
#[derive(Debug, Default)]
struct Held {
    /// Whether a task looks names up.
    refreshing: AtomicBool,
}

impl Upstream {
    /// An upstream of this name (`auth`, `user`, `admin`, ...) at these addresses. Nothing is dialled before the first call.
    /// `policies` say what a method allows where the request does not carry its method itself.
    #[must_use]
    pub fn new(
        name: &'static str,
        addresses: Vec<Address>,
        trust: impl Into<Trust>,
        policies: Arc<policy::Table>,
        resilience: &Resilience,
        metrics: Arc<Metrics>,
    ) -> Self {
        let config = Config {
            threshold: resilience.error_threshold,
            reset_timeout: resilience.circuit_reset_timeout,
        };
        let trust = trust.into();
        let common = Common {
            service: name,
            own: matches!(trust, Trust::Mesh(_)),
        };
        Self(Arc::new(Shared {
            name,
            places: Places::unlimited(name, &metrics),
            breaker: service_breaker(name, config, &metrics),
            balance: Arc::new(Balance::new(common, addresses, config, Arc::clone(&metrics))),
            budget: retry::budget(),
            trust,
            policies,
            metrics,
            attempts: resilience.retry_attempts.max(1),
            service_timeout: resilience.service_timeout,
            held: Arc::default(),
        }))
    }

    /// The same endpoints without the breaker of the service, for the access feed: it must be back as soon as its producer is,
    /// and a watcher that comes again at its own pace is no storm that a breaker would have to hold off.
    pub(crate) fn unguarded(&self) -> Self {
        let shared = &self.0;
        let never = Config {
            threshold: 100,
            reset_timeout: Duration::ZERO,
        };
        Self(Arc::new(Shared {
            name: shared.name,
            places: Arc::clone(&shared.places),
            breaker: Breaker::new(never, Box::new(|_, _| ()), None),
            balance: Arc::clone(&shared.balance),
            budget: retry::budget(),
            trust: shared.trust.clone(),
            policies: Arc::clone(&shared.policies),
            metrics: Arc::clone(&shared.metrics),
            attempts: shared.attempts,
            service_timeout: shared.service_timeout,
            held: Arc::clone(&shared.held),
        }))
    }

    /// From now on `most` calls are made at once, of one caller a quarter of them, and further ones refused; calls that run go on. Without,
    /// there is no limit.
    pub fn limit_calls(&self, most: usize) {
        self.0.places.limit(most);
    }

    /// Name of the upstream.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// Whether the breaker of the service lets every call through.
    #[must_use]
    pub fn closed(&self) -> bool {
        self.0.breaker.snapshot().state == State::Closed
    }

    /// The breakers of the service and of its endpoints.
    #[must_use]
    pub fn breakers(&self) -> Vec<pb::CircuitBreaker> {
        let endpoints = self.0.balance.endpoints();
        let of_endpoints = endpoints.iter().map(|e| status::of(&e.name, &e.breaker));
        std::iter::once(status::of(self.0.name, &self.0.breaker))
            .chain(of_endpoints)
            .collect()
    }

    /// Closes the breaker of this name: of the service with all of its endpoints, or of one endpoint. Returns whether there
    /// is one.
    pub fn reset_breaker(&self, name: &str) -> bool {
        let whole = name == self.0.name;
        if whole {
            self.0.breaker.reset();
        }
        let endpoints = self.0.balance.endpoints();
        let named: Vec<_> = endpoints.iter().filter(|e| whole || e.name == name).collect();
        named.iter().for_each(|e| e.breaker.reset());
        whole || !named.is_empty()
    }
}

impl Shared {
    fn count_retry(&self, outcome: &str) {
        self.metrics.retries.with_label_values(&[self.name, outcome]).inc();
    }

    /// Looks names up again for as long as somebody holds the upstream.
    fn keep_fresh(&self) {
        if !self.balance.named() || self.held.refreshing.swap(true, Ordering::Relaxed) {
            return;
        }
        let (held, balance) = (Arc::downgrade(&self.held), Arc::clone(&self.balance));
        tokio::spawn(async move {
            while held.strong_count() > 0 {
                balance.refresh().await;
            }
        });
    }
}

fn service_breaker(name: &'static str, config: Config, metrics: &Metrics) -> Breaker {
    let state = metrics.breaker_state.with_label_values(&[name]);
    let counters = [
        Event::Opened,
        Event::HalfOpened,
        Event::Closed,
        Event::Rejected,
        Event::Reset,
    ]
    .map(|e| {
        (
            e,
            metrics.breaker_events.with_label_values(&[name, "service", e.as_str()]),
        )
    });
    let observer = move |event: Event, now: State| {
        if let Some((_, counter)) = counters.iter().find(|(e, _)| *e == event) {
            counter.inc();
        }
        state.set(match now {
            State::Closed => 0,
            State::HalfOpen => 1,
            State::Open => 2,
        });
        match event {
            Event::Rejected => {}
            Event::Opened => tracing::warn!(breaker = name, event = event.as_str(), "circuit breaker opened"),
            _ => tracing::info!(breaker = name, event = event.as_str(), "circuit breaker changed"),
        }
    };
    Breaker::new(config, Box::new(observer), None)
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("name", &self.0.name)
            .field("breaker", &self.0.breaker)
            .finish_non_exhaustive()
    }
}

impl tower::Service<Request<Body>> for Upstream {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> task::Poll<Result<(), Infallible>> {
        task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        // Generated clients know nothing of the call that they are made in: its id, its trace and its deadline go on from here.
        outgoing::propagate(request.headers_mut());
        let shared = Arc::clone(&self.0);
        if matches!(shared.trust, Trust::Foreign) {
            request.headers_mut().remove(header::AUTHORIZATION);
        }
        let path = request.uri().path();
        // The gateway's requests carry their method; a handler's extensions may carry that of the call it is made in.
        let carried = request.extensions().get::<Arc<policy::Method>>();
        let method = carried
            .filter(|m| *m.path == *path)
            .or_else(|| shared.policies.get(path));
        let plan = Plan::new(method.map(Arc::as_ref), request.headers(), shared.service_timeout);
        Box::pin(async move {
            shared.keep_fresh();
            Ok(retry::call(&shared, plan, request).await)
        })
    }
}
