//! Health of a role: `grpc.health.v1` beside the stack, and a plaintext listener of its own for probes.
//!
//! It needs no role token, because kubelet has none; it says nothing but serving or not. The service `liveness` is always
//! SERVING, for liveness probes: a role that waits for its first snapshot must not be restarted for it.

use std::time::Duration;

use http::{Method, Request, Response, StatusCode, header};
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic_health::{ServingStatus, server::HealthReporter};
use tower::{ServiceExt, service_fn, util::BoxCloneSyncService};

use crate::{
    context::Context,
    error::Error,
    layer::{GrpcService, drain},
    server::{self, Connections, Phase, Protocols},
    settings::Role,
};

/// How often readiness is looked at: a probe that comes every few seconds sees no difference to an event.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const PREFIX: &str = "/grpc.health.v1.Health/";
/// Name of the service whose health is that the process answers.
const LIVENESS: &str = "liveness";

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
        async move { connections.drive(io, Some(address)).await }
    })
    .await;
    Ok(())
}

fn service(ctx: &Context) -> GrpcService {
    let (reporter, server) = tonic_health::server::health_reporter();
    ctx.tasks.spawn(report(ctx.clone(), reporter));
    let server = drain::watch_ends(ctx.lifecycle.clone(), server);
    BoxCloneSyncService::new(server)
}

/// Keeps the reported health what it is until the process ends.
async fn report(ctx: Context, reporter: HealthReporter) {
    reporter.set_service_status(LIVENESS, ServingStatus::Serving).await;
    let mut told = None;
    loop {
        let now = if ready(&ctx) {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        if told != Some(now) {
            told = Some(now);
            for name in names(&ctx) {
                reporter.set_service_status(name, now).await;
            }
        }
        tokio::select! {
            () = ctx.shutdown.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Auth is ready without the roles that admin knows, so that the two never wait for each other.
fn ready(ctx: &Context) -> bool {
    ctx.lifecycle.phase() == Phase::Serving && (ctx.settings.role == Role::Auth || ctx.access.ready())
}

/// The whole process (the empty name), and each service that this role serves.
fn names(ctx: &Context) -> Vec<String> {
    let mut names = vec![String::new()];
    for part in [Role::Auth, Role::User, Role::Admin] {
        if ctx.settings.role.hosts(part) {
            let package = format!("logicore.{}.", part.as_str());
            let services = ctx.policies.iter().map(|m| m.service.to_string());
            names.extend(services.filter(|s| s.starts_with(&package)));
        }
    }
    names.sort();
    names.dedup();
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
