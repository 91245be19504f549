//! Refresh tokens: `key id . family . generation . MAC`. Recomputable, so never stored; the family is one row whose generation
//! moves by compare-and-swap.
//!
//! The decision to question: a token retired less than [`GRACE`] ago gets the *current* one again. Two tabs, or an answer that
//! was lost, must not end a session; whoever stole the older token gains nothing that the thief of the newer one would not.

mod keyring;
mod rotation;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use logicore::{Error, Reason, secret::Secret};
use std::time::Duration;

pub(crate) use keyring::Keyring;

use crate::{accounts::Account, sessions::Session};

/// How long a retired token is still answered.
pub(crate) const GRACE: Duration = Duration::from_secs(10);

/// Generations that were retired within one such slot of time share an entry, which is answered as long as its youngest. So a row
/// stays small however fast its client refreshes, none is forgotten within the grace, and none lasts a slot longer.
const SLOT: TimeDelta = TimeDelta::milliseconds(250);

/// A longer text is no token of ours.
const TOKEN_BYTES: usize = 160;

/// Id of a refresh family: 128 random bits.
pub(crate) type FamilyId = [u8; 16];

/// A family with everything a refresh decides by.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    /// The revision, read before the account was.
    pub(crate) revision: u64,
    pub(crate) session: Session,
    pub(crate) account: Account,
    pub(crate) generation: u64,
    pub(crate) retired: Vec<Retired>,
}

/// Generations that were current one after the other, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retired {
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// When the last of them was retired.
    pub(crate) time: DateTime<Utc>,
}

/// A refresh token whose MAC is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) family: FamilyId,
    pub(crate) generation: u64,
}

/// What a token means to its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the current one: move on.
    Current,
    /// It was retired a moment ago: the current one again.
    Grace,
    /// It was retired long ago: somebody else has it.
    Replay,
    /// It was never given out, as far as this store knows (it may come from before a restore).
    Ahead,
    /// The family is over.
    Over,
}

pub(crate) fn invalid() -> Error {
    Error::new(
        Reason::AuthRefreshInvalid,
        "the refresh token is not valid or its session has ended; sign in again",
    )
}

impl Token {
    /// Writes the token under the newest key.
    pub(crate) fn seal(self, keys: &Keyring) -> Secret {
        let (kid, key) = keys.newest();
        let mac = hmac::sign(key, &self.message());
        Secret::new(format!(
            "{kid}.{}.{}.{}",
            URL_SAFE_NO_PAD.encode(self.family),
            self.generation,
            URL_SAFE_NO_PAD.encode(mac)
        ))
    }

    /// Reads a token and checks its MAC in constant time. Nothing is looked up.
    ///
    /// # Errors
    /// `AUTH_REFRESH_INVALID`.
    pub(crate) fn open(keys: &Keyring, text: &str) -> Result<Self, Error> {
        Self::parse(keys, text).ok_or_else(invalid)
    }

    fn parse(keys: &Keyring, text: &str) -> Option<Self> {
        if text.len() > TOKEN_BYTES {
            return None;
        }
        let mut parts = text.split('.');
        let (kid, family, generation, mac) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let key = keys.find(kid).filter(|_| parts.next().is_none())?;
        let canonical = !generation.starts_with(['0', '+']);
        let token = Self {
            family: URL_SAFE_NO_PAD.decode(family).ok()?.try_into().ok()?,
            generation: generation.parse().ok().filter(|_| canonical)?,
        };
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        hmac::verify(key, &token.message(), &mac).ok()?;
        Some(token)
    }

    fn message(&self) -> [u8; 24] {
        let mut message = [0; 24];
        message[..16].copy_from_slice(&self.family);
        message[16..].copy_from_slice(&self.generation.to_be_bytes());
        message
    }
}

impl Family {
    /// Judges a generation of this family at a time.
    pub(crate) fn judge(&self, generation: u64, now: DateTime<Utc>) -> Verdict {
        if self.session.expire_time <= now || self.account.state != crate::accounts::State::Active {
            return Verdict::Over;
        }
        if generation == self.generation {
            return Verdict::Current;
        }
        if generation > self.generation {
            return Verdict::Ahead;
        }
        let recent = self
            .retired
            .iter()
            .any(|r| (r.first..=r.last).contains(&generation) && now < r.time + GRACE);
        if recent { Verdict::Grace } else { Verdict::Replay }
    }

    /// The retired generations once the current one joins them: those still within the grace.
    pub(crate) fn retire(&self, now: DateTime<Utc>) -> Vec<Retired> {
        let mut retired: Vec<_> = self.retired.iter().copied().filter(|r| now < r.time + GRACE).collect();
        match retired.last_mut().filter(|r| slot(r.time) == slot(now)) {
            Some(entry) => (entry.last, entry.time) = (self.generation, now),
            None => retired.push(Retired {
                first: self.generation,
                last: self.generation,
                time: now,
            }),
        }
        retired
    }

    /// The token that is current.
    pub(crate) fn token(&self, family: FamilyId) -> Token {
        Token {
            family,
            generation: self.generation,
        }
    }
}

fn slot(time: DateTime<Utc>) -> i64 {
    time.timestamp_millis().div_euclid(SLOT.num_milliseconds())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keyring {
        Keyring::new(&[Secret::new("a secret that keys refresh tokens")])
    }

    fn token() -> Token {
        Token {
            family: [7; 16],
            generation: 3,
        }
    }

    #[test]
    fn a_token_opens_what_it_seals() {
        let text = token().seal(&keys());
        assert_eq!(Token::open(&keys(), text.expose()).unwrap(), token());
    }

    #[test]
    fn a_changed_character_anywhere_is_refused() {
        let text = token().seal(&keys());
        for at in 0..text.expose().len() {
            let mut bytes = text.expose().as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'1' { b'2' } else { b'1' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(Token::open(&keys(), &changed).is_err(), "at {at}");
        }
    }

    #[test]
    fn one_token_has_one_spelling() {
        let text = token().seal(&keys());
        let text = text.expose();
        for other in [
            format!("{text}."),
            format!("{text}="),
            text.replace(".3.", ".03."),
            text.replace(".3.", ".+3."),
            format!(" {text}"),
            String::new(),
            "...".to_owned(),
            "x".repeat(5000),
        ] {
            assert!(Token::open(&keys(), &other).is_err(), "{other:?}");
        }
    }

    #[test]
    fn an_older_key_still_opens_and_no_longer_seals() {
        let old = Secret::new("the secret of last month, long enough");
        let new = Secret::new("the secret of this month, long enough");
        let sealed = token().seal(&Keyring::new(std::slice::from_ref(&old)));
        let both = Keyring::new(&[new.clone(), old]);
        assert!(Token::open(&both, sealed.expose()).is_ok());
        assert!(Token::open(&Keyring::new(&[new]), sealed.expose()).is_err());
        assert_ne!(token().seal(&both), sealed);
    }
}
