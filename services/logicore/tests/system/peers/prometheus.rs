//! Prometheus: scrapes the running gateway with the project's rules, and is asked what the guide's dashboards ask.

use std::{net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context as _, bail};
use logicore_harness::{Layout, System, free_port, get, soon};
use serde_json::{Value, json};
use tokio::process::Child;

use super::peer;
use crate::support::start;

/// The guide's key metrics.
const GUIDE: [&str; 4] = [
    "rate(api_requests_total[5m])",
    "rate(api_errors_total[5m]) / rate(api_requests_total[5m])",
    r#"api_request_duration_seconds{quantile="0.95"}"#,
    "circuit_breaker_events_total",
];

struct Prometheus {
    address: SocketAddr,
    _process: Child,
}

impl Prometheus {
    /// Scrapes `target` every second. The rules are the project's, evaluated as often.
    async fn start(target: SocketAddr, folder: &Path) -> anyhow::Result<Self> {
        for file in ["recording.yml", "alerts.yml"] {
            let rules = std::fs::read_to_string(peer::workspace("k8s/observability/rules").join(file))?;
            std::fs::write(folder.join(file), rules.replace("interval: 15s", "interval: 1s"))?;
        }
        let config = json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["recording.yml", "alerts.yml"],
            "scrape_configs": [{
                "job_name": "api-gateway",
                "static_configs": [{"targets": [target.to_string()], "labels": {"app": "api-gateway", "pod": "gateway-0"}}],
            }],
        });
        let file = folder.join("prometheus.yml");
        std::fs::write(&file, config.to_string())?;
        let port = free_port()?;
        let mut command = peer::program("prometheus")?;
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--log.level=error");
        Ok(Self {
            _process: peer::serve(&mut command, port, "/-/ready").await?,
            address: ([127, 0, 0, 1], port).into(),
        })
    }

    /// `data` of an answer.
    async fn api(&self, path: &str) -> anyhow::Result<Value> {
        let answer = get(self.address, path, "").await?;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        Ok(answer.json()["data"].take())
    }

    /// The series of an expression that have a number, NaN being none.
    async fn query(&self, expression: &str) -> anyhow::Result<Vec<(Value, f64)>> {
        let encoded: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let data = self.api(&format!("/api/v1/query?query={encoded}")).await?;
        let series = data["result"].as_array().context("a vector")?;
        let number = |one: &Value| one["value"][1].as_str()?.parse::<f64>().ok();
        let numbers = series
            .iter()
            .filter_map(|one| Some((one["metric"].clone(), number(one)?)));
        Ok(numbers.filter(|(_, value)| !value.is_nan()).collect())
    }
}

/// The number of a method's series.
fn of<'a>(series: &'a [(Value, f64)], method: &str) -> Option<&'a f64> {
    let wanted = series
        .iter()
        .find(|(labels, _)| labels["method"] == method && labels["protocol"] == "rest");
    wanted.map(|(_, value)| value)
}

/// Calls until Prometheus has seen it twice and the rules were evaluated since. Returns what the guide's expressions say.
async fn figures(system: &System, prometheus: &Prometheus) -> anyhow::Result<Vec<Vec<(Value, f64)>>> {
    let demo = system.demo().await?;
    soon("figures", async || {
        system.get("/auth/me", &demo.access).await?;
        system.get("/v1/users", &demo.access).await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let mut seen = Vec::new();
        for expression in GUIDE {
            seen.push(prometheus.query(expression).await?);
        }
        let there = seen[..3].iter().all(|series| of(series, "GetMe").is_some());
        Ok((there && !seen[3].is_empty()).then_some(seen))
    })
    .await
}

#[tokio::test]
async fn prometheus_answers_the_guides_expressions() -> anyhow::Result<()> {
    let system = start(Layout::One, &[]).await?;
    let folder = tempfile::tempdir()?;
    let prometheus = Prometheus::start(system.address(), folder.path()).await?;
    let [requests, errors, duration, events] = &figures(&system, &prometheus).await?[..] else {
        bail!("four expressions");
    };
    assert!(of(requests, "GetMe").is_some_and(|rate| *rate > 0.0), "{requests:?}");
    // What a caller may not do is no error of ours.
    assert_eq!(
        (of(errors, "GetMe"), of(errors, "ListUsers")),
        (Some(&0.0), Some(&0.0)),
        "{errors:?}"
    );
    assert!(
        of(duration, "GetMe").is_some_and(|seconds| (0.0..5.0).contains(seconds)),
        "{duration:?}"
    );
    let opened = events
        .iter()
        .find(|(labels, _)| labels["service"] == "user" && labels["event"] == "opened");
    assert_eq!(
        opened.map(|(_, value)| *value),
        Some(0.0),
        "counted from zero on: {events:?}"
    );

    let targets = prometheus.api("/api/v1/targets").await?;
    assert_eq!(targets["activeTargets"][0]["health"], "up", "{targets}");
    let groups = prometheus.api("/api/v1/rules").await?;
    let groups = groups["groups"].as_array().context("groups of rules")?;
    let rules: Vec<_> = groups
        .iter()
        .filter_map(|group| group["rules"].as_array())
        .flatten()
        .collect();
    assert!(rules.len() > 10, "{rules:?}");
    for rule in rules {
        assert_ne!(rule["health"], "err", "{rule}");
        assert_ne!(rule["state"], "firing", "a healthy system alarms nobody: {rule}");
    }
    Ok(())
}
