//! How much of a body is taken from whom. A stranger has nothing long to say: what needs no token are logins and the like.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use http::{Extensions, header, request::Parts};
use logicore::{access::Principal, ids::UserId, layer::guard::Memory};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::routes::Route;

/// Longest message of a caller without a valid token.
const STRANGER: usize = 64 << 10;
/// Bodies up to this long are not counted: connections and limits bound how many there are.
const SHORT: usize = 64 << 10;
/// KiB of longer bodies that are collected at once; who comes then waits for a place, within its deadline.
const AT_ONCE: usize = 64 << 10;

/// KiB of them that one caller has: whoever sends slowly keeps nobody else waiting.
const OF_ONE: usize = AT_ONCE / 8;
/// So many callers' shares are kept before those that nobody uses are dropped.
const KEPT: usize = 1024;

/// What callers may send.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    message_bytes: usize,
    places: Arc<Semaphore>,
    shares: Arc<Mutex<HashMap<UserId, Weak<Semaphore>>>>,
}

/// Memory that a body may take; free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _of_one: Option<OwnedSemaphorePermit>,
    _of_all: OwnedSemaphorePermit,
}

impl Bounds {
    /// `message_bytes`: longest message of a known caller.
    pub(crate) fn new(message_bytes: usize) -> Self {
        Self {
            message_bytes,
            places: Arc::new(Semaphore::new(AT_ONCE)),
            shares: Arc::default(),
        }
    }

    /// Longest message of a request.
    pub(crate) fn longest(&self, extensions: &Extensions) -> usize {
        let of_route = extensions.get::<Arc<Route>>().and_then(|route| route.max_message);
        let longest = of_route.unwrap_or(self.message_bytes);
        match extensions.get::<Arc<Principal>>() {
            Some(_) => longest,
            None => longest.min(STRANGER),
        }
    }

    /// Waits for the memory that collecting a body takes at most; it is free again when the place is dropped.
    pub(crate) async fn place(&self, request: &Parts, longest: usize) -> Option<Place> {
        let announced = request.headers.get(header::CONTENT_LENGTH);
        let announced = announced.and_then(|v| v.to_str().ok()?.parse().ok());
        let bytes = announced.unwrap_or(longest).min(longest);
        self.place_of(&request.extensions, bytes).await
    }

    async fn place_of(&self, extensions: &Extensions, bytes: usize) -> Option<Place> {
        if bytes <= SHORT {
            return None;
        }
        let kib = bytes.div_ceil(1 << 10);
        let of_one = match extensions.get::<Arc<Principal>>() {
            Some(principal) => Some(permits(self.share(principal.subject), kib.min(OF_ONE)).await?),
            None => None,
        };
        let of_all = permits(Arc::clone(&self.places), kib.min(AT_ONCE)).await?;
        Some(Place {
            _of_one: of_one,
            _of_all: of_all,
        })
    }

    fn share(&self, caller: UserId) -> Arc<Semaphore> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(&caller).and_then(Weak::upgrade) {
            return share;
        }
        if shares.len() >= KEPT {
            shares.retain(|_, share| share.strong_count() > 0);
        }
        let share = Arc::new(Semaphore::new(OF_ONE));
        shares.insert(caller, Arc::downgrade(&share));
        share
    }
}

/// What the guard collects counts with the bodies of REST and Connect. Those reach it whole, without a place that they would keep while
/// they wait for another one.
impl Memory for Bounds {
    type Taken = Option<Place>;

    async fn take(&self, extensions: &Extensions, bytes: usize) -> Option<Place> {
        self.place_of(extensions, bytes).await
    }
}

async fn permits(places: Arc<Semaphore>, kib: usize) -> Option<OwnedSemaphorePermit> {
    let kib = u32::try_from(kib).unwrap_or(u32::MAX);
    places.acquire_many_owned(kib).await.ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::limits::tests::principal;

    fn announced(bytes: usize) -> Parts {
        let request = http::Request::post("/").header(header::CONTENT_LENGTH, HeaderValue::from(bytes));
        request.body(()).unwrap().into_parts().0
    }

    fn by(caller: &Arc<Principal>, mut request: Parts) -> Parts {
        request.extensions.insert(Arc::clone(caller));
        request
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
        let (unannounced, ()) = http::Request::new(()).into_parts();
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
    #[tokio::test(start_paused = true)]
    async fn one_callers_bodies_keep_nobody_else_waiting() {
        let (bounds, slow, other) = (Bounds::new(4 << 20), principal(), principal());
        let place = async |caller: &Arc<Principal>| {
            let request = by(caller, announced(4 << 20));
            let place = bounds.place(&request, 4 << 20);
            tokio::time::timeout(std::time::Duration::from_secs(60), place).await
        };
        let held = [place(&slow).await, place(&slow).await];
        assert!(place(&slow).await.is_err(), "it has its share");
        assert!(place(&other).await.is_ok_and(|place| place.is_some()));
        drop(held);
        assert!(place(&slow).await.is_ok_and(|place| place.is_some()));
    }

    #[tokio::test(start_paused = true)]
    async fn messages_that_are_guarded_count_with_them() {
        let (bounds, caller) = (Bounds::new(4 << 20), principal());
        let request = by(&caller, announced(4 << 20));
        let held = [
            bounds.place(&request, 4 << 20).await,
            bounds.place(&request, 4 << 20).await,
        ];
        let take = async |bytes: usize| {
            let taken = bounds.take(&request.extensions, bytes);
            tokio::time::timeout(std::time::Duration::from_secs(60), taken).await
        };
        assert!(take(SHORT + 1).await.is_err(), "its caller has its share");
        assert!(take(SHORT).await.is_ok_and(|place| place.is_none()));
        drop(held);
        assert!(take(SHORT + 1).await.is_ok_and(|place| place.is_some()));
    }
}
