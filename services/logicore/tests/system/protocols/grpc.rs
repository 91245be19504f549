//! gRPC, by tonic's client.

use std::time::Duration;

use bytes::Bytes;
use logicore::compression::Encoding;
use logicore_harness::{
    Layout, framed, grpc_bytes,
    shapes::pb::{Say, shapes_service_client::ShapesServiceClient},
};
use prost::Message as _;
use tonic::{
    Code, Request, Status,
    codec::CompressionEncoding,
    codegen::tokio_stream::{self, wrappers::ReceiverStream},
    metadata::MetadataValue,
    transport::Channel,
};

use super::*;
use crate::support::in_both_layouts;

in_both_layouts!(every_shape_with_metadata_and_compression);

async fn client(behind: &Behind) -> anyhow::Result<ShapesServiceClient<Channel>> {
    let url = format!("http://localhost:{}", behind.address().port());
    Ok(ShapesServiceClient::connect(url).await?)
}

fn with<T>(behind: &Behind, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let metadata = request.metadata_mut();
    metadata.insert("authorization", behind.bearer.parse().expect("a token is header text"));
    metadata.insert("x-echo", "there and back".parse().expect("header text"));
    metadata.insert_bin("x-echo-bin", MetadataValue::from_bytes(&[0, 255, 7]));
    request
}

/// What was sent to be echoed is there, in the head of an answer or in the trailers of a failure.
fn echoed(metadata: &tonic::metadata::MetadataMap) {
    assert_eq!(metadata.get("x-echo").expect("x-echo"), "there and back");
    let bytes = metadata.get_bin("x-echo-bin").expect("x-echo-bin").to_bytes();
    assert_eq!(bytes.expect("base64"), &[0, 255, 7][..]);
}

fn failed(status: &Status) {
    assert_eq!(
        (status.code(), status.message()),
        (Code::ResourceExhausted, "told to: no")
    );
    echoed(status.metadata());
}

async fn every_shape_with_metadata_and_compression(layout: Layout) -> anyhow::Result<()> {
    let behind = Behind::start(layout).await?;
    let plain = client(&behind).await?;
    let gzip = plain
        .clone()
        .send_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Gzip);
    for (mut client, encoding) in [(plain, None), (gzip, Some("gzip"))] {
        let long = "long ".repeat(1000);
        let answer = client.unary(with(&behind, say(&long))).await?;
        echoed(answer.metadata());
        let named = answer.metadata().get("grpc-encoding").and_then(|v| v.to_str().ok());
        assert_eq!(named, encoding);
        assert_eq!(answer.into_inner().text, long);
        let seen = behind.shapes.last_metadata();
        assert_eq!(seen.get("grpc-encoding").and_then(|v| v.to_str().ok()), encoding);
        assert!(!seen.contains_key("authorization"), "the token stays here");
        assert!(seen.contains_key("x-logicore-subject"));

        let three = Say {
            times: 3,
            ..failing("no")
        };
        let mut down = client.down(with(&behind, three)).await?;
        echoed(down.metadata());
        for _ in 0..3 {
            assert_eq!(down.get_mut().message().await?.map(|m| m.text), Some("no".to_owned()));
        }
        failed(&down.get_mut().message().await.expect_err("it fails then"));

        let said = tokio_stream::iter([say("a"), say("b"), say("c")]);
        let up = client.up(with(&behind, said)).await?;
        echoed(up.metadata());
        assert_eq!(up.into_inner().text, "abc");
        let up = client
            .up(with(&behind, tokio_stream::iter([say("a"), failing("no")])))
            .await;
        failed(&up.expect_err("it fails"));
        failed(&client.unary(with(&behind, failing("no"))).await.expect_err("it fails"));

        // Each message is answered before the next one is sent.
        let (send, said) = tokio::sync::mpsc::channel(1);
        let mut both = client
            .both(with(&behind, ReceiverStream::new(said)))
            .await?
            .into_inner();
        for text in ["a", "b"] {
            send.send(say(text)).await?;
            assert_eq!(both.message().await?.map(|m| m.text), Some(text.to_owned()));
        }
        drop(send);
        assert_eq!(both.message().await?, None);
    }
    Ok(())
}

#[tokio::test]
async fn who_leaves_or_is_late_ends_the_call_of_the_service() -> anyhow::Result<()> {
    let behind = Behind::start(Layout::One).await?;
    let mut client = client(&behind).await?;
    let mut down = client.down(with(&behind, waiting("a"))).await?;
    assert_eq!(down.get_mut().message().await?.map(|m| m.text), Some("a".to_owned()));
    let (send, said) = tokio::sync::mpsc::channel(1);
    send.send(waiting("b")).await?;
    let mut both = client
        .both(with(&behind, ReceiverStream::new(said)))
        .await?
        .into_inner();
    assert_eq!(both.message().await?.map(|m| m.text), Some("b".to_owned()));
    behind.waiting(2).await?;
    drop((send, both));
    behind.waiting(1).await?;
    drop(down);
    behind.waiting(0).await?;

    let headers = [("authorization", &*behind.bearer), ("grpc-timeout", "300m")];
    for path in [UNARY, DOWN, UP, BOTH] {
        let body = framed(&waiting("a").encode_to_vec());
        let late = grpc_bytes(behind.address(), path, &headers, body).await?;
        assert_eq!(
            late.outcome(),
            (Code::DeadlineExceeded, "DEADLINE_EXCEEDED".to_owned()),
            "{path}"
        );
        behind.waiting(0).await?;
        let told = behind.shapes.last_metadata();
        let left = told
            .get("grpc-timeout")
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default();
        let left: u64 = left.trim_end_matches('u').parse()?;
        assert!(
            Duration::from_micros(left) <= Duration::from_millis(300),
            "{path}: {left}"
        );
    }
    Ok(())
}

/// A bomb is told by what it holds, and none of it is kept.
#[tokio::test]
async fn compressed_messages_are_held_to_the_limit_inflated() -> anyhow::Result<()> {
    let behind = Behind::start(Layout::One).await?;
    let before = behind.shapes.calls();
    // The service itself refuses others: it reads these two.
    for encoding in [Encoding::Gzip, Encoding::Zstd] {
        let bomb = encoding.compress(&vec![0; 64 << 20])?;
        let mut body = framed(&bomb).to_vec();
        body[0] = 1;
        let headers = [("authorization", &*behind.bearer), ("grpc-encoding", encoding.as_str())];
        let refused = grpc_bytes(behind.address(), UNARY, &headers, Bytes::from(body)).await?;
        let large = (Code::ResourceExhausted, "MESSAGE_TOO_LARGE".to_owned());
        assert_eq!(refused.outcome(), large, "{encoding:?}");
    }
    assert_eq!(behind.shapes.calls(), before, "the service saw none of them");
    // LogiCore's own services read what is compressed, too.
    let login = b"\x0a\x10demo@example.com\x12\x07demo123";
    for encoding in [Encoding::Gzip, Encoding::Deflate, Encoding::Zstd] {
        let mut body = framed(&encoding.compress(login)?).to_vec();
        body[0] = 1;
        let headers = [("grpc-encoding", encoding.as_str())];
        let path = "/logicore.auth.v1.AuthService/Login";
        let answer = grpc_bytes(behind.address(), path, &headers, Bytes::from(body)).await?;
        assert_eq!(answer.code(), Code::Ok, "{encoding:?}: {:?}", answer.status);
    }
    Ok(())
}
