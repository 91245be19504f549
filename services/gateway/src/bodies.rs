//! How much of a body is taken from whom. A stranger has nothing long to say: what needs no token are logins and the like.

use std::sync::Arc;

use crate::routes::Route;
use http::{Extensions, HeaderMap, header};
use logicore::access::Principal;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Longest message of a caller without a valid token.
const STRANGER: usize = 64 << 10;
/// Bodies up to this long are not counted: connections and limits bound how many there are.
const SHORT: usize = 64 << 10;
/// KiB of longer bodies that are collected at once; who comes then waits for a place, within its deadline.
const AT_ONCE: usize = 64 << 10;

/// What callers may send.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    message_bytes: usize,
    places: Arc<Semaphore>,
}

impl Bounds {
    /// `message_bytes`: longest message of a known caller.
    pub(crate) fn new(message_bytes: usize) -> Self {
        Self {
            message_bytes,
            places: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Longest message of a request.
    pub(crate) fn longest(&self, extensions: &Extensions) -> usize {
        let of_route = extensions.get::<Arc<Route>>().and_then(|route| route.max_message);
        match extensions.get::<Arc<Principal>>() {
            Some(_) => of_route.unwrap_or(self.message_bytes),
            None => of_route.unwrap_or_else(|| self.message_bytes.min(STRANGER)),
        }
    }

    /// Waits for the memory that collecting a body takes at most; it is free again when the place is dropped.
    pub(crate) async fn place(&self, headers: &HeaderMap, longest: usize) -> Option<OwnedSemaphorePermit> {
        let announced = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|v| v.to_str().ok()?.parse().ok());
        let bytes = announced.unwrap_or(longest).min(longest);
        if bytes <= SHORT {
            return None;
        }
        let kib = u32::try_from(bytes.div_ceil(1 << 10).min(AT_ONCE)).unwrap_or(u32::MAX);
        Arc::clone(&self.places).acquire_many_owned(kib).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn announced(bytes: usize) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_LENGTH, HeaderValue::from(bytes))])
    }

    #[test]
    fn a_stranger_may_say_less() {
        let bounds = Bounds::new(4 << 20);
        assert_eq!(bounds.longest(&Extensions::new()), STRANGER);
        assert_eq!(Bounds::new(1000).longest(&Extensions::new()), 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn long_bodies_wait_for_each_other_and_short_ones_for_nobody() {
        let bounds = Bounds::new(4 << 20);
        let mut held = Vec::new();
        for _ in 0..16 {
            held.push(bounds.place(&announced(4 << 20), 4 << 20).await.unwrap());
        }
        let unannounced = HeaderMap::new();
        let waits = async || {
            let place = bounds.place(&unannounced, 4 << 20);
            tokio::time::timeout(std::time::Duration::from_secs(60), place).await
        };
        assert!(
            waits().await.is_err(),
            "a length that is not announced counts as the longest"
        );
        assert!(bounds.place(&announced(1000), 4 << 20).await.is_none());
        held.pop();
        assert!(waits().await.is_ok_and(|place| place.is_some()));
    }
}
