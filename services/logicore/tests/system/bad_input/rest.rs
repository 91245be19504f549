//! REST: an HTTP status, a stable reason, and the field where it is one.

use logicore_harness::{Layout, Reply, System, raw};

use crate::support::{in_both_layouts, shared};

in_both_layouts!(
    a_wrong_body_is_told_by_reason_and_field,
    a_wrong_path_or_query_is_told,
    a_body_above_the_limit_is_refused_before_it_is_read,
    a_path_that_is_none_and_a_verb_that_it_does_not_take_are_told_apart,
    a_wrong_token_is_challenged,
    a_content_type_that_is_not_read_is_told,
    a_deadline_that_is_over_is_told,
);

const JSON: (&str, &str) = ("content-type", "application/json");

const LOGIN: &str = "/auth/login";
const USERS: &str = "/v1/users";
const REVOKE: &str = "/v1/tokens:revoke";

/// Path, body, reason and field.
const WRONG_BODIES: &[(&str, &str, &str, &str)] = &[
    (LOGIN, r#"{"email":"#, "MALFORMED_JSON", ""),
    (LOGIN, r#"{"email":"a"} x"#, "MALFORMED_JSON", ""),
    (LOGIN, r#"{"email":"a","email":"b"}"#, "MALFORMED_JSON", ""),
    (LOGIN, "{'email':'a'}", "MALFORMED_JSON", ""),
    (LOGIN, "\u{feff}{}", "MALFORMED_JSON", ""),
    (LOGIN, "", "MISSING_BODY", ""),
    (LOGIN, "[]", "INVALID_FIELD", "body"),
    (LOGIN, "null", "INVALID_FIELD", "body"),
    (LOGIN, r#"{"emial":"a"}"#, "UNKNOWN_FIELD", "emial"),
    (LOGIN, r#"{"email":5}"#, "INVALID_FIELD", "email"),
    (LOGIN, r#"{"email":["a"]}"#, "INVALID_FIELD", "email"),
    (LOGIN, r#"{"email":{}}"#, "INVALID_FIELD", "email"),
    (LOGIN, r#"{"password":"x"}"#, "INVALID_FIELD", "email"),
    (LOGIN, r#"{"email":"a"}"#, "INVALID_FIELD", "password"),
    ("/auth/refresh", "{}", "INVALID_FIELD", "refresh_token"),
    (
        "/auth/refresh",
        r#"{"refreshToken":"a","refresh_token":"b"}"#,
        "INVALID_FIELD",
        "refresh_token",
    ),
    (USERS, r#"{"user":{"nmae":"a"}}"#, "UNKNOWN_FIELD", "user.nmae"),
    (
        USERS,
        r#"{"user":{"labels":{"a":1}}}"#,
        "INVALID_FIELD",
        r#"user.labels["a"]"#,
    ),
    (USERS, r#"{"user":{"email":"no email"}}"#, "INVALID_FIELD", "user.email"),
    (
        USERS,
        r#"{"user":{"email":"a@example.com"},"requestId":7}"#,
        "INVALID_FIELD",
        "request_id",
    ),
    (REVOKE, r#"{"everyone":true,"userId":"x"}"#, "INVALID_FIELD", "user_id"),
    (REVOKE, r#"{"everyone":"yes"}"#, "INVALID_FIELD", "everyone"),
    (
        "/v1/sessions:revokeAll",
        r#"{"keepCurrent":1}"#,
        "INVALID_FIELD",
        "keep_current",
    ),
];

async fn post(system: &System, path: &str, token: &str, body: &str) -> anyhow::Result<Reply> {
    let bearer = format!("Bearer {token}");
    let mut headers = vec![JSON];
    if !token.is_empty() {
        headers.push(("authorization", &bearer));
    }
    system.send("POST", path, &headers, body).await
}

/// Every error of REST is `google.rpc.Status` in JSON, is kept by nobody, and says which request it belongs to.
fn well_formed(answer: &Reply) {
    let json = answer.json();
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert!(json["code"].as_i64().is_some_and(|code| code > 0), "{json}");
    assert!(json["status"].as_str().is_some_and(|name| !name.is_empty()), "{json}");
    assert!(json["message"].as_str().is_some_and(|text| !text.is_empty()), "{json}");
    let info = answer.detail("google.rpc.ErrorInfo");
    assert_eq!(info["domain"], "logicore", "{json}");
}

fn told(answer: &Reply, status: u16, reason: &str) {
    assert_eq!(answer.outcome(), (status, reason.to_owned()), "{}", answer.text());
    well_formed(answer);
}

async fn a_wrong_body_is_told_by_reason_and_field(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    let admin = system.admin().await?.access;
    for (path, body, reason, field) in WRONG_BODIES {
        let answer = post(&system, path, &admin, body).await?;
        told(&answer, 400, reason);
        assert_eq!(answer.field(), *field, "{path} {body}: {}", answer.text());
    }
    let deep = format!("{}1{}", r#"{"user":"#.repeat(2000), "}".repeat(2000));
    told(&post(&system, USERS, &admin, &deep).await?, 400, "MALFORMED_JSON");
    let bearer = format!("Bearer {admin}");
    let unasked = system
        .send("GET", "/auth/me", &[JSON, ("authorization", &bearer)], "{}")
        .await?;
    told(&unasked, 400, "UNEXPECTED_BODY");
    Ok(())
}

async fn a_wrong_path_or_query_is_told(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    let admin = system.admin().await?.access;
    for (path, reason, field) in [
        ("/v1/users/%ff", "MALFORMED_PATH", ""),
        ("/v1/users/%c3%28", "MALFORMED_PATH", ""),
        ("/v1/users/%zz", "MALFORMED_PATH", ""),
        ("/v1/users/%", "MALFORMED_PATH", ""),
        ("/v1/users?filter=%ff", "MALFORMED_PATH", ""),
        ("/v1/users/not-an-id", "INVALID_ID", "id"),
        ("/v1/users?pageSize=many", "INVALID_FIELD", "page_size"),
        ("/v1/users?pageSize=1&page_size=2", "INVALID_FIELD", "page_size"),
        ("/v1/users?pageSize=99999999999", "INVALID_FIELD", "page_size"),
        ("/v1/users?pagesize=1", "UNKNOWN_FIELD", "pagesize"),
        ("/v1/users?showDeleted=maybe", "INVALID_FIELD", "show_deleted"),
        ("/v1/users?pageToken=x", "INVALID_PAGE_TOKEN", ""),
        ("/v1/users?filter=nothing", "INVALID_FILTER", ""),
        ("/v1/users?orderBy=password", "INVALID_ORDER_BY", ""),
    ] {
        let answer = system.get(path, &admin).await?;
        told(&answer, 400, reason);
        if !field.is_empty() {
            assert_eq!(answer.field(), field, "{path}: {}", answer.text());
        }
    }
    // Bytes that are no URI at all: hyper's own answer.
    let answer = raw(
        system.address(),
        b"GET /v1/users/\xff HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
    )
    .await?;
    assert!(
        answer.starts_with(b"HTTP/1.1 400"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    Ok(())
}

async fn a_body_above_the_limit_is_refused_before_it_is_read(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    let token = system.admin().await?.access;
    // Strangers have nothing long to say; whoever is known may say as much as the setting allows.
    for (path, credentials, limit) in [
        (LOGIN, String::new(), 64 << 10),
        (USERS, format!("authorization: Bearer {token}\r\n"), 4 << 20),
    ] {
        let above = limit + 1;
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             {credentials}connection: close\r\n"
        );
        let announced = format!("{head}content-length: {above}\r\n\r\n");
        let mut chunked = format!("{head}transfer-encoding: chunked\r\n\r\n{above:x}\r\n").into_bytes();
        chunked.resize(chunked.len() + above, b' ');
        for request in [announced.into_bytes(), chunked] {
            let answer = raw(system.address(), &request).await?;
            let answer = String::from_utf8_lossy(&answer);
            assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
            assert!(
                answer.contains("MESSAGE_TOO_LARGE") && answer.contains(&limit.to_string()),
                "{answer}"
            );
        }
    }
    Ok(())
}

async fn a_path_that_is_none_and_a_verb_that_it_does_not_take_are_told_apart(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    for path in ["/nowhere", "/v1", "/v1/users/1/2/3", "/auth", "/v1/sessions:nothing"] {
        for verb in ["GET", "POST", "DELETE", "BREW"] {
            told(&system.send(verb, path, &[], "").await?, 404, "ROUTE_NOT_FOUND");
        }
    }
    for (verb, path, allow) in [
        ("GET", "/auth/login", "OPTIONS, POST"),
        ("PUT", "/auth/me", "GET, HEAD, OPTIONS"),
        ("DELETE", "/v1/users", "GET, HEAD, OPTIONS, POST"),
        ("BREW", "/v1/users/1", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("POST", "/metrics", "GET, HEAD, OPTIONS"),
        ("POST", "/openapi.json", "GET, HEAD, OPTIONS"),
        ("TRACE", "/health", "GET, HEAD, OPTIONS"),
    ] {
        let answer = system.send(verb, path, &[], "").await?;
        told(&answer, 405, "METHOD_NOT_ALLOWED");
        assert_eq!(answer.header("allow"), allow, "{verb} {path}");
        let options = system.send("OPTIONS", path, &[], "").await?;
        assert_eq!(
            (options.status.as_u16(), options.header("allow")),
            (204, allow),
            "{path}"
        );
    }
    let head = system.send("HEAD", "/health", &[], "").await?;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    Ok(())
}

async fn a_wrong_token_is_challenged(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    let demo = system.demo().await?.access;
    let bare = system.get("/auth/me", "").await?;
    told(&bare, 401, "AUTH_TOKEN_MISSING");
    assert_eq!(bare.header("www-authenticate"), r#"Bearer realm="logicore""#);
    for header in [
        "Bearer x",
        "Bearer",
        "Bearer ",
        "Basic ZGVtbzpkZW1v",
        "bearer x y",
        &demo,
    ] {
        let answer = system.send("GET", "/auth/me", &[("authorization", header)], "").await?;
        told(&answer, 401, "AUTH_TOKEN_INVALID");
        let challenge = answer.header("www-authenticate");
        assert!(challenge.contains(r#"error="invalid_token""#), "{header}: {challenge}");
    }
    let good = format!("Bearer {demo}");
    let twice = [("authorization", good.as_str()), ("authorization", good.as_str())];
    told(
        &system.send("GET", "/auth/me", &twice, "").await?,
        401,
        "AUTH_TOKEN_INVALID",
    );

    let forbidden = system.get("/v1/users", &demo).await?;
    told(&forbidden, 403, "PERMISSION_MISSING");
    assert_eq!(forbidden.fact("permission"), "users.read");
    assert!(
        forbidden.json()["message"]
            .as_str()
            .is_some_and(|m| m.contains("users.read"))
    );
    assert_eq!(forbidden.header("www-authenticate"), "", "another token would not help");
    Ok(())
}

async fn a_content_type_that_is_not_read_is_told(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    let login = r#"{"email":"demo@example.com","password":"demo123"}"#;
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "application/json; charset=latin1",
        "application/jsonp",
        "json",
        "",
    ] {
        let answer = system
            .send("POST", "/auth/login", &[("content-type", kind)], login)
            .await?;
        told(&answer, 415, "UNSUPPORTED_MEDIA_TYPE");
    }
    told(
        &system.send("POST", "/auth/login", &[], login).await?,
        415,
        "UNSUPPORTED_MEDIA_TYPE",
    );
    for (encoding, status, reason) in [
        ("snappy", 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("gzip", 400, "MALFORMED_MESSAGE"),
    ] {
        let headers = [JSON, ("content-encoding", encoding)];
        told(
            &system.send("POST", "/auth/login", &headers, login).await?,
            status,
            reason,
        );
    }
    for kind in ["application/json; charset=utf-8", "Application/JSON;charset=\"UTF-8\""] {
        let answer = system
            .send("POST", "/auth/login", &[("content-type", kind)], login)
            .await?;
        assert_eq!(answer.status, 200, "{kind}: {}", answer.text());
    }
    Ok(())
}

async fn a_deadline_that_is_over_is_told(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    for timeout in ["0m", "1n", "1u"] {
        let answer = system.send("GET", "/health", &[("grpc-timeout", timeout)], "").await?;
        let over = answer.outcome() == (504, "DEADLINE_EXCEEDED".to_owned());
        assert!(
            over || (timeout != "0m" && answer.status == 200),
            "{timeout}: {}",
            answer.text()
        );
    }
    // Hashing takes longer than a millisecond on every machine.
    let login = r#"{"email":"demo@example.com","password":"demo123"}"#;
    let answer = system
        .send("POST", "/auth/login", &[JSON, ("grpc-timeout", "1m")], login)
        .await?;
    told(&answer, 504, "DEADLINE_EXCEEDED");
    for timeout in ["5", "x", "-1S", "123456789S", "1.5S", "1s"] {
        let answer = system.send("GET", "/health", &[("grpc-timeout", timeout)], "").await?;
        told(&answer, 400, "MALFORMED_HEADER");
    }
    Ok(())
}
