//! Which headers are metadata: those of REST (`docs/rest.md`), without what is Connect's own.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use logicore::Error;

use crate::rest::{from_metadata, to_metadata};

/// What Connect's own headers begin with.
const OWN: &str = "connect-";
/// What neither Connect's trailers nor gRPC's own are.
const RESERVED: [&str; 3] = [OWN, "grpc-", "content-"];

/// What of a request's headers goes on to the service, with what gRPC itself asks for.
///
/// # Errors
/// `MALFORMED_HEADER` for a value that metadata cannot hold.
pub(super) fn request(headers: &HeaderMap) -> Result<HeaderMap, Error> {
    let mut out = to_metadata(headers)?;
    let own: Vec<_> = out
        .keys()
        .filter(|name| name.as_str().starts_with(OWN))
        .cloned()
        .collect();
    for name in own {
        out.remove(name);
    }
    Ok(out)
}

/// Adds what of an answer's headers goes on to the caller. What is there already stays.
pub(super) fn leading(headers: &HeaderMap, to: &mut HeaderMap) {
    from_metadata(headers, to);
    // An answer is meant for one caller; the service may know better.
    to.entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

/// Adds trailers, each under a name that says that it is one.
pub(super) fn prefixed(trailers: &HeaderMap, to: &mut HeaderMap) {
    for (name, value) in trailers.iter().filter(|(name, _)| is_trailer(name)) {
        if let Ok(name) = HeaderName::try_from(format!("trailer-{name}")) {
            to.append(name, value.clone());
        }
    }
}

/// Trailers as the end of a stream tells them.
pub(super) fn listed(trailers: &HeaderMap) -> serde_json::Map<String, serde_json::Value> {
    let mut out = serde_json::Map::new();
    for name in trailers.keys().filter(|name| is_trailer(name)) {
        let values = trailers.get_all(name).iter().filter_map(|v| v.to_str().ok());
        out.insert(name.as_str().to_owned(), values.collect());
    }
    out
}

fn is_trailer(name: &HeaderName) -> bool {
    !RESERVED.iter().any(|begin| name.as_str().starts_with(begin))
}
