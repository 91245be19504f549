//! Parts that are away, one after the other: what goes on without them, what does not, and how it comes back.

#[path = "outage/admin.rs"]
mod admin;
#[path = "outage/auth.rs"]
mod auth;
#[path = "outage/drain.rs"]
mod drain;
#[path = "outage/user.rs"]
mod user;

use logicore_harness::System;
use serde_json::Value;

/// What a gateway shows of the breaker of a service.
///
/// # Errors
/// When no answer comes.
async fn breaker(system: &System, admin: &str, name: &str) -> anyhow::Result<Value> {
    let status = system.get("/circuit-breaker/status", admin).await?;
    assert_eq!(status.status, 200, "{}", status.text());
    let breakers = status.json()["breakers"].as_array().cloned().unwrap_or_default();
    let found = breakers.iter().find(|b| b["name"] == name);
    Ok(found.cloned().unwrap_or(Value::Null))
}

/// The sum of a metric over all series whose labels hold these texts.
///
/// # Errors
/// When no answer comes.
async fn metric(system: &System, name: &str, labels: &[&str]) -> anyhow::Result<f64> {
    let text = system.get("/metrics", "").await?.text();
    let series = text.lines().filter(|line| line.starts_with(name));
    let meant = series.filter(|line| labels.iter().all(|label| line.contains(label)));
    Ok(meant
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum())
}
