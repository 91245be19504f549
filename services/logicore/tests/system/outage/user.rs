//! The tour of the README: the user process is killed and comes back.

use std::collections::BTreeSet;

use logicore::settings::DEMO_USER_ID;
use logicore_harness::{Layout, Reply, System, get, soon};
use serde_json::{Value, json};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus};

use super::{breaker, metric};
use crate::support::start;

fn profile() -> String {
    format!("/v1/users/{DEMO_USER_ID}")
}

#[tokio::test]
async fn a_killed_user_service_takes_nothing_else_with_it_and_comes_back_by_itself() -> anyhow::Result<()> {
    let mut system = start(Layout::Four, &[("CIRCUIT_RESET_TIMEOUT", "2000")]).await?;
    let (demo, admin) = (system.demo().await?, system.admin().await?.access);
    assert_eq!(system.get(&profile(), &demo.access).await?.status, 200);
    system.kill("user")?;

    let again = system.demo().await?;
    let fresh = system.refreshed(&again.refresh).await?;
    assert_eq!(system.get("/auth/me", &fresh.access).await?.status, 200);
    assert_eq!(system.get("/v1/roles", &admin).await?.status, 200);

    let mut calls = 0;
    soon("the breaker opens", async || {
        calls += 1;
        refused(&system.get(&profile(), &demo.access).await?);
        Ok((breaker(&system, &admin, "user").await?["state"] == "Open").then_some(()))
    })
    .await?;
    assert!(calls <= 5, "{calls} calls by hand");
    shown_as_away(&system, &admin, &demo.access).await?;

    system.start_part("user")?;
    soon("the breaker closes by itself", async || {
        let answer = system.get(&profile(), &demo.access).await?;
        if answer.status != 200 {
            refused(&answer);
            return Ok(None);
        }
        Ok((breaker(&system, &admin, "user").await?["state"] == "Closed").then_some(()))
    })
    .await?;
    assert!(
        metric(
            &system,
            "circuit_breaker_events_total",
            &["\"user\"", "\"service\"", "\"closed\""]
        )
        .await?
            >= 1.0
    );
    let ready = system.get("/readyz", "").await?.json();
    assert_eq!(check(&ready, "upstream/user"), "ok", "{ready}");
    health(&system, "logicore.user.v1.UserService", ServingStatus::Serving).await
}

/// Quickly, and with the time to come again.
fn refused(answer: &Reply) {
    assert_eq!(answer.status, 503, "{}", answer.text());
    let reason = answer.reason();
    assert!(
        ["UPSTREAM_UNAVAILABLE", "CIRCUIT_OPEN"].contains(&&*reason),
        "{}",
        answer.text()
    );
    assert!(
        !answer.detail("google.rpc.RetryInfo")["retryDelay"].is_null(),
        "{}",
        answer.text()
    );
    assert!(
        answer.header("retry-after").parse::<u64>().is_ok_and(|s| s >= 1),
        "{answer:?}"
    );
}

async fn shown_as_away(system: &System, admin: &str, demo: &str) -> anyhow::Result<()> {
    let (before, away) = (
        breaker(system, admin, "user").await?,
        system.get(&profile(), demo).await?,
    );
    refused(&away);
    assert!(
        before["retryAfter"].is_string() || before["state"] == "HalfOpen",
        "{before}"
    );
    let events = "circuit_breaker_events_total";
    assert!(metric(system, events, &["\"user\"", "\"service\"", "\"opened\""]).await? >= 1.0);
    assert_eq!(metric(system, events, &["\"auth\"", "\"opened\""]).await?, 0.0);
    let ready = system.get("/readyz", "").await?;
    assert_eq!(
        ready.status, 200,
        "one service less is no reason to take no request at all"
    );
    assert_eq!(ready.json()["status"], "degraded", "{}", ready.text());
    assert_eq!(check(&ready.json(), "upstream/user"), "degraded");
    assert_eq!(check(&ready.json(), "upstream/auth"), "ok");
    health(system, "logicore.user.v1.UserService", ServingStatus::NotServing).await?;
    health(system, "logicore.auth.v1.AuthService", ServingStatus::Serving).await?;
    health(system, "", ServingStatus::Serving).await
}

/// What readiness says of one thing that it looks at.
fn check(ready: &Value, name: &str) -> String {
    let checks = ready["checks"].as_array().cloned().unwrap_or_default();
    let found = checks.iter().find(|c| c["name"] == name);
    found.map(|c| crate::support::text(&c["status"])).unwrap_or_default()
}

/// The health service looks at the state a few times a second.
async fn health(system: &System, service: &str, expected: ServingStatus) -> anyhow::Result<()> {
    soon(&format!("{service:?} is {expected:?}"), async || {
        let message = HealthCheckRequest {
            service: service.to_owned(),
        };
        let answer = system.grpc("/grpc.health.v1.Health/Check", "", &message).await?;
        let answer: HealthCheckResponse = answer.message()?;
        Ok((answer.status() == expected).then_some(()))
    })
    .await
}

#[tokio::test]
async fn an_operator_closes_a_breaker_on_every_gateway() -> anyhow::Result<()> {
    let mut system = start(Layout::Four, &[("CIRCUIT_RESET_TIMEOUT", "600000")]).await?;
    system.start_part("gateway2")?;
    let gateways = [system.address(), system.mesh_address("gateway2")];
    let (demo, admin) = (system.demo().await?.access, system.admin().await?.access);
    let served = async |at| anyhow::Ok(get(at, &profile(), &demo).await?.outcome());
    for at in gateways {
        soon("it serves", async || Ok((served(at).await?.0 == 200).then_some(()))).await?;
    }
    system.kill("user")?;
    let open = (503, "CIRCUIT_OPEN".to_owned());
    for at in gateways {
        soon("its breaker opens", async || {
            Ok((served(at).await? == open).then_some(()))
        })
        .await?;
    }
    system.start_part("user")?;
    for at in gateways {
        assert_eq!(served(at).await?, open, "ten minutes are not over");
    }
    soon("admin hears of both", async || {
        Ok((open_at(&system, &admin).await? == 2).then_some(()))
    })
    .await?;

    let order = json!({"name": "user"});
    let forbidden = system.post("/v1/circuit-breakers:reset", &demo, &order).await?;
    assert_eq!(forbidden.outcome(), (403, "PERMISSION_MISSING".to_owned()));
    let ordered = system.post("/v1/circuit-breakers:reset", &admin, &order).await?;
    assert_eq!(
        (ordered.status.as_u16(), &ordered.json()["gateways"]),
        (200, &json!(2)),
        "{}",
        ordered.text()
    );
    for at in gateways {
        soon("its breaker is closed", async || {
            Ok((served(at).await?.0 == 200).then_some(()))
        })
        .await?;
    }
    assert!(metric(&system, "circuit_breaker_events_total", &["\"user\"", "\"reset\""]).await? >= 1.0);
    Ok(())
}

/// How many gateways say that the user service's breaker is open.
async fn open_at(system: &System, admin: &str) -> anyhow::Result<usize> {
    let all = system.get("/v1/circuit-breakers", admin).await?.json();
    let all = all["breakers"].as_array().cloned().unwrap_or_default();
    let open = all.iter().filter(|b| b["name"] == "user" && b["state"] == "Open");
    let gateways: BTreeSet<_> = open.map(|b| b["gateway"].to_string()).collect();
    Ok(gateways.len())
}
