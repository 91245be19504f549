use logicore::api::user::{GetUserResponse, User};

use super::*;

fn user(name: &str) -> Vec<u8> {
    let user = User {
        id: "7".to_owned(),
        display_name: name.to_owned(),
        ..User::default()
    };
    GetUserResponse { user: Some(user) }.encode_to_vec()
}

#[tokio::test]
async fn a_bare_message_goes_there_and_back() {
    let request = post(GET_USER, "application/proto")
        .header("connect-protocol-version", "1")
        .header("connect-timeout-ms", "1500")
        .header("authorization", "Bearer x")
        .header("x-shard", "42")
        .header("x-key-bin", "AAE")
        .header("cookie", "a=b")
        .header("grpc-encoding", "gzip")
        .header("accept-encoding", "br, gzip");
    let out = call(request, get_user("7"), ok(&[(0, &user("Ada"))])).await;
    assert_eq!(out.message(), get_user("7"));
    let (headers, _) = out.seen.as_ref().unwrap();
    for (name, value) in [
        ("content-type", "application/grpc"),
        ("grpc-timeout", "1500000u"),
        ("grpc-accept-encoding", "br,gzip"),
        ("authorization", "Bearer x"),
        ("x-shard", "42"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    assert!(headers["x-key-bin"].to_str().unwrap().starts_with("AAE"));
    for name in [
        "connect-protocol-version",
        "connect-timeout-ms",
        "cookie",
        "grpc-encoding",
        "content-length",
    ] {
        assert!(!headers.contains_key(name), "{name}");
    }
    assert_eq!((out.status, &out.body[..]), (StatusCode::OK, &user("Ada")[..]));
    for (name, value) in [
        ("content-type", "application/proto"),
        ("x-served-by", "b"),
        ("trailer-x-cost", "3"),
        ("trailer-x-trace-bin", "AAE"),
        ("cache-control", "no-store"),
        ("grpc-status", ""),
        ("trailer-grpc-status", ""),
        ("content-encoding", ""),
    ] {
        assert_eq!(out.header(name), value, "{name}");
    }
}

#[tokio::test]
async fn json_is_read_and_written_by_descriptors() {
    for content_type in ["application/json", "Application/JSON; charset=utf-8"] {
        let out = call(post(GET_USER, content_type), r#"{"id": "7"}"#, ok(&[(0, &user("Ada"))])).await;
        assert_eq!(out.message(), get_user("7"));
        let (headers, _) = out.seen.as_ref().unwrap();
        assert!(!headers.contains_key("grpc-accept-encoding"), "it is read here");
        assert_eq!(out.json()["user"]["displayName"], "Ada");
        assert_eq!(out.header("content-type"), "application/json");
    }
    for (body, reason) in [
        ("{\"idd\": 1}", "UNKNOWN_FIELD"),
        ("{", "MALFORMED_JSON"),
        ("", "MISSING_BODY"),
        ("{\"id\": 1}", "INVALID_FIELD"),
    ] {
        let out = call(post(GET_USER, "application/json"), body, ok(&[])).await;
        assert!(out.seen.is_none());
        assert_eq!(
            (out.status, &out.json()["code"]),
            (StatusCode::BAD_REQUEST, &json!("invalid_argument"))
        );
        assert_eq!(out.json()["details"][0]["debug"]["reason"], reason, "{body}");
    }
}

#[tokio::test]
async fn what_reads_only_is_called_by_get() {
    for (query, json) in [
        ("connect=v1&encoding=json&message=%7B%22id%22%3A%227%22%7D", true),
        ("connect=v1&encoding=proto&base64=1&message=CgE3", false),
    ] {
        let request = Request::get(format!("{GET_USER}?{query}"));
        let out = call(request, "", ok(&[(0, &user("Ada"))])).await;
        assert_eq!(out.message(), get_user("7"), "{query}");
        assert_eq!(
            out.header("content-type"),
            if json { "application/json" } else { "application/proto" }
        );
        assert_eq!(out.header("vary"), "accept-encoding");
    }
    let gzip = Encoding::Gzip.compress(&get_user("7")).unwrap();
    let message = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, gzip);
    let query = format!("connect=v1&encoding=proto&base64=1&compression=gzip&message={message}");
    let out = call(
        Request::get(format!("{GET_USER}?{query}")),
        "",
        ok(&[(0, &user("Ada"))]),
    )
    .await;
    assert_eq!(out.message(), get_user("7"));
}

#[tokio::test]
async fn compressed_requests_are_inflated_within_the_limit() {
    let long = "x".repeat(LIMIT - 10);
    for encoding in Encoding::ALL {
        let body = encoding.compress(&get_user(&long)).unwrap();
        let request = || post(GET_USER, "application/proto").header("content-encoding", encoding.as_str());
        let out = call(request(), body, ok(&[(0, b"")])).await;
        assert_eq!(out.message(), get_user(&long), "{encoding:?}");
        assert!(!out.seen.unwrap().0.contains_key("content-encoding"));
        let bomb = encoding.compress(&vec![0; LIMIT + 1]).unwrap();
        let out = call(request(), bomb, ok(&[])).await;
        assert_eq!(out.json()["code"], "resource_exhausted", "{encoding:?}");
        assert_eq!(out.json()["details"][0]["debug"]["reason"], "MESSAGE_TOO_LARGE");
        // What is empty is not compressed.
        let out = call(request(), "", ok(&[(0, b"")])).await;
        assert!(out.message().is_empty());
    }
    let plain = call(post(GET_USER, "application/proto"), vec![0; LIMIT + 1], ok(&[])).await;
    assert_eq!(plain.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn answers_are_compressed_as_the_caller_reads_them() {
    let long = user(&"Ada ".repeat(2000));
    for name in ["gzip", "br", "zstd"] {
        let encoding = Encoding::named(Some(&HeaderValue::from_static(name))).unwrap().unwrap();
        for codec in ["proto", "json"] {
            let request = || post(GET_USER, &format!("application/{codec}")).header("accept-encoding", name);
            let body = if codec == "json" { b"{}".to_vec() } else { get_user("") };
            let out = call(request(), body.clone(), ok(&[(0, &long)])).await;
            assert_eq!(out.header("content-encoding"), name, "{codec}");
            let plain = encoding.decompress(&out.body, 1 << 20).unwrap();
            match codec {
                "json" => assert!(plain.starts_with(br#"{"user":{"id":"7""#), "{plain:?}"),
                _ => assert_eq!(plain, long),
            }
            // A short one is not worth it.
            let out = call(request(), body, ok(&[(0, &user("Ada"))])).await;
            assert_eq!(out.header("content-encoding"), "");
        }
    }
}

#[tokio::test]
async fn what_the_service_compressed_passes_or_is_inflated() {
    let gzip = Encoding::Gzip.compress(&user("Ada")).unwrap();
    let theirs = || {
        let mut answer = ok(&[(1, &gzip)]);
        let name = HeaderValue::from_static("gzip");
        answer.headers_mut().insert("grpc-encoding", name);
        answer
    };
    let request = |accepts: &str| post(GET_USER, "application/proto").header("accept-encoding", accepts);
    let out = call(request("gzip"), "", theirs()).await;
    assert_eq!((out.header("content-encoding"), &out.body), ("gzip", &gzip));
    let out = call(request("identity"), "", theirs()).await;
    assert_eq!((out.header("content-encoding"), &out.body[..]), ("", &user("Ada")[..]));
    let out = call(post(GET_USER, "application/json"), "{}", theirs()).await;
    assert_eq!(out.json()["user"]["displayName"], "Ada");
}

#[tokio::test]
async fn an_answer_that_is_not_one_message_is_told() {
    let message = user("Ada");
    for messages in [&[][..], &[(0, &message[..]), (0, &message[..])]] {
        let out = call(post(GET_USER, "application/proto"), "", ok(messages)).await;
        assert_eq!(
            (out.status, &out.json()["code"]),
            (StatusCode::NOT_IMPLEMENTED, &json!("unimplemented"))
        );
    }
    let out = call(post(GET_USER, "application/json"), "{}", ok(&[(0, &[0xff])])).await;
    assert_eq!(out.json()["code"], "internal", "it has no JSON");
}
