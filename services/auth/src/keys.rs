//! Signing keys: made at first start, kept sealed, published by the feed. Only this process ever holds one open.
//!
//! The decision to question: a key is signed with by aws-lc itself and not through a JWT library, because the library parses the
//! key anew for every token; what it would do beyond that is two lines of base64.

mod load;
mod master;
mod material;
mod seal;
mod signer;

use std::time::Duration;

use chrono::{DateTime, Utc};

pub(crate) use load::load;
pub(crate) use master::master_key;
pub(crate) use material::Material;
pub(crate) use seal::Sealer;
pub(crate) use signer::Signer;

/// How long caches may keep the JWKS document: a key is published for that long before it signs.
pub(crate) const JWKS_MAX_AGE: Duration = Duration::from_secs(300);

/// A signing key, open.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) kid: String,
    pub(crate) material: Material,
    pub(crate) active_time: DateTime<Utc>,
    /// Published until here; none while nothing succeeds it.
    pub(crate) retire_time: Option<DateTime<Utc>>,
}
