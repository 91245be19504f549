//! Connect over HTTP/1.1, by hand; `peers::connect` has its own clients.

use bytes::Bytes;
use logicore::compression::Encoding;
use logicore_harness::{Reply, framed, send, unframed};
use serde_json::{Value, json};

use super::*;
use crate::support::in_both_layouts;

in_both_layouts!(a_unary_call_is_plain_http);

async fn post(behind: &Behind, path: &str, kind: &str, body: impl Into<Bytes>) -> anyhow::Result<Reply> {
    let headers = [
        ("authorization", &*behind.bearer),
        ("content-type", kind),
        ("x-echo", "yes"),
    ];
    send(behind.address(), "POST", path, &headers, body).await
}

async fn a_unary_call_is_plain_http(layout: Layout) -> anyhow::Result<()> {
    let behind = Behind::start(layout).await?;
    let answer = post(&behind, UNARY, "application/json", r#"{"text": "a"}"#).await?;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"text": "a"})));
    assert_eq!(
        (answer.header("content-type"), answer.header("x-echo")),
        ("application/json", "yes")
    );
    let answer = post(&behind, UNARY, "application/proto", &b"\x0a\x01a"[..]).await?;
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"\x0a\x01a"[..]));
    let link = format!("{UNARY}?connect=v1&encoding=json&message=%7B%22text%22%3A%22a%22%7D");
    let token = [("authorization", &*behind.bearer)];
    let answer = send(behind.address(), "GET", &link, &token, "").await?;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"text": "a"})));

    let failed = post(&behind, UNARY, "application/json", r#"{"text": "no", "fail": 8}"#).await?;
    let error = json!({"code": "resource_exhausted", "message": "told to: no"});
    assert_eq!((failed.status.as_u16(), failed.json()), (429, error));
    assert_eq!(failed.header("x-echo"), "yes");
    // What the gateway refuses looks the same.
    let json = [("content-type", "application/json")];
    let stranger = send(behind.address(), "POST", UNARY, &json, "{}").await?;
    assert_eq!(
        (stranger.status.as_u16(), &stranger.json()["code"]),
        (401, &json!("unauthenticated"))
    );
    assert_eq!(stranger.json()["details"][0]["debug"]["reason"], "AUTH_TOKEN_MISSING");
    assert!(stranger.header("www-authenticate").starts_with("Bearer"));

    let late = [
        ("authorization", &*behind.bearer),
        ("content-type", "application/json"),
        ("connect-timeout-ms", "300"),
    ];
    let late = send(behind.address(), "POST", UNARY, &late, r#"{"wait": true}"#).await?;
    assert_eq!(
        (late.status.as_u16(), &late.json()["code"]),
        (504, &json!("deadline_exceeded"))
    );
    behind.waiting(0).await
}

/// The envelopes of an answer, and its end.
fn envelopes(body: &Bytes) -> anyhow::Result<(Vec<Value>, Value)> {
    let envelopes = unframed(body)?;
    let Some(((2, end), messages)) = envelopes.split_last() else {
        anyhow::bail!("there is no end: {envelopes:?}");
    };
    let messages = messages.iter().map(|(flags, message)| {
        anyhow::ensure!(*flags == 0, "flags {flags}");
        Ok(serde_json::from_slice(message)?)
    });
    Ok((messages.collect::<anyhow::Result<_>>()?, serde_json::from_slice(end)?))
}

#[tokio::test]
async fn streams_end_with_an_envelope() -> anyhow::Result<()> {
    let behind = Behind::start(Layout::One).await?;
    let said = |texts: &[&str]| -> Bytes { texts.iter().flat_map(|t| framed(t.as_bytes())).collect() };
    for (path, body, texts) in [
        (DOWN, said(&[r#"{"text": "a", "times": 2}"#]), vec!["a", "a"]),
        (UP, said(&[r#"{"text": "a"}"#, r#"{"text": "b"}"#]), vec!["ab"]),
        (BOTH, said(&[r#"{"text": "a"}"#, r#"{"text": "b"}"#]), vec!["a", "b"]),
    ] {
        let answer = post(&behind, path, "application/connect+json", body).await?;
        let (heard, end) = envelopes(&answer.body)?;
        assert_eq!(heard.iter().map(|h| &h["text"]).collect::<Vec<_>>(), texts, "{path}");
        assert_eq!(end.get("error"), None, "{path}: {end}");
        let body = said(&[r#"{"text": "no", "fail": 8}"#]);
        let failed = post(&behind, path, "application/connect+json", body).await?;
        assert_eq!(failed.status, 200);
        let (_, end) = envelopes(&failed.body)?;
        assert_eq!(
            end["error"],
            json!({"code": "resource_exhausted", "message": "told to: no"}),
            "{path}"
        );
        // Where nothing came before it, the service has ended with its head.
        if path != UP {
            assert_eq!(end["metadata"]["x-echo"], json!(["yes"]), "{path}");
        }
    }
    // Two messages where one is taken, and none.
    for body in [said(&["{}", "{}"]), Bytes::new()] {
        let answer = post(&behind, DOWN, "application/connect+json", body).await?;
        assert_eq!(envelopes(&answer.body)?.1["error"]["code"], "unimplemented");
    }
    Ok(())
}

#[tokio::test]
async fn bodies_are_compressed_both_ways() -> anyhow::Result<()> {
    let behind = Behind::start(Layout::One).await?;
    let text = "long ".repeat(1000);
    for name in ["gzip", "br", "zstd"] {
        let encoding = Encoding::ALL.into_iter().find(|e| e.as_str() == name).expect("there");
        let headers = [
            ("authorization", &*behind.bearer),
            ("content-type", "application/json"),
            ("content-encoding", name),
            ("accept-encoding", name),
        ];
        let body = encoding.compress(json!({"text": text}).to_string().as_bytes())?;
        let answer = send(behind.address(), "POST", UNARY, &headers, body).await?;
        assert_eq!(answer.header("content-encoding"), name);
        let plain: Value = serde_json::from_slice(&encoding.decompress(&answer.body, 1 << 20)?)?;
        assert_eq!(plain["text"], text);
        let bomb = encoding.compress(&vec![b' '; 64 << 20])?;
        let refused = send(behind.address(), "POST", UNARY, &headers, bomb).await?;
        assert_eq!(
            (refused.status.as_u16(), &refused.json()["code"]),
            (429, &json!("resource_exhausted"))
        );
    }
    Ok(())
}
