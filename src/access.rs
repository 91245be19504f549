//! Who calls, and what a policy says to it. Pure: no I/O, no clock but the one that is passed in.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::HeaderValue;

use crate::{
    error::{Error, Reason},
    ids::{RoleName, SessionId, TenantId, TokenId, UserId},
};

/// Whoever a verified access token speaks for. Handlers find it in the request's extensions as `Arc<Principal>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// `sub`.
    pub subject: UserId,
    /// `tid`.
    pub tenant: TenantId,
    /// `sid`.
    pub session: SessionId,
    /// `jti`.
    pub token: TokenId,
    /// `client_id`.
    pub client: Arc<str>,
    /// `roles`.
    pub roles: Arc<[RoleName]>,
    /// `iat`.
    pub issued_at: DateTime<Utc>,
    /// `auth_time`.
    pub authenticated_at: DateTime<Utc>,
    /// `exp`.
    pub expires_at: DateTime<Utc>,
    /// `rev`: epoch of auth's store.
    pub epoch: Arc<str>,
    /// `rev`: auth's revision when the token was issued.
    pub revision: u64,
}

/// A principal as metadata tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Id of the account.
    pub subject: HeaderValue,
    /// Its tenant.
    pub tenant: HeaderValue,
    /// Its roles, comma-separated.
    pub roles: HeaderValue,
}

impl Told {
    /// What is told of a principal.
    #[must_use]
    pub fn of(principal: &Principal) -> Self {
        let roles = principal.roles.iter().map(RoleName::as_str).collect::<Vec<_>>();
        let (subject, tenant) = (principal.subject.to_string(), principal.tenant.to_string());
        // One piece of memory for the three of them: it is kept as long as the token is, and there are thousands.
        let all = Bytes::from([subject.as_str(), &tenant, &roles.join(",")].concat());
        let rest = subject.len() + tenant.len();
        let value = |range| HeaderValue::from_maybe_shared(all.slice(range)).expect("ids and names are header text");
        Self {
            subject: value(0..subject.len()),
            tenant: value(subject.len()..rest),
            roles: value(rest..all.len()),
        }
    }
}

/// Facts of a request that a proven first hop passes on, or that the first hop itself found. In the request's extensions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Id of the request.
    pub request_id: Arc<str>,
    /// Address of the caller.
    pub address: Option<std::net::IpAddr>,
    /// `User-Agent` of the caller, cut to 256 characters.
    pub user_agent: Option<String>,
}

/// The principal of a request that must have one.
///
/// # Errors
/// `AUTH_TOKEN_MISSING` when there is none.
pub fn principal(extensions: &http::Extensions) -> Result<&Arc<Principal>, Error> {
    extensions.get::<Arc<Principal>>().ok_or_else(missing_token)
}

/// The error of a caller without a token where one is needed.
#[must_use]
pub fn missing_token() -> Error {
    Error::new(
        Reason::AuthTokenMissing,
        "this method needs an access token: sign in by `POST /auth/login` and send `authorization: Bearer ...`",
    )
}
