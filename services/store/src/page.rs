//! Page sizes and page tokens (AIP-158).
//!
//! A token carries the place where the next page begins and a hash of the question it belongs to, but no signature: whoever
//! alters the place only moves about in what the same question shows anyway.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use logicore::{Error, Reason};
use serde::{Serialize, de::DeserializeOwned};

/// Items of a page where the caller does not say.
pub const DEFAULT_SIZE: usize = 50;
/// Items of a page at most.
pub const MAX_SIZE: usize = 1000;
const HASH_BYTES: usize = 16;

/// Items of a page for what the caller asked: 0 is [`DEFAULT_SIZE`], more than [`MAX_SIZE`] is that.
///
/// # Errors
/// `INVALID_FIELD` for a negative number.
pub fn size(page_size: i32) -> Result<usize, Error> {
    match usize::try_from(page_size) {
        Ok(0) => Ok(DEFAULT_SIZE),
        Ok(size) => Ok(size.min(MAX_SIZE)),
        Err(_) => Err(Error::field("page_size", "must not be negative")),
    }
}

/// A list question, as far as its pages depend on it.
#[derive(Clone)]
pub struct Query(Context);

impl Query {
    /// A question of this kind, such as `user.list`.
    #[must_use]
    pub fn new(kind: &'static str) -> Self {
        Self(Context::new(&SHA256)).with(kind)
    }

    /// Binds the tokens to something more: tenant, filter, order.
    #[must_use]
    pub fn with(mut self, part: impl AsRef<[u8]>) -> Self {
        let part = part.as_ref();
        self.0.update(&(part.len() as u64).to_le_bytes());
        self.0.update(part);
        self
    }

    /// The token of the page that begins after `position`.
    #[must_use]
    pub fn token(&self, position: &impl Serialize) -> String {
        let mut bytes = self.hash();
        serde_json::to_writer(&mut bytes, position).expect("a position is plain data");
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Where a token says that its page begins; `None` for the empty token of the first page.
    ///
    /// # Errors
    /// `INVALID_PAGE_TOKEN` when it is none of ours, or another question's.
    pub fn position<P: DeserializeOwned>(&self, token: &str) -> Result<Option<P>, Error> {
        let refused = |problem: &'static str| Error::new(Reason::InvalidPageToken, problem);
        if token.is_empty() {
            return Ok(None);
        }
        let bytes = BASE64_URL_SAFE_NO_PAD
            .decode(token)
            .map_err(|_| refused("page_token: is none of ours; leave it empty to start anew"))?;
        let (hash, position) = bytes
            .split_at_checked(HASH_BYTES)
            .ok_or_else(|| refused("page_token: is cut off"))?;
        if hash != self.hash() {
            return Err(refused(
                "page_token: belongs to another question; the other fields must stay the same from page to page",
            ));
        }
        serde_json::from_slice(position)
            .map(Some)
            .map_err(|_| refused("page_token: is damaged"))
    }

    fn hash(&self) -> Vec<u8> {
        self.0.clone().finish().as_ref()[..HASH_BYTES].to_vec()
    }
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Query").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(filter: &str) -> Query {
        Query::new("user.list").with("default").with(filter)
    }

    #[test]
    fn a_token_tells_its_place_back() {
        let token = query("a").token(&("x", 7));
        assert_eq!(
            query("a").position::<(String, i64)>(&token).unwrap(),
            Some(("x".to_owned(), 7))
        );
        assert_eq!(query("a").position::<(String, i64)>("").unwrap(), None);
    }

    #[test]
    fn tokens_of_another_question_are_refused() {
        let token = query("a").token(&("x", 7));
        let others = [
            query("b"),
            Query::new("user.list").with("defaulta"),
            Query::new("role.list"),
        ];
        for other in others {
            let error = other.position::<(String, i64)>(&token).unwrap_err();
            assert_eq!(error.reason(), Reason::InvalidPageToken);
        }
    }

    #[test]
    fn rubbish_is_refused() {
        let whole = query("a").token(&("x", 7));
        for bad in ["!", "AAAA", &whole[..whole.len() - 3], &format!("{whole}AAAA")] {
            let error = query("a").position::<(String, i64)>(bad).unwrap_err();
            assert_eq!(error.reason(), Reason::InvalidPageToken, "{bad}");
        }
    }

    #[test]
    fn sizes_are_bounded() {
        assert_eq!(size(0).unwrap(), DEFAULT_SIZE);
        assert_eq!(size(7).unwrap(), 7);
        assert_eq!(size(i32::MAX).unwrap(), MAX_SIZE);
        assert!(size(-1).is_err());
    }
}
