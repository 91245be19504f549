//! Where a request came from: [`Origin`] in the extensions, found at the first hop and believed behind it.

use std::{borrow::Cow, net::IpAddr, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use tonic::body::Body;

use super::{
    gate::{Gate, GateLayer},
    request_id::RequestId,
};
use crate::{access::Origin, error::Error, server::PeerAddr};

/// Address of the caller, between proven peers.
pub const CLIENT_ADDRESS: HeaderName = HeaderName::from_static("x-logicore-client-address");
/// `User-Agent` of the caller, between proven peers.
pub const CLIENT_AGENT: HeaderName = HeaderName::from_static("x-logicore-client-agent");
/// What all internal metadata begins with.
const INTERNAL: &str = "x-logicore-";
const LONGEST_AGENT: usize = 256;

/// At the first hop: takes off all internal metadata that a caller sent, and sets it from the connection.
#[must_use]
pub fn first_hop() -> GateLayer<FirstHop> {
    GateLayer(FirstHop)
}

/// Behind the mesh: believes what the proven peer says.
#[must_use]
pub fn behind_mesh() -> GateLayer<BehindMesh> {
    GateLayer(BehindMesh)
}

/// The gate of the first hop.
#[derive(Clone, Copy, Debug)]
pub struct FirstHop;

/// The gate behind the mesh.
#[derive(Clone, Copy, Debug)]
pub struct BehindMesh;

impl Gate for FirstHop {
    fn admit(&self, request: &mut Request<Body>) -> Result<(), Error> {
        strip(request.headers_mut());
        let address = request.extensions().get::<PeerAddr>().map(|a| a.0.ip().to_canonical());
        let user_agent = request.headers().get(header::USER_AGENT).and_then(agent);
        let headers = request.headers_mut();
        if let Some(address) = address {
            let value = HeaderValue::try_from(address.to_string()).expect("an address is header text");
            headers.insert(CLIENT_ADDRESS, value);
        }
        if let Some(value) = user_agent.as_ref().and_then(|a| HeaderValue::try_from(a).ok()) {
            headers.insert(CLIENT_AGENT, value);
        }
        insert(request, address, user_agent);
        Ok(())
    }
}

impl Gate for BehindMesh {
    fn admit(&self, request: &mut Request<Body>) -> Result<(), Error> {
        let headers = request.headers_mut();
        let address = headers.remove(CLIENT_ADDRESS);
        let address = address.and_then(|v| v.to_str().ok()?.parse::<IpAddr>().ok());
        let user_agent = headers.remove(CLIENT_AGENT).as_ref().and_then(agent);
        insert(request, address, user_agent);
        Ok(())
    }
}

fn insert(request: &mut Request<Body>, address: Option<IpAddr>, user_agent: Option<String>) {
    let extensions = request.extensions_mut();
    let request_id = extensions
        .get::<RequestId>()
        .map_or_else(|| Arc::from(""), |id| Arc::clone(&id.0));
    extensions.insert(Origin {
        request_id,
        address,
        user_agent,
    });
}

fn agent(value: &HeaderValue) -> Option<String> {
    let text = value.to_str().ok()?;
    Some(text.chars().take(LONGEST_AGENT).collect())
}

fn strip(headers: &mut HeaderMap) {
    while let Some(name) = headers.keys().find(|name| is_internal(name)).cloned() {
        headers.remove(name);
    }
}

fn is_internal(name: &HeaderName) -> bool {
    begins_like(name, INTERNAL)
}

/// Whether a header's name begins with `beginning` to somebody who tells no mark from another: to CGI and WSGI (RFC 3875, 4.1.18)
/// `x-a` and `x_a` are one variable, to some `x.a` too. So what is taken off by its name is taken off in each of these spellings.
#[must_use]
pub fn begins_like(name: &HeaderName, beginning: &str) -> bool {
    let name = name.as_str().as_bytes();
    name.len() >= beginning.len() && name.iter().zip(beginning.bytes()).all(|(&n, b)| mark(n) == mark(b))
}

/// A header's name as [`begins_like`] reads it: with a dash for each other mark. Borrowed where it is that already, as usual names are.
#[must_use]
pub fn plain(name: &HeaderName) -> Cow<'_, str> {
    let name = name.as_str();
    match name.bytes().all(|byte| mark(byte) == byte) {
        true => name.into(),
        false => name.bytes().map(|byte| char::from(mark(byte))).collect(),
    }
}

fn mark(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte } else { b'-' }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_hop_believes_the_connection_and_no_header() {
        let mut request = Request::new(Body::empty());
        for (name, value) in [
            ("x-logicore-mesh", "lm1.admin.1.x"),
            ("x-logicore-client-address", "10.0.0.1"),
            ("x-logicore-client-agent", "spoof"),
            ("user-agent", "curl/8"),
        ] {
            request.headers_mut().append(name, HeaderValue::from_static(value));
            request.headers_mut().append(name, HeaderValue::from_static(value));
        }
        request
            .extensions_mut()
            .insert(PeerAddr("[::ffff:192.0.2.7]:999".parse().unwrap()));
        FirstHop.admit(&mut request).unwrap();
        assert!(!request.headers().contains_key("x-logicore-mesh"));
        let origin = request.extensions().get::<Origin>().unwrap();
        assert_eq!(origin.address, Some("192.0.2.7".parse().unwrap()));
        assert_eq!(origin.user_agent.as_deref(), Some("curl/8"));
        let told: Vec<_> = request.headers().get_all(CLIENT_ADDRESS).iter().collect();
        assert_eq!(told, ["192.0.2.7"]);
    }

    #[test]
    fn no_spelling_of_an_internal_name_passes() {
        let mut request = Request::new(Body::empty());
        for name in [
            "x-logicore-subject",
            "x_logicore_subject",
            "x-logicore_roles",
            "x_logicore-tenant",
            "X_LogiCore_Mesh",
            "x.logicore.subject",
            "x-logicore-",
            "x-logicore",
            "x-logicores-own",
            "my_x-logicore-subject",
            "x_request_note",
        ] {
            let name: HeaderName = name.parse().unwrap();
            request.headers_mut().append(name, HeaderValue::from_static("spoof"));
        }
        FirstHop.admit(&mut request).unwrap();
        let mut left: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(
            left,
            [
                "my_x-logicore-subject",
                "x-logicore",
                "x-logicores-own",
                "x_request_note"
            ]
        );
    }

    #[test]
    fn the_plain_spelling_has_no_mark_but_the_dash() {
        for (name, expected) in [
            ("keep-alive", "keep-alive"),
            ("Keep_Alive", "keep-alive"),
            ("x.request-id", "x-request-id"),
            ("x~y!z", "x-y-z"),
            ("te", "te"),
        ] {
            let name: HeaderName = name.parse().unwrap();
            let plain = plain(&name);
            assert_eq!(plain, expected);
            assert_eq!(matches!(plain, Cow::Borrowed(_)), name == expected);
        }
    }

    #[test]
    fn a_proven_peer_is_believed() {
        let mut request = Request::new(Body::empty());
        request.extensions_mut().insert(RequestId("r-1".into()));
        let headers = request.headers_mut();
        headers.insert(CLIENT_ADDRESS, HeaderValue::from_static("192.0.2.7"));
        headers.insert(CLIENT_AGENT, HeaderValue::try_from("x".repeat(300)).unwrap());
        BehindMesh.admit(&mut request).unwrap();
        let origin = request.extensions().get::<Origin>().unwrap();
        assert_eq!(&*origin.request_id, "r-1");
        assert_eq!(origin.address, Some("192.0.2.7".parse().unwrap()));
        assert_eq!(origin.user_agent.as_ref().map(String::len), Some(256));
    }
}
