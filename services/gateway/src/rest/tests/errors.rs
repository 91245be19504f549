//! Errors as callers of REST see them.

use std::time::Duration;

use futures_util::{FutureExt, stream};
use http::{Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use logicore::{Error, Reason, layer::body::trailers};
use logicore_harness::framed;
use prost::Message;
use serde_json::{Value, json};
use tonic::{Code, Status, body::Body, metadata::MetadataMap};
use tonic_types::{ErrorDetails, StatusExt, pb};

use super::route;
use crate::rest::{NoMatch, encode, http_error, options};

fn read(answer: Response<Body>) -> (StatusCode, http::HeaderMap, Value) {
    let (parts, body) = answer.into_parts();
    let bytes = body.collect().now_or_never().unwrap().unwrap().to_bytes();
    let json = serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("{e}: {bytes:?}"));
    (parts.status, parts.headers, json)
}

/// The same error by both ways: made here, and as an answer's head.
fn both(error: impl Fn() -> Status) -> (StatusCode, http::HeaderMap, Value) {
    let here = read(http_error(error()));
    let answer = error().into_http::<Body>();
    let there = read(encode(&route("GET /search"), answer).now_or_never().unwrap());
    assert_eq!((here.0, &here.2), (there.0, &there.2));
    assert_eq!(here.1, there.1);
    here
}

/// The detail of a type.
fn find<'j>(json: &'j Value, name: &str) -> &'j Value {
    let url = format!("type.googleapis.com/google.rpc.{name}");
    let mut details = json["details"].as_array().unwrap().iter();
    details
        .find(|d| d["@type"] == url)
        .unwrap_or_else(|| panic!("{name}: {json}"))
}

#[test]
fn each_reason_has_its_status_and_says_its_name() {
    for reason in Reason::ALL {
        let (status, headers, json) = both(|| Error::new(*reason, "a sentence").into());
        let row = reason.kind().row();
        assert_eq!(status, row.http, "{}", reason.as_str());
        assert_eq!(json["code"], row.code as i32);
        assert_eq!(json["status"], logicore::error::code_name(row.code));
        assert_eq!(json["message"], "a sentence");
        let info = json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": reason.as_str(), "domain": "logicore", "metadata": {},
        });
        assert_eq!(json["details"], json!([info]));
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(
            headers.contains_key("www-authenticate"),
            status == 401,
            "{}",
            reason.as_str()
        );
        assert!(!headers.contains_key("allow") && !headers.contains_key("retry-after"));
    }
}

#[test]
fn codes_without_a_reason_of_ours_have_the_status_of_the_table() {
    for (code, http) in [
        (Code::Cancelled, 408),
        (Code::Unknown, 500),
        (Code::InvalidArgument, 400),
        (Code::DeadlineExceeded, 504),
        (Code::NotFound, 404),
        (Code::AlreadyExists, 409),
        (Code::PermissionDenied, 403),
        (Code::ResourceExhausted, 429),
        (Code::FailedPrecondition, 400),
        (Code::Aborted, 409),
        (Code::OutOfRange, 400),
        (Code::Unimplemented, 404),
        (Code::Internal, 500),
        (Code::Unavailable, 503),
        (Code::DataLoss, 500),
        (Code::Unauthenticated, 401),
    ] {
        let (status, headers, json) = both(|| Status::new(code, "why"));
        assert_eq!(status, http, "{code:?}");
        assert_eq!((&json["code"], &json["details"]), (&json!(code as i32), &json!([])));
        assert_eq!(headers.contains_key("www-authenticate"), code == Code::Unauthenticated);
    }
}

#[test]
fn a_401_says_how_to_get_in_and_what_was_wrong() {
    let header = |status: Status| {
        both(|| status.clone()).1["www-authenticate"]
            .to_str()
            .unwrap()
            .to_owned()
    };
    let of = |reason| header(Error::new(reason, "x").into());
    assert_eq!(of(Reason::AuthTokenMissing), r#"Bearer realm="logicore""#);
    assert_eq!(of(Reason::AuthInvalidCredentials), r#"Bearer realm="logicore""#);
    assert_eq!(header(Status::unauthenticated("x")), r#"Bearer realm="logicore""#);
    for reason in [
        Reason::AuthTokenInvalid,
        Reason::AuthTokenExpired,
        Reason::AuthTokenRevoked,
        Reason::AuthTokenStale,
    ] {
        let value = of(reason);
        assert!(
            value.starts_with(r#"Bearer realm="logicore", error="invalid_token", error_description=""#),
            "{value}"
        );
    }
}

#[test]
fn a_405_tells_what_the_path_takes() {
    let no = NoMatch::MethodNotAllowed {
        allow: "GET, HEAD, OPTIONS".to_owned(),
    };
    let (status, headers, json) = read(http_error(Error::from(no)));
    assert_eq!(status, 405);
    assert_eq!(headers["allow"], "GET, HEAD, OPTIONS");
    assert_eq!(json["message"], "the path takes GET, HEAD, OPTIONS");
    // A service that is not ours may use the same word for something else.
    let other = || Status::from(Error::new(Reason::StateForbids, "x").with("allow", "nobody"));
    assert!(!both(other).1.contains_key("allow"));
    let (status, _, json) = read(http_error(Error::from(NoMatch::NotFound)));
    assert_eq!(
        (status.as_u16(), &json["details"][0]["reason"]),
        (404, &json!("ROUTE_NOT_FOUND"))
    );
    let answer = options("GET, OPTIONS");
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["allow"]),
        (204, &"GET, OPTIONS".parse().unwrap())
    );
}

#[test]
fn retry_info_is_told_in_whole_seconds() {
    for (delay, seconds) in [
        (Duration::ZERO, "1"),
        (Duration::from_millis(1), "1"),
        (Duration::from_secs(1), "1"),
        (Duration::from_millis(1001), "2"),
        (Duration::from_secs(90), "90"),
    ] {
        let error = || Status::from(Error::new(Reason::RateLimited, "slow down").retry_after(delay));
        let (status, headers, json) = both(error);
        assert_eq!(
            (status.as_u16(), &headers["retry-after"]),
            (429, &seconds.parse().unwrap())
        );
        assert!(find(&json, "RetryInfo")["retryDelay"].is_string(), "{json}");
    }
    let error = || Status::from(Error::new(Reason::Overloaded, "x").retry_after(Duration::from_millis(1500)));
    assert_eq!(find(&both(error).2, "RetryInfo")["retryDelay"], "1.500s");
}

#[test]
fn a_wrong_field_is_a_violation() {
    let (_, _, json) = both(|| Error::field("user.email", "is none").and_field("id", "is too").into());
    assert_eq!(
        find(&json, "BadRequest")["fieldViolations"],
        json!([{"field": "user.email", "description": "is none"}, {"field": "id", "description": "is too"}])
    );
}

#[test]
fn details_are_shown_and_those_for_debugging_are_not() {
    let mut details = ErrorDetails::new();
    details
        .set_debug_info(vec!["at secret.rs:7".to_owned()], "secret")
        .set_request_info("r-1", "")
        .set_resource_info("user", "users/1", "o", "d")
        .add_quota_failure_violation("s", "d")
        .add_precondition_failure_violation("TOS", "s", "d")
        .add_help_link("docs", "https://example.com")
        .set_localized_message("de", "Nein");
    let status = Status::with_error_details(Code::FailedPrecondition, "no", details);
    let (_, _, json) = both(|| status.clone());
    assert!(!json.to_string().contains("secret"), "{json}");
    let shown = json["details"].as_array().unwrap();
    let find = |name| find(&json, name);
    assert_eq!(find("RequestInfo")["requestId"], "r-1");
    assert_eq!(find("ResourceInfo")["resourceName"], "users/1");
    assert_eq!(
        find("QuotaFailure")["violations"],
        json!([{"subject": "s", "description": "d"}])
    );
    assert_eq!(
        find("PreconditionFailure")["violations"],
        json!([{"type": "TOS", "subject": "s", "description": "d"}])
    );
    assert_eq!(
        find("Help")["links"],
        json!([{"description": "docs", "url": "https://example.com"}])
    );
    assert_eq!(find("LocalizedMessage")["message"], "Nein");
    assert_eq!(shown.len(), 6);
}

fn with_details(details: &[(&str, &[u8])]) -> Status {
    let any = |(url, value): &(&str, &[u8])| prost_types::Any {
        type_url: (*url).to_owned(),
        value: value.to_vec(),
    };
    let status = pb::Status {
        code: 9,
        message: "no".to_owned(),
        details: details.iter().map(any).collect(),
    };
    Status::with_details(Code::FailedPrecondition, "no", status.encode_to_vec().into())
}

#[test]
fn unknown_and_broken_details_do_no_harm() {
    let (_, _, json) = both(|| {
        with_details(&[
            ("example.com/x.Y", b"\x01\x02"),
            ("", b""),
            ("a/b/google.rpc.DebugInfo", b"x"),
        ])
    });
    assert_eq!(
        json["details"],
        json!([{"@type": "example.com/x.Y", "value": "AQI="}, {"@type": "", "value": ""}])
    );
    // Not what its name says: shown as bytes, like an unknown one.
    let (_, _, json) = both(|| with_details(&[("type.googleapis.com/google.rpc.Help", b"\xff")]));
    assert_eq!(json["details"][0]["value"], "/w==");
    let torn = Status::with_details(Code::NotFound, "no", bytes::Bytes::from_static(b"\xff\xff"));
    assert_eq!(both(|| torn.clone()).2["details"], json!([]));
}

#[test]
fn what_limits_and_tracing_say_becomes_headers() {
    let mut metadata = MetadataMap::new();
    for (name, value) in [
        ("ratelimit-policy", "a"),
        ("x-ratelimit-reset", "1"),
        ("x-logicore-stale", "true"),
        ("traceresponse", "t"),
        ("warning", "110"),
        ("set-cookie", "secret"),
        ("server", "secret"),
        ("grpc-retry-pushback-ms", "5"),
        ("x-logicore-principal", "secret"),
    ] {
        metadata.append(name, value.parse().unwrap());
    }
    metadata.append("ratelimit-policy", "b".parse().unwrap());
    let status = Status::with_metadata(Code::ResourceExhausted, "x", metadata);
    let (_, headers, _) = both(|| status.clone());
    let mut names: Vec<_> = headers.keys().map(|n| n.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "cache-control",
            "content-type",
            "ratelimit-policy",
            "traceresponse",
            "warning",
            "x-logicore-stale",
            "x-ratelimit-reset"
        ]
    );
    let policies: Vec<_> = headers.get_all("ratelimit-policy").iter().collect();
    assert_eq!(policies, ["a", "b"]);
}

/// A head has the gateway's word where there is one, and trailers are the service's.
#[test]
fn what_the_gateway_alone_says_is_not_taken_from_trailers() {
    for (status, code) in [
        (Status::ok(""), 200),
        (Status::permission_denied("x"), 403),
        (Status::unauthenticated("x"), 401),
    ] {
        let mut trailers = trailers(&status);
        for name in ["x-request-id", "www-authenticate", "x-own"] {
            trailers.insert(name, "theirs".parse().unwrap());
        }
        let frames = [Ok::<_, Status>(Frame::data(framed(b""))), Ok(Frame::trailers(trailers))];
        let mut answer = Response::new(Body::new(StreamBody::new(stream::iter(frames))));
        answer.headers_mut().insert("x-request-id", "ours".parse().unwrap());
        let (shown, headers, _) = read(encode(&route("GET /search"), answer).now_or_never().unwrap());
        assert_eq!(shown, code);
        assert_eq!(
            (&headers["x-request-id"], &headers["x-own"]),
            (&"ours".parse().unwrap(), &"theirs".parse().unwrap())
        );
        let challenge = headers.get("www-authenticate").map(|v| v.to_str().unwrap());
        assert_eq!(challenge, (code == 401).then_some(r#"Bearer realm="logicore""#));
    }
}
