//! Slows failed logins down, for each account and for each address, before anything is hashed. Accounts that do not exist are
//! slowed like those that do.
//!
//! The decisions to question: a wait is refused instead of slept, so that nobody can tie up the server; and it is capped, and an
//! address that the account has signed in from before waits for its own failures only, so that nobody can lock somebody else out.

mod lanes;

use std::{
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use logicore::{Error, Reason, clock::Clock, ids::TenantId};

use crate::accounts::Email;
use lanes::{Key, Keys, Known, Lanes};

/// Failures of an account that cost nothing: typing errors.
const ACCOUNT_FREE: u32 = 5;

/// Failures of an address that cost nothing. The same as an account's: whoever shares an address with many others is let in by
/// every success of theirs, which takes one failure back.
const ADDRESS_FREE: u32 = 5;

/// The first wait; each further failure doubles it.
const FIRST: Duration = Duration::from_secs(1);

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// A quiet time after which one failure is forgotten, counted from the end of the wait.
const DECAY: Duration = Duration::from_secs(15 * 60);

/// Logins under way at once in a lane without failures. Each of them may turn out to be one.
const IN_FLIGHT: u32 = 64;

/// Refused for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) retry_after: Duration,
    /// The first refusal of this wait.
    pub(crate) first: bool,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Error::new(
            Reason::AuthThrottled,
            "too many failed attempts for this account or from this address; wait before the next one",
        )
        .retry_after(refusal.retry_after)
    }
}

/// Counts failures.
#[derive(Debug)]
pub(crate) struct Throttle {
    clock: Clock,
    keys: Keys,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    lanes: Lanes,
    known: Known,
}

/// An attempt that was let in. Dropped without a word, it counts as a failure: whoever hangs up learns nothing, and saves nothing.
#[derive(Debug)]
#[must_use = "an attempt must be told how it went"]
pub(crate) struct Attempt<'a> {
    throttle: &'a Throttle,
    account: Option<Key>,
    address: Option<Key>,
    /// To be remembered on success.
    pair: Option<Key>,
    told: bool,
}

impl Throttle {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            keys: Keys::default(),
            state: Mutex::default(),
        }
    }

    /// Lets an attempt in, or says how long to wait.
    ///
    /// # Errors
    /// The wait.
    pub(crate) fn admit(
        &self,
        account: Option<(&TenantId, &Email)>,
        address: Option<IpAddr>,
    ) -> Result<Attempt<'_>, Refusal> {
        let now = self.clock.now();
        let mut state = self.state();
        let pair = account.zip(address).map(|((t, e), a)| self.keys.pair(t, e, a));
        let account = account.map(|(tenant, email)| match pair.filter(|p| state.known.contains(*p)) {
            Some(own_lane) => own_lane,
            None => self.keys.account(tenant, email),
        });
        let address = address.map(|a| self.keys.address(a));
        let lanes = [(account, ACCOUNT_FREE), (address, ADDRESS_FREE)];
        let lanes = lanes.into_iter().filter_map(|(key, free)| key.map(|k| (k, free)));
        let waits = lanes.clone().filter_map(|(key, free)| state.lanes.wait(key, free, now));
        if let Some(retry_after) = waits.max() {
            let first = lanes.fold(false, |first, (key, _)| state.lanes.refuse(key) || first);
            return Err(Refusal { retry_after, first });
        }
        lanes.for_each(|(key, _)| state.lanes.enter(key, now));
        Ok(Attempt {
            throttle: self,
            account,
            address,
            pair,
            told: false,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Counters are whole after every statement, so a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt<'_> {
    /// It was right: the account's failures are forgotten, one of the address's is.
    pub(crate) fn succeed(mut self) {
        self.told = true;
        let now = self.throttle.clock.now();
        let mut state = self.throttle.state();
        if let Some(key) = self.account {
            state.lanes.clear(key);
        }
        if let Some(key) = self.address {
            state.lanes.leave(key);
            state.lanes.forget_one(key, now);
        }
        if let Some(pair) = self.pair {
            state.known.insert(pair);
        }
    }

    /// It was wrong.
    pub(crate) fn fail(self) {
        drop(self);
    }

    /// Nobody knows: nothing was checked.
    pub(crate) fn forgive(mut self) {
        self.told = true;
        let mut state = self.throttle.state();
        for key in [self.account, self.address].into_iter().flatten() {
            state.lanes.leave(key);
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.told {
            return;
        }
        let now = self.throttle.clock.now();
        let mut state = self.throttle.state();
        for key in [self.account, self.address].into_iter().flatten() {
            state.lanes.leave(key);
            state.lanes.fail(key, now);
        }
    }
}

/// The wait after so many failures.
fn delay(failures: u32, free: u32) -> Duration {
    match failures.checked_sub(free + 1) {
        None => Duration::ZERO,
        Some(doublings) => FIRST.saturating_mul(1 << doublings.min(20)).min(LONGEST),
    }
}

fn since(then: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    (now - then).to_std().unwrap_or_default()
}

#[cfg(test)]
mod tests;
