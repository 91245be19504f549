//! Errors as Connect shows them: code, message and details in JSON, as the body of a unary answer or in the end of a stream.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use logicore::{
    Error, Reason,
    error::{Kind, connect_code},
    layer::authenticate::challenge,
};
use prost::Message as _;
use serde_json::{Map, Value, json};
use tonic::{Code, Status, body::Body};
use tonic_types::{StatusExt, pb};

use super::{form::Form, messages::enveloped, metadata};
use crate::rest::known_detail;

/// Marks the last envelope of a stream.
const END: u8 = 2;

/// The error of an answer that has no status.
pub(super) fn no_status() -> Error {
    Error::new(Reason::UpstreamMalformed, "the answer ends without a status")
}

/// The error of a GET for what is no question.
pub(super) fn method_not_allowed() -> Error {
    Error::new(
        Reason::MethodNotAllowed,
        "only unary methods without side effects are called by GET",
    )
}

/// The whole answer of a call that failed before it gave anything, or of a stream that gives nothing.
pub(super) fn answer(form: Form, status: &Status) -> Response<Body> {
    match form.stream {
        true => {
            let mut out = Response::new(Body::new(Full::from(end(status))));
            out.headers_mut().insert(header::CONTENT_TYPE, form.content_type());
            out
        }
        false => unary(status),
    }
}

fn unary(status: &Status) -> Response<Body> {
    let json = shown(status).to_string();
    let mut out = Response::new(Body::new(Full::from(json)));
    *out.status_mut() = http_status(status);
    let headers = out.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if status.code() == Code::Unauthenticated
        && let Some(challenge) = challenge(Error::reason_of(status).unwrap_or(Reason::AuthTokenMissing))
    {
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    if let Some(delay) = status.get_details_retry_info().and_then(|r| r.retry_delay) {
        let seconds = delay.as_millis().div_ceil(1000).max(1);
        if let Ok(seconds) = u64::try_from(seconds) {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
    }
    if out.status() == StatusCode::METHOD_NOT_ALLOWED {
        out.headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    metadata::prefixed(status.metadata().as_ref(), out.headers_mut());
    out
}

/// The status of the code, but where the protocol asks for another.
fn http_status(status: &Status) -> StatusCode {
    let kind = Error::reason_of(status).map(Reason::kind);
    match kind {
        Some(kind @ (Kind::UnsupportedMediaType | Kind::MethodNotAllowed | Kind::MisdirectedRequest)) => {
            kind.row().http
        }
        _ => connect_code(status.code()).1,
    }
}

/// The last envelope of a stream.
pub(super) fn end(status: &Status) -> Bytes {
    let mut end = Map::new();
    if status.code() != Code::Ok {
        end.insert("error".to_owned(), shown(status));
    }
    let trailers = metadata::listed(status.metadata().as_ref());
    if !trailers.is_empty() {
        end.insert("metadata".to_owned(), trailers.into());
    }
    enveloped(END, Value::Object(end).to_string().as_bytes())
}

fn shown(status: &Status) -> Value {
    let mut error = json!({"code": connect_code(status.code()).0});
    if !status.message().is_empty() {
        error["message"] = status.message().into();
    }
    let details = pb::Status::decode(status.details()).map(|s| s.details);
    let details: Vec<_> = details.iter().flatten().filter_map(detail).collect();
    if !details.is_empty() {
        error["details"] = details.into();
    }
    error
}

/// One detail, and its JSON where it is of a type that everybody knows. `DebugInfo` is for those who run the service.
fn detail(any: &prost_types::Any) -> Option<Value> {
    let name = any.type_url.rsplit('/').next().unwrap_or_default();
    if name == "google.rpc.DebugInfo" {
        return None;
    }
    let mut detail = json!({"type": name, "value": STANDARD_NO_PAD.encode(&any.value)});
    if let Some(debug) = known_detail(name, &any.value) {
        detail["debug"] = debug;
    }
    Some(detail)
}
