//! Which protocol a request speaks, told by its content type.

use http::{Method, Request, header};
pub(crate) use logicore::telemetry::Protocol;

/// The protocol of a request. What does not say that it is gRPC is REST.
pub(crate) fn of<B>(request: &Request<B>) -> Protocol {
    let content_type = request.headers().get(header::CONTENT_TYPE).map(|v| v.as_bytes());
    let starts = |prefix: &[u8]| {
        content_type.is_some_and(|t| t.len() >= prefix.len() && t[..prefix.len()].eq_ignore_ascii_case(prefix))
    };
    match *request.method() {
        Method::POST if starts(b"application/grpc-web") => Protocol::GrpcWeb,
        Method::POST if starts(b"application/grpc") => Protocol::Grpc,
        _ => Protocol::Rest,
    }
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
            ("POST", "application/json", Protocol::Rest),
            ("POST", "", Protocol::Rest),
            ("GET", "application/grpc", Protocol::Rest),
        ] {
            let request = Request::builder().method(method).header("content-type", content_type);
            assert_eq!(of(&request.body(()).unwrap()), protocol, "{method} {content_type}");
        }
    }
}
