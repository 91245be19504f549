//! Jaeger: traces go to a real store by OTLP and are read back through its query API.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use anyhow::{Context as _, bail};
use logicore_harness::{Layout, Reply, System, free_port, get, soon};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Child;

use super::peer;
use crate::support::{in_both_layouts, start};

in_both_layouts!(a_login_is_one_trace_from_gateway_to_database);

const CALLERS_SPAN: &str = "00f067aa0ba902b7";
const LOGIN: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const ME: &str = "4bf92f3577b34da6a3ce929d0e0e4737";
const UNSAMPLED: &str = "4bf92f3577b34da6a3ce929d0e0e4738";

/// A Jaeger that keeps traces in memory.
struct Jaeger {
    collector: u16,
    query: SocketAddr,
    _process: Child,
    _folder: TempDir,
}

impl Jaeger {
    async fn start() -> anyhow::Result<Self> {
        let (collector, query, grpc) = (free_port()?, free_port()?, free_port()?);
        let at = |port: u16| json!({"endpoint": format!("127.0.0.1:{port}")});
        // YAML takes JSON.
        let config = json!({
            "service": {
                "extensions": ["jaeger_storage", "jaeger_query"],
                "telemetry": {"metrics": {"level": "none"}, "logs": {"level": "error"}},
                "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["jaeger_storage_exporter"]}},
            },
            "extensions": {
                "jaeger_storage": {"backends": {"memory": {"memory": {"max_traces": 1000}}}},
                "jaeger_query": {"storage": {"traces": "memory"}, "http": at(query), "grpc": at(grpc)},
            },
            "receivers": {"otlp": {"protocols": {"grpc": at(collector)}}},
            "exporters": {"jaeger_storage_exporter": {"trace_storage": "memory"}},
        });
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("jaeger.yaml");
        std::fs::write(&file, config.to_string())?;
        let mut command = peer::program("jaeger")?;
        let process = peer::serve(command.arg("--config").arg(&file), query, "/api/services").await?;
        Ok(Self {
            collector,
            query: ([127, 0, 0, 1], query).into(),
            _process: process,
            _folder: folder,
        })
    }

    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.collector)
    }

    /// A trace, as soon as spans of these names are in it: each process sends its own some seconds later.
    async fn trace(&self, id: &str, names: &[&str]) -> anyhow::Result<Trace> {
        let what = format!("trace {id} with {names:?}");
        soon(&what, async || {
            let answer = get(self.query, &format!("/api/traces/{id}"), "").await?;
            let trace = Trace::read(&answer.json(), answer.text());
            let there = names.iter().all(|name| !trace.named(name).is_empty());
            Ok(there.then_some(trace))
        })
        .await
    }
}

#[derive(Debug)]
struct Trace {
    spans: Vec<Span>,
    /// Everything that Jaeger knows of it.
    text: String,
}

#[derive(Debug)]
struct Span {
    id: String,
    parent: Option<String>,
    name: String,
    process: String,
    tags: BTreeMap<String, Value>,
}

impl Trace {
    fn read(answer: &Value, text: String) -> Self {
        let data = &answer["data"][0];
        let spans = data["spans"].as_array().into_iter().flatten();
        Self {
            spans: spans.map(|span| Span::read(span, &data["processes"])).collect(),
            text,
        }
    }

    /// The spans of a name.
    fn named(&self, name: &str) -> Vec<&Span> {
        self.spans.iter().filter(|span| span.name == name).collect()
    }

    fn one(&self, name: &str) -> anyhow::Result<&Span> {
        let [span] = self.named(name)[..] else {
            bail!("not one {name}: {:?}", self.spans);
        };
        Ok(span)
    }
}

impl Span {
    fn read(span: &Value, processes: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let parents = span["references"].as_array().into_iter().flatten();
        let mut parents = parents.filter(|reference| reference["refType"] == "CHILD_OF");
        let tags = span["tags"].as_array().into_iter().flatten();
        Self {
            id: text(&span["spanID"]),
            parent: parents.next().map(|parent| text(&parent["spanID"])),
            name: text(&span["operationName"]),
            process: text(&processes[text(&span["processID"])]["serviceName"]),
            tags: tags.map(|tag| (text(&tag["key"]), tag["value"].clone())).collect(),
        }
    }
}

/// The header of a caller who traces.
fn parent(trace: &str, sampled: bool) -> String {
    let flags = if sampled { "01" } else { "00" };
    format!("00-{trace}-{CALLERS_SPAN}-{flags}")
}

async fn log_in(system: &System, password: &str, parent: &str) -> anyhow::Result<Reply> {
    let body = json!({"email": "demo@example.com", "password": password});
    let headers = [("content-type", "application/json"), ("traceparent", parent)];
    system.send("POST", "/auth/login", &headers, &body.to_string()).await
}

async fn a_login_is_one_trace_from_gateway_to_database(layout: Layout) -> anyhow::Result<()> {
    let (gateway, auth) = match layout {
        Layout::One => ("logicore-all", "logicore-all"),
        Layout::Four => ("logicore-gateway", "logicore-auth"),
    };
    let jaeger = Jaeger::start().await?;
    let endpoint = jaeger.endpoint();
    let system = start(layout, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]).await?;
    log_in(&system, "demo123", &parent(UNSAMPLED, false)).await?;
    let login = log_in(&system, "demo123", &parent(LOGIN, true)).await?.json();
    let access = login["accessToken"].as_str().context("an access token")?;
    let (bearer, traced) = (format!("Bearer {access}"), parent(ME, true));
    let headers = [("authorization", &*bearer), ("traceparent", &*traced)];
    let me = system.send("GET", "/auth/me", &headers, "").await?;
    assert_eq!(me.status, 200, "{}", me.text());

    let names = [
        "gateway logicore.auth.v1.AuthService/Login",
        "auth logicore.auth.v1.AuthService/Login",
        "store.read",
        "store.write",
    ];
    let trace = jaeger.trace(LOGIN, &names).await?;
    let outer = trace.one(names[0])?;
    assert_eq!(
        (outer.parent.as_deref(), &*outer.process),
        (Some(CALLERS_SPAN), gateway)
    );
    let inner = trace.one(names[1])?;
    assert_eq!((inner.parent.as_deref(), &*inner.process), (Some(&*outer.id), auth));
    for span in [trace.named("store.read"), trace.named("store.write")].concat() {
        assert_eq!(
            (span.parent.as_deref(), &*span.process),
            (Some(&*inner.id), auth),
            "{span:?}"
        );
        assert_eq!(span.tags["service"], "auth");
    }
    assert_eq!(outer.tags["span.kind"], "server");
    assert_eq!(outer.tags["request_id"], inner.tags["request_id"]);

    let names = [
        "gateway logicore.auth.v1.AuthService/GetMe",
        "auth logicore.auth.v1.AuthService/GetMe",
    ];
    let seen = jaeger.trace(ME, &names).await?;
    assert_eq!(seen.one(names[0])?.tags["principal"], login["account"]["id"]);
    let refresh = login["refreshToken"].as_str().context("a refresh token")?;
    for secret in ["demo123", access, refresh] {
        assert!(!trace.text.contains(secret) && !seen.text.contains(secret), "{secret}");
    }
    let unsampled = get(jaeger.query, &format!("/api/traces/{UNSAMPLED}"), "").await?;
    assert_eq!(
        unsampled.status,
        404,
        "the caller did not want it: {}",
        unsampled.text()
    );
    Ok(())
}

/// The remote ports of the TCP connections of `logicore all`, those of its own callers left out.
fn calls_out(system: &mut System) -> anyhow::Result<BTreeSet<u16>> {
    let (process, listens) = (system.process("all")?.id(), system.address().port());
    let files = std::fs::read_dir(format!("/proc/{process}/fd"))?;
    let links = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    let sockets: BTreeSet<_> = links.map(|link| link.display().to_string()).collect();
    let mut ports = BTreeSet::new();
    for table in ["tcp", "tcp6"] {
        let rows = std::fs::read_to_string(format!("/proc/{process}/net/{table}"))?;
        for row in rows.lines().skip(1) {
            let columns: Vec<_> = row.split_whitespace().collect();
            let port = |column: &str| u16::from_str_radix(column.rsplit(':').next().unwrap_or_default(), 16);
            let (local, remote) = (port(columns[1])?, port(columns[2])?);
            if local != listens && remote != 0 && sockets.contains(&format!("socket:[{}]", columns[9])) {
                ports.insert(remote);
            }
        }
    }
    Ok(ports)
}

#[tokio::test]
async fn without_an_endpoint_nothing_is_sent_anywhere() -> anyhow::Result<()> {
    let jaeger = Jaeger::start().await?;
    let (endpoint, login) = (jaeger.endpoint(), parent(LOGIN, true));
    let exporting = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint)];
    let mut system = start(Layout::One, &exporting).await?;
    log_in(&system, "demo123", &login).await?;
    jaeger.trace(LOGIN, &["store.write"]).await?;
    assert_eq!(calls_out(&mut system)?, BTreeSet::from([jaeger.collector]));

    let mut system = start(Layout::One, &[]).await?;
    log_in(&system, "demo123", &login).await?;
    assert_eq!(calls_out(&mut system)?, BTreeSet::new());
    Ok(())
}

#[tokio::test]
async fn without_an_endpoint_the_callers_trace_is_passed_on_between_processes() -> anyhow::Result<()> {
    let mut system = start(Layout::Four, &[("LOGICORE_LOG", "debug")]).await?;
    // A service says nothing of a call that goes well.
    log_in(&system, "wrong", &parent(LOGIN, true)).await?;
    for part in ["gateway", "auth"] {
        let process = system.process(part)?;
        let what = format!("{part} logs the trace id");
        let found = soon(&what, async || {
            Ok(process.log().iter().any(|line| line.contains(LOGIN)).then_some(()))
        });
        found.await?;
    }
    Ok(())
}
