//! May they: a method's policy against the principal, the peer and what the access feed says.
//!
//! What a policy asks of the message itself (its subject, its tenant) cannot be seen here. It becomes a [`Verdict`] in the
//! extensions, which `guard` settles innermost, when there is a message.

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use http::Request;
use tonic::body::Body;

use super::{
    gate::{Gate, GateLayer},
    route,
};
use crate::{
    access::{Principal, missing_token},
    context::Context,
    error::{Error, Reason},
    feed::{ADMIN, AUTH, AccessView, not_ready},
    mesh::Peer,
    policy::{Access, FeedStale, Method},
};

/// Asks every request for what its method needs.
#[must_use]
pub fn layer(ctx: &Context) -> GateLayer<Authorize> {
    GateLayer(Authorize {
        access: Arc::clone(&ctx.access),
        stale_after: ctx.settings.resilience.feed_stale_after,
    })
}

/// The gate that asks.
#[derive(Clone, Debug)]
pub struct Authorize {
    access: Arc<AccessView>,
    stale_after: Duration,
}

impl Gate for Authorize {
    fn admit(&self, request: &mut Request<Body>) -> Result<(), Error> {
        let extensions = request.extensions();
        // A method that nobody knows has no policy.
        let method = route::method(extensions).ok_or_else(no_policy)?;
        let caller = Caller {
            principal: extensions.get::<Arc<Principal>>(),
            peer: extensions.get::<Peer>(),
        };
        let verdict = authorize(&self.access, self.stale_after, method, caller)?;
        request.extensions_mut().insert(verdict);
        Ok(())
    }
}

/// Who calls, as far as it is proven.
#[derive(Clone, Copy, Debug, Default)]
pub struct Caller<'a> {
    /// By access token.
    pub principal: Option<&'a Arc<Principal>>,
    /// By role token.
    pub peer: Option<&'a Peer>,
}

/// What is left to hold the message against, by field number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// This field must be empty or the principal's subject.
    pub own_subject: Option<u32>,
    /// This field must be empty or the principal's tenant.
    pub own_tenant: Option<u32>,
}

impl Verdict {
    /// Whether the message does not matter.
    #[must_use]
    pub fn settled(&self) -> bool {
        *self == Self::default()
    }
}

/// Decides by a method's policy.
///
/// # Errors
/// `AUTH_TOKEN_MISSING`, `PERMISSION_MISSING` (metadata `permission`), `POLICY_MISSING`, `PEER_NOT_TRUSTED`,
/// `PEER_NOT_ALLOWED`, `ACCESS_FEED_STALE`, `NOT_READY`.
pub fn authorize(
    access: &AccessView,
    stale_after: Duration,
    method: &Method,
    caller: Caller<'_>,
) -> Result<Verdict, Error> {
    if let Access::Internal(peers) = &method.access {
        return internal(peers, caller.peer);
    }
    if method.access == Access::Denied {
        return Err(no_policy());
    }
    let verdict = decide(access, method, caller.principal)?;
    fresh(access, stale_after, method)?;
    if !verdict.settled() && method.client_streaming {
        // There is no first message that could speak for all.
        return Err(no_policy());
    }
    Ok(verdict)
}

fn decide(access: &AccessView, method: &Method, principal: Option<&Arc<Principal>>) -> Result<Verdict, Error> {
    if method.access == Access::Public {
        return Ok(Verdict::default());
    }
    let principal = principal.ok_or_else(missing_token)?;
    let holds = |permission: &str| access.allows(&principal.tenant, &principal.roles, permission);
    let mut verdict = Verdict::default();
    match &method.access {
        Access::Permission(_) | Access::SelfOrPermission(_) if !access.admin_known() => return Err(not_ready()),
        Access::Permission(permission) if !holds(permission) => return Err(missing_permission(permission)),
        Access::SelfOrPermission(permission) if !holds(permission) => match &method.subject_field {
            Some((_, number)) => verdict.own_subject = Some(*number),
            None => return Err(missing_permission(permission)),
        },
        _ => {}
    }
    if let Some((_, number)) = &method.tenant_field
        && !access.operator(&principal.tenant, &principal.roles)
    {
        verdict.own_tenant = Some(*number);
    }
    Ok(verdict)
}

/// The error of a caller who lacks a permission.
#[must_use]
pub fn missing_permission(permission: &str) -> Error {
    Error::new(
        Reason::PermissionMissing,
        format!("this needs the permission `{permission}`"),
    )
    .with("permission", permission)
}

fn no_policy() -> Error {
    Error::new(
        Reason::PolicyMissing,
        "this method has no policy, so nobody may call it",
    )
}

fn internal(peers: &[String], peer: Option<&Peer>) -> Result<Verdict, Error> {
    let peer = peer.ok_or_else(|| {
        Error::new(
            Reason::PeerNotTrusted,
            "this method serves proven parts of the deployment only",
        )
    })?;
    if peers.iter().any(|part| peer.is(part)) {
        return Ok(Verdict::default());
    }
    Err(Error::new(
        Reason::PeerNotAllowed,
        format!("this method does not serve the part `{}`", peer.role.as_str()),
    ))
}

/// Refuses what must not be decided by old knowledge. Auth's feed (keys, revocations) counts for every method, admin's (roles)
/// only where a permission decides: a lost admin must not keep anyone from changing a password.
fn fresh(access: &AccessView, stale_after: Duration, method: &Method) -> Result<(), Error> {
    if method.feed_stale == FeedStale::Serve {
        return Ok(());
    }
    let roles = method.permission().is_some();
    let late = |(producer, age): &(&str, Option<Duration>)| {
        let counts = *producer == AUTH || (*producer == ADMIN && roles);
        counts && age.is_none_or(|age| age > stale_after)
    };
    match access.ages().iter().find(|age| late(age)) {
        None => Ok(()),
        Some((producer, _)) => Err(Error::new(
            Reason::AccessFeedStale,
            "what decides about this call is out of date, and the call changes something: try again soon",
        )
        .with("producer", *producer)
        .retry_after(Duration::from_secs(5))),
    }
}
