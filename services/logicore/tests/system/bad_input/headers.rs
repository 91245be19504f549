//! Headers above the limit, just above it, and just below it.

use logicore_harness::{Layout, framed, grpc_bytes, grpc_web_bytes};
use tonic::Code;

use crate::support::{in_both_layouts, start};

const HEALTH: &str = "/logicore.mesh.v1.GatewayService/GetHealth";
const LOGIN: &str = "/logicore.auth.v1.AuthService/Login";
/// `LOGICORE_MAX_HEADERS`, by default.
const LIMIT: usize = 16 << 10;

in_both_layouts!(
    headers_above_the_limit_are_told,
    headers_below_the_limit_reach_the_service
);

async fn headers_above_the_limit_are_told(layout: Layout) -> anyhow::Result<()> {
    let system = start(layout, &[]).await?;
    let long = "x".repeat(LIMIT + 100);
    let headers = [("x-long", long.as_str())];
    let large = (Code::ResourceExhausted, "HEADERS_TOO_LARGE".to_owned());
    let rest = system.send("GET", "/health", &headers, "").await?;
    assert_eq!(rest.outcome(), (431, "HEADERS_TOO_LARGE".to_owned()), "{}", rest.text());
    assert_eq!(rest.fact("limit"), LIMIT.to_string());
    let native = grpc_bytes(system.address(), HEALTH, &headers, framed(&[])).await?;
    assert_eq!(native.outcome(), large);
    let web = grpc_web_bytes(system.address(), HEALTH, &headers, framed(&[])).await?;
    assert_eq!(web.outcome(), large);
    // What is no request of anybody gets the bare status.
    let far = "x".repeat(10 * LIMIT);
    let rest = system.send("GET", "/health", &[("x-long", &far)], "").await?;
    assert_eq!((rest.status.as_u16(), rest.body.len()), (431, 0));
    let native = grpc_bytes(system.address(), HEALTH, &[("x-long", &far)], framed(&[])).await;
    assert!(native.is_err(), "the connection has no more to say: {native:?}");
    assert_eq!(system.get("/health", "").await?.status, 200);
    Ok(())
}

/// What the gateway adds to a request must not push it over the limit of the service behind: that would look like the service's
/// failure, and open its breaker for everybody.
async fn headers_below_the_limit_reach_the_service(layout: Layout) -> anyhow::Result<()> {
    let system = start(layout, &[]).await?;
    let login = framed(b"\x0a\x10demo@example.com\x12\x07demo123");
    for room in [400, 450, 500, 600, 800, 1200] {
        let long = "x".repeat(LIMIT - room);
        let answer = grpc_bytes(system.address(), LOGIN, &[("x-long", &long)], login.clone()).await?;
        assert_eq!(answer.code(), Code::Ok, "{room} below: {:?}", answer.status);
    }
    Ok(())
}
