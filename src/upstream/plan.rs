//! What a call may cost: its deadline, the time of one attempt, whether it may be repeated.

use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;
use tonic::Code;

use super::idle::Activity;
use crate::{layer::deadline, policy::Method};

/// Header under which callers send an idempotency key.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Attempts that the deadline is shared out to.
const SHARES: u32 = 3;

/// What an upstream's clock may be ahead of ours at most, which rounds and which others keep waiting.
const CLOCKS: Duration = Duration::from_millis(20);
/// It is ahead by no more than this part of the call's time, else all of a short call would count as its end.
const AHEAD: u32 = 10;

/// Whether a call ended because its time was over, by the upstream's clock. Servers of tonic say CANCELLED then; the caller, who is
/// still there, has cancelled nothing. `budget`: all the time that the call had.
pub(super) fn out_of_time(code: Code, deadline: Instant, budget: Duration) -> bool {
    code == Code::Cancelled && deadline <= Instant::now() + CLOCKS.min(budget / AHEAD)
}

/// The plan of one call.
#[derive(Debug)]
pub(super) struct Plan {
    /// May be sent again when nobody knows what the first attempt did.
    pub(super) repeatable: bool,
    /// Neither side streams.
    pub(super) unary: bool,
    /// The answer is one message.
    pub(super) one_answer: bool,
    pub(super) deadline: Option<Instant>,
    /// All the time until then.
    pub(super) budget: Option<Duration>,
    /// Time of one attempt until its head.
    pub(super) per_try: Option<Duration>,
    /// What the method grants one attempt until its head, whatever the caller's own deadline.
    pub(super) patience: Duration,
    pub(super) activity: Activity,
}

impl Plan {
    /// `default`: deadline of a unary method that names none.
    pub(super) fn new(method: Option<&Method>, headers: &HeaderMap, default: Duration) -> Self {
        let unary = method.is_some_and(Method::unary);
        let keyed = method.is_some_and(|m| m.idempotency_key) && headers.contains_key(IDEMPOTENCY_KEY);
        let repeatable = keyed || method.is_some_and(Method::repeatable);
        let granted = method.and_then(|m| m.deadline).unwrap_or(default);
        let asked = headers.get(deadline::HEADER).and_then(|v| deadline::parse(v).ok());
        let budget = match (asked, unary) {
            (Some(asked), true) => Some(asked.min(granted)),
            (asked, false) => asked,
            (None, true) => Some(granted),
        };
        Self {
            repeatable,
            unary,
            one_answer: method.is_some_and(|m| !m.server_streaming),
            deadline: budget.map(|b| Instant::now() + b),
            budget,
            per_try: budget.filter(|_| repeatable).map(|b| b / SHARES),
            patience: if repeatable { granted / SHARES } else { granted },
            activity: Activity::new(),
        }
    }

    /// Whether this status says that the call's time was over.
    pub(super) fn out_of_time(&self, code: Code) -> bool {
        let time = self.deadline.zip(self.budget);
        time.is_some_and(|(deadline, budget)| out_of_time(code, deadline, budget))
    }

    /// What is left until the deadline.
    pub(super) fn remaining(&self) -> Option<Duration> {
        self.deadline.map(|d| d.saturating_duration_since(Instant::now()))
    }

    /// Whether the head waits for data or trailers, so that an answer that is only a failure can be tried again.
    pub(super) fn hold(&self) -> bool {
        self.repeatable && self.unary
    }
}
