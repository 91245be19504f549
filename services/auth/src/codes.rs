//! Single-use codes that stand in for a password once: given out when an account is made, and to the first admin.

use std::time::Duration;

use aws_lc_rs::{digest, rand};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use logicore::{Error, secret::Secret};

/// Life of a code that comes with a new account: a long weekend.
pub(crate) const PROVISION_LIFE: Duration = Duration::from_secs(72 * 3600);

/// Life of the first admin's code: its reader sits at the terminal.
pub(crate) const BOOTSTRAP_LIFE: Duration = Duration::from_secs(30 * 60);

/// 192 random bits. The text is shown once; the store keeps its hash alone.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) text: Secret,
    pub(crate) expire_time: DateTime<Utc>,
}

/// A code as the store keeps it. The code has too much entropy to be guessed from a plain hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredCode {
    pub(crate) hash: Vec<u8>,
    pub(crate) expire_time: DateTime<Utc>,
}

impl Code {
    /// Makes a new code.
    ///
    /// # Errors
    /// `INTERNAL` when the machine has no randomness.
    pub(crate) fn generate(expire_time: DateTime<Utc>) -> Result<Self, Error> {
        let mut bytes = [0; 24];
        rand::fill(&mut bytes).map_err(Error::internal)?;
        let text = Secret::new(URL_SAFE_NO_PAD.encode(bytes));
        Ok(Self { text, expire_time })
    }

    pub(crate) fn stored(&self) -> StoredCode {
        StoredCode {
            hash: hash(self.text.expose()),
            expire_time: self.expire_time,
        }
    }
}

/// Hash that a code is looked up by.
pub(crate) fn hash(text: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, text.trim().as_bytes())
        .as_ref()
        .to_vec()
}
