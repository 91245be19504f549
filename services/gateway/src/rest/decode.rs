//! A REST request as a framed gRPC request.
//!
//! Each field is bound once, by path, body or query. What binds it twice is refused: which of the two a policy looked at
//! and which one the service saw would otherwise depend on an order that nobody knows.

use bytes::Bytes;
use http::{HeaderMap, Request, Version, header, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use logicore::{Error, Reason};
use prost_reflect::DynamicMessage;
use serde_json::Value as Json;
use tonic::{Status, body::Body};

use super::{
    Match,
    binding::{Binding, BodyRule},
    frames::framed,
    headers, inflate, intake, json, mask,
    message::{self, At},
    query, scalar,
};

/// The gRPC request that a REST request means. Extensions, `authorization` and what else belongs to the call are carried
/// over; the body is read up to `limit` bytes.
///
/// # Errors
/// What is wrong with the request, by one of the reasons for bad input.
pub async fn decode(route: &Match, parts: Parts, body: Body, limit: usize) -> Result<Request<Body>, Error> {
    let body = match route.binding.body {
        BodyRule::None => refuse_body(body).await.map(|()| Bytes::new())?,
        _ => read(&parts.headers, body, limit).await?,
    };
    let message = message(route, parts.uri.query().unwrap_or_default(), &body)?;
    request(route, parts, Body::new(http_body_util::Full::from(message)))
}

/// The request message, framed.
pub(super) fn message(route: &Match, query: &str, body: &[u8]) -> Result<Bytes, Error> {
    match intake::framed(route, query, body) {
        Some(message) => Ok(message),
        None => bind(route, query, body).map(|message| framed(&message)),
    }
}

/// The gRPC request with a body that is framed already.
pub(super) fn request(route: &Match, parts: Parts, body: Body) -> Result<Request<Body>, Error> {
    let mut request = Request::new(body);
    *request.method_mut() = http::Method::POST;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = route.binding.uri.clone();
    *request.headers_mut() = headers::to_metadata(&parts.headers)?;
    *request.extensions_mut() = parts.extensions;
    Ok(request)
}

/// The request message: body first, then query, then path.
pub(super) fn bind(route: &Match, query: &str, body: &[u8]) -> Result<DynamicMessage, Error> {
    fill(route, query, body_json(&route.binding, body)?.as_ref())
}

/// The request message without what the body fills.
pub(super) fn bind_bodiless(route: &Match, query: &str) -> Result<DynamicMessage, Error> {
    fill(route, query, None)
}

fn fill(route: &Match, query: &str, json: Option<&Json>) -> Result<DynamicMessage, Error> {
    let binding = &*route.binding;
    let mut message = DynamicMessage::new(binding.method.input());
    match (&binding.body, json) {
        (BodyRule::Whole, Some(json)) => {
            refuse_bound(binding, json)?;
            message = message::message(&binding.method.input(), json, &At::Body)?;
        }
        (BodyRule::Field(field), Some(json)) => {
            if let Some(value) = message::of_field(field, json, &At::Field(&At::Body, field.name()))? {
                message.set_field(field, value);
            }
            refuse_bound(binding, json)?;
        }
        _ => {}
    }
    query::bind(binding, query, &mut message)?;
    if let Some(json) = json {
        mask::derive(binding, json, &mut message);
    }
    for (fields, text) in binding.variables.iter().zip(&route.values) {
        let last = fields.last().expect("a variable has a field");
        let value = scalar::parse(last, text).map_err(|problem| Error::field(query::dotted(fields), problem))?;
        query::set(&mut message, fields, value)?;
    }
    Ok(message)
}

fn body_json(binding: &Binding, body: &[u8]) -> Result<Option<Json>, Error> {
    match (&binding.body, body.is_empty()) {
        (BodyRule::None, _) => Ok(None),
        (_, false) => json::parse(body).map(Some),
        // Nothing is left for a body to say.
        (BodyRule::Whole, true) if binding.method.input().fields().len() <= binding.variables.len() => Ok(None),
        (_, true) => Err(Error::new(
            Reason::MissingBody,
            "this method takes a JSON body; send `{}` where there is nothing to say",
        )),
    }
}

/// Refuses a body that sets what the path binds.
fn refuse_bound(binding: &Binding, body: &Json) -> Result<(), Error> {
    for fields in &binding.variables {
        let inside = match &binding.body {
            BodyRule::Field(f) if fields[0] != *f => continue,
            BodyRule::Field(_) => &fields[1..],
            _ => &fields[..],
        };
        let mut at = Some(body);
        for field in inside {
            at = at.and_then(|json| json.get(field.json_name()).or_else(|| json.get(field.name())));
        }
        if at.is_some_and(|json| !json.is_null()) {
            return Err(Error::field(query::dotted(fields), "is bound by the path already"));
        }
    }
    Ok(())
}

async fn refuse_body(mut body: Body) -> Result<(), Error> {
    while let Some(frame) = body.frame().await {
        if frame.map_err(broken)?.data_ref().is_some_and(|data| !data.is_empty()) {
            return Err(Error::new(Reason::UnexpectedBody, "this method takes no body"));
        }
    }
    Ok(())
}

/// Reads the body, counting, so that a length that was not announced ends here too.
async fn read(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Error> {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    if announced != Some(0) && !http_body::Body::is_end_stream(&body) {
        content_type(headers)?;
    }
    collect(inflate::inflated(headers, body)?, limit).await
}

/// Collects a body up to a limit, which counts what it is decompressed.
pub(super) async fn collect(body: Body, limit: usize) -> Result<Bytes, Error> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(e) if e.is::<LengthLimitError>() => Err(too_large(limit)),
        Err(e) => match e.downcast::<Status>() {
            Ok(status) => Err(broken(*status)),
            Err(e) => Err(Error::new(Reason::CallerGone, BROKEN).because(e)),
        },
    }
}

/// JSON in UTF-8 only: a form or plain text is what other origins can send without asking.
fn content_type(headers: &HeaderMap) -> Result<(), Error> {
    let fail = |why: String| Err(Error::new(Reason::UnsupportedMediaType, why));
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return fail("send `content-type: application/json`".to_owned());
    };
    let text = value.to_str().unwrap_or_default();
    let mut parts = text.split(';').map(str::trim);
    let json = parts.next().is_some_and(|t| t.eq_ignore_ascii_case("application/json"));
    let utf8 = parts.filter(|p| !p.is_empty()).all(|p| {
        p.split_once('=').is_some_and(|(name, charset)| {
            name.eq_ignore_ascii_case("charset") && charset.trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
    });
    match json && utf8 {
        true => Ok(()),
        false => fail(format!(
            "content-type {value:?} is not read here: send `application/json` in UTF-8"
        )),
    }
}

pub(super) fn too_large(limit: usize) -> Error {
    Error::new(
        Reason::MessageTooLarge,
        format!("the body is larger than {limit} bytes"),
    )
    .with("limit", limit.to_string())
}

/// What is said of a body that ended too soon.
const BROKEN: &str = "the body broke off";

/// Why a body ended: by what was found wrong with it, or because the caller went away.
pub(super) fn broken(status: Status) -> Error {
    let found = std::error::Error::source(&status).and_then(|e| e.downcast_ref::<Error>());
    match found.map(|error| (error.reason(), error.message().to_owned())) {
        Some((reason, message)) => Error::new(reason, message).because(status),
        None => Error::new(Reason::CallerGone, BROKEN).because(status),
    }
}
