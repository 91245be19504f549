//! Errors as gRPC carries them: `google.rpc.Status` with `ErrorInfo`, `RetryInfo` and `BadRequest` details.

use std::collections::HashMap;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use super::{Error, Reason};

/// `google.rpc.ErrorInfo.domain` of every error that LogiCore itself makes.
pub const DOMAIN: &str = "logicore";

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let mut details = ErrorDetails::new();
        details.set_error_info(
            error.reason.as_str(),
            DOMAIN,
            error
                .metadata
                .iter()
                .map(|(k, v)| ((*k).to_owned(), v.clone()))
                .collect::<HashMap<_, _>>(),
        );
        if let Some(delay) = error.retry_after {
            details.set_retry_info(Some(delay));
        }
        if !error.violations.is_empty() {
            details.set_bad_request(
                error
                    .violations
                    .iter()
                    .map(|(f, p)| FieldViolation::new(f, p))
                    .collect::<Vec<_>>(),
            );
        }
        let mut status = Status::with_error_details(error.row().code, error.message.as_ref(), details);
        if let Some(delay) = error.retry_after {
            let ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            status.metadata_mut().insert("grpc-retry-pushback-ms", ms.into());
        }
        // The cause travels beside the status inside this process, for the log at the edge; it is never encoded.
        status.set_source(std::sync::Arc::new(error));
        status
    }
}

impl Error {
    /// The reason that a status carries, when it is one of ours.
    #[must_use]
    pub fn reason_of(status: &Status) -> Option<Reason> {
        let info = status.get_details_error_info().filter(|i| i.domain == DOMAIN)?;
        Reason::ALL.iter().copied().find(|r| r.as_str() == info.reason)
    }

    /// The error that an answer of a neighbour means to our own caller: what the caller did wrong is passed on as it is, what
    /// the neighbour did wrong becomes UNAVAILABLE or INTERNAL of ours.
    #[must_use]
    pub fn from_neighbour(neighbour: &'static str, status: Status) -> Self {
        if let Some(reason) = Self::reason_of(&status) {
            let mut error = Error::new(reason, status.message().to_owned());
            error.retry_after = status.get_details_retry_info().and_then(|r| r.retry_delay);
            if let Some(bad) = status.get_details_bad_request() {
                error.violations = bad
                    .field_violations
                    .into_iter()
                    .map(|v| (v.field, v.description))
                    .collect();
            }
            return error.because(status);
        }
        match status.code() {
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => Error::new(
                Reason::UpstreamUnavailable,
                format!("the {neighbour} service cannot be reached"),
            )
            .retry_after(std::time::Duration::from_secs(1))
            .because(status),
            _ => Error::internal(status),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_unique_and_upper_case() {
        let mut names: Vec<_> = Reason::ALL.iter().map(|r| r.as_str()).collect();
        assert!(
            names
                .iter()
                .all(|n| n.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
        );
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Reason::ALL.len());
    }

    #[test]
    fn a_status_tells_its_reason_back() {
        let status = Status::from(Error::field("user.email", "is not an address"));
        assert_eq!(Error::reason_of(&status), Some(Reason::InvalidField));
        assert_eq!(
            status.get_details_bad_request().map(|b| b.field_violations.len()),
            Some(1)
        );
    }
}
