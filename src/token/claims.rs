//! The claims of an access token (RFC 9068, and those of our own).

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{interned::Interned, key::VerifyingKey, verified::Verified};
use crate::{
    access::Principal,
    ids::{RoleName, SessionId, TenantId, TokenId, UserId},
};

/// What an access token says. Auth writes it, every verifier reads it. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Issuer: `PUBLIC_URL`.
    pub iss: String,
    /// Audience, one name.
    pub aud: String,
    /// Subject: the account.
    pub sub: UserId,
    /// Client that the token was given to.
    pub client_id: String,
    /// Session.
    pub sid: SessionId,
    /// Tenant.
    pub tid: TenantId,
    /// Id of the token.
    pub jti: TokenId,
    /// Issued at.
    pub iat: i64,
    /// Not before.
    pub nbf: i64,
    /// Expires at.
    pub exp: i64,
    /// When the person last proved who they are.
    pub auth_time: i64,
    /// How they proved it (RFC 8176), such as `pwd`.
    pub amr: Vec<String>,
    /// Roles by name; what they allow comes by the feed.
    pub roles: Vec<RoleName>,
    /// Auth's revision at issue.
    pub rev: Rev,
    /// Reserved for acting on behalf of others (RFC 8693). A token that has it is refused until it means something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<serde_json::Value>,
}

/// A point in the history of auth's store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rev {
    /// Epoch of the store.
    pub e: String,
    /// Revision within the epoch.
    pub n: u64,
}

impl Claims {
    /// The claims as a principal, proven by `key`.
    pub(super) fn verified(self, key: Arc<VerifyingKey>, interned: &Interned) -> Result<Verified, &'static str> {
        if self.act.is_some() {
            return Err("acts on behalf of somebody");
        }
        if self.exp <= self.iat || self.exp <= self.nbf {
            return Err("its times contradict each other");
        }
        let not_before = time(self.nbf)?.max(time(self.iat)?);
        let principal = Principal {
            subject: self.sub,
            tenant: self.tid,
            session: self.sid,
            token: self.jti,
            client: interned.text(&self.client_id),
            roles: interned.roles(&self.roles),
            issued_at: time(self.iat)?,
            authenticated_at: time(self.auth_time)?,
            expires_at: time(self.exp)?,
            epoch: interned.text(&self.rev.e),
            revision: self.rev.n,
        };
        Ok(Verified::new(principal, not_before, key))
    }
}

/// Times beyond the year 9999 are nobody's, and adding a skew to them must not overflow.
fn time(seconds: i64) -> Result<DateTime<Utc>, &'static str> {
    if !(0..=253_402_300_799).contains(&seconds) {
        return Err("a time out of range");
    }
    DateTime::from_timestamp(seconds, 0).ok_or("a time out of range")
}
