//! Whose fault it was: no mistake of a caller may look like a failure of a service.

use logicore_harness::{Layout, framed, grpc_bytes};

use crate::support::{in_both_layouts, start};

/// More than the least number of calls that a breaker judges by.
const ROUNDS: u32 = 25;

in_both_layouts!(no_mistake_of_a_caller_counts_against_a_breaker);

async fn no_mistake_of_a_caller_counts_against_a_breaker(layout: Layout) -> anyhow::Result<()> {
    let mut system = start(layout, &[]).await?;
    let admin = system.admin().await?.access;
    let login = "/logicore.auth.v1.AuthService/Login";
    let truncated = framed(&[0x0a; 20])[..15].to_vec();
    let mut oversize = vec![0, 0xff, 0xff, 0xff, 0xff];
    oversize.resize(1000, 0);
    let wrong = [
        (&[][..], truncated),
        (&[], oversize),
        (&[], framed(&[0xff; 11]).to_vec()),
        (&[], vec![1, 0, 0, 0, 1, 7]),
        (
            &[("grpc-timeout", "1m")],
            framed(b"\x0a\x10demo@example.com\x12\x07demo123").to_vec(),
        ),
        (&[], framed(b"\x0a\x01x").to_vec()),
    ];
    for _ in 0..ROUNDS {
        for (headers, body) in &wrong {
            grpc_bytes(system.address(), login, headers, body.clone().into()).await?;
        }
    }
    let status = system.get("/circuit-breaker/status", &admin).await?.json();
    for breaker in status["breakers"].as_array().into_iter().flatten() {
        assert_eq!(
            (&breaker["state"], &breaker["failures"]),
            (&"Closed".into(), &"0".into()),
            "{breaker}"
        );
    }
    // Of all that only the deadlines that were over count as errors, as 504 does everywhere.
    let metrics = system.get("/metrics", "").await?.text();
    let errors = metrics
        .lines()
        .filter(|l| l.starts_with("api_errors_total") && l.contains("\"Login\""));
    let errors: u32 = errors.filter_map(|l| l.rsplit(' ').next()?.parse::<u32>().ok()).sum();
    assert!(errors <= ROUNDS, "{errors} errors");
    for part in system.parts() {
        let loud = [
            system.process(part)?.logged("ERROR"),
            system.process(part)?.logged("WARN"),
        ]
        .concat();
        let calls: Vec<_> = loud.iter().filter(|l| l["message"] == "call failed").collect();
        assert!(calls.is_empty(), "{part} complains of its callers: {calls:?}");
    }
    Ok(())
}
