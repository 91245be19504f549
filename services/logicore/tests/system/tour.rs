//! The guide's commands, in their order.

use logicore_harness::{Layout, System, get, post, soon};
use serde_json::json;

const PROGRAM: &str = env!("CARGO_BIN_EXE_logicore");

async fn guide(layout: Layout) -> anyhow::Result<()> {
    let system = System::start(PROGRAM, layout, &[]).await?;
    let demo = system.demo().await?;
    let me = get(system.address(), "/auth/me", &demo.access).await?;
    assert_eq!(me.json()["email"], "demo@example.com");
    let refreshed = system.refresh(&demo.refresh).await?;
    assert_eq!(refreshed.status, 200, "{}", refreshed.text());
    assert_ne!(refreshed.json()["refreshToken"], demo.refresh.as_str());

    let status = get(system.address(), "/circuit-breaker/status", &demo.access).await?;
    assert_eq!((status.status.as_u16(), &*status.reason()), (403, "PERMISSION_MISSING"));
    let admin = system.admin().await?;
    let status = get(system.address(), "/circuit-breaker/status", &admin.access).await?;
    assert_eq!(status.status, 200, "{}", status.text());
    assert_eq!(status.json()["breakers"][0]["state"], "Closed");
    assert_eq!(status.json()["auth"]["loginsSucceeded"], "2");

    for path in [
        "/health",
        "/readyz",
        "/metrics/health",
        "/metrics",
        "/openapi.json",
        "/docs",
    ] {
        assert_eq!(get(system.address(), path, "").await?.status, 200, "{path}");
    }
    let wrong = json!({"email": "demo@example.com", "password": "wrong"});
    let refused = post(system.address(), "/auth/login", "", &wrong).await?;
    assert_eq!(
        (refused.status.as_u16(), &*refused.reason()),
        (401, "AUTH_INVALID_CREDENTIALS")
    );
    Ok(())
}

#[tokio::test]
async fn the_guides_commands_work_in_one_process() -> anyhow::Result<()> {
    guide(Layout::One).await
}

#[tokio::test]
async fn the_guides_commands_work_in_four_processes() -> anyhow::Result<()> {
    guide(Layout::Four).await
}

/// The access log of the part that callers reach says from where what was asked for, and how it ended.
#[tokio::test]
async fn the_access_log_names_path_and_address_and_no_query() -> anyhow::Result<()> {
    let mut system = System::start(PROGRAM, Layout::One, &[]).await?;
    let demo = system.demo().await?;
    for (path, code) in [
        ("/auth/me?page=hidden", "INVALID_ARGUMENT"),
        ("/nowhere?q=hidden", "UNIMPLEMENTED"),
    ] {
        get(system.address(), path, &demo.access).await?;
        let asked = format!("GET {}", path.split('?').next().unwrap_or_default());
        // Lines are written together, a moment after the answer.
        let process = system.process("all")?;
        let lines = soon(&asked, async || {
            let log = process.logged("INFO").into_iter();
            let lines: Vec<_> = log.filter(|l| l["http"] == asked.as_str()).collect();
            Ok((!lines.is_empty()).then_some(lines))
        })
        .await?;
        let [line] = &lines[..] else {
            panic!("one line of {asked}: {lines:?}");
        };
        assert_eq!((&line["address"], &line["code"]), (&json!("127.0.0.1"), &json!(code)));
        assert!(line["millis"].is_number() && line["request_id"].is_string(), "{line}");
    }
    let log = system.process("all")?.log().join("\n");
    assert!(!log.contains("hidden") && !log.contains(&demo.access), "{log}");
    Ok(())
}
