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
