//! Errors as gRPC carries them: `google.rpc.Status` with `ErrorInfo`, `RetryInfo` and `BadRequest` details.

use std::collections::HashMap;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use super::{Error, Reason};
use crate::compression;

/// `google.rpc.ErrorInfo.domain` of every error that LogiCore itself makes.
pub const DOMAIN: &str = "logicore";

/// Longest sentence, in bytes. Sentences repeat what callers sent, and an error travels in headers, sentence and details both:
/// beyond 8 KiB many clients refuse them, and what a caller did wrong would look like a broken connection.
const SENTENCE: usize = 512;
/// Longest value beside it.
const VALUE: usize = 256;
/// Wrong fields that are told of, each by a sentence of its own: as many as fit into so many bytes.
const VIOLATIONS: usize = 2048;

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let mut details = ErrorDetails::new();
        details.set_error_info(
            error.reason.as_str(),
            DOMAIN,
            error
                .metadata
                .iter()
                .map(|(k, v)| ((*k).to_owned(), clipped(v, VALUE)))
                .collect::<HashMap<_, _>>(),
        );
        if let Some(delay) = error.retry_after {
            details.set_retry_info(Some(delay));
        }
        if !error.violations.is_empty() {
            details.set_bad_request(violations(&error.violations));
        }
        let mut status = Status::with_error_details(error.row().code, sentence(&error.message), details);
        if let Some(delay) = error.retry_after {
            let ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            status.metadata_mut().insert("grpc-retry-pushback-ms", ms.into());
        }
        if error.reason == Reason::EncodingUnknown {
            let name = compression::GRPC_ACCEPT_ENCODING;
            status.metadata_mut().as_mut().insert(name, compression::ACCEPTED);
        }
        // The cause travels beside the status inside this process, for the log at the edge; it is never encoded.
        status.set_source(std::sync::Arc::new(error));
        status
    }
}

fn violations(all: &[(String, String)]) -> Vec<FieldViolation> {
    let mut room = VIOLATIONS;
    let clipped = all.iter().map(|(f, p)| (clipped(f, VALUE), clipped(p, SENTENCE)));
    let fitting = clipped.map_while(|(field, problem)| {
        room = room.checked_sub(field.len() + problem.len())?;
        Some(FieldViolation::new(field, problem))
    });
    fitting.collect()
}

/// What is told of a sentence.
pub(crate) fn sentence(text: &str) -> String {
    clipped(text, SENTENCE)
}

/// The text, or its beginning where it is longer.
fn clipped(text: &str, longest: usize) -> String {
    const MORE: &str = "...";
    if text.len() <= longest {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(longest - MORE.len());
    format!("{}{MORE}", &text[..end])
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
    fn what_callers_sent_never_makes_an_error_too_large_for_headers() {
        for unit in ["x", "ä", "\u{1f600}", "\n"] {
            let long = unit.repeat(100_000);
            let mut error = Error::field(&long, &long).with("value", &long);
            for n in 0..1000 {
                error = error.and_field(format!("field.{n}"), &long);
            }
            let mut headers = http::HeaderMap::new();
            Status::from(error).add_header(&mut headers).unwrap();
            let size: usize = headers.iter().map(|(n, v)| n.as_str().len() + v.len() + 32).sum();
            assert!(size < 8 << 10, "{unit:?}: {size}");
            let told = Status::from_header_map(&headers).unwrap();
            assert_eq!(Error::reason_of(&told), Some(Reason::InvalidField));
            assert!(told.message().ends_with("...") && told.message().len() <= SENTENCE);
            assert!(!told.get_details_bad_request().unwrap().field_violations.is_empty());
        }
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
