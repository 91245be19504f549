//! Health of a role: `grpc.health.v1` beside the stack, and a plaintext listener of its own for probes.
//!
//! It needs no role token, because kubelet has none; it says nothing but serving or not. The service `liveness` is always
//! SERVING, for liveness probes: a role that waits for its first snapshot must not be restarted for it.

use std::collections::BTreeSet;

use http::{Method, Request, Response, StatusCode, header};
use tokio::net::TcpListener;
use tonic::body::Body;
use tower::{ServiceExt, service_fn, util::BoxCloneSyncService};

use crate::{
    context::Context,
    error::Error,
    health,
    layer::{GrpcService, drain},
    server::{self, Connections, Phase, Protocols},
    settings::Role,
};

const PREFIX: &str = "/grpc.health.v1.Health/";

/// Puts the health service beside a stack: its paths go to it, all others to the stack.
pub(super) fn beside(ctx: &Context, stack: GrpcService) -> GrpcService {
    let health = service(ctx);
    BoxCloneSyncService::new(service_fn(move |request: Request<Body>| {
        let next = if request.uri().path().starts_with(PREFIX) {
            health.clone()
        } else {
            stack.clone()
        };
        next.oneshot(request)
    }))
}

/// Serves health (`grpc.health.v1`) and `GET /metrics`, and nothing else, in plaintext until the process drains.
///
/// # Errors
/// None today; the listener's own errors are logged and waited out.
pub async fn serve_health(ctx: &Context, listener: TcpListener) -> Result<(), Error> {
    let health = service(ctx);
    let metrics = ctx.metrics.clone();
    let service = BoxCloneSyncService::new(service_fn(move |request: Request<Body>| {
        let (health, metrics) = (health.clone(), metrics.clone());
        async move {
            match (request.method(), request.uri().path()) {
                (&Method::GET, "/metrics") => Ok(text(metrics.text())),
                (_, path) if path.starts_with(PREFIX) => health.oneshot(request).await,
                _ => Ok(status(StatusCode::NOT_FOUND)),
            }
        }
    }));
    let connections = Connections::new(Protocols::Any, &ctx.settings.limits, service);
    let all = connections.clone();
    server::accept_tcp(ctx, listener, &connections, move |io, address| {
        let connections = all.clone();
        async move {
            connections.drive(io, Some(address)).await;
        }
    })
    .await;
    Ok(())
}

fn service(ctx: &Context) -> GrpcService {
    let (names, of) = (names(ctx), ctx.clone());
    let server = health::service(move |name| names.contains(name).then(|| ready(&of)));
    BoxCloneSyncService::new(drain::watch_ends(ctx.lifecycle.clone(), server))
}

/// Auth is ready without the roles that admin knows, so that the two never wait for each other.
fn ready(ctx: &Context) -> bool {
    ctx.lifecycle.phase() == Phase::Serving && (ctx.settings.role == Role::Auth || ctx.access.ready())
}

/// The whole process (the empty name), and each service that this role serves.
fn names(ctx: &Context) -> BTreeSet<String> {
    let mut names = BTreeSet::from([String::new()]);
    for part in [Role::Auth, Role::User, Role::Admin] {
        if ctx.settings.role.hosts(part) {
            let package = format!("logicore.{}.", part.as_str());
            let services = ctx.policies.iter().map(|m| m.service.to_string());
            names.extend(services.filter(|s| s.starts_with(&package)));
        }
    }
    names
}

fn text(body: String) -> Response<Body> {
    let mut response = Response::new(Body::new(http_body_util::Full::from(body)));
    let kind = header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn status(code: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = code;
    response
}
