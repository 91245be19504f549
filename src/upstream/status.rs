//! A breaker as the API shows it.

use prost_types::{Duration, Timestamp};

use super::breaker::{Breaker, State};
use crate::{api::mesh as pb, clock::Clock};

pub(super) fn of(name: &str, breaker: &Breaker) -> pb::CircuitBreaker {
    let s = breaker.snapshot();
    let changed = Clock::system().now() - s.since_change;
    let code = match s.state {
        State::Closed => pb::CircuitBreakerState::Closed,
        State::Open => pb::CircuitBreakerState::Open,
        State::HalfOpen => pb::CircuitBreakerState::HalfOpen,
    };
    pb::CircuitBreaker {
        name: name.to_owned(),
        state: s.state.as_str().to_owned(),
        successes: s.successes,
        failures: s.failures,
        rejected: s.rejected,
        consecutive_failures: s.consecutive_failures,
        change_time: Some(Timestamp {
            seconds: changed.timestamp(),
            nanos: i32::try_from(changed.timestamp_subsec_nanos()).unwrap_or_default(),
        }),
        retry_after: s.retry_after.and_then(|d| Duration::try_from(d).ok()),
        gateway: String::new(),
        state_code: code.into(),
    }
}
