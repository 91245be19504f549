//! Turns: one creation, deletion or return of a user at a time.
//!
//! All of them write to auth first and to the store then. Crossed, a second return could enable the account after a deletion has
//! disabled it and before that shows in the profile: whoever is shown as deleted could sign in. One process owns the store, so
//! turns within it are enough; with more than one they become leases in the store, as admin's are.

use logicore::ids::UserId;
use tokio::sync::{Mutex, MutexGuard};

/// Places to wait at. Users share them by chance; more places only make that rarer.
const PLACES: usize = 64;

/// Where calls about a user wait for each other.
#[derive(Debug)]
pub(super) struct Turns([Mutex<()>; PLACES]);

impl Default for Turns {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }
}

impl Turns {
    /// Waits for the user's turn, which lasts until the guard is dropped.
    pub(super) async fn take(&self, id: UserId) -> MutexGuard<'_, ()> {
        self.0[place(id)].lock().await
    }
}

/// The last bits of an id are random, whatever its version (RFC 9562).
fn place(id: UserId) -> usize {
    usize::from(id.0.as_bytes()[15]) % PLACES
}
