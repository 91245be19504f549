use logicore::framing::COMPRESSED;

use super::*;

/// A request of [`WATCH`] and of [`REFLECT`], which both have text at field 1.
fn text(text: &str) -> Vec<u8> {
    get_user(text)
}

/// An answer of [`WATCH`]: SERVING.
const SERVING: &[u8] = &[8, 1];

#[tokio::test]
async fn messages_in_protobuf_pass_and_trailers_become_the_end() {
    let sent = [enveloped(0, &text("a")), enveloped(0, &text("b"))].concat();
    let request = post(REFLECT, "application/connect+proto").header("connect-accept-encoding", "gzip");
    let gzip = Encoding::Gzip.compress(SERVING).unwrap();
    let mut theirs = ok(&[(0, SERVING), (COMPRESSED, &gzip)]);
    let name = HeaderValue::from_static("gzip");
    theirs.headers_mut().insert("grpc-encoding", name);
    let out = call(request, sent.clone(), theirs).await;
    let (headers, body) = out.seen.as_ref().unwrap();
    assert_eq!(
        (headers["grpc-accept-encoding"].to_str().unwrap(), &body[..]),
        ("gzip", &sent[..])
    );
    assert_eq!(out.status, StatusCode::OK);
    assert_eq!(out.header("content-type"), "application/connect+proto");
    assert_eq!(out.header("connect-content-encoding"), "gzip");
    assert_eq!(out.header("x-served-by"), "b");
    let [(0, first), (COMPRESSED, second), (2, end)] = &out.envelopes()[..] else {
        panic!("{:?}", out.body);
    };
    assert_eq!((&first[..], second), (SERVING, &gzip));
    let end: Value = serde_json::from_slice(end).unwrap();
    assert_eq!(end, json!({"metadata": {"x-cost": ["3"], "x-trace-bin": ["AAE"]}}));
}

#[tokio::test]
async fn messages_in_json_are_read_and_written_one_by_one() {
    let sent = [enveloped(0, br#"{"service": "a"}"#)].concat();
    let out = call(
        post(WATCH, "application/connect+json"),
        sent,
        ok(&[(0, SERVING), (0, &[])]),
    )
    .await;
    assert_eq!(out.message(), text("a"));
    let [(0, first), (0, second), (2, _)] = &out.envelopes()[..] else {
        panic!("{:?}", out.body);
    };
    assert_eq!(&first[..], br#"{"status":"SERVING"}"#);
    assert_eq!(&second[..], br#"{"status":"UNKNOWN"}"#);
}

#[tokio::test]
async fn compressed_envelopes_are_inflated_each_within_the_limit() {
    for encoding in Encoding::ALL {
        let small = |m: &[u8]| encoding.compress(m).unwrap();
        let sent = [
            enveloped(COMPRESSED, &small(&text("a"))),
            enveloped(0, &text("b")),
            enveloped(COMPRESSED, b""),
        ];
        let request =
            || post(REFLECT, "application/connect+proto").header("connect-content-encoding", encoding.as_str());
        let out = call(request(), sent.concat(), ok(&[])).await;
        let plain = [enveloped(0, &text("a")), enveloped(0, &text("b")), enveloped(0, b"")];
        assert_eq!(out.seen.as_ref().unwrap().1, plain.concat(), "{encoding:?}");
        let bomb = enveloped(COMPRESSED, &small(&vec![0; LIMIT + 1]));
        assert_eq!(
            ended(&call(request(), bomb, ok(&[])).await)["code"],
            "resource_exhausted"
        );
    }
}

/// The error in the end of a stream.
fn ended(out: &Outcome) -> Value {
    assert_eq!(out.status, StatusCode::OK);
    let (flags, end) = out.envelopes().pop().unwrap();
    assert_eq!(flags, 2);
    serde_json::from_slice::<Value>(&end).unwrap()["error"].clone()
}

#[tokio::test]
async fn what_is_wrong_with_a_stream_is_told_in_its_end() {
    let json = |text: &str| enveloped(0, text.as_bytes());
    for (body, code) in [
        (json("{"), "invalid_argument"),
        (json(r#"{"nothing": 1}"#), "invalid_argument"),
        (enveloped(2, b"{}"), "invalid_argument"),
        (enveloped(COMPRESSED, b"x"), "invalid_argument"),
        (json("{}").slice(..6), "invalid_argument"),
        (enveloped(0, &[b' '; LIMIT + 1]), "resource_exhausted"),
    ] {
        let out = call(post(REFLECT, "application/connect+json"), body.clone(), ok(&[])).await;
        assert_eq!(ended(&out)["code"], code, "{body:?}");
        assert_eq!(out.header("content-type"), "application/connect+json");
    }
}

#[tokio::test]
async fn a_failure_in_the_middle_or_at_once_is_the_end() {
    let failed = Status::unavailable("overloaded");
    for codec in ["proto", "json"] {
        let request = || post(WATCH, &format!("application/connect+{codec}"));
        let body = if codec == "json" {
            enveloped(0, b"{}")
        } else {
            enveloped(0, b"")
        };
        for theirs in [answer(&[(0, SERVING)], &failed), failed.clone().into_http()] {
            let out = call(request(), body.clone(), theirs).await;
            assert_eq!(
                ended(&out),
                json!({"code": "unavailable", "message": "overloaded"}),
                "{codec}"
            );
        }
        let broken = Response::new(Body::new(StreamBody::new(tokio_stream::iter([Ok::<_, Status>(
            Frame::data(enveloped(0, SERVING)),
        )]))));
        let out = call(request(), body, broken).await;
        assert_eq!(
            (out.envelopes().len(), &ended(&out)["code"]),
            (2, &json!("internal")),
            "{codec}"
        );
    }
}

#[tokio::test]
async fn long_messages_in_json_are_compressed_where_the_caller_reads_that() {
    let long = [&[10, 0xd0, 0x0f][..], &[b'x'; 2000]].concat();
    let request = post(REFLECT, "application/connect+json").header("connect-accept-encoding", "br");
    let out = call(request, enveloped(0, b"{}"), ok(&[(0, &long), (0, b"")])).await;
    assert_eq!(out.header("connect-content-encoding"), "br");
    let [(COMPRESSED, first), (0, _), (2, _)] = &out.envelopes()[..] else {
        panic!("{:?}", out.body);
    };
    let plain = Encoding::Br.decompress(first, 1 << 20).unwrap();
    assert!(plain.starts_with(br#"{"validHost":"xxx"#), "{plain:?}");
}
