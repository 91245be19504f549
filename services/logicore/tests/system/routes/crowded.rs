//! More calls than a service of others may have at once.

use std::{fs, time::Duration};

use logicore_harness::{Layout, System, framed, grpc_bytes, grpc_web_bytes, soon};
use serde_json::json;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::{GET, NOTE, PUT, system};
use crate::{support::in_both_layouts, upstream::Upstream};

in_both_layouts!(
    an_upstream_has_so_many_calls_at_once_and_no_more,
    one_caller_has_a_quarter_of_them,
);

/// A system whose service has so many calls at once, and answers none as long as anybody here waits.
async fn limited(layout: Layout, most: usize) -> anyhow::Result<(System, tempfile::TempDir, Upstream)> {
    let upstream = Upstream::start(NOTE, Duration::from_secs(600)).await?;
    let (system, dir, text) = system(layout, &upstream).await?;
    fs::write(
        dir.path().join("routes.toml"),
        format!("{text}max_concurrent_calls = {most}\n[upstream.policy.\"notes.v1.Notes\"]\ndeadline = \"500s\"\n"),
    )?;
    let gateway = if layout == Layout::One { "all" } else { "gateway" };
    system.signal(gateway, "HUP")?;
    soon("the limit", async || {
        let reloads = system.get("/metrics", "").await?.text();
        Ok(reloads
            .contains("routes_reloads_total{outcome=\"applied\"} 2")
            .then_some(()))
    })
    .await?;
    Ok((system, dir, upstream))
}

/// Begins a call that has come to the service when this returns; whoever aborts it leaves.
async fn begin(system: &System, upstream: &Upstream, bearer: &str) -> anyhow::Result<tokio::task::JoinHandle<()>> {
    let (address, headers) = (system.address(), [("authorization", bearer.to_owned())]);
    let long = tokio::spawn(async move {
        let headers = headers.each_ref().map(|(name, value)| (*name, &**value));
        let _ = grpc_bytes(address, PUT, &headers, framed(NOTE)).await;
    });
    soon("the call that runs", async || Ok(upstream.seen(PUT).pop())).await?;
    Ok(long)
}

async fn an_upstream_has_so_many_calls_at_once_and_no_more(layout: Layout) -> anyhow::Result<()> {
    let (system, _dir, upstream) = limited(layout, 1).await?;
    let address = system.address();
    let bearer = format!("Bearer {}", system.admin().await?.access);
    let long = begin(&system, &upstream, &bearer).await?;

    refused_in_every_protocol(&system, &bearer).await?;
    assert_eq!(upstream.seen(PUT).len() + upstream.seen(GET).len(), 1, "nothing came");
    let metrics = system.get("/metrics", "").await?.text();
    assert!(
        metrics.contains("upstream_calls_refused_total{service=\"notes\",why=\"full\"} 4"),
        "each once, since none is tried again"
    );
    let breakers = system.get("/circuit-breaker/status", &bearer[7..]).await?.text();
    assert!(!breakers.contains("Open"), "{breakers}");

    // Whoever leaves makes room for the next, who is let in and so waits.
    long.abort();
    soon("the next call", async || {
        let headers = [("authorization", &*bearer)];
        let next = grpc_bytes(address, PUT, &headers, framed(NOTE));
        let waits = tokio::time::timeout(Duration::from_millis(500), next).await.is_err();
        Ok((waits && upstream.seen(PUT).len() == 2).then_some(()))
    })
    .await
}

async fn refused_in_every_protocol(system: &System, bearer: &str) -> anyhow::Result<()> {
    let auth = ("authorization", bearer);
    let json = ("content-type", "application/json");
    let rest = system.send("GET", "/v1/notes/n1", &[auth], "").await?;
    assert_eq!(rest.outcome(), (503, "UPSTREAM_FULL".to_owned()), "{}", rest.text());
    assert_eq!(rest.header("retry-after"), "1");
    let connect = [auth, json, ("connect-protocol-version", "1")];
    let connect = system.send("POST", GET, &connect, "{}").await?;
    assert_eq!(
        (connect.status.as_u16(), &connect.json()["code"]),
        (503, &json!("unavailable"))
    );
    let details = connect.json()["details"].take();
    let mut reasons = details.as_array().into_iter().flatten().map(|d| &d["debug"]["reason"]);
    assert!(reasons.any(|reason| reason == "UPSTREAM_FULL"), "{details}");
    for answer in [
        grpc_bytes(system.address(), GET, &[auth], framed(NOTE)).await?,
        grpc_web_bytes(system.address(), GET, &[auth], framed(NOTE)).await?,
    ] {
        assert_eq!(answer.outcome(), (Code::Unavailable, "UPSTREAM_FULL".to_owned()));
        let delay = answer.status.get_details_retry_info().and_then(|info| info.retry_delay);
        assert_eq!(delay, Some(Duration::from_secs(1)), "{:?}", answer.status);
    }
    Ok(())
}

async fn one_caller_has_a_quarter_of_them(layout: Layout) -> anyhow::Result<()> {
    let (system, _dir, upstream) = limited(layout, 4).await?;
    let (admin, demo) = (system.admin().await?.access, system.demo().await?.access);
    let _long = begin(&system, &upstream, &format!("Bearer {admin}")).await?;

    let rest = system.get("/v1/notes/n1", &admin).await?;
    assert_eq!(rest.outcome(), (429, "TOO_MANY_CALLS".to_owned()), "{}", rest.text());
    assert_eq!(rest.header("retry-after"), "1");
    let bearer = format!("Bearer {admin}");
    let grpc = grpc_bytes(system.address(), GET, &[("authorization", &bearer)], framed(NOTE)).await?;
    assert_eq!(grpc.outcome(), (Code::ResourceExhausted, "TOO_MANY_CALLS".to_owned()));
    assert_eq!(upstream.seen(GET).len(), 0);

    // Somebody else, at the same address, is let in and so waits.
    let other = system.get("/v1/notes/n1", &demo);
    let waits = tokio::time::timeout(Duration::from_millis(500), other).await.is_err();
    assert!(waits && upstream.seen(GET).len() == 1);
    Ok(())
}
