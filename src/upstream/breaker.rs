//! The circuit breaker: Closed, Open, HalfOpen. One machine serves the breaker of a service and those of its endpoints.
//!
//! The decision to question: Open turns into HalfOpen when somebody looks (a call, a snapshot), not by a timer, so an idle
//! upstream costs nothing. Every change of state starts a new epoch; a permit of an older epoch is a straggler and says nothing.

#[cfg(test)]
mod tests;
mod window;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::time::Instant;

use self::window::Window;

/// Calls below which a share of failures means nothing.
const MIN_CALLS: u64 = 20;
/// Connection failures in a row that open a breaker, whatever the window says.
const CONNECTION_FAILURES: u32 = 5;
/// Share of the reset time that is added at random, so that a fleet's probes do not arrive together.
const JITTER: f64 = 0.1;
/// What a call refused while a probe is out is told to wait.
const PROBE_WAIT: Duration = Duration::from_millis(100);

/// State of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Calls pass.
    Closed,
    /// Calls are refused.
    Open,
    /// One probe passes at a time.
    HalfOpen,
}

impl State {
    /// The word shown everywhere.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "Closed",
            Self::Open => "Open",
            Self::HalfOpen => "HalfOpen",
        }
    }
}

/// What happened to a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// It refuses calls from now on.
    Opened,
    /// It lets probes through.
    HalfOpened,
    /// A probe succeeded.
    Closed,
    /// It refused a call.
    Rejected,
    /// An operator closed it.
    Reset,
}

impl Event {
    /// The label of `circuit_breaker_events_total`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::HalfOpened => "half_opened",
            Self::Closed => "closed",
            Self::Rejected => "rejected",
            Self::Reset => "reset",
        }
    }
}

/// How a call ended, as far as the breaker cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The upstream did its part, whatever it said about the caller's.
    Success,
    /// The upstream failed.
    Failure,
    /// There was no connection to fail on.
    ConnectionFailure,
    /// There was nowhere to connect to.
    NoEndpoint,
    /// Says nothing, such as a caller who left early.
    Neutral,
}

/// When a breaker opens and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    /// Failures in the window, in percent, that open it.
    pub(crate) threshold: u8,
    /// How long it stays open.
    pub(crate) reset_timeout: Duration,
}

/// Told of every event, with the state after it. Called under the breaker's lock: must be quick.
pub(crate) type Observer = Box<dyn Fn(Event, State) + Send + Sync>;
/// Asked before the breaker opens; `false` keeps it closed. Balance uses it to keep enough endpoints.
pub(crate) type Gate = Box<dyn Fn() -> bool + Send + Sync>;

/// A breaker. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Breaker(Arc<Shared>);

struct Shared {
    config: Config,
    observer: Observer,
    gate: Option<Gate>,
    inner: Mutex<Inner>,
}

struct Inner {
    state: State,
    epoch: u64,
    window: Window,
    connection_failures: u32,
    /// End of Open.
    until: Instant,
    /// A probe is out.
    probing: bool,
    rejected: u64,
    changed: Instant,
}

/// A breaker as status pages show it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Snapshot {
    pub(crate) state: State,
    pub(crate) successes: u64,
    pub(crate) failures: u64,
    pub(crate) rejected: u64,
    pub(crate) consecutive_failures: u32,
    /// Time since the state last changed.
    pub(crate) since_change: Duration,
    /// How long until the next probe, while Open.
    pub(crate) retry_after: Option<Duration>,
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker")
            .field("state", &self.lock().state)
            .finish_non_exhaustive()
    }
}

impl Breaker {
    /// A closed breaker.
    pub(crate) fn new(config: Config, observer: Observer, gate: Option<Gate>) -> Self {
        let now = Instant::now();
        Self(Arc::new(Shared {
            config,
            observer,
            gate,
            inner: Mutex::new(Inner {
                state: State::Closed,
                epoch: 0,
                window: Window::new(now),
                connection_failures: 0,
                until: now,
                probing: false,
                rejected: 0,
                changed: now,
            }),
        }))
    }

    /// Admits a call, or says how long it would have to wait.
    pub(crate) fn acquire(&self) -> Result<Permit, Duration> {
        let now = Instant::now();
        let mut inner = self.lock();
        self.0.wake(&mut inner, now);
        let refusal = match inner.state {
            State::Closed => None,
            State::Open => Some(inner.until - now),
            State::HalfOpen if inner.probing => Some(PROBE_WAIT),
            State::HalfOpen => {
                inner.probing = true;
                None
            }
        };
        if let Some(wait) = refusal {
            inner.rejected += 1;
            (self.0.observer)(Event::Rejected, inner.state);
            return Err(wait);
        }
        Ok(Permit {
            breaker: self.clone(),
            epoch: inner.epoch,
            done: false,
        })
    }

    /// Whether a call would be admitted now, and whether it would be a probe. Changes nothing and refuses nobody.
    pub(crate) fn pickable(&self) -> Pickable {
        let inner = self.lock();
        match inner.state {
            State::Closed => Pickable::Yes,
            State::HalfOpen if !inner.probing => Pickable::Probe,
            State::Open if inner.until <= Instant::now() => Pickable::Probe,
            State::Open | State::HalfOpen => Pickable::No,
        }
    }

    /// Closes it by an operator's order.
    pub(crate) fn reset(&self) {
        let mut inner = self.lock();
        self.0.change(&mut inner, State::Closed, Event::Reset, Instant::now());
    }

    /// What status pages show.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let now = Instant::now();
        let mut inner = self.lock();
        self.0.wake(&mut inner, now);
        let (successes, failures) = inner.window.totals(now);
        Snapshot {
            state: inner.state,
            successes,
            failures,
            rejected: inner.rejected,
            consecutive_failures: inner.connection_failures,
            since_change: now - inner.changed,
            retry_after: (inner.state == State::Open).then(|| inner.until - now),
        }
    }

    fn record(&self, epoch: u64, outcome: Outcome) {
        let now = Instant::now();
        let mut inner = self.lock();
        if epoch == inner.epoch {
            self.0.judge(&mut inner, outcome, now);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics between two writes, so a poisoned breaker is still whole.
        self.0.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Answer of [`Breaker::pickable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pickable {
    /// Closed.
    Yes,
    /// The next call is the probe.
    Probe,
    /// Refuses.
    No,
}

impl Shared {
    fn wake(&self, inner: &mut Inner, now: Instant) {
        if inner.state == State::Open && inner.until <= now {
            self.change(inner, State::HalfOpen, Event::HalfOpened, now);
        }
    }

    fn judge(&self, inner: &mut Inner, outcome: Outcome, now: Instant) {
        match (inner.state, outcome) {
            (State::Open, _) | (State::Closed, Outcome::Neutral) => {}
            (State::HalfOpen, Outcome::Neutral) => inner.probing = false,
            (State::HalfOpen, Outcome::Success) => self.change(inner, State::Closed, Event::Closed, now),
            (_, Outcome::NoEndpoint) | (State::HalfOpen, Outcome::Failure | Outcome::ConnectionFailure) => {
                self.open(inner, now);
            }
            (State::Closed, Outcome::Success) => {
                inner.connection_failures = 0;
                inner.window.add(true, now);
            }
            (State::Closed, Outcome::Failure | Outcome::ConnectionFailure) => {
                inner.connection_failures = match outcome {
                    Outcome::ConnectionFailure => inner.connection_failures.saturating_add(1),
                    _ => 0,
                };
                inner.window.add(false, now);
                if self.tripped(inner, now) && self.gate.as_ref().is_none_or(|may_open| may_open()) {
                    self.open(inner, now);
                }
            }
        }
    }

    fn tripped(&self, inner: &mut Inner, now: Instant) -> bool {
        let (successes, failures) = inner.window.totals(now);
        let calls = successes + failures;
        inner.connection_failures >= CONNECTION_FAILURES
            || (calls >= MIN_CALLS && failures * 100 >= calls * u64::from(self.config.threshold))
    }

    fn open(&self, inner: &mut Inner, now: Instant) {
        let jitter = self.config.reset_timeout.mul_f64(rand::random::<f64>() * JITTER);
        inner.until = now + self.config.reset_timeout + jitter;
        self.change(inner, State::Open, Event::Opened, now);
    }

    fn change(&self, inner: &mut Inner, state: State, event: Event, now: Instant) {
        inner.state = state;
        inner.epoch += 1;
        inner.probing = false;
        inner.changed = now;
        if state == State::Closed {
            inner.connection_failures = 0;
            inner.window = Window::new(now);
        }
        (self.observer)(event, state);
    }
}

/// Leave for one call. Dropped without a word it is neutral, and a probe is given back.
#[derive(Debug)]
pub(crate) struct Permit {
    breaker: Breaker,
    epoch: u64,
    done: bool,
}

impl Permit {
    /// Says how the call ended.
    pub(crate) fn record(mut self, outcome: Outcome) {
        self.done = true;
        self.breaker.record(self.epoch, outcome);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.done {
            self.breaker.record(self.epoch, Outcome::Neutral);
        }
    }
}
