//! gRPC and gRPC-Web: HTTP's 200, a code, and the reason in `ErrorInfo`; over gRPC-Web in the frame of trailers or in the head.

use bytes::Bytes;
use logicore_harness::{GrpcReply, Layout, System, framed, grpc_bytes, grpc_web_bytes, send};
use tonic::Code;

use crate::support::{in_both_layouts, shared};

const LOGIN: &str = "/logicore.auth.v1.AuthService/Login";
const GET_USER: &str = "/logicore.user.v1.UserService/GetUser";
const HEALTH: &str = "/logicore.mesh.v1.GatewayService/GetHealth";

in_both_layouts!(
    an_unknown_method_is_unimplemented,
    a_message_that_cannot_be_read_is_told,
    none_or_two_messages_are_no_unary_call,
    an_encoding_that_is_not_read_is_told_with_those_that_are,
    a_message_above_the_limit_is_told,
    a_deadline_that_is_over_is_told,
    a_wrong_token_and_a_missing_permission_are_told,
    a_post_that_says_it_is_something_else_is_no_call,
);

/// The same call by gRPC and by gRPC-Web.
async fn both(
    system: &System,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> anyhow::Result<[GrpcReply; 2]> {
    let body = body.into();
    let native = grpc_bytes(system.address(), path, headers, body.clone()).await?;
    let web = grpc_web_bytes(system.address(), path, headers, body).await?;
    Ok([native, web])
}

fn told(answers: &[GrpcReply; 2], code: Code, reason: &str, what: &str) {
    for answer in answers {
        assert_eq!(
            answer.outcome(),
            (code, reason.to_owned()),
            "{what}: {:?}",
            answer.status
        );
        assert_eq!(answer.http, 200, "{what}");
        assert!(!answer.status.message().is_empty(), "{what}");
        assert!(answer.body.is_empty(), "{what}: {:?}", answer.body);
        assert!(
            answer.header("content-type").starts_with("application/grpc"),
            "{what}: {:?}",
            answer.headers
        );
    }
    assert!(
        answers[1].header("content-type").starts_with("application/grpc-web"),
        "{what}"
    );
}

async fn an_unknown_method_is_unimplemented(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    for path in [
        "/logicore.auth.v1.AuthService/Nothing",
        "/logicore.auth.v2.AuthService/Login",
        "/nothing.Nothing/Nothing",
        "/nothing",
        "/",
    ] {
        let answers = both(&system, path, &[], framed(&[])).await?;
        told(&answers, Code::Unimplemented, "METHOD_UNKNOWN", path);
    }
    Ok(())
}

async fn a_message_that_cannot_be_read_is_told(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    let admin = format!("Bearer {}", system.admin().await?.access);
    let demo = format!("Bearer {}", system.demo().await?.access);
    let compressed = [&[1, 0, 0, 0, 2][..], &[0x0a, 0x00]].concat();
    for (what, body) in [
        ("half a prefix", vec![0, 0, 0]),
        ("half a message", framed(&[0x0a; 20])[..15].to_vec()),
        ("another wire type", framed(&[0x08, 0x01]).to_vec()),
        ("a length beyond the message", framed(&[0x0a, 0x7f, 0x61]).to_vec()),
        ("no UTF-8", framed(&[0x0a, 0x01, 0xff]).to_vec()),
        ("a varint without an end", framed(&[0xff; 11]).to_vec()),
        ("JSON", framed(br#"{"id":"x"}"#).to_vec()),
        ("compressed", compressed),
    ] {
        // A public one, one whose subject is looked at, and one that passes unread.
        for (path, headers) in [
            (LOGIN, &[][..]),
            (GET_USER, &[("authorization", demo.as_str())]),
            (GET_USER, &[("authorization", admin.as_str())]),
        ] {
            let answers = both(&system, path, headers, body.clone()).await?;
            told(
                &answers,
                Code::InvalidArgument,
                "MALFORMED_MESSAGE",
                &format!("{what} to {path}"),
            );
        }
    }
    Ok(())
}

/// gRPC, "Status codes and their use in gRPC": a cardinality violation is UNIMPLEMENTED.
async fn none_or_two_messages_are_no_unary_call(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    let admin = format!("Bearer {}", system.admin().await?.access);
    let demo = format!("Bearer {}", system.demo().await?.access);
    for body in [Vec::new(), [framed(&[]), framed(&[])].concat()] {
        for (path, headers) in [
            (LOGIN, &[][..]),
            (HEALTH, &[]),
            ("/grpc.health.v1.Health/Watch", &[]),
            (GET_USER, &[("authorization", demo.as_str())]),
            (GET_USER, &[("authorization", admin.as_str())]),
        ] {
            let answers = both(&system, path, headers, body.clone()).await?;
            told(&answers, Code::Unimplemented, "MESSAGE_COUNT", path);
        }
    }
    Ok(())
}

async fn an_encoding_that_is_not_read_is_told_with_those_that_are(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    let body = Bytes::from_static(&[1, 0, 0, 0, 1, 7]);
    let answers = both(&system, LOGIN, &[("grpc-encoding", "snappy")], body.clone()).await?;
    told(&answers, Code::Unimplemented, "ENCODING_UNKNOWN", "snappy");
    for answer in &answers {
        assert_eq!(answer.header("grpc-accept-encoding"), "gzip,deflate,br,zstd");
    }
    let answers = both(&system, LOGIN, &[("grpc-encoding", "br")], body.clone()).await?;
    told(&answers, Code::Unimplemented, "ENCODING_UNKNOWN", "br");
    for encoding in ["gzip", "deflate", "zstd"] {
        let answers = both(&system, LOGIN, &[("grpc-encoding", encoding)], body.clone()).await?;
        told(&answers, Code::InvalidArgument, "MALFORMED_MESSAGE", encoding);
    }
    Ok(())
}

async fn a_message_above_the_limit_is_told(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    let mut announced = vec![0, 0xff, 0xff, 0xff, 0xff];
    announced.resize(100, 0);
    let mut sent = framed(&vec![0; (4 << 20) + 1]).to_vec();
    sent.truncate(5 << 20);
    let demo = format!("Bearer {}", system.demo().await?.access);
    for (path, headers) in [(LOGIN, &[][..]), (GET_USER, &[("authorization", demo.as_str())])] {
        for body in [&announced, &sent] {
            let native = grpc_bytes(system.address(), path, headers, body.clone().into()).await?;
            let large = (Code::ResourceExhausted, "MESSAGE_TOO_LARGE".to_owned());
            assert_eq!(native.outcome(), large, "{path}: {:?}", native.status);
        }
        let web = grpc_web_bytes(system.address(), path, headers, announced.clone().into()).await?;
        assert_eq!(
            web.outcome(),
            (Code::ResourceExhausted, "MESSAGE_TOO_LARGE".to_owned()),
            "{path}"
        );
    }
    Ok(())
}

async fn a_deadline_that_is_over_is_told(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    let answers = both(&system, HEALTH, &[("grpc-timeout", "0m")], framed(&[])).await?;
    told(&answers, Code::DeadlineExceeded, "DEADLINE_EXCEEDED", "over at once");
    let login = framed(b"\x0a\x10demo@example.com\x12\x07demo123");
    let answers = both(&system, LOGIN, &[("grpc-timeout", "1m")], login.clone()).await?;
    told(
        &answers,
        Code::DeadlineExceeded,
        "DEADLINE_EXCEEDED",
        "over while hashing",
    );
    for answer in both(&system, LOGIN, &[("grpc-timeout", "10S")], login).await? {
        assert_eq!(answer.code(), Code::Ok, "{:?}", answer.status);
    }
    let answers = both(&system, HEALTH, &[("grpc-timeout", "soon")], framed(&[])).await?;
    told(&answers, Code::InvalidArgument, "MALFORMED_HEADER", "no timeout");
    Ok(())
}

async fn a_wrong_token_and_a_missing_permission_are_told(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    let demo = format!("Bearer {}", system.demo().await?.access);
    let list = "/logicore.user.v1.UserService/ListUsers";
    for (header, challenge) in [("Bearer x", "invalid_token"), ("Basic eDp5", "invalid_token")] {
        let answers = both(&system, list, &[("authorization", header)], framed(&[])).await?;
        told(&answers, Code::Unauthenticated, "AUTH_TOKEN_INVALID", header);
        for answer in answers {
            assert!(
                answer.header("www-authenticate").contains(challenge),
                "{:?}",
                answer.headers
            );
        }
    }
    let answers = both(&system, list, &[("authorization", &demo)], framed(&[])).await?;
    told(&answers, Code::PermissionDenied, "PERMISSION_MISSING", "demo");
    for answer in answers {
        assert_eq!(answer.fact("permission"), "users.read");
    }
    Ok(())
}

async fn a_post_that_says_it_is_something_else_is_no_call(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    for kind in [
        "text/plain",
        "application/octet-stream",
        "application/grpcfoo",
        "application/grpc-webfoo",
        "application/grpc",
        "",
    ] {
        let answer = send(system.address(), "POST", LOGIN, &[("content-type", kind)], framed(&[])).await?;
        assert_eq!(
            answer.outcome(),
            (415, "UNSUPPORTED_MEDIA_TYPE".to_owned()),
            "{kind}: {}",
            answer.text()
        );
    }
    // gRPC is a POST; what is asked by GET is no call, and nothing is changed by following a link.
    let answer = system
        .send("GET", LOGIN, &[("content-type", "application/grpc")], "")
        .await?;
    assert_eq!(
        answer.outcome(),
        (404, "ROUTE_NOT_FOUND".to_owned()),
        "{}",
        answer.text()
    );
    let json = grpc_bytes(
        system.address(),
        LOGIN,
        &[("content-type", "application/grpc+json")],
        framed(br#"{"email":"demo@example.com"}"#),
    );
    assert_eq!(
        json.await?.outcome(),
        (Code::InvalidArgument, "MALFORMED_MESSAGE".to_owned())
    );
    Ok(())
}
