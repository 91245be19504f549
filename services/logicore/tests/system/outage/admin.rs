//! The admin process is killed: what it said last stays in force, and is not trusted for ever.

use logicore::settings::DEMO_USER_ID;
use logicore_harness::{Layout, System, soon};
use serde_json::json;

use super::metric;
use crate::support::{GOOD_PASSWORD, start};

const OVERVIEW: &str = "/v1/overview";
const PERMISSIONS: &str = "/v1/permissions";

/// Long enough to do something meanwhile on a slow machine.
const STALE_AFTER: &str = "4s";

#[tokio::test]
async fn without_admin_older_answers_stand_in_and_changes_wait_once_its_word_is_old() -> anyhow::Result<()> {
    let env = [
        ("LOGICORE_FEED_STALE_AFTER", STALE_AFTER),
        ("CIRCUIT_RESET_TIMEOUT", "200"),
    ];
    let mut system = start(Layout::Four, &env).await?;
    let (demo, admin) = (system.demo().await?, system.admin().await?);
    let permissions = fresh(&system, PERMISSIONS, &admin.access).await?;
    let overview = fresh(&system, OVERVIEW, &admin.access).await?;
    system.kill("admin")?;

    let write = async || rename(&system, &admin.access).await;
    assert_eq!(
        write().await?,
        (200, String::new()),
        "what was last known still decides"
    );
    for (path, kept) in [(PERMISSIONS, permissions), (OVERVIEW, overview)] {
        stands_in(&system, path, &admin.access, &kept).await?;
        let other = system.get(path, &demo.access).await?;
        assert_eq!(
            other.outcome(),
            (403, "PERMISSION_MISSING".to_owned()),
            "an older answer is nobody else's"
        );
    }
    let roles = system.get("/v1/roles", &admin.access).await?;
    assert_eq!(roles.status, 503, "only methods that allow it: {}", roles.text());

    let stale = (503, "ACCESS_FEED_STALE".to_owned());
    soon("a change waits", async || Ok((write().await? == stale).then_some(()))).await?;
    // It may be the service that refuses, whose clock began with a heartbeat before the gateway's last one.
    let age = async |producer| metric(&system, "access_feed_age_seconds", &[producer]).await;
    assert!(age("\"admin\"").await? > 3.0 && age("\"auth\"").await? < 3.0);
    serves_what_needs_no_roles(&system).await?;
    let read = system.get(&format!("/v1/users/{DEMO_USER_ID}"), &admin.access).await?;
    assert_eq!(read.status, 200, "reading goes on: {}", read.text());

    system.start_part("admin")?;
    soon("a change is served", async || {
        let (status, _) = rename(&system, &admin.access).await?;
        Ok((status == 200).then_some(()))
    })
    .await?;
    soon("its answers are fresh", async || {
        let answer = system.get(OVERVIEW, &admin.access).await?;
        Ok((answer.status == 200 && answer.header("x-logicore-stale").is_empty()).then_some(()))
    })
    .await
}

/// The answer that was kept, marked as one.
async fn stands_in(system: &System, path: &str, token: &str, kept: &str) -> anyhow::Result<()> {
    let answer = system.get(path, token).await?;
    assert_eq!(
        (answer.status.as_u16(), answer.header("x-logicore-stale")),
        (200, "true"),
        "{}",
        answer.text()
    );
    assert!(answer.header("age").parse::<u64>().is_ok(), "{answer:?}");
    assert_eq!(answer.text(), kept, "{path}");
    Ok(())
}

/// A first answer, which the gateway keeps.
async fn fresh(system: &System, path: &str, token: &str) -> anyhow::Result<String> {
    let answer = system.get(path, token).await?;
    assert_eq!(
        (answer.status.as_u16(), answer.header("x-logicore-stale")),
        (200, ""),
        "{}",
        answer.text()
    );
    Ok(answer.text())
}

/// A change that a permission decides about.
async fn rename(system: &System, token: &str) -> anyhow::Result<(u16, String)> {
    let path = format!("/v1/users/{DEMO_USER_ID}");
    let answer = system.patch(&path, token, &json!({"displayName": "renamed"})).await?;
    if answer.reason() == "ACCESS_FEED_STALE" {
        assert_eq!(answer.fact("producer"), "admin");
        assert!(!answer.header("retry-after").is_empty(), "{answer:?}");
    }
    Ok(answer.outcome())
}

/// Signing in, refreshing, changing one's password, signing out.
async fn serves_what_needs_no_roles(system: &System) -> anyhow::Result<()> {
    let demo = system.demo().await?;
    let demo = system.refreshed(&demo.refresh).await?;
    assert_eq!(system.get("/auth/me", &demo.access).await?.status, 200);
    let change = json!({"currentPassword": "demo123", "newPassword": GOOD_PASSWORD});
    let changed = system.post("/auth/password", &demo.access, &change).await?;
    assert_eq!(changed.status, 200, "{}", changed.text());
    let logout = system.post("/auth/logout", &demo.access, &json!({})).await?;
    assert_eq!(logout.status, 200, "{}", logout.text());
    Ok(())
}
