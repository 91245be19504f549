//! Access tokens: what is in them and how they are judged. Only auth makes them; `services/auth` has the other half.
//!
//! A verified token is remembered as claims, never as a decision: time, revocation and the tenant's state are looked at on
//! every use, and a remembered token counts only while the key that proved it is in force.

mod cache;
mod claims;
mod interned;
mod jose;
mod key;
#[cfg(test)]
mod tests;
mod verified;

use std::sync::Arc;

use chrono::TimeDelta;

use crate::{
    access::Principal,
    clock::Clock,
    error::{Error, Reason},
    feed::AccessView,
    secret::Secret,
    settings::{Algorithm, Settings},
};

use cache::Cache;
pub use claims::{Claims, Rev};
use interned::Interned;
pub use key::{InvalidKey, VerifyingKey};
pub use verified::Verified;

/// `typ` of access tokens (RFC 9068).
pub const TYP: &str = "at+jwt";

/// How far the clocks of a deployment may differ.
pub const SKEW: TimeDelta = TimeDelta::seconds(30);

/// Longest token that is looked at, in bytes. Ours have well under 1 KiB.
pub const MAX_BYTES: usize = 8 << 10;

/// Judges access tokens: signature, claims, time, then revocation.
#[derive(Debug)]
pub struct Verifier {
    issuer: String,
    audience: String,
    hs256: Option<Arc<VerifyingKey>>,
    access: Arc<AccessView>,
    clock: Clock,
    cache: Cache,
    interned: Interned,
}

impl Verifier {
    /// A verifier of tokens of one issuer for one audience. `hs256` is `JWT_SECRET` where the algorithm is HS256; without it
    /// HS256 is refused.
    #[must_use]
    pub fn new(issuer: String, audience: String, hs256: Option<Secret>, access: Arc<AccessView>, clock: Clock) -> Self {
        Self {
            issuer,
            audience,
            hs256: hs256.map(|secret| Arc::new(VerifyingKey::from_secret(&secret))),
            access,
            clock,
            cache: Cache::default(),
            interned: Interned::default(),
        }
    }

    /// A verifier of the deployment's own tokens, as its settings say how they are made.
    #[must_use]
    pub fn from_settings(settings: &Settings, access: Arc<AccessView>, clock: Clock) -> Self {
        let jwt = &settings.jwt;
        let hs256 = jwt.secret.clone().filter(|_| jwt.algorithm == Algorithm::Hs256);
        Self::new(settings.public_url.clone(), jwt.audience.clone(), hs256, access, clock)
    }

    /// Judges a compact JWT.
    ///
    /// # Errors
    /// `AUTH_TOKEN_INVALID`, `AUTH_TOKEN_EXPIRED`, `AUTH_TOKEN_REVOKED`, `AUTH_TOKEN_STALE`, `TENANT_SUSPENDED`; `NOT_READY`
    /// before the first snapshot of auth.
    pub fn verify(&self, token: &str) -> Result<Arc<Principal>, Error> {
        self.verified(token).map(|verified| verified.principal.clone())
    }

    /// Judges a compact JWT as [`Verifier::verify`] does, and gives what is known of it, which is the same for the token's next use.
    ///
    /// # Errors
    /// As [`Verifier::verify`].
    pub fn verified(&self, token: &str) -> Result<Arc<Verified>, Error> {
        let verified = self.proven(token)?;
        if !self.in_time(&verified) {
            return Err(expired());
        }
        if self.clock.now() + SKEW < verified.not_before {
            return Err(invalid("used before its time"));
        }
        self.access.standing(&verified.principal)?;
        Ok(verified)
    }

    /// Judges a compact JWT as [`Verifier::verify`] does, but takes one whose time is over. Revocations are forgotten when the
    /// tokens they cover have expired, so the answer says whose token it was, not that it would be good today.
    ///
    /// # Errors
    /// As [`Verifier::verify`], without `AUTH_TOKEN_EXPIRED`.
    pub fn verify_expired(&self, token: &str) -> Result<Arc<Principal>, Error> {
        let verified = self.proven(token)?;
        self.access.standing(&verified.principal)?;
        Ok(verified.principal.clone())
    }

    /// Whether a principal that was verified before may go on. A stream ends at its token's `exp` to the second: the skew is
    /// for clocks that differ, and a stream has lived by ours all along.
    ///
    /// # Errors
    /// `AUTH_TOKEN_EXPIRED`, `AUTH_TOKEN_REVOKED`, `AUTH_TOKEN_STALE`, `TENANT_SUSPENDED`.
    pub fn still_good(&self, principal: &Principal) -> Result<(), Error> {
        if principal.expires_at <= self.clock.now() {
            return Err(expired());
        }
        self.access.standing(principal)
    }

    /// Time until a principal's token expires; zero when it has.
    #[must_use]
    pub fn lifetime(&self, principal: &Principal) -> std::time::Duration {
        (principal.expires_at - self.clock.now()).to_std().unwrap_or_default()
    }

    /// What this verifier knows of keys, revocations and roles.
    #[must_use]
    pub fn access(&self) -> &Arc<AccessView> {
        &self.access
    }

    /// Signature and claims; nothing that can change later.
    fn proven(&self, token: &str) -> Result<Arc<Verified>, Error> {
        if token.len() > MAX_BYTES {
            return Err(invalid("too long"));
        }
        let digest = cache::digest(token);
        if let Some(hit) = self.cache.get(&digest) {
            if self.in_force(&hit.key) && self.in_time(&hit) {
                return Ok(hit);
            }
            self.cache.remove(&digest);
        }
        let verified = Arc::new(self.prove(token)?);
        if self.in_time(&verified) {
            self.cache.put(digest, verified.clone());
        }
        Ok(verified)
    }

    fn prove(&self, token: &str) -> Result<Verified, Error> {
        let parts = jose::split(token).map_err(invalid)?;
        let header = jose::header(parts.header).map_err(invalid)?;
        let key = self.key(&header)?;
        if !key.allows(&header.alg) {
            return Err(invalid("alg is not the key's"));
        }
        let signature = jose::decode(parts.signature).map_err(invalid)?;
        key.verify(parts.signed.as_bytes(), &signature).map_err(invalid)?;
        let payload = jose::decode(parts.payload).map_err(invalid)?;
        let claims: Claims = jose::object(&payload).map_err(|e| invalid("claims cannot be read").because(e))?;
        if claims.iss != self.issuer {
            return Err(invalid("another issuer"));
        }
        if claims.aud != self.audience {
            return Err(invalid("another audience"));
        }
        claims.verified(key, &self.interned).map_err(invalid)
    }

    fn key(&self, header: &jose::Header) -> Result<Arc<VerifyingKey>, Error> {
        if !self.access.auth_known() {
            return Err(crate::feed::not_ready());
        }
        match (&self.hs256, &header.kid) {
            (Some(key), None) if header.alg == key::HS256 => Ok(key.clone()),
            (Some(key), Some(kid)) if header.alg == key::HS256 && kid == key::HS256_KID => Ok(key.clone()),
            (_, Some(kid)) => self.access.key(kid).ok_or_else(|| invalid("unknown kid")),
            (_, None) => Err(invalid("no kid")),
        }
    }

    fn in_time(&self, verified: &Verified) -> bool {
        self.clock.now() < verified.principal.expires_at + SKEW
    }

    fn in_force(&self, key: &Arc<VerifyingKey>) -> bool {
        let feed_key = self.access.holds_key(key);
        feed_key || self.hs256.as_ref().is_some_and(|own| Arc::ptr_eq(own, key))
    }
}

/// The caller learns that the token is not valid; why is for the log, since it would help a forger.
fn invalid(why: &'static str) -> Error {
    Error::new(Reason::AuthTokenInvalid, "the access token is not valid").because(why)
}

fn expired() -> Error {
    Error::new(
        Reason::AuthTokenExpired,
        "the access token has expired: refresh it or sign in again",
    )
}
