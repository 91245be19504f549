//! A token that was proven, and what is made of it once.

use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};

use super::key::VerifyingKey;
use crate::access::{Principal, Told};

/// A token that was proven: what it says and which key said so.
#[derive(Debug)]
pub struct Verified {
    pub(super) principal: Arc<Principal>,
    /// The later of `nbf` and `iat`.
    pub(super) not_before: DateTime<Utc>,
    pub(super) key: Arc<VerifyingKey>,
    /// Made when it is first asked for: most processes never tell.
    told: OnceLock<Told>,
}

impl Verified {
    pub(super) fn new(principal: Principal, not_before: DateTime<Utc>, key: Arc<VerifyingKey>) -> Self {
        Self {
            principal: Arc::new(principal),
            not_before,
            key,
            told: OnceLock::new(),
        }
    }

    /// Whoever the token speaks for.
    #[must_use]
    pub fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// What is told of the principal; made once for a token.
    #[must_use]
    pub fn told(&self) -> &Told {
        self.told.get_or_init(|| Told::of(&self.principal))
    }
}
