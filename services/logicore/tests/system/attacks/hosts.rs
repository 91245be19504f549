//! Host names that are not served: what a page of somebody else reaches whose name was made to point here.

use logicore_harness::{Layout, framed, grpc_bytes, grpc_web_bytes, raw};
use tonic::Code;

use crate::support::{in_both_layouts, shared, start};

in_both_layouts!(
    only_this_machines_names_are_served,
    further_names_are_served_where_settings_say_so
);

async fn only_this_machines_names_are_served(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    for host in ["localhost", "LOCALHOST:1", "localhost.:8080", "127.0.0.1", "[::1]:8080"] {
        let served = system.send("GET", "/health", &[("host", host)], "").await?;
        assert_eq!(served.status, 200, "{host}: {}", served.text());
    }
    let foreign = [
        "evil.example",
        "localhost.evil.example",
        "evil.example:8080",
        "127.0.0.2",
        "0.0.0.0",
        "",
    ];
    for path in [
        "/health",
        "/auth/me",
        "/docs",
        "/metrics",
        "/.well-known/jwks.json",
        "/nowhere",
    ] {
        for host in foreign
            .iter()
            .chain(&["localhost@evil.example", "evil.example@localhost", "local host"])
        {
            let refused = system.send("GET", path, &[("host", host)], "").await?;
            assert_eq!(refused.outcome(), (421, "HOST_NOT_SERVED".to_owned()), "{host} {path}");
        }
    }
    for headers in [
        "",
        "host: localhost\r\nhost: evil.example\r\n",
        "host: localhost\r\nhost: localhost\r\n",
    ] {
        let request = format!("GET /health HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
        let answer = raw(system.address(), request.as_bytes()).await?;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 421"), "{headers:?}: {answer}");
    }
    // An absolute target names a host, too.
    let request = "GET http://evil.example/health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let answer = raw(system.address(), request.as_bytes()).await?;
    assert!(
        answer.starts_with(b"HTTP/1.1 421"),
        "{}",
        String::from_utf8_lossy(&answer)
    );

    let path = "/logicore.mesh.v1.GatewayService/GetHealth";
    for (authority, code) in [("localhost", Code::Ok), ("evil.example", Code::PermissionDenied)] {
        let answer = grpc_bytes(system.address(), path, &[(":authority", authority)], framed(&[])).await?;
        assert_eq!(answer.code(), code, "{authority}");
        let web = grpc_web_bytes(system.address(), path, &[("host", authority)], framed(&[])).await?;
        assert_eq!(web.outcome(), answer.outcome(), "{authority}");
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
