//! The ports of the roles, from inside the network.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use logicore::{
    api::admin::{RevokeTokensRequest, revoke_tokens_request::Target},
    clock::Clock,
    mesh::{Identity, ROLE_TOKEN},
    secret::Secret,
    settings::Role,
};
use logicore_harness::{Layout, framed, grpc_bytes, raw, soon};
use prost::Message as _;
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus};

use crate::support::start;

const GET_ME: &str = "/logicore.auth.v1.AuthService/GetMe";
const LOGIN: &str = "/logicore.auth.v1.AuthService/Login";
const LOOKUP: &str = "/logicore.auth.v1.AccountService/LookupAccount";
const PROVISION: &str = "/logicore.auth.v1.AccountService/ProvisionAccount";
const REVOKE: &str = "/logicore.admin.v1.AdminService/RevokeTokens";
const GET_USER: &str = "/logicore.user.v1.UserService/GetUser";
const SYNC: &str = "/logicore.mesh.v1.FeedService/Sync";

async fn outcome(at: SocketAddr, path: &str, headers: &[(&str, &str)]) -> anyhow::Result<(Code, String)> {
    Ok(grpc_bytes(at, path, headers, framed(&[])).await?.outcome())
}

#[tokio::test]
async fn a_roles_port_serves_nobody_without_a_role_token() -> anyhow::Result<()> {
    let system = start(Layout::Four, &[]).await?;
    let admin = format!("Bearer {}", system.admin().await?.access);
    let clock = Clock::system();
    let secret = Secret::new(system.mesh_secret());
    let at = |time| Identity::with_clock(Role::Gateway, &secret, Clock::manual(time)).header();
    let token = |identity: Arc<Identity>| identity.header();
    let strangers = [
        token(Identity::new(
            Role::Gateway,
            &Secret::new("another-secret-0123456789abcdef-xyz"),
        )),
        at(clock.now() - Duration::from_secs(300)),
        at(clock.now() + Duration::from_secs(300)),
        http::HeaderValue::from_static("lm1.gateway.9999999999.AAAA"),
        http::HeaderValue::from_static("gateway"),
        http::HeaderValue::from_static(""),
    ];
    for (part, paths) in [
        ("auth", &[GET_ME, LOGIN, LOOKUP, SYNC][..]),
        ("user", &[GET_USER]),
        ("admin", &[REVOKE, SYNC]),
    ] {
        for path in paths {
            let untrusted = (Code::Unauthenticated, "PEER_NOT_TRUSTED".to_owned());
            let at = system.mesh_address(part);
            let bare = outcome(at, path, &[("authorization", &admin)]).await?;
            assert_eq!(bare, untrusted, "{path}");
            for stranger in &strangers {
                let headers = [("authorization", admin.as_str()), (ROLE_TOKEN, stranger.to_str()?)];
                assert_eq!(outcome(at, path, &headers).await?, untrusted, "{path} {stranger:?}");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_proven_peer_may_do_what_its_role_may_and_for_callers_what_they_may() -> anyhow::Result<()> {
    let system = start(Layout::Four, &[]).await?;
    let demo = format!("Bearer {}", system.demo().await?.access);
    let member = Identity::new(Role::Gateway, &Secret::new(system.mesh_secret())).header();
    let (auth, admin) = (system.mesh_address("auth"), system.mesh_address("admin"));
    let member = (ROLE_TOKEN, member.to_str()?);
    let provision = outcome(auth, PROVISION, &[member]).await?;
    assert_eq!(provision, (Code::PermissionDenied, "PEER_NOT_ALLOWED".to_owned()));
    let nobody = outcome(auth, GET_ME, &[member]).await?;
    assert_eq!(nobody, (Code::Unauthenticated, "AUTH_TOKEN_MISSING".to_owned()));
    let forged = outcome(auth, GET_ME, &[member, ("authorization", "Bearer x")]).await?;
    assert_eq!(forged, (Code::Unauthenticated, "AUTH_TOKEN_INVALID".to_owned()));
    assert_eq!(
        outcome(auth, GET_ME, &[member, ("authorization", &demo)]).await?.0,
        Code::Ok
    );

    let message = RevokeTokensRequest {
        target: Some(Target::Everyone(true)),
    };
    let body = framed(&message.encode_to_vec());
    let revoked = grpc_bytes(admin, REVOKE, &[member, ("authorization", &demo)], body).await?;
    assert_eq!(
        revoked.outcome(),
        (Code::PermissionDenied, "PERMISSION_MISSING".to_owned())
    );
    Ok(())
}

#[tokio::test]
async fn a_roles_port_shows_its_health_and_nothing_else_of_itself() -> anyhow::Result<()> {
    let system = start(Layout::Four, &[]).await?;
    for part in ["auth", "user", "admin"] {
        let at = system.mesh_address(part);
        soon("it serves", async || {
            let check = framed(&HealthCheckRequest::default().encode_to_vec());
            let health = grpc_bytes(at, "/grpc.health.v1.Health/Check", &[], check).await?;
            let health: HealthCheckResponse = health.message()?;
            Ok((health.status() == ServingStatus::Serving).then_some(()))
        })
        .await?;
        let reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
        for path in [
            reflection,
            "/metrics",
            "/logicore.mesh.v1.GatewayService/GetHealth",
            "/",
        ] {
            let (code, reason) = outcome(at, path, &[]).await?;
            assert_ne!(code, Code::Ok, "{part} {path}");
            assert!(
                ["METHOD_UNKNOWN", "PEER_NOT_TRUSTED"].contains(&&*reason),
                "{part} {path}: {reason}"
            );
        }
        let http1 = raw(
            at,
            b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        )
        .await?;
        assert!(
            !http1.starts_with(b"HTTP/1.1 2"),
            "{part}: {}",
            String::from_utf8_lossy(&http1)
        );
    }
    Ok(())
}
