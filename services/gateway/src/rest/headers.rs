//! The one rule which HTTP headers become metadata, and which metadata become headers; `docs/rest.md` tells it to callers.
//!
//! Both ways everything passes under its own name, but for what belongs to HTTP itself: there a name of the one side would
//! change how the other reads the message, or what a browser does with it.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use logicore::{
    Error, Reason,
    layer::{origin, request_id},
};

/// Headers of a request that end here: of the connection (RFC 9110, 7.6.1), of HTTP's form of the request, of browsers, and
/// what proxies tell each other, which the gateway reads by itself.
const STAY: &[&str] = &[
    "connection",
    "cache-control",
    "cookie",
    "date",
    "dnt",
    "early-data",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "last-event-id",
    "max-forwards",
    "origin",
    "pragma",
    "priority",
    "range",
    "referer",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "upgrade-insecure-requests",
    "via",
    "x-real-ip",
];

/// Beginnings of such names.
const STAY_FAMILIES: &[&str] = &[
    "accept",
    "access-control-",
    "content-",
    "grpc-",
    "if-",
    "proxy-",
    "sec-",
    "x-forwarded-",
    "x-http-method-override",
];

/// Metadata of an answer that become no header: of the connection and of the framing, of gRPC itself, what servers in front take for an
/// order, and what would let a service act for the whole origin. `location` is none of them: no answer here has a status that sends
/// anybody there.
const HELD: &[&str] = &[
    "alt-svc",
    "authentication-info",
    "clear-site-data",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-security-policy",
    "content-security-policy-report-only",
    "content-type",
    "date",
    "keep-alive",
    "nel",
    "origin-agent-cluster",
    "permissions-policy",
    "referrer-policy",
    "refresh",
    "report-to",
    "reporting-endpoints",
    "server",
    "service-worker-allowed",
    "set-cookie",
    "strict-transport-security",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
    "x-content-type-options",
    "x-frame-options",
    "x-lighttpd-send-file",
    "x-sendfile",
];

/// Beginnings of such names.
const HELD_FAMILIES: &[&str] = &[
    "access-control-",
    "cross-origin-",
    "grpc-",
    "proxy-",
    "x-accel-",
    "x-logicore-",
];

/// What the gateway alone says of an answer. In a head it is its own word, since a service's was taken off by
/// [`disown`]; trailers are the service's.
const OWN: [HeaderName; 2] = [header::WWW_AUTHENTICATE, request_id::HEADER];

/// Internal metadata that callers may know: the answer is an older one.
const STALE: &str = "x-logicore-stale";

/// Values of binary metadata, padded or not, as gRPC asks of whoever reads them.
const BINARY: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The metadata of a request, with what gRPC itself asks for. What is internal was dropped from outside and set anew before
/// it comes here.
///
/// # Errors
/// `MALFORMED_HEADER` for a value that metadata cannot hold: text that is not printable ASCII, and a `-bin` that is no base64.
pub(crate) fn to_metadata(from: &HeaderMap) -> Result<HeaderMap, Error> {
    let mut out = HeaderMap::with_capacity(from.keys_len() + 2);
    for (name, value) in from {
        if stays(name) {
            continue;
        }
        check(name, value)?;
        out.append(name.clone(), value.clone());
    }
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    out.insert(header::TE, HeaderValue::from_static("trailers"));
    Ok(out)
}

/// Copies the metadata of an answer's head to its headers. What is there already stays.
pub(crate) fn from_metadata(from: &HeaderMap, to: &mut HeaderMap) {
    copy(from, to, |_| true);
}

/// Copies the metadata that end an answer, as [`from_metadata`] does.
pub(super) fn from_trailers(from: &HeaderMap, to: &mut HeaderMap) {
    copy(from, to, |name| !OWN.contains(name));
}

fn copy(from: &HeaderMap, to: &mut HeaderMap, passes: impl Fn(&HeaderName) -> bool) {
    for name in from.keys().filter(|name| passes(name)) {
        if held(name.as_str()) || to.contains_key(name) {
            continue;
        }
        for value in from.get_all(name) {
            to.append(name.clone(), value.clone());
        }
    }
}

/// Takes off the head of a service's answer what the gateway alone says.
pub(crate) fn disown(headers: &mut HeaderMap) {
    for name in OWN {
        headers.remove(name);
    }
}

/// Takes off an answer of gRPC what a browser would take for the origin's word; gRPC's own stays.
pub(crate) fn take_off(headers: &mut HeaderMap) {
    let theirs = |name: &&HeaderName| held(name.as_str()) && !name.as_str().starts_with("grpc-");
    while let Some(name) = headers.keys().find(theirs).cloned() {
        headers.remove(name);
    }
}

/// In any spelling that a service may read alike.
fn stays(name: &HeaderName) -> bool {
    let plain = origin::plain(name);
    let family = STAY_FAMILIES.iter().any(|family| plain.starts_with(family));
    STAY.contains(&&*plain) || (family && name != "grpc-timeout")
}

fn held(name: &str) -> bool {
    let family = HELD_FAMILIES.iter().any(|family| name.starts_with(family));
    HELD.contains(&name) || (family && !name.starts_with(STALE))
}

fn check(name: &HeaderName, value: &HeaderValue) -> Result<(), Error> {
    let wrong = |why: &str| {
        let name = super::value::clip(name.as_str()).into_owned();
        Err(Error::new(Reason::MalformedHeader, format!("{name}: {why}")).with("header", name))
    };
    if name.as_str().ends_with("-bin") {
        // Several values may stand in one header (gRPC over HTTP/2).
        let mut values = value.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii);
        return match values.all(|value| BINARY.decode(value).is_ok()) {
            true => Ok(()),
            false => wrong("must be base64"),
        };
    }
    match value.as_bytes().iter().all(|b| (b' '..=b'~').contains(b)) {
        true => Ok(()),
        false => wrong("must be printable ASCII"),
    }
}

#[cfg(test)]
mod tests {
    use logicore::error::Row;
    use tonic::Code;

    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            let name: HeaderName = name.parse().unwrap();
            (name, HeaderValue::from_bytes(value.as_bytes()).unwrap())
        };
        let mut map = HeaderMap::new();
        for (name, value) in pairs.iter().map(pair) {
            map.append(name, value);
        }
        map
    }

    fn names(map: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = map.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_belongs_to_the_call_becomes_metadata() {
        let passing = headers(&[
            ("authorization", "Bearer x"),
            ("grpc-timeout", "1S"),
            ("idempotency-key", "k"),
            ("traceparent", "t"),
            ("user-agent", "curl"),
            ("x-request-id", "r"),
            ("x-logicore-subject", "set by the gateway"),
            ("x-anything", "one"),
            ("x-anything", "two"),
            ("my_cookie", "mine"),
            ("x.te", "mine"),
            ("trace-bin", "AAEC"),
            ("padded-bin", "AAE=, AA"),
        ]);
        let metadata = to_metadata(&passing).unwrap();
        for name in passing.keys() {
            let (sent, came) = (passing.get_all(name), metadata.get_all(name));
            assert!(sent.iter().eq(came.iter()), "{name}");
        }
        assert_eq!(metadata["content-type"], "application/grpc");
        assert_eq!(metadata["te"], "trailers");
        assert_eq!(metadata.keys_len(), passing.keys_len() + 2);
    }

    #[test]
    fn what_belongs_to_http_does_not() {
        let mut staying = headers(&[("connection", "keep-alive")]);
        for name in STAY {
            staying.append(*name, HeaderValue::from_static("x"));
        }
        for name in [
            "accept",
            "accept-encoding",
            "access-control-request-method",
            "content-type",
            "content-length",
            "grpc-encoding",
            "grpc-status",
            "if-match",
            "proxy-authorization",
            "sec-fetch-site",
            "x-forwarded-for",
            "x-http-method-override",
        ] {
            staying.append(name, HeaderValue::from_static("x"));
        }
        let names_of: Vec<_> = staying.keys().map(|name| name.as_str().to_owned()).collect();
        for mark in ["_", "."] {
            for name in names_of.iter().map(|name| name.replace('-', mark)) {
                staying.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_static("x"));
            }
        }
        staying.append("grpc_timeout", HeaderValue::from_static("1S"));
        assert_eq!(names(&to_metadata(&staying).unwrap()), ["content-type", "te"]);
    }

    #[test]
    fn values_that_metadata_cannot_hold_are_refused_by_name() {
        for (name, value) in [
            ("x-name", "caf\u{e9}"),
            ("x-name", "a\tb"),
            ("x-bin", "a"),
            ("x-bin", "not base64"),
            ("x-bin", "AA,-"),
        ] {
            let error = to_metadata(&headers(&[(name, value)])).unwrap_err();
            assert_eq!(error.reason(), Reason::MalformedHeader, "{value}");
            assert!(error.message().starts_with(name), "{error}");
        }
        let stays = headers(&[("cookie", "caf\u{e9}")]);
        assert!(to_metadata(&stays).is_ok(), "what stays is nobody's concern");
    }

    #[test]
    fn metadata_become_headers_but_for_what_http_or_the_origin_means_by_them() {
        let mut metadata = headers(&[
            ("retry-after", "1"),
            ("x-own", "a"),
            ("x-own", "b"),
            ("etag", "e"),
            ("location", "/v1/things/7"),
            ("content-disposition", "attachment"),
            ("stats-bin", "AAEC"),
            ("ratelimit", "r"),
            ("x-logicore-stale", "1"),
            ("x-taken", "of the service"),
        ]);
        let passing: Vec<_> = names(&metadata).into_iter().map(str::to_owned).collect();
        for name in HELD {
            metadata.append(*name, HeaderValue::from_static("x"));
        }
        for name in [
            "grpc-status",
            "grpc-status-details-bin",
            "access-control-allow-origin",
            "x-accel-redirect",
            "x-logicore-peer",
        ] {
            metadata.append(name, HeaderValue::from_static("x"));
        }
        let mut out = headers(&[("x-taken", "ours")]);
        from_metadata(&metadata, &mut out);
        assert_eq!(names(&out), passing);
        assert_eq!(out.get_all("x-own").iter().count(), 2);
        assert_eq!(out["x-taken"], "ours");
    }

    #[test]
    fn a_service_does_not_speak_for_the_gateway() {
        let said = headers(&[("www-authenticate", "Basic"), ("x-request-id", "r"), ("x-own", "a")]);
        let mut out = HeaderMap::new();
        from_trailers(&said, &mut out);
        assert_eq!(names(&out), ["x-own"]);
        let mut head = said;
        disown(&mut head);
        assert_eq!(names(&head), ["x-own"]);
    }

    #[test]
    fn no_status_sends_a_browser_to_a_location() {
        for code in 0..=16 {
            let status = Row::of(Code::from(code)).http;
            assert!(!status.is_redirection(), "{code}: {status}");
        }
        for reason in Reason::ALL {
            let status = reason.kind().row().http;
            assert!(!status.is_redirection(), "{}: {status}", reason.as_str());
        }
    }
}
