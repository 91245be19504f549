//! The domain in one value: what every operation needs. The operations stand beside their nouns.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use logicore::{Error, clock::Clock, secret::Secret, telemetry::Metrics, token::Verifier};

use crate::{
    accounts::Account, keys::Signer, passwords::Hasher, refresh::Keyring, revocations::Stamp, sessions::Session,
    statistics::Counters, store::Store, throttle::Throttle,
};

/// How long after its `exp` a token may still matter: a verifier grants it 30 s, by a clock that may be 30 s late; and a request
/// that read its revision before a revocation may sign up to 30 s after it.
pub(crate) const MARGIN: Duration = Duration::from_secs(90);

/// How long things live.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lives {
    /// An access token.
    pub(crate) access: Duration,
    /// The longest that an access token ever lived; at least `access`.
    pub(crate) access_longest: Duration,
    /// A refresh token, from its last use.
    pub(crate) refresh: Duration,
    /// A session, from its login.
    pub(crate) session: Duration,
}

impl Lives {
    /// How long something must be kept on account of access tokens that are out there.
    pub(crate) fn kept(&self) -> Duration {
        self.access_longest + MARGIN
    }
}

/// The domain.
#[derive(Debug)]
pub(crate) struct Auth {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Clock,
    pub(crate) hasher: Hasher,
    pub(crate) throttle: Throttle,
    pub(crate) signer: Signer,
    pub(crate) refresh_keys: Keyring,
    pub(crate) lives: Lives,
    pub(crate) counts: Counters,
    pub(crate) metrics: Arc<Metrics>,
    /// Judges access tokens that are brought to be judged.
    pub(crate) verifier: Arc<Verifier>,
}

/// What a login or a refresh gives out.
#[derive(Debug)]
pub(crate) struct Tokens {
    pub(crate) access: Secret,
    pub(crate) access_expires_in: Duration,
    pub(crate) refresh: Secret,
    pub(crate) refresh_expires_in: Duration,
    pub(crate) session: Session,
    pub(crate) account: Account,
}

impl Auth {
    /// Now, and how long a mark made now is kept.
    pub(crate) fn stamp(&self) -> Stamp {
        let now = self.clock.now();
        Stamp {
            now,
            marks_until: now + self.lives.kept(),
        }
    }

    /// Makes the tokens of a session as it stands. `revision` was read before the account's roles were.
    ///
    /// # Errors
    /// `INTERNAL` when the key cannot sign.
    pub(crate) fn issue(
        &self,
        account: &Account,
        session: &Session,
        revision: u64,
        refresh: Secret,
    ) -> Result<Tokens, Error> {
        let now = self.clock.now();
        // A token never outlives its session: when the row is gone there is nothing that a logout could mark.
        let expires = (now + self.lives.access).min(session.expire_time);
        let access = self
            .signer
            .sign(account, session, (&self.store.epoch(), revision), now, expires)?;
        Ok(Tokens {
            access,
            access_expires_in: until(now, expires),
            refresh,
            refresh_expires_in: until(now, session.expire_time),
            session: session.clone(),
            account: account.clone(),
        })
    }
}

fn until(now: DateTime<Utc>, then: DateTime<Utc>) -> Duration {
    (then - now).max(TimeDelta::zero()).to_std().unwrap_or_default()
}
