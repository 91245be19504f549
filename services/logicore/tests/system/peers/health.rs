//! grpc-health-probe, the health check of orchestrators: what it asks is what kubelet asks.

use std::collections::BTreeMap;

use logicore_harness::{Layout, System, free_port, get, soon};

use super::peer;
use crate::support::{PROGRAM, start};

/// Exit statuses of the probe.
const HEALTHY: i32 = 0;
const RPC_FAILED: i32 = 3;
const UNHEALTHY: i32 = 4;

async fn probe(port: u16, service: &str) -> anyhow::Result<i32> {
    let mut command = peer::program("grpc-health-probe")?;
    command.args([&format!("-addr=localhost:{port}"), &format!("-service={service}")]);
    Ok(peer::run(&mut command).await?.code)
}

/// Health follows readiness within a fraction of a second.
async fn serving(port: u16, service: &str) -> anyhow::Result<()> {
    let what = format!("{service} on {port} serves");
    soon(&what, async || {
        Ok((probe(port, service).await? == HEALTHY).then_some(()))
    })
    .await
}

#[tokio::test]
async fn the_probe_reads_the_gateways_health_as_a_whole_and_by_service() -> anyhow::Result<()> {
    let mut system = start(Layout::Four, &[]).await?;
    let port = system.address().port();
    for service in [
        "",
        "liveness",
        "logicore.auth.v1.AuthService",
        "logicore.user.v1.UserService",
        "logicore.admin.v1.AdminService",
        "logicore.mesh.v1.GatewayService",
    ] {
        serving(port, service).await?;
    }
    for service in ["logicore.mesh.v1.FeedService", "no.such.Service"] {
        assert_eq!(probe(port, service).await?, RPC_FAILED, "{service}");
    }

    let admin = system.admin().await?;
    system.kill("user")?;
    soon("calls that fail open the breaker", async || {
        system.get("/v1/users", &admin.access).await?;
        let user = probe(port, "logicore.user.v1.UserService").await?;
        Ok((user == UNHEALTHY).then_some(()))
    })
    .await?;
    assert_eq!(probe(port, "").await?, HEALTHY, "the other services are served");
    assert_eq!(probe(port, "logicore.auth.v1.AuthService").await?, HEALTHY);
    Ok(())
}

#[tokio::test]
async fn a_role_that_runs_apart_answers_probes_on_a_plain_port_of_its_own() -> anyhow::Result<()> {
    let mut system = System::prepare(PROGRAM, Layout::Four, &[])?;
    let mut ports = BTreeMap::new();
    for part in system.parts() {
        let port = free_port()?;
        system.set("LOGICORE_HEALTH_LISTEN", &format!("127.0.0.1:{port}"));
        system.start_part(part)?;
        ports.insert(*part, port);
    }
    system.ready().await?;

    let services = BTreeMap::from([
        ("auth", "logicore.auth.v1.AuthService"),
        ("user", "logicore.user.v1.UserService"),
        ("admin", "logicore.admin.v1.AdminService"),
    ]);
    for (role, port) in ports {
        let own = services.get(role).copied();
        for service in ["", "liveness"].into_iter().chain(own) {
            serving(port, service).await?;
        }
        for service in services.values().filter(|service| own != Some(service)) {
            assert_eq!(probe(port, service).await?, RPC_FAILED, "{role}: {service}");
        }
        let address = ([127, 0, 0, 1], port).into();
        let metrics = get(address, "/metrics", "").await?;
        assert!(metrics.status == 200 && metrics.text().contains("process_resident_memory_bytes"));
        for path in ["/", "/health", "/auth/me", "/logicore.auth.v1.AuthService/GetMe"] {
            assert_eq!(get(address, path, "").await?.status, 404, "{role}: {path}");
        }
    }
    Ok(())
}
