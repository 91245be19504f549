//! Headers that only the gateway may set, and those of other gateways.

use logicore::{
    api::auth::{GetMeRequest, LoginRequest, LoginResponse},
    mesh::{Identity, ROLE_TOKEN},
    secret::Secret,
    settings::{DEMO_ADMIN_ID, Role},
};
use logicore_harness::{Layout, Reply, System, framed, grpc_bytes, grpc_web_bytes};
use prost::Message as _;
use serde_json::json;
use tonic::Code;

use crate::support::{in_both_layouts, shared, text};

const LOGIN: &str = "/logicore.auth.v1.AuthService/Login";

in_both_layouts!(
    identity_headers_name_nobody,
    identity_headers_change_nobody,
    an_address_is_the_connections_whatever_headers_say,
);

/// What gateways, proxies and grpc-gateway would take an identity from, in the admin's name.
fn identities(system: &System) -> anyhow::Result<Vec<(&'static str, String)>> {
    let admin = DEMO_ADMIN_ID.to_string();
    let member = Identity::new(Role::Gateway, &Secret::new(system.mesh_secret())).header();
    let mut headers = vec![
        (ROLE_TOKEN, member.to_str()?.to_owned()),
        ("x-logicore-tenant", "default".to_owned()),
        ("x-logicore-roles", "user,admin,operator".to_owned()),
        ("x-logicore-peer", "gateway".to_owned()),
        ("cookie", format!("session={admin}; access_token={admin}")),
    ];
    for name in [
        "x-logicore-subject",
        "x-logicore-principal",
        "x-logicore-user",
        "x-user-id",
        "x-forwarded-user",
        "x-remote-user",
        "x-auth-request-user",
        "grpc-metadata-x-logicore-subject",
    ] {
        headers.push((name, admin.clone()));
    }
    Ok(headers)
}

async fn identity_headers_name_nobody(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    let admin = format!("Bearer {}", system.admin().await?.access);
    let mut headers = identities(&system)?;
    for name in ["grpc-metadata-authorization", "proxy-authorization", "x-authorization"] {
        headers.push((name, admin.clone()));
    }
    let headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let rest = system.send("GET", "/auth/me", &headers, "").await?;
    assert_eq!(rest.outcome(), (401, "AUTH_TOKEN_MISSING".to_owned()));
    let missing = (Code::Unauthenticated, "AUTH_TOKEN_MISSING".to_owned());
    let path = "/logicore.auth.v1.AuthService/GetMe";
    let message = framed(&GetMeRequest {}.encode_to_vec());
    let grpc = grpc_bytes(system.address(), path, &headers, message.clone()).await?;
    assert_eq!(grpc.outcome(), missing);
    let web = grpc_web_bytes(system.address(), path, &headers, message).await?;
    assert_eq!(web.outcome(), missing);
    Ok(())
}

async fn identity_headers_change_nobody(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    let demo = format!("Bearer {}", system.demo().await?.access);
    let mut headers = identities(&system)?;
    headers.push(("authorization", demo));
    let headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let me = system.send("GET", "/auth/me", &headers, "").await?;
    assert_eq!(
        (me.status.as_u16(), &me.json()["email"]),
        (200, &json!("demo@example.com"))
    );
    assert_eq!(me.json()["roles"], json!(["user"]));
    let status = system.send("GET", "/circuit-breaker/status", &headers, "").await?;
    assert_eq!(status.outcome(), (403, "PERMISSION_MISSING".to_owned()));
    let path = "/logicore.admin.v1.AdminService/GetOverview";
    let overview = grpc_bytes(system.address(), path, &headers, framed(&[])).await?;
    assert_eq!(
        overview.outcome(),
        (Code::PermissionDenied, "PERMISSION_MISSING".to_owned())
    );
    Ok(())
}

async fn an_address_is_the_connections_whatever_headers_say(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    // The last one asks whoever passes the request on to drop what the gateway has set.
    let headers = [
        ("x-forwarded-for", "203.0.113.9"),
        ("forwarded", "for=203.0.113.9"),
        ("x-real-ip", "203.0.113.9"),
        ("x-logicore-client-address", "203.0.113.9"),
        ("x-logicore-client-agent", "spoofed/1"),
        ("grpc-metadata-x-logicore-client-address", "203.0.113.9"),
        ("user-agent", "honest/1"),
        ("content-type", "application/json"),
        (
            "connection",
            "x-logicore-client-address, x-logicore-mesh, x-request-id, authorization, grpc-timeout",
        ),
    ];
    let body = json!({"email": "demo@example.com", "password": "demo123"}).to_string();
    let login = system.send("POST", "/auth/login", &headers, &body).await?;
    assert_eq!(login.status, 200, "{}", login.text());
    let session = text(&login.json()["sessionId"]);
    assert_eq!(
        shown(
            &sessions(&system, &text(&login.json()["accessToken"]), &headers).await?,
            &session
        ),
        honest()
    );

    let message = LoginRequest {
        email: "demo@example.com".to_owned(),
        password: "demo123".to_owned(),
        tenant: String::new(),
    };
    let message = framed(&message.encode_to_vec());
    let over_web: Vec<_> = headers.iter().copied().filter(|(n, _)| *n != "content-type").collect();
    let web = grpc_web_bytes(system.address(), LOGIN, &over_web, message.clone()).await?;
    // HTTP/2 has no such header (RFC 9113, 8.2.2).
    let over_h2: Vec<_> = over_web.iter().copied().filter(|(n, _)| *n != "connection").collect();
    let native = grpc_bytes(system.address(), LOGIN, &over_h2, message).await?;
    for answer in [web, native] {
        let login: LoginResponse = answer.message()?;
        let listed = sessions(&system, &login.access_token, &headers).await?;
        assert_eq!(shown(&listed, &login.session_id), honest());
    }
    Ok(())
}

fn honest() -> (String, String) {
    ("127.0.0.1".to_owned(), "honest/1".to_owned())
}

async fn sessions(system: &System, token: &str, headers: &[(&str, &str)]) -> anyhow::Result<Reply> {
    let bearer = format!("Bearer {token}");
    let mut headers: Vec<_> = headers.iter().copied().filter(|(n, _)| *n != "content-type").collect();
    headers.push(("authorization", &bearer));
    let listed = system.send("GET", "/v1/sessions", &headers, "").await?;
    assert_eq!(listed.status, 200, "{}", listed.text());
    Ok(listed)
}

/// Address and user agent of a session as listed.
fn shown(listed: &Reply, session: &str) -> (String, String) {
    let json = listed.json();
    let sessions = json["sessions"].as_array().cloned().unwrap_or_default();
    let found = sessions.iter().find(|s| s["id"] == session);
    let found = found.unwrap_or_else(|| panic!("{session} in {json}"));
    (text(&found["address"]), text(&found["userAgent"]))
}
