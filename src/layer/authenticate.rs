//! Who calls: the bearer token in `authorization` (RFC 6750) to `Arc<Principal>` in the extensions, and to [`Identified`] where
//! [`identify`] found it.
//!
//! A public method ignores a token that does not hold: whoever signs in again often still sends the old one.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Request, header};
use tonic::body::Body;

use super::{
    gate::{Gate, GateLayer},
    route,
};
use crate::{
    access::Principal,
    error::{Error, Kind, Reason},
    policy::{Access, Method},
    token::{Verified, Verifier},
};

/// Judges the token of every request that has one.
#[must_use]
pub fn layer(verifier: &Arc<Verifier>) -> GateLayer<Authenticate> {
    GateLayer(Authenticate(Arc::clone(verifier)))
}

/// Finds out who calls and refuses nobody, for layers that stand further out than [`layer`] and treat strangers otherwise. The
/// work is done once: [`layer`] takes over what is found here.
#[must_use]
pub fn identify(verifier: &Arc<Verifier>) -> GateLayer<Identify> {
    GateLayer(Identify(Arc::clone(verifier)))
}

/// The gate that judges it.
#[derive(Clone, Debug)]
pub struct Authenticate(Arc<Verifier>);

/// The gate that only looks.
#[derive(Clone, Debug)]
pub struct Identify(Arc<Verifier>);

/// The token that [`identify`] found good; in the extensions beside its principal.
#[derive(Clone, Debug)]
pub struct Identified {
    verified: Arc<Verified>,
    /// [`Authenticate`] relied on it, which it does once.
    taken_over: bool,
}

impl Identified {
    /// The token.
    #[must_use]
    pub fn verified(&self) -> &Verified {
        &self.verified
    }
}

impl Gate for Identify {
    fn admit(&self, request: &mut Request<Body>) -> Result<(), Error> {
        request.extensions_mut().remove::<Arc<Principal>>();
        request.extensions_mut().remove::<Identified>();
        let verified = route::method(request.extensions())
            .and_then(|method| authenticate(&self.0, method, request.headers()).ok().flatten());
        if let Some(verified) = verified {
            request.extensions_mut().insert(Arc::clone(verified.principal()));
            request.extensions_mut().insert(Identified {
                verified,
                taken_over: false,
            });
        }
        Ok(())
    }
}

impl Gate for Authenticate {
    fn admit(&self, request: &mut Request<Body>) -> Result<(), Error> {
        if let Some(found) = request.extensions_mut().get_mut::<Identified>()
            && !std::mem::replace(&mut found.taken_over, true)
        {
            return Ok(());
        }
        // Whatever put one here before, it was not a token.
        request.extensions_mut().remove::<Arc<Principal>>();
        request.extensions_mut().remove::<Identified>();
        let Some(method) = route::method(request.extensions()) else {
            return Ok(());
        };
        if let Some(verified) = authenticate(&self.0, method, request.headers())? {
            request.extensions_mut().insert(Arc::clone(verified.principal()));
        }
        Ok(())
    }
}

/// The token that the headers hold, where it is good. None where there is no token, where a public method got a bad one, and for internal
/// methods, whose callers are peers.
///
/// # Errors
/// What [`Verifier::verified`] says, and `AUTH_TOKEN_INVALID` for anything but one `Bearer` token.
pub fn authenticate(verifier: &Verifier, method: &Method, headers: &HeaderMap) -> Result<Option<Arc<Verified>>, Error> {
    match method.access {
        Access::Internal(_) | Access::Denied => Ok(None),
        Access::Public => Ok(bearer(headers).ok().flatten().and_then(|t| verifier.verified(t).ok())),
        _ => bearer(headers)?.map(|token| verifier.verified(token)).transpose(),
    }
}

/// The one bearer token of a request. The scheme's name is case-insensitive (RFC 9110, 11.1).
///
/// # Errors
/// `AUTH_TOKEN_INVALID` when there are two, or something else than a bearer token.
pub fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Error> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(malformed());
    }
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|v| v.split_once(' '))
        .ok_or_else(malformed)?;
    let token = token.trim_matches(' ');
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(malformed());
    }
    Ok(Some(token))
}

fn malformed() -> Error {
    Error::new(
        Reason::AuthTokenInvalid,
        "the authorization header must be one `Bearer` and an access token",
    )
}

/// `WWW-Authenticate` of a refusal: what a caller has to bring, and what was wrong with what it brought (RFC 6750, section 3,
/// which asks for one parameter at least; the realm is that). None for errors that no token mends.
#[must_use]
pub fn challenge(reason: Reason) -> Option<HeaderValue> {
    if reason.kind() != Kind::Unauthenticated {
        return None;
    }
    let text = match reason {
        Reason::AuthTokenInvalid => {
            r#"Bearer realm="logicore", error="invalid_token", error_description="the access token is not valid""#
        }
        Reason::AuthTokenExpired => {
            r#"Bearer realm="logicore", error="invalid_token", error_description="the access token has expired""#
        }
        Reason::AuthTokenRevoked => {
            r#"Bearer realm="logicore", error="invalid_token", error_description="the access token was revoked""#
        }
        Reason::AuthTokenStale => {
            r#"Bearer realm="logicore", error="invalid_token", error_description="the access token is stale""#
        }
        _ => r#"Bearer realm="logicore""#,
    };
    Some(HeaderValue::from_static(text))
}
