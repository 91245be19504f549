//! Which protocol a request speaks, told by its content type.

use http::{Method, Request, Version, header};
pub(crate) use logicore::telemetry::Protocol;

use crate::front::connect;

/// Content types of gRPC-Web, without what may follow.
const WEB: [&[u8]; 2] = [b"application/grpc-web", b"application/grpc-web-text"];
const NATIVE: &[u8] = b"application/grpc";
const JSON: &[u8] = b"application/json";

/// The protocol of a request, as far as its head alone tells. What does not say that it is gRPC is REST, and so is native gRPC over HTTP/1, which has no trailers to
/// end with.
pub(crate) fn of<B>(request: &Request<B>) -> Protocol {
    let content_type = request
        .headers()
        .get(header::CONTENT_TYPE)
        .map_or(&[][..], |v| v.as_bytes());
    if *request.method() != Method::POST || !begins(content_type) {
        return if connect::names_it(request) {
            Protocol::Connect
        } else {
            Protocol::Rest
        };
    }
    if WEB.iter().any(|web| is(content_type, web)) {
        return Protocol::GrpcWeb;
    }
    if is(content_type, NATIVE) && request.version() == Version::HTTP_2 {
        return Protocol::Grpc;
    }
    Protocol::Rest
}

/// Whether a request is a POST of JSON, which may be REST or Connect: its path tells.
pub(crate) fn is_json_post<B>(request: &Request<B>) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    *request.method() == Method::POST && content_type.is_some_and(|v| is(v.as_bytes(), JSON))
}

fn begins(content_type: &[u8]) -> bool {
    let begin = content_type.get(..NATIVE.len());
    begin.is_some_and(|begin| begin.eq_ignore_ascii_case(NATIVE))
}

/// Whether a content type is of this kind: nothing else, or a message format or parameters behind it.
fn is(content_type: &[u8], kind: &[u8]) -> bool {
    let Some((begin, rest)) = content_type.split_at_checked(kind.len()) else {
        return false;
    };
    begin.eq_ignore_ascii_case(kind) && matches!(rest.first(), None | Some(b'+' | b';' | b' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_of_a_post_tells() {
        for (method, content_type, protocol) in [
            ("POST", "application/grpc", Protocol::Grpc),
            ("POST", "application/grpc+proto", Protocol::Grpc),
            ("POST", "Application/gRPC", Protocol::Grpc),
            ("POST", "application/grpc-web", Protocol::GrpcWeb),
            ("POST", "application/grpc-web-text+proto", Protocol::GrpcWeb),
            ("POST", "application/grpc-web; charset=utf-8", Protocol::GrpcWeb),
            ("POST", "application/grpc-webfoo", Protocol::Rest),
            ("POST", "application/grpcfoo", Protocol::Rest),
            ("POST", "application/json", Protocol::Rest),
            ("POST", "", Protocol::Rest),
            ("POST", "application/proto", Protocol::Connect),
            ("POST", "application/connect+json", Protocol::Connect),
            ("POST", "application/connect+proto; charset=utf-8", Protocol::Connect),
            ("POST", "application/connect+xml", Protocol::Rest),
            ("POST", "application/protobuf", Protocol::Rest),
            ("GET", "application/grpc", Protocol::Rest),
        ] {
            let request = Request::builder().method(method).header("content-type", content_type);
            let request = request.version(Version::HTTP_2).body(()).unwrap();
            assert_eq!(of(&request), protocol, "{method} {content_type}");
        }
    }

    #[test]
    fn native_grpc_needs_http_2() {
        let request = Request::post("/")
            .header("content-type", "application/grpc")
            .body(())
            .unwrap();
        assert_eq!(of(&request), Protocol::Rest);
    }
}
