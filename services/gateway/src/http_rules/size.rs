//! How many headers are taken, by number and by size. The connection reads somewhat more, so that a refusal here is told in the caller's own protocol.

use http::Request;
use logicore::{Error, Reason, settings::Limits};

/// What each header counts beside its text (RFC 9113, 6.5.2).
const EACH: usize = 32;

/// Headers that are taken, as many as hyper takes of HTTP/1: each costs a look in every table, however small it is.
const MOST: usize = 100;

/// The limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes(usize);

impl Sizes {
    pub(super) fn new(limits: &Limits) -> Self {
        Self(limits.header_bytes)
    }

    /// Counts target and headers as HTTP/2 counts them, whatever the request came by.
    ///
    /// # Errors
    /// `HEADERS_TOO_LARGE`.
    pub(super) fn check<B>(self, request: &Request<B>) -> Result<(), Error> {
        if request.headers().len() > MOST {
            let why = format!("the request has more than {MOST} headers");
            return Err(Error::new(Reason::HeadersTooLarge, why).with("limit", MOST.to_string()));
        }
        let headers = request.headers().iter();
        let size: usize = headers
            .map(|(name, value)| name.as_str().len() + value.len() + EACH)
            .sum();
        let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
        match size + target <= self.0 {
            true => Ok(()),
            false => Err(Error::new(
                Reason::HeadersTooLarge,
                format!("the headers of the request are larger than {} bytes", self.0),
            )
            .with("limit", self.0.to_string())),
        }
    }
}
