//! How much of a body is taken from whom. A stranger has nothing long to say: what needs no token are logins and the like.

mod buffer;
#[cfg(test)]
pub(crate) mod tests;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Extensions, HeaderMap, header, request::Parts};
use logicore::{access::Principal, ids::UserId, layer::guard::Memory};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

pub(crate) use buffer::Buffer;

use crate::routes::Route;

/// Longest message of a caller without a valid token.
const STRANGER: usize = 64 << 10;
/// Bodies up to this long are not counted: connections and limits bound how many there are.
const SHORT: usize = 64 << 10;
/// KiB of longer bodies that are collected at once; who comes then waits for a place, within its deadline. Where longer messages
/// than a caller's share are allowed, there is as much more as the longest of them goes beyond it.
const AT_ONCE: usize = 64 << 10;
/// KiB of them that one caller has, or one longer message: whoever sends slowly keeps nobody else waiting.
const OF_ONE: usize = AT_ONCE / 8;
/// How long a body with a place may take, beside what its length takes at the slowest rate.
const GRACE: Duration = Duration::from_secs(5);
/// Bytes a second; far below what its caller's neighbours would notice.
const SLOWEST: usize = 256 << 10;
/// So many callers' shares are kept before those that nobody uses are dropped.
const KEPT: usize = 1024;

/// What callers may send.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    message_bytes: usize,
    places: Arc<Semaphore>,
    /// KiB by which a message went beyond a share, at most.
    beyond: Arc<AtomicUsize>,
    shares: Arc<Mutex<HashMap<UserId, Weak<Semaphore>>>>,
}

/// Memory that a body may take; free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    /// When what it is for must be here.
    until: Instant,
    _of_one: Option<OwnedSemaphorePermit>,
    _of_all: OwnedSemaphorePermit,
}

impl Bounds {
    /// `message_bytes`: longest message of a known caller.
    pub(crate) fn new(message_bytes: usize) -> Self {
        Self {
            message_bytes,
            places: Arc::new(Semaphore::new(AT_ONCE)),
            beyond: Arc::default(),
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
        let bytes = announced(&request.headers).unwrap_or(longest).min(longest);
        self.quota(&request.extensions).place(bytes).await
    }

    /// These bounds, as the caller in a request's extensions has them.
    pub(crate) fn quota(&self, extensions: &Extensions) -> Quota {
        let caller = extensions.get::<Arc<Principal>>();
        Quota {
            bounds: self.clone(),
            caller: caller.map(|principal| principal.subject),
        }
    }

    /// Without this a message longer than all places would wait for ever, or take more than it was counted for.
    fn make_room(&self, kib: usize) {
        let beyond = kib.saturating_sub(OF_ONE);
        let before = self.beyond.fetch_max(beyond, Ordering::Relaxed);
        if beyond > before {
            self.places.add_permits(beyond - before);
        }
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

/// The bounds, as one caller has them.
#[derive(Clone, Debug)]
pub(crate) struct Quota {
    bounds: Bounds,
    caller: Option<UserId>,
}

impl Quota {
    /// Waits for memory of so many bytes; none is waited for, nor counted, where that is little.
    pub(crate) async fn place(&self, bytes: usize) -> Option<Place> {
        if bytes <= SHORT {
            return None;
        }
        let kib = bytes.div_ceil(1 << 10);
        let of_one = match self.caller {
            Some(caller) => Some(permits(self.bounds.share(caller), kib.min(OF_ONE)).await?),
            None => None,
        };
        self.bounds.make_room(kib);
        let of_all = permits(Arc::clone(&self.bounds.places), kib).await?;
        Some(Place {
            until: Instant::now() + GRACE + Duration::from_secs((bytes / SLOWEST) as u64),
            _of_one: of_one,
            _of_all: of_all,
        })
    }
}

/// What the guard collects counts with the bodies of REST and Connect. Those reach it whole, without a place that they would keep while
/// they wait for another one.
impl Memory for Bounds {
    type Taken = Option<Place>;

    async fn take(&self, extensions: &Extensions, bytes: usize) -> Option<Place> {
        self.quota(extensions).place(bytes).await
    }

    fn until(place: &Option<Place>) -> Option<Instant> {
        place.as_ref().map(|place| place.until)
    }
}

async fn permits(places: Arc<Semaphore>, kib: usize) -> Option<OwnedSemaphorePermit> {
    let kib = u32::try_from(kib).unwrap_or(u32::MAX);
    places.acquire_many_owned(kib).await.ok()
}

/// How long a body will be, where that is known: what a compressed one becomes is not.
fn announced(headers: &HeaderMap) -> Option<usize> {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    if codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return None;
    }
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
