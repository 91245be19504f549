use tonic::Code;
use tonic_types::{ErrorDetails, StatusExt};

use super::*;

#[tokio::test]
async fn errors_have_their_code_status_and_details() {
    for (code, name, http) in [
        (Code::Cancelled, "canceled", 499),
        (Code::Unknown, "unknown", 500),
        (Code::InvalidArgument, "invalid_argument", 400),
        (Code::DeadlineExceeded, "deadline_exceeded", 504),
        (Code::NotFound, "not_found", 404),
        (Code::AlreadyExists, "already_exists", 409),
        (Code::PermissionDenied, "permission_denied", 403),
        (Code::ResourceExhausted, "resource_exhausted", 429),
        (Code::FailedPrecondition, "failed_precondition", 400),
        (Code::Aborted, "aborted", 409),
        (Code::OutOfRange, "out_of_range", 400),
        (Code::Unimplemented, "unimplemented", 501),
        (Code::Internal, "internal", 500),
        (Code::Unavailable, "unavailable", 503),
        (Code::DataLoss, "data_loss", 500),
        (Code::Unauthenticated, "unauthenticated", 401),
    ] {
        let status = Status::new(code, "no ümlaut");
        for theirs in [
            answer(&[], &status),
            answer(&[(0, b"x")], &status),
            status.clone().into_http(),
        ] {
            let out = call(post(GET_USER, "application/proto"), "", theirs).await;
            assert_eq!(out.status, http, "{name}");
            assert_eq!(out.json(), json!({"code": name, "message": "no ümlaut"}));
            assert_eq!(out.header("content-type"), "application/json");
        }
    }
    let mut details = ErrorDetails::new();
    details.set_retry_info(Some(std::time::Duration::from_millis(1500)));
    details.set_debug_info(vec!["secret".to_owned()], "secret");
    let status = Status::with_error_details(Code::Unavailable, "soon", details);
    let out = call(post(GET_USER, "application/json"), "{}", answer(&[], &status)).await;
    assert_eq!(
        out.json()["details"],
        json!([{"type": "google.rpc.RetryInfo", "value": "CggIARCAyrXuAQ", "debug": {"retryDelay": "1.500s"}}])
    );
    assert_eq!(out.header("retry-after"), "2");
    assert_eq!((out.header("trailer-x-cost"), out.header("x-served-by")), ("3", "b"));
    let mut alone = status.into_http();
    alone.headers_mut().insert("x-cost", HeaderValue::from_static("3"));
    let out = call(post(GET_USER, "application/json"), "{}", alone).await;
    assert_eq!(
        (out.header("x-cost"), out.header("trailer-x-cost")),
        ("3", ""),
        "it is told once"
    );
}

#[tokio::test]
async fn a_call_in_a_form_that_its_method_does_not_have_is_refused() {
    for (path, content_type, status) in [
        (GET_USER, "application/connect+json", StatusCode::OK),
        (WATCH, "application/json", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (WATCH, "application/proto", StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ] {
        let out = call(post(path, content_type), "{}", ok(&[])).await;
        assert_eq!(out.status, status, "{path} {content_type}");
        assert!(out.seen.is_none());
        let told = String::from_utf8_lossy(&out.body).into_owned();
        assert!(told.contains("UNSUPPORTED_MEDIA_TYPE"), "{told}");
    }
}

#[tokio::test]
async fn what_has_effects_is_not_called_by_get() {
    for path in [LOGIN, WATCH] {
        let out = call(
            Request::get(format!("{path}?connect=v1&encoding=json&message=%7B%7D")),
            "",
            ok(&[]),
        )
        .await;
        assert_eq!(
            (out.status, out.header("allow")),
            (StatusCode::METHOD_NOT_ALLOWED, "POST"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn heads_that_cannot_be_served_are_refused() {
    let request = || post(GET_USER, "application/proto");
    for (request, code) in [
        (request().header("connect-protocol-version", "2"), "invalid_argument"),
        (request().header("connect-timeout-ms", "soon"), "invalid_argument"),
        (request().header("content-encoding", "snappy"), "unimplemented"),
        (post("/a.B/C", "application/proto"), "unimplemented"),
        (
            Request::get(format!("{GET_USER}?connect=v1&encoding=json&message=x&connect=v2")),
            "invalid_argument",
        ),
        (
            Request::get(format!("{GET_USER}?connect=v1&encoding=json")),
            "invalid_argument",
        ),
    ] {
        let what = format!("{request:?}");
        let out = call(request, "", ok(&[])).await;
        assert!(out.seen.is_none(), "{what}");
        assert_eq!(out.json()["code"], code, "{what}");
    }
    let unknown = call(request().header("content-encoding", "snappy"), "", ok(&[])).await;
    let told = unknown.json()["message"].as_str().unwrap().to_owned();
    assert!(["gzip", "br", "zstd"].iter().all(|name| told.contains(name)), "{told}");
}

#[tokio::test]
async fn what_is_refused_before_it_is_a_call_is_json() {
    let answer = Connect::refusal(Error::new(Reason::HostNotServed, "not here"));
    assert_eq!(answer.status(), StatusCode::MISDIRECTED_REQUEST);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let error: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (&error["code"], &error["message"]),
        (&json!("permission_denied"), &json!("not here"))
    );
}
