//! Chromium: a page of another origin that speaks gRPC-Web, and the docs page.

use std::path::Path;

use anyhow::Context as _;
use logicore_harness::Layout;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::peer;
use crate::support::{in_both_layouts, start};

in_both_layouts!(a_page_of_an_allowed_origin_calls_by_grpc_web);

/// Runs a script that drives Chromium, whose place is the first argument.
pub(super) async fn node(script: &str, args: &[&str]) -> anyhow::Result<Value> {
    let chromium = peer::find("chromium")?.display().to_string();
    peer::script("node", script, &[&[&*chromium], args].concat()).await
}

/// Serves a page at every path until the test ends. Returns the port.
pub(super) async fn serve(page: &str) -> anyhow::Result<u16> {
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{page}",
        page.len()
    );
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    Ok(port)
}

async fn a_page_of_an_allowed_origin_calls_by_grpc_web(layout: Layout) -> anyhow::Result<()> {
    let port = serve(&std::fs::read_to_string(peer::beside("page.html"))?).await?;
    // One page at two origins.
    let (allowed, other) = (format!("http://localhost:{port}"), format!("http://127.0.0.1:{port}"));
    let system = start(layout, &[("LOGICORE_CORS_ORIGINS", &allowed)]).await?;
    let gateway = format!("http://localhost:{}", system.address().port());
    let seen = node("web.js", &[&gateway, &allowed, &other]).await?;

    for name in ["login", "me"] {
        let call = &seen[name];
        assert_eq!(
            (&call["status"], &call["type"]),
            (&"0".into(), &"application/grpc-web+proto".into()),
            "{seen}"
        );
        assert_eq!(call["request"], true, "the request id can be read: {seen}");
    }
    assert_eq!(seen["email"], "demo@example.com");
    for (name, reason) in [
        ("wrong", "AUTH_INVALID_CREDENTIALS"),
        ("stranger", "AUTH_TOKEN_MISSING"),
    ] {
        assert_eq!(seen[name]["status"], "16", "{seen}");
        let details = seen[name]["details"].as_str().unwrap_or_default();
        assert!(details.contains(reason), "{reason} can be read: {seen}");
    }
    assert_eq!(seen["other"], "TypeError: Failed to fetch", "{seen}");
    assert_eq!(seen["plain"], "TypeError: Failed to fetch", "{seen}");
    Ok(())
}

#[tokio::test]
async fn the_docs_page_works_offline_and_under_its_own_rules() -> anyhow::Result<()> {
    let system = start(Layout::One, &[]).await?;
    let gateway = format!("http://localhost:{}", system.address().port());
    let picture = system.dir().join("docs.png");
    let seen = node("docs.js", &[&gateway, &picture.display().to_string()]).await?;

    assert_eq!(seen["address"], format!("{gateway}/docs"), "/ leads a browser there");
    assert_eq!(seen["problems"], Value::Array(Vec::new()), "{seen}");
    assert_eq!(seen["violations"], Value::Array(Vec::new()), "{seen}");
    let requests = seen["requests"].as_array().context("requests")?;
    let elsewhere = requests
        .iter()
        .filter(|url| !url.as_str().is_some_and(|url| url.starts_with(&gateway)));
    assert_eq!(elsewhere.count(), 0, "{seen}");

    let operations = seen["operations"].as_array().context("operations")?;
    assert_eq!(operations[0], "POST /auth/login", "a reader begins with it");
    for operation in ["GET /auth/me", "GET /health", "GET /v1/users", "POST /v1/tokens:revoke"] {
        assert!(operations.contains(&operation.into()), "{operation} in {seen}");
    }
    assert_eq!(
        (&seen["health"]["status"], &seen["health"]["body"]["status"]),
        (&"200".into(), &"ok".into())
    );
    assert_eq!(seen["login"]["status"], "200", "{seen}");
    assert_eq!(
        seen["me"]["body"]["email"], "demo@example.com",
        "who signed in on the page is signed in: {seen}"
    );
    assert!(is_png(&picture)?);
    Ok(())
}

fn is_png(file: &Path) -> anyhow::Result<bool> {
    Ok(std::fs::read(file)?.starts_with(b"\x89PNG"))
}
