//! Tells the breakers and the balance how a call ended.
//!
//! The decision to question: a wait without a response head is a failure once it lasted as long as an attempt may by the
//! *method's* deadline, whoever ended it. A caller's own shorter deadline is neutral, and so is a wait for a request that its caller
//! does not finish: else one caller, impatient or slow, could open the breaker for all.

use std::time::Duration;

use tonic::Code;

use super::{
    breaker::{Outcome, Permit},
    idle::Activity,
    load,
    plan::Plan,
};

/// One attempt under judgement.
#[derive(Debug)]
pub(super) struct Judge {
    service: Option<Permit>,
    endpoint: Option<Permit>,
    call: load::Call,
    activity: Activity,
    patience: Duration,
    headed: bool,
}

impl Judge {
    /// An attempt of the call that the plan is for.
    pub(super) fn new(service: Permit, endpoint: Option<Permit>, call: load::Call, plan: &Plan) -> Self {
        Self {
            service: Some(service),
            endpoint,
            call,
            activity: plan.activity.clone(),
            // What layers before us used up of the deadline must not make a full wait look like an early leave.
            patience: plan.patience.mul_f64(0.9),
            headed: false,
        }
    }

    /// The upstream has begun to answer.
    pub(super) fn head(&mut self) {
        self.headed = true;
        self.call.answered();
    }

    /// The upstream has said how the call went.
    pub(super) fn status(mut self, code: Code) {
        let outcome = match code {
            Code::Unavailable | Code::Internal | Code::Unknown | Code::DataLoss => Outcome::Failure,
            Code::DeadlineExceeded | Code::Cancelled => self.by_patience(),
            _ => Outcome::Success,
        };
        self.record(outcome);
    }

    /// The attempt ended without a word of the upstream.
    pub(super) fn outcome(mut self, outcome: Outcome) {
        self.record(outcome);
    }

    fn by_patience(&self) -> Outcome {
        let waited = self
            .activity
            .since_complete()
            .map(|since| since.min(self.call.elapsed()));
        if !self.headed && waited.is_some_and(|waited| waited >= self.patience) {
            Outcome::Failure
        } else {
            Outcome::Neutral
        }
    }

    fn record(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Success => self.call.answered(),
            Outcome::Neutral => {}
            Outcome::Failure | Outcome::ConnectionFailure | Outcome::NoEndpoint => self.call.failed(),
        }
        for permit in [self.endpoint.take(), self.service.take()].into_iter().flatten() {
            permit.record(outcome);
        }
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        if self.service.is_some() {
            let outcome = self.by_patience();
            self.record(outcome);
        }
    }
}
