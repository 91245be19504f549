//! Retries: which failures, how long between, how many in all.
//!
//! The decision to question: the budget is drawn on before the wait, so calls that wait count too, else a storm would form
//! behind the back-off. A pushback longer than our own longest wait is passed on to the caller instead of being sat out here.

use std::{error::Error as _, pin::pin, time::Duration};

use http::{Request, Response, request::Parts};
use rand::Rng;
use tokio::time::timeout_at;
use tonic::{Code, Status, body::Body};
use tower::retry::budget::{Budget, TpsBudget};

use super::{
    Shared,
    answer::{Pushback, deadline_exceeded},
    attempt::{self, Reply},
    failure::{Failure, Kind},
    plan::Plan,
    replay::Replay,
};
use crate::error::{Error, chain};

/// First wait at most; it doubles.
const BASE: Duration = Duration::from_millis(25);
/// No wait is longer.
const CAP: Duration = Duration::from_millis(250);
/// Retries on top of one for every five calls.
const FREE_PER_SECOND: u32 = 10;
const SHARE: f32 = 0.2;
/// How long a call counts for the budget.
const MEMORY: Duration = Duration::from_secs(10);

/// The budget of an upstream.
pub(super) fn budget() -> TpsBudget {
    TpsBudget::new(MEMORY, FREE_PER_SECOND, SHARE)
}

/// Makes the call, as often as it takes and is allowed.
pub(super) async fn call(shared: &Shared, plan: Plan, request: Request<Body>) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    attempt::prepare(shared, &mut parts);
    let replay = Replay::new(body, plan.activity.clone());
    shared.budget.deposit();
    let mut number = 1;
    loop {
        let last = number >= shared.attempts;
        let result = limited(shared, &plan, &parts, &replay, last).await;
        let verdict = judge(&plan, &result);
        if number > 1 {
            shared.count_retry(if verdict == Verdict::Final(true) {
                "succeeded"
            } else {
                "failed"
            });
        }
        let (Verdict::Again(pushback), false) = (verdict, last) else {
            return finish(&replay, result);
        };
        let Some(wait) = wait(pushback, number) else {
            return finish(&replay, result);
        };
        if plan.remaining().is_some_and(|left| left <= wait) {
            return finish(&replay, result.map_err(|failure| out_of_time(shared, failure)));
        }
        if !replay.rewind() {
            return finish(&replay, result);
        }
        if !shared.budget.withdraw() {
            shared.count_retry("refused");
            return finish(&replay, result);
        }
        drop(result);
        tokio::time::sleep(wait).await;
        number += 1;
    }
}

/// What a call ends with that has no time for another attempt: where the last one had none either, that is all that is wrong.
fn out_of_time(shared: &Shared, failure: Failure) -> Failure {
    match failure.kind {
        Kind::TryTimeout => Failure::refused(deadline_exceeded(shared.name)),
        _ => failure,
    }
}

/// An attempt within its own time and the call's; the last one has all that is left.
async fn limited(shared: &Shared, plan: &Plan, parts: &Parts, replay: &Replay, last: bool) -> Result<Reply, Failure> {
    let mut attempt = pin!(attempt::run(shared, plan, parts, replay));
    let Some(deadline) = plan.deadline else {
        return attempt.await;
    };
    let until = plan.per_try.filter(|_| !last).map(|t| tokio::time::Instant::now() + t);
    if let Some(until) = until.filter(|until| *until < deadline) {
        match timeout_at(until, attempt.as_mut()).await {
            Ok(result) => return result,
            Err(_) if plan.activity.since_complete().is_some() => return Err(Failure::try_timeout(shared.name)),
            // The caller still sends: another attempt would wait for the same, and take from the budget of all.
            Err(_) => {}
        }
    }
    let late = |_| Err(Failure::refused(deadline_exceeded(shared.name)));
    timeout_at(deadline, attempt).await.unwrap_or_else(late)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Goes to the caller; `true` where the upstream did its part.
    Final(bool),
    Again(Pushback),
}

fn judge(plan: &Plan, result: &Result<Reply, Failure>) -> Verdict {
    match result {
        Ok(Reply {
            status: Some((Code::Unavailable, pushback)),
            ..
        }) if plan.repeatable => Verdict::Again(*pushback),
        Ok(Reply { status, .. }) => Verdict::Final(!matches!(status, Some((Code::Unavailable, _)))),
        Err(failure) if failure.retryable(plan.repeatable) => Verdict::Again(Pushback::Unsaid),
        Err(_) => Verdict::Final(false),
    }
}

/// How long to wait after attempt `number`; `None` where the upstream asks for more than we hold a caller for.
fn wait(pushback: Pushback, number: u32) -> Option<Duration> {
    match pushback {
        Pushback::Never => None,
        Pushback::Wait(wait) => (wait <= CAP).then_some(wait),
        Pushback::Unsaid => {
            let most = BASE.saturating_mul(1 << (number - 1).min(8)).min(CAP);
            Some(most.mul_f64(rand::rng().random::<f64>()))
        }
    }
}

fn finish(replay: &Replay, result: Result<Reply, Failure>) -> Response<Body> {
    replay.commit();
    match result {
        Ok(reply) => reply.response,
        Err(failure) => refusal(failure.error),
    }
}

/// The caller is told no cause, which may name places within the deployment; the log is.
fn refusal(error: Error) -> Response<Body> {
    if error.source().is_some() {
        tracing::info!(error = chain(&error), "call of an upstream failed");
    }
    Status::from(error).into_http()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stay_below_their_cap() {
        for number in 1..12 {
            let wait = wait(Pushback::Unsaid, number).expect("waits");
            assert!(wait <= CAP && wait <= BASE * (1 << (number - 1)), "{number}: {wait:?}");
        }
    }

    #[test]
    fn pushback_is_honoured_or_passed_on() {
        assert_eq!(wait(Pushback::Wait(CAP), 1), Some(CAP));
        assert_eq!(wait(Pushback::Wait(CAP * 2), 1), None);
        assert_eq!(wait(Pushback::Never, 1), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_budget_is_a_fifth_of_the_calls_and_ten_a_second() {
        let budget = budget();
        let free = (0..1000).filter(|_| budget.withdraw()).count();
        assert_eq!(free, 100, "ten seconds' worth of ten");
        for _ in 0..1000 {
            budget.deposit();
        }
        let earned = (0..1000).filter(|_| budget.withdraw()).count();
        assert!((198..=202).contains(&earned), "{earned}");
    }
}
