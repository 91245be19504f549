//! The way in, composed once for all protocols.

use std::sync::{Arc, Mutex, PoisonError};

use http::Request;
use logicore::{
    Context, Error, Reason,
    layer::{
        GrpcService, authenticate, authorize,
        deadline::DeadlineLayer,
        drain::DrainLayer,
        gate::{Gate, GateLayer},
        guard::GuardLayer,
        lifetime::LifetimeLayer,
        origin,
        request_id::RequestIdLayer,
        rescue::RescueLayer,
        trace::{self, TraceLayer},
    },
};
use tonic::{body::Body, service::Routes};
use tower::{ServiceBuilder, util::BoxCloneSyncService};

use crate::{
    bodies::Bounds,
    fallback::FallbackLayer,
    forward::Forward,
    limits::{self, LimitLayer},
    observe::ObserveLayer,
    routes::Route,
    transcode::TranscodeLayer,
};

/// The stack of the gateway. Its requests carry what the front noted: protocol, and route where there is one.
pub(crate) fn stack(ctx: &Context, own: Routes, by_address: LimitLayer) -> GrpcService {
    let message_bytes = ctx.settings.limits.message_bytes;
    let bounds = Bounds::new(message_bytes);
    let stack = ServiceBuilder::new()
        // Everything below names the request by it.
        .layer(RequestIdLayer)
        // From here on there is a span, so that what goes wrong below is found.
        .layer(TraceLayer::gateway(&ctx.settings))
        // Outside of all that may refuse: refusals are counted as well. Inside the span, which the access log speaks in.
        .layer(ObserveLayer::new(ctx))
        // Panics and errors of all below become answers.
        .layer(RescueLayer::gateway())
        // Streams end when the process does; inside rescue, which sees how.
        .layer(DrainLayer::new(ctx.lifecycle.clone()))
        // Nothing below may believe a header that only we may set.
        .layer(origin::first_hop())
        // Who calls, so that strangers are counted by address and others are not. Refuses nobody.
        .layer(authenticate::identify(&ctx.verifier))
        // Before anything that costs: a stranger's flood ends here.
        .layer(by_address)
        // What means no method ends here, counted and limited like everything.
        .layer(GateLayer(Routed))
        // An answer that nobody waits for is not worth what follows.
        .layer(DeadlineLayer::new(&ctx.settings))
        // Refuses a token that does not hold.
        .layer(authenticate::layer(&ctx.verifier))
        // Proven now; a refusal's line in the log names them.
        .layer(trace::who())
        // Knows the principal.
        .layer(authorize::layer(ctx))
        // After authorize: what is refused anyway takes nothing from the principal's share.
        .layer(LimitLayer::new(ctx, limits::By::Principal))
        // A stream that was let in lives no longer than its token.
        .layer(LifetimeLayer::new(&ctx.verifier))
        // Reads a body only of somebody who may send it.
        .layer(TranscodeLayer::new(&bounds))
        // Reads the message, where the policy asks for it; long ones within the same bounds.
        .layer(GuardLayer::new(message_bytes).within(bounds.clone()))
        // Asked only for what was allowed; sees how the upstream fares.
        .layer(FallbackLayer::new(ctx))
        .service(Forward::new(own, &bounds));
    BoxCloneSyncService::new(stack)
}

/// Why a request means no method, when the front knows it better than "there is no such method".
#[derive(Clone, Debug)]
pub(crate) struct Unrouted(Arc<Mutex<Option<Error>>>);

impl Unrouted {
    pub(crate) fn new(error: Error) -> Self {
        Self(Arc::new(Mutex::new(Some(error))))
    }

    pub(crate) fn take(&self) -> Option<Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Lets pass what means a method.
#[derive(Clone, Copy, Debug)]
struct Routed;

impl Gate for Routed {
    fn admit(&self, request: &mut Request<Body>) -> Result<(), Error> {
        let extensions = request.extensions();
        if extensions.get::<Arc<Route>>().is_some() {
            return Ok(());
        }
        let why = extensions.get::<Unrouted>().and_then(Unrouted::take);
        // The path is not repeated: it may be anything.
        Err(why.unwrap_or_else(|| Error::new(Reason::MethodUnknown, "there is no such method")))
    }
}
