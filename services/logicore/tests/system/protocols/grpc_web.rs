//! gRPC-Web over HTTP/1.1, by hand: binary and text.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use logicore_harness::{GrpcReply, framed, grpc_web_bytes, send, shapes::pb::Heard, unframed};
use prost::Message as _;
use tonic::Code;

use super::*;

fn frames(said: &[Say]) -> Bytes {
    said.iter().flat_map(|say| framed(&say.encode_to_vec())).collect()
}

/// What an answer holds, message by message.
fn heard(body: &Bytes) -> anyhow::Result<Vec<String>> {
    let messages = unframed(body)?.into_iter();
    messages.map(|(_, message)| Ok(Heard::decode(message)?.text)).collect()
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
        assert_eq!(heard(&answer.body)?, texts, "{path}");
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
    let frames = unframed(&bytes.into())?;
    let [(0, first), (0, second), (0x80, end)] = &frames[..] else {
        anyhow::bail!("{frames:?}");
    };
    assert_eq!((&first[..], &second[..]), (&b"\x0a\x01a"[..], &b"\x0a\x02bc"[..]));
    assert!(String::from_utf8_lossy(end).contains("grpc-status:0\r\n"), "{end:?}");
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
