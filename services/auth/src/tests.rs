//! Claims about the whole domain: over a real store, with the real access feed, on a clock that tests move.

mod accounts;
mod audit;
mod first;
pub(crate) mod harness;
mod keys;
mod log;
mod logins;
mod passwords;
mod refreshes;
mod revocations;
mod sessions;
