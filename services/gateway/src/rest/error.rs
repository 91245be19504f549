//! Errors as REST shows them: `google.rpc.Status` in JSON, with the HTTP status of the one error table.
//!
//! Details of known types are shown as their JSON; `DebugInfo` is left out, since it is for those who run the service.

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use logicore::{
    Error, Reason,
    error::{Row, code_name},
    layer::authenticate::challenge,
};
use prost::Message;
use serde::Serialize;
use serde_json::{Value, json};
use tonic::{Status, body::Body};
use tonic_types::{StatusExt, pb};

use super::headers::from_trailers;

/// Metadata of `METHOD_NOT_ALLOWED` that becomes the `Allow` header.
pub(super) const ALLOW: &str = "allow";

/// The REST form of an error: an [`logicore::Error`] or a [`Status`].
#[must_use]
pub fn http_error(error: impl Into<Status>) -> Response<Body> {
    let status = error.into();
    let reason = Error::reason_of(&status);
    let body = Body::new(http_body_util::Full::from(error_json(&status)));
    let mut answer = Response::new(body);
    *answer.status_mut() = reason.map_or_else(|| Row::of(status.code()).http, |r| r.kind().row().http);
    let code = answer.status();
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A service that is not ours may answer UNAUTHENTICATED without a reason of ours.
    if code == StatusCode::UNAUTHORIZED
        && let Some(challenge) = challenge(reason.unwrap_or(Reason::AuthTokenMissing))
    {
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    if let Some(delay) = status.get_details_retry_info().and_then(|r| r.retry_delay) {
        let seconds = delay.as_millis().div_ceil(1000).max(1);
        insert(headers, header::RETRY_AFTER, &seconds.to_string());
    }
    if code == StatusCode::METHOD_NOT_ALLOWED
        && let Some(info) = status.get_details_error_info()
        && let Some(allow) = info.metadata.get(ALLOW)
    {
        insert(headers, header::ALLOW, allow);
    }
    from_trailers(status.metadata().as_ref(), headers);
    answer
}

/// The `google.rpc.Status` of an error as JSON, in the order in which people read. `status` names the code, as Google's own APIs
/// do.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    code: i32,
    status: &'static str,
    message: &'a str,
    details: Vec<Value>,
}

/// The text of an error.
pub(crate) fn error_json(status: &Status) -> String {
    let details = pb::Status::decode(status.details())
        .map(|s| s.details)
        .unwrap_or_default();
    let details: Vec<Value> = details
        .iter()
        .filter_map(|any| detail(&any.type_url, &any.value))
        .collect();
    let shown = Shown {
        code: status.code() as i32,
        status: code_name(status.code()),
        message: status.message(),
        details,
    };
    // Cannot fail: there is no map with keys that are no text.
    serde_json::to_string(&shown).unwrap_or_default()
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// One detail with its `@type`; an unknown one as base64, as a hint that there is more.
fn detail(url: &str, bytes: &[u8]) -> Option<Value> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let mut value = match url.rsplit('/').next().unwrap_or_default() {
        "google.rpc.DebugInfo" => return None,
        name => known(name, bytes).unwrap_or_else(|| json!({"value": STANDARD.encode(bytes)})),
    };
    value["@type"] = url.into();
    Some(value)
}

/// The JSON of a detail of a type that everybody knows.
pub(crate) fn known(name: &str, bytes: &[u8]) -> Option<Value> {
    Some(match name {
        "google.rpc.ErrorInfo" => {
            let info = pb::ErrorInfo::decode(bytes).ok()?;
            let metadata: std::collections::BTreeMap<_, _> = info.metadata.into_iter().collect();
            json!({"reason": info.reason, "domain": info.domain, "metadata": metadata})
        }
        "google.rpc.RetryInfo" => {
            let delay = pb::RetryInfo::decode(bytes).ok()?.retry_delay.unwrap_or_default();
            json!({"retryDelay": delay.to_string()})
        }
        "google.rpc.RequestInfo" => {
            let info = pb::RequestInfo::decode(bytes).ok()?;
            json!({"requestId": info.request_id, "servingData": info.serving_data})
        }
        "google.rpc.ResourceInfo" => {
            let info = pb::ResourceInfo::decode(bytes).ok()?;
            json!({
                "resourceType": info.resource_type, "resourceName": info.resource_name,
                "owner": info.owner, "description": info.description,
            })
        }
        "google.rpc.Help" => {
            let help = pb::Help::decode(bytes).ok()?;
            json!({"links": each(&help.links, |l| json!({"description": l.description, "url": l.url}))})
        }
        "google.rpc.LocalizedMessage" => {
            let message = pb::LocalizedMessage::decode(bytes).ok()?;
            json!({"locale": message.locale, "message": message.message})
        }
        _ => return violations(name, bytes),
    })
}

/// The same for those that list what is wrong.
fn violations(name: &str, bytes: &[u8]) -> Option<Value> {
    Some(match name {
        "google.rpc.BadRequest" => {
            let bad = pb::BadRequest::decode(bytes).ok()?;
            let violations = each(
                &bad.field_violations,
                |v| json!({"field": v.field, "description": v.description}),
            );
            json!({"fieldViolations": violations})
        }
        "google.rpc.QuotaFailure" => {
            let failure = pb::QuotaFailure::decode(bytes).ok()?;
            let violations = each(
                &failure.violations,
                |v| json!({"subject": v.subject, "description": v.description}),
            );
            json!({"violations": violations})
        }
        "google.rpc.PreconditionFailure" => {
            let failure = pb::PreconditionFailure::decode(bytes).ok()?;
            let violations = each(
                &failure.violations,
                |v| json!({"type": v.r#type, "subject": v.subject, "description": v.description}),
            );
            json!({"violations": violations})
        }
        _ => return None,
    })
}

fn each<T>(items: &[T], shown: impl Fn(&T) -> Value) -> Value {
    items.iter().map(shown).collect()
}
