//! Host names that are not served: what a page of somebody else reaches whose name was made to point here.

use logicore_harness::{Layout, framed, grpc_bytes, grpc_web_bytes, raw};
use tonic::Code;

use crate::support::{in_both_layouts, shared, start};

const FOREIGN: [&str; 9] = [
    "evil.example",
    "localhost.evil.example",
    "evil.example:8080",
    "127.0.0.2",
    "0.0.0.0",
    "",
    "localhost@evil.example",
    "evil.example@localhost",
    "local host",
];

in_both_layouts!(
    only_this_machines_names_are_served,
    a_request_that_names_no_host_or_two_is_refused,
    a_foreign_name_is_refused_in_every_protocol,
    further_names_are_served_where_settings_say_so,
);

async fn only_this_machines_names_are_served(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    for host in ["localhost", "LOCALHOST:1", "localhost.:8080", "127.0.0.1", "[::1]:8080"] {
        let served = system.send("GET", "/health", &[("host", host)], "").await?;
        assert_eq!(served.status, 200, "{host}: {}", served.text());
    }
    let jwks = "/.well-known/jwks.json";
    for path in ["/health", "/auth/me", "/docs", "/metrics", jwks, "/nowhere"] {
        for host in FOREIGN {
            let refused = system.send("GET", path, &[("host", host)], "").await?;
            assert_eq!(refused.outcome(), (421, "HOST_NOT_SERVED".to_owned()), "{host} {path}");
        }
    }
    Ok(())
}

async fn a_request_that_names_no_host_or_two_is_refused(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    for (target, headers) in [
        ("/health", ""),
        ("/health", "host: localhost\r\nhost: evil.example\r\n"),
        ("/health", "host: localhost\r\nhost: localhost\r\n"),
        // An absolute target names a host, too.
        ("http://evil.example/health", "host: localhost\r\n"),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
        let answer = raw(system.address(), request.as_bytes()).await?;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 421"), "{target} {headers:?}: {answer}");
    }
    Ok(())
}

async fn a_foreign_name_is_refused_in_every_protocol(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    let path = "/logicore.mesh.v1.GatewayService/GetHealth";
    let refused = (Code::PermissionDenied, "HOST_NOT_SERVED".to_owned());
    for (host, expected) in [("localhost", (Code::Ok, String::new())), ("evil.example", refused)] {
        let native = grpc_bytes(system.address(), path, &[(":authority", host)], framed(&[])).await?;
        assert_eq!(native.outcome(), expected, "{host}");
        let web = grpc_web_bytes(system.address(), path, &[("host", host)], framed(&[])).await?;
        assert_eq!(web.outcome(), expected, "{host}");
    }
    Ok(())
}

async fn further_names_are_served_where_settings_say_so(layout: Layout) -> anyhow::Result<()> {
    let system = start(
        layout,
        &[("LOGICORE_ALLOWED_HOSTS", "api.example.com, other.example.com")],
    )
    .await?;
    for (host, status) in [
        ("api.example.com", 200),
        ("other.example.com:443", 200),
        ("evil.example.com", 421),
    ] {
        let answer = system.send("GET", "/health", &[("host", host)], "").await?;
        assert_eq!(answer.status.as_u16(), status, "{host}");
    }
    Ok(())
}
