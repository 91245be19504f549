//! Pages of other origins, and what every browser is told.

use logicore_harness::{Layout, System, framed, grpc_web_bytes};
use tonic::Code;

use crate::support::{in_both_layouts, shared, start};

const ORIGIN: &str = "https://app.example.com";

in_both_layouts!(
    a_named_origin_may_call_and_no_other,
    without_settings_no_other_origin_may_call,
    every_answer_carries_the_security_headers,
);

async fn a_named_origin_may_call_and_no_other(layout: Layout) -> anyhow::Result<()> {
    let system = start(layout, &[("LOGICORE_CORS_ORIGINS", ORIGIN)]).await?;
    let path = "/logicore.mesh.v1.GatewayService/GetHealth";
    for target in ["/auth/login", path, "/v1/users/1"] {
        preflight(&system, target, ORIGIN, true).await?;
        preflight(&system, target, "https://evil.example", false).await?;
        preflight(&system, target, "null", false).await?;
    }
    let answer = system.send("GET", "/auth/me", &[("origin", ORIGIN)], "").await?;
    assert_eq!(
        (answer.status.as_u16(), answer.header("access-control-allow-origin")),
        (401, ORIGIN)
    );
    assert!(
        answer
            .header("access-control-expose-headers")
            .contains("www-authenticate")
    );
    let web = grpc_web_bytes(system.address(), path, &[("origin", ORIGIN)], framed(&[])).await?;
    assert_eq!(
        (web.code(), web.header("access-control-allow-origin")),
        (Code::Ok, ORIGIN)
    );
    assert!(
        web.header("access-control-expose-headers")
            .contains("grpc-status-details-bin")
    );
    Ok(())
}

async fn preflight(system: &System, target: &str, origin: &str, allowed: bool) -> anyhow::Result<()> {
    let asked = "authorization,content-type,x-grpc-web";
    let asks = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", asked),
    ];
    let answer = system.send("OPTIONS", target, &asks, "").await?;
    assert_eq!(answer.status, 204, "{target}");
    let named = answer.header("access-control-allow-origin");
    assert_eq!(named, if allowed { origin } else { "" }, "{target} {origin}");
    let headers = answer.header("access-control-allow-headers");
    assert!(
        asked.split(',').all(|name| headers.contains(name) == allowed),
        "{headers}"
    );
    let methods = answer.header("access-control-allow-methods");
    assert_eq!(methods.contains("PATCH"), allowed, "{methods}");
    let credentials = answer.header("access-control-allow-credentials");
    assert_eq!(credentials, "", "tokens are no cookies");
    assert!(answer.header("vary").contains("origin"));
    Ok(())
}

async fn without_settings_no_other_origin_may_call(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    let asks = [("origin", ORIGIN), ("access-control-request-method", "POST")];
    for answer in [
        system.send("OPTIONS", "/auth/login", &asks, "").await?,
        system.send("GET", "/health", &[("origin", ORIGIN)], "").await?,
    ] {
        let named = answer
            .headers
            .keys()
            .filter(|name| name.as_str().starts_with("access-control"));
        assert_eq!(named.count(), 0, "{:?}", answer.headers);
    }
    Ok(())
}

async fn every_answer_carries_the_security_headers(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    let login = r#"{"email":"demo@example.com","password":"demo123"}"#;
    let json = [("content-type", "application/json")];
    for (verb, path, body) in [
        ("GET", "/health", ""),
        ("GET", "/docs", ""),
        ("GET", "/openapi.json", ""),
        ("GET", "/metrics", ""),
        ("GET", "/nowhere", ""),
        ("GET", "/auth/me", ""),
        ("OPTIONS", "/auth/login", ""),
        ("POST", "/auth/login", login),
    ] {
        let answer = system.send(verb, path, &json, body).await?;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "SAMEORIGIN"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("strict-transport-security", ""),
            ("server", ""),
            ("x-powered-by", ""),
        ] {
            assert_eq!(answer.header(name), value, "{verb} {path}: {name}");
        }
        assert!(
            answer.header("content-security-policy").contains("default-src 'self'"),
            "{verb} {path}"
        );
    }
    let answer = system.send("POST", "/auth/login", &json, login).await?;
    assert_eq!(
        (answer.status.as_u16(), answer.header("cache-control")),
        (200, "no-store")
    );
    Ok(())
}
