//! REST in the shapes that it has.

use logicore_harness::send;
use serde_json::{Value, json};

use super::*;

#[tokio::test]
async fn each_shape_that_rest_has() -> anyhow::Result<()> {
    let behind = Behind::start(Layout::One).await?;
    let token = [("authorization", &*behind.bearer)];
    let get = async |path: &str| send(behind.address(), "GET", path, &token, "").await;
    assert_eq!(get("/v1/shapes/a").await?.json(), json!({"text": "a"}));
    let failed = get("/v1/shapes/no?fail=8").await?;
    assert_eq!(
        (failed.status.as_u16(), &failed.json()["message"]),
        (429, &json!("told to: no"))
    );

    let down = get("/v1/shapes/no:down?times=2&fail=8").await?;
    let lines: Vec<Value> = down
        .text()
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(lines[1], json!({"result": {"text": "no"}}));
    assert_eq!(lines[2]["error"]["status"], "RESOURCE_EXHAUSTED");

    let headers = [
        ("authorization", &*behind.bearer),
        ("content-type", "application/x-ndjson"),
    ];
    let body = "{\"text\": \"a\"}\n{\"text\": \"b\"}\n";
    let up = send(behind.address(), "POST", "/v1/shapes:up", &headers, body).await?;
    assert_eq!(up.json(), json!({"text": "ab"}));
    Ok(())
}

#[tokio::test]
async fn a_service_does_not_speak_for_the_gateway() -> anyhow::Result<()> {
    let behind = Behind::start(Layout::One).await?;
    let headers = [
        ("authorization", &*behind.bearer),
        ("x-request-id", "mine"),
        ("x-claim", "www-authenticate"),
        ("x-claim", "x-request-id"),
        ("x-claim", "set-cookie"),
        ("x-claim", "location"),
    ];
    for (path, status, challenge) in [
        ("/v1/shapes/a", 200, ""),
        ("/v1/shapes/a:down", 200, ""),
        ("/v1/shapes/a?fail=7", 403, ""),
        // UNAUTHENTICATED of a service is told with our challenge.
        ("/v1/shapes/a?fail=16", 401, "Bearer realm=\"logicore\""),
    ] {
        let answer = send(behind.address(), "GET", path, &headers, "").await?;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        for (name, value) in [
            ("x-request-id", "mine"),
            ("www-authenticate", challenge),
            ("set-cookie", ""),
            ("location", "claimed"),
        ] {
            assert_eq!(answer.header(name), value, "{path}: {name}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_service_is_told_who_calls_by_the_gateway_alone() -> anyhow::Result<()> {
    let behind = Behind::start(Layout::One).await?;
    let told = async |headers: &[(&str, &str)]| -> anyhow::Result<Vec<String>> {
        let bearer = [("authorization", &*behind.bearer)];
        let headers = [&bearer, headers].concat();
        send(behind.address(), "GET", "/v1/shapes/a", &headers, "").await?;
        let seen = behind.shapes.last_metadata();
        let about_caller = |name: &str| name.contains("logicore") || name.contains("forwarded");
        let told = seen.as_ref().iter().filter(|(name, _)| about_caller(name.as_str()));
        Ok(told.map(|(name, value)| format!("{name}: {value:?}")).collect())
    };
    let plain = told(&[]).await?;
    assert!(
        plain.iter().any(|header| header.starts_with("x-logicore-subject: ")),
        "{plain:?}"
    );
    let spoofed = told(&[
        ("x-logicore-subject", "somebody"),
        ("x_logicore_subject", "somebody"),
        ("X_LogiCore-Roles", "admin"),
        ("x_forwarded_for", "192.0.2.7"),
    ])
    .await?;
    assert_eq!(spoofed, plain);
    Ok(())
}
