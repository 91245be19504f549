//! What went wrong before an upstream gave an answer, and what that allows.
//!
//! The decision to question: RST_STREAM and GOAWAY are read from h2's own error. REFUSED_STREAM, and a
//! GOAWAY that came from the peer, say that the stream was never processed; h2 gives the latter only to streams above the
//! GOAWAY's last id, those below end with an I/O error.

use std::error::Error as StdError;

use h2::Reason as Reset;

use super::breaker::Outcome;
use crate::error::{BoxError, Error, Reason};

/// What callers are told to wait before they come again.
pub(super) const RETRY_AFTER: std::time::Duration = std::time::Duration::from_secs(1);

/// How far an attempt got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Our own limit or breaker said no.
    Refused,
    /// No connection.
    Connection,
    /// The upstream says that it did nothing.
    Unprocessed,
    /// It broke off: nobody knows what was done.
    Broken,
    /// No response head within the time of one attempt.
    TryTimeout,
}

/// An attempt without an answer.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    pub(super) error: Error,
}

impl Failure {
    pub(super) fn refused(error: Error) -> Self {
        Self {
            kind: Kind::Refused,
            error,
        }
    }

    pub(super) fn connection(service: &str, cause: impl Into<BoxError>) -> Self {
        Self {
            kind: Kind::Connection,
            error: unavailable(format!("the {service} service cannot be reached")).because(cause),
        }
    }

    pub(super) fn try_timeout(service: &str) -> Self {
        Self {
            kind: Kind::TryTimeout,
            error: unavailable(format!("the {service} service did not answer in time")),
        }
    }

    /// What h2 says about a request that it had taken.
    pub(super) fn of(service: &str, error: h2::Error) -> Self {
        let kind = if unprocessed(&error) {
            Kind::Unprocessed
        } else {
            Kind::Broken
        };
        Self {
            kind,
            error: broken(service, error),
        }
    }

    /// What it says to the breakers.
    pub(super) fn outcome(&self) -> Outcome {
        match self.kind {
            Kind::Connection => Outcome::ConnectionFailure,
            Kind::Broken => Outcome::Failure,
            // A graceful GOAWAY is no failure. An expired try is judged by its length, when its permit is dropped.
            Kind::Refused | Kind::Unprocessed | Kind::TryTimeout => Outcome::Neutral,
        }
    }

    /// Whether the call may be sent again, where the method itself may (`repeatable`) or may not be repeated.
    pub(super) fn retryable(&self, repeatable: bool) -> bool {
        match self.kind {
            Kind::Refused => false,
            Kind::Connection | Kind::Unprocessed => true,
            Kind::Broken | Kind::TryTimeout => repeatable,
        }
    }
}

/// The error of an exchange that broke off (gRPC over HTTP/2, "Errors": a reset that is no refusal is INTERNAL, a lost connection
/// UNAVAILABLE).
pub(super) fn broken(service: &str, error: impl Into<BoxError>) -> Error {
    let error = error.into();
    let reset = h2_error(error.as_ref())
        .filter(|e| e.is_reset())
        .and_then(h2::Error::reason);
    match reset {
        None | Some(Reset::REFUSED_STREAM | Reset::CANCEL | Reset::ENHANCE_YOUR_CALM | Reset::NO_ERROR) => {
            unavailable(format!("the {service} service broke off")).because(error)
        }
        Some(_) => Error::new(
            Reason::UpstreamMalformed,
            format!("the {service} service broke the protocol"),
        )
        .because(error),
    }
}

fn unavailable(message: String) -> Error {
    Error::new(Reason::UpstreamUnavailable, message).retry_after(RETRY_AFTER)
}

fn unprocessed(error: &h2::Error) -> bool {
    (error.is_reset() && error.reason() == Some(Reset::REFUSED_STREAM)) || (error.is_go_away() && error.is_remote())
}

fn h2_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a h2::Error> {
    let mut source = Some(error);
    while let Some(e) = source {
        if let Some(h2) = e.downcast_ref::<h2::Error>() {
            return Some(h2);
        }
        source = e.source();
    }
    None
}
