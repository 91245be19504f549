//! What other people's services are told of a caller: who it is, and not by what it proved that.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, Request, header};
use logicore::access::Principal;
use tonic::body::Body;

/// Id of the account.
const SUBJECT: HeaderName = HeaderName::from_static("x-logicore-subject");
/// Its tenant.
const TENANT: HeaderName = HeaderName::from_static("x-logicore-tenant");
/// Its roles, comma-separated.
const ROLES: HeaderName = HeaderName::from_static("x-logicore-roles");

/// What proves a caller to others than the service.
const TAKEN_OFF: [HeaderName; 2] = [header::AUTHORIZATION, header::COOKIE];

/// Takes the caller's token off, and its cookies, and says who calls. Nothing of it can come from outside: the first hop took off what did.
pub(super) fn tell(request: &mut Request<Body>) {
    let principal = request.extensions().get::<Arc<Principal>>().cloned();
    let headers = request.headers_mut();
    for name in TAKEN_OFF {
        headers.remove(name);
    }
    let Some(principal) = principal else { return };
    let roles = principal.roles.iter().map(|r| r.as_str()).collect::<Vec<_>>().join(",");
    let told = [
        (SUBJECT, principal.subject.to_string()),
        (TENANT, principal.tenant.as_str().to_owned()),
        (ROLES, roles),
    ];
    for (name, value) in told {
        let value = HeaderValue::try_from(value).expect("ids and names are header text");
        headers.insert(name, value);
    }
}
