//! The middlewares of a request's way in, each one thing. [`service_stack`] composes them for a service behind the mesh; the
//! gateway composes its own stack from the same parts (`services/gateway`).
//!
//! They all take and give gRPC-shaped HTTP messages and never fail: a refusal is an answer with a status.

pub mod authenticate;
pub mod authorize;
pub mod body;
pub mod deadline;
pub mod drain;
pub mod gate;
pub mod guard;
pub mod lifetime;
pub mod origin;
pub mod outgoing;
pub mod peer;
pub mod ready;
pub mod request_id;
pub mod rescue;
pub mod route;
pub mod scope;
pub mod trace;

use std::{convert::Infallible, pin::Pin};

use http::{Request, Response, header};
use tonic::{Status, body::Body, service::Routes};
use tower::{ServiceBuilder, util::BoxCloneSyncService};

use crate::{context::Context, error::Error};

/// A composed gRPC service.
pub type GrpcService = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// The future of a layer that has more to do than to pass on.
pub(crate) type AnswerFuture = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// The stack of a service behind the mesh.
#[must_use]
pub fn service_stack(ctx: &Context, routes: Routes) -> GrpcService {
    let stack = ServiceBuilder::new()
        // What the method needs decides about everything below.
        .layer(route::layer(ctx))
        // Everything below names the request by it.
        .layer(request_id::RequestIdLayer)
        // From here on there is a span, so that what goes wrong below is found.
        .layer(trace::TraceLayer::service(&ctx.settings))
        // Panics and errors of all below become answers, and are logged inside the span.
        .layer(rescue::RescueLayer::service())
        // Streams end when the process does; inside rescue, which sees how.
        .layer(drain::DrainLayer::new(ctx.lifecycle.clone()))
        // Before anything that costs: an answer that nobody waits for is not worth it.
        .layer(deadline::DeadlineLayer::new(&ctx.settings))
        // Nothing that comes with the request is believed before its sender is proven.
        .layer(peer::layer(ctx))
        // Believed now: where the request came from.
        .layer(origin::behind_mesh())
        // The gateway has asked the same; a service asks again, since it never trusts the network.
        .layer(authenticate::layer(&ctx.verifier))
        // Principal and peer are proven now, and go onto the span: a refusal's line in the log names them.
        .layer(trace::who())
        // Knows the principal and the peer.
        .layer(authorize::layer(ctx))
        // A stream that was let in lives no longer than its token.
        .layer(lifetime::LifetimeLayer::new(&ctx.verifier))
        // Innermost: reads the message, where the policy asks for it.
        .layer(guard::GuardLayer::new(ctx.settings.limits.message_bytes))
        .service(routes.prepare());
    BoxCloneSyncService::new(stack)
}

/// An error as the answer to a call, with the challenge that belongs to it.
#[must_use]
pub fn refuse(error: Error) -> Response<Body> {
    let challenge = authenticate::challenge(error.reason());
    let mut response = Status::from(error).into_http();
    if let Some(challenge) = challenge {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}
