//! gRPC-Web over HTTP/1.1, by hand: binary and text.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use logicore_harness::{GrpcReply, framed, grpc_web_bytes, send, shapes::pb::Heard};
use prost::Message as _;
use tonic::Code;

use super::*;

fn frames(said: &[Say]) -> Bytes {
    said.iter().flat_map(|say| framed(&say.encode_to_vec())).collect()
}

/// What an answer holds, message by message.
fn heard(mut body: Bytes) -> anyhow::Result<Vec<String>> {
    let mut out = Vec::new();
    while !body.is_empty() {
        let length = u32::from_be_bytes(body[1..5].try_into()?) as usize;
        out.push(Heard::decode(body.split_to(5 + length).slice(5..))?.text);
    }
    Ok(out)
}

async fn call(behind: &Behind, path: &str, said: &[Say]) -> anyhow::Result<GrpcReply> {
    let headers = [("authorization", &*behind.bearer), ("x-echo-bin", "AP8H")];
    grpc_web_bytes(behind.address(), path, &headers, frames(said)).await
}

#[tokio::test]
async fn every_shape_ends_with_a_frame_of_trailers() -> anyhow::Result<()> {
    let behind = Behind::start(Layout::One).await?;
    for (path, said, texts) in [
        (UNARY, vec![say("a")], vec!["a"]),
        (DOWN, vec![Say { times: 3, ..say("a") }], vec!["a", "a", "a"]),
        (UP, vec![say("a"), say("b")], vec!["ab"]),
        (BOTH, vec![say("a"), say("b")], vec!["a", "b"]),
    ] {
        let answer = call(&behind, path, &said).await?;
        assert_eq!(answer.code(), Code::Ok, "{path}: {:?}", answer.status);
        assert_eq!(answer.trailers["grpc-status"], "0", "{path}");
        assert_eq!(answer.header("x-echo-bin"), "AP8H", "{path}");
        assert_eq!(heard(answer.body)?, texts, "{path}");
    }
    for path in [UNARY, DOWN, UP, BOTH] {
        let answer = call(&behind, path, &[failing("no")]).await?;
        assert_eq!(answer.code(), Code::ResourceExhausted, "{path}");
        assert_eq!(answer.status.message(), "told to: no", "{path}");
        let metadata = answer.status.metadata().get_bin("x-echo-bin");
        assert_eq!(
            metadata.map(|v| v.to_bytes()).transpose()?.as_deref(),
            Some(&[0, 255, 7][..]),
            "{path}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn text_is_base64_both_ways() -> anyhow::Result<()> {
    let behind = Behind::start(Layout::One).await?;
    let headers = [
        ("authorization", &*behind.bearer),
        ("content-type", "application/grpc-web-text"),
        ("accept", "application/grpc-web-text"),
    ];
    // Each message is padded by itself.
    let body: String = [say("a"), say("bc")]
        .iter()
        .map(|s| STANDARD.encode(frames(std::slice::from_ref(s))))
        .collect();
    let answer = send(behind.address(), "POST", BOTH, &headers, body).await?;
    assert_eq!(answer.header("content-type"), "application/grpc-web-text+proto");
    let groups = answer.body.chunks(4).map(|group| STANDARD.decode(group));
    let bytes = groups.collect::<Result<Vec<_>, _>>()?.concat();
    let messages = [&b"\0\0\0\0\x03\x0a\x01a"[..], b"\0\0\0\0\x04\x0a\x02bc"].concat();
    assert!(bytes.starts_with(&messages), "{bytes:?}");
    let end = &bytes[messages.len()..];
    assert_eq!(end[0], 0x80);
    assert!(
        String::from_utf8_lossy(&end[5..]).contains("grpc-status:0\r\n"),
        "{end:?}"
    );
    let wrong = send(behind.address(), "POST", BOTH, &headers, "AAAA AAAA").await?;
    assert_eq!(wrong.header("grpc-status"), "3");
    Ok(())
}

#[tokio::test]
async fn a_page_that_is_closed_ends_the_call_of_the_service() -> anyhow::Result<()> {
    let behind = Behind::start(Layout::One).await?;
    let said = [waiting("a")];
    let calling = async { call(&behind, DOWN, &said).await.map(|_| ()) };
    tokio::select! {
        ended = calling => panic!("it waits: {ended:?}"),
        waits = behind.waiting(1) => waits?,
    }
    behind.waiting(0).await
}
