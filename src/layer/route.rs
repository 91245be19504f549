//! Which method a request is for: path to `Arc<policy::Method>` in the extensions.

use std::sync::Arc;

use http::Request;
use tonic::body::Body;

use super::gate::{Gate, GateLayer};
use crate::{
    context::Context,
    error::{Error, Reason},
    policy::{self, Method},
};

/// Finds the method of every request.
#[must_use]
pub fn layer(ctx: &Context) -> GateLayer<Route> {
    GateLayer(Route(Arc::clone(&ctx.policies)))
}

/// The gate that finds it.
#[derive(Clone, Debug)]
pub struct Route(Arc<policy::Table>);

impl Gate for Route {
    fn admit(&self, request: &mut Request<Body>) -> Result<(), Error> {
        let method = self.0.get(request.uri().path()).cloned().ok_or_else(unknown)?;
        request.extensions_mut().insert(method);
        Ok(())
    }
}

/// The answer to a path that no method has. It does not repeat the path, which may be anything.
fn unknown() -> Error {
    Error::new(Reason::MethodUnknown, "there is no such method")
}

/// The method of a request that [`Route`] let pass.
pub(crate) fn method(extensions: &http::Extensions) -> Option<&Arc<Method>> {
    extensions.get::<Arc<Method>>()
}
