//! Those who call a service behind the mesh, and what it tells them.

use tonic::{Request, Status};

use crate::{
    context::Context,
    error::{Error, Reason},
    ids::{RoleName, SessionId, TenantId, UserId},
    token::Claims,
};

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who it is.
    pub id: UserId,
    /// The login that the token comes from.
    pub session: SessionId,
    /// Where the account is.
    pub tenant: TenantId,
    /// Roles that the token names.
    pub roles: Vec<RoleName>,
}

impl Caller {
    /// `x-request-id` of every request.
    pub const REQUEST_ID: &str = "request-7";
    /// Address that every request comes from, as the gateway tells it.
    pub const ADDRESS: &str = "192.0.2.7";

    /// Somebody of this tenant with these roles.
    #[must_use]
    pub fn new(tenant: &str, roles: &[&str]) -> Self {
        let roles = roles.iter().map(|name| name.parse().expect("a literal role name"));
        Self {
            id: UserId::generate(),
            session: SessionId::generate(),
            tenant: tenant.parse().expect("a literal tenant name"),
            roles: roles.collect(),
        }
    }

    /// A message with a token that is good in a deployment of [`settings`](super::settings), as the gateway passes it on to `at`.
    ///
    /// # Panics
    /// When `at` has no secret that tokens are signed with.
    #[must_use]
    pub fn says<M>(&self, at: &Context, message: M) -> Request<M> {
        let claims = Claims {
            sub: self.id,
            sid: self.session,
            tid: self.tenant.clone(),
            roles: self.roles.clone(),
            ..super::claims(&at.settings, &at.clock, &[])
        };
        let secret = at.settings.jwt.secret.as_ref().expect("settings of a deployment");
        let bearer = format!("Bearer {}", super::token(secret, &claims));
        let mut request = Request::new(message);
        let metadata = request.metadata_mut();
        metadata.insert("authorization", bearer.parse().expect("a token is header text"));
        metadata.insert("x-request-id", Self::REQUEST_ID.parse().expect("header text"));
        metadata.insert("x-logicore-client-address", Self::ADDRESS.parse().expect("header text"));
        request
    }
}

/// The reason of a refusal.
///
/// # Panics
/// When the status names none of ours.
#[must_use]
pub fn reason(status: &Status) -> Reason {
    Error::reason_of(status).unwrap_or_else(|| panic!("a reason of ours: {status:?}"))
}
