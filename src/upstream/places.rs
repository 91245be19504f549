//! How many calls an upstream has at once. One more is refused, not queued: a queue in front of a service that does not keep up makes
//! every caller wait for answers that come too late.
//!
//! The decision to question: what is counted are attempts, each from its start to the end of its answer. So a call holds no place
//! while it waits for its next attempt, and a stream holds one for as long as it lives. One caller has a part of them at most.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

use http::Extensions;
use prometheus::IntCounter;

use super::{
    failure::RETRY_AFTER,
    shares::{Seat, Shares},
};
use crate::{
    error::{Error, Reason},
    telemetry::Metrics,
};

/// One caller has this part of the places at most: several have to come together to keep everybody else out.
const PART: usize = 4;

/// The places of one upstream.
#[derive(Debug)]
pub(super) struct Places {
    service: &'static str,
    most: AtomicUsize,
    taken: AtomicUsize,
    shares: Shares,
    /// The log has been told that there is none, and has not forgotten it yet.
    told: AtomicBool,
    /// Calls that were refused since there was none.
    full: IntCounter,
    /// Those since the caller had its part.
    exceeded: IntCounter,
}

/// One of them; free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    seat: Option<Seat>,
}

impl Places {
    /// As many as anybody asks for.
    pub(super) fn unlimited(service: &'static str, metrics: &Metrics) -> Arc<Self> {
        let refused = |why| metrics.calls_refused.with_label_values(&[service, why]);
        Arc::new(Self {
            service,
            most: AtomicUsize::new(usize::MAX),
            taken: AtomicUsize::new(0),
            shares: Shares::new(),
            told: AtomicBool::new(false),
            full: refused("full"),
            exceeded: refused("caller"),
        })
    }

    /// From now on there are `most` places. Whoever has one keeps it.
    pub(super) fn limit(&self, most: usize) {
        self.most.store(most, Relaxed);
    }

    /// Takes a place for whoever made this request.
    ///
    /// # Errors
    /// `TOO_MANY_CALLS` where the caller has its part, `UPSTREAM_FULL` where no place is free.
    pub(super) fn take(self: &Arc<Self>, request: &Extensions) -> Result<Place, Error> {
        let most = self.most.load(Relaxed);
        // Before the place: who is held to its part must not have one even for a moment.
        let seat = self.seat(request, most)?;
        // Counted up only where there is a place, else refusals would hide one that is just given back.
        let one_more = |taken: usize| (taken < most).then(|| taken + 1);
        match self.taken.fetch_update(Relaxed, Relaxed, one_more) {
            Ok(_) => Ok(Place {
                places: Arc::clone(self),
                seat,
            }),
            Err(_) => {
                self.rise(seat);
                Err(self.refuse(most))
            }
        }
    }

    fn seat(&self, request: &Extensions, most: usize) -> Result<Option<Seat>, Error> {
        // Nobody is held to a part of one place, or of as many as anybody asks for.
        if most == 1 || most == usize::MAX {
            return Ok(None);
        }
        let part = (most / PART).max(1);
        self.shares.take(request, part).map_err(|_| self.exceeded(part))
    }

    fn rise(&self, seat: Option<Seat>) {
        if let Some(seat) = seat {
            self.shares.give_back(seat);
        }
    }

    fn exceeded(&self, part: usize) -> Error {
        self.exceeded.inc();
        Error::new(
            Reason::TooManyCalls,
            format!(
                "you have as many calls of the {} service at once as one caller may: {part}",
                self.service
            ),
        )
        .with("upstream", self.service)
        .retry_after(RETRY_AFTER)
    }

    fn refuse(&self, most: usize) -> Error {
        self.full.inc();
        if !self.told.swap(true, Relaxed) {
            tracing::warn!(
                upstream = self.service,
                most,
                "upstream is full; further calls are refused"
            );
        }
        Error::new(
            Reason::UpstreamFull,
            format!("the {} service has as many calls at once as it may", self.service),
        )
        .with("upstream", self.service)
        .retry_after(RETRY_AFTER)
    }

    /// Places that are taken.
    #[cfg(test)]
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Relaxed)
    }

    /// Those of them that count for a caller.
    #[cfg(test)]
    pub(super) fn counted(&self) -> u32 {
        self.shares.counted()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let places = &self.places;
        let left = places.taken.fetch_sub(1, Relaxed) - 1;
        places.rise(self.seat);
        // Told again once it had half of its places free, and not at each call around the limit.
        if places.told.load(Relaxed) && left <= places.most.load(Relaxed) / 2 {
            places.told.store(false, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(most: usize) -> Arc<Places> {
        let places = Places::unlimited("ships", &Metrics::new());
        places.limit(most);
        places
    }

    #[test]
    fn one_beyond_the_limit_is_refused_and_counted() {
        let places = places(2);
        let held = [
            places.take(&Extensions::new()).unwrap(),
            places.take(&Extensions::new()).unwrap(),
        ];
        let error = places.take(&Extensions::new()).unwrap_err();
        assert_eq!(error.reason(), Reason::UpstreamFull);
        assert_eq!((places.taken(), places.full.get()), (2, 1), "a refusal takes none");
        drop(held);
        assert_eq!(places.taken(), 0);
        assert!(places.take(&Extensions::new()).is_ok());
    }

    #[test]
    fn a_lower_limit_takes_no_place_away() {
        let places = places(3);
        let mut held: Vec<_> = (0..3).map(|_| places.take(&Extensions::new()).unwrap()).collect();
        places.limit(1);
        for _ in 0..2 {
            assert!(places.take(&Extensions::new()).is_err());
            held.pop();
        }
        held.pop();
        assert!(places.take(&Extensions::new()).is_ok(), "all of the old ones are back");
    }

    #[test]
    fn never_more_than_the_limit_whoever_races() {
        let places = places(4);
        let most_seen = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        let place = places.take(&Extensions::new());
                        most_seen.fetch_max(places.taken(), Relaxed);
                        drop(place);
                    }
                });
            }
        });
        assert!(most_seen.into_inner() <= 4);
        assert_eq!(places.taken(), 0);
    }

    #[test]
    fn the_log_is_told_again_after_half_of_the_places_were_free() {
        let places = places(4);
        let mut held: Vec<_> = (0..4).map(|_| places.take(&Extensions::new()).unwrap()).collect();
        assert!(places.take(&Extensions::new()).is_err());
        held.pop();
        assert!(places.told.load(Relaxed), "not at each call around the limit");
        held.pop();
        assert!(!places.told.load(Relaxed));
    }
}
