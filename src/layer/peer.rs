//! Who of the deployment sends a request: role token to [`Peer`] in the extensions. Without one nothing is served.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::Request;
use tonic::body::Body;

use super::gate::{Gate, GateLayer};
use crate::{
    context::Context,
    error::{Error, Reason},
    mesh::{Identity, Peer, ROLE_TOKEN},
};

/// Asks every request for a role token.
#[must_use]
pub fn layer(ctx: &Context) -> GateLayer<ProvenPeer> {
    GateLayer(ProvenPeer(Arc::clone(&ctx.identity)))
}

/// The gate that checks it.
#[derive(Clone, Debug)]
pub struct ProvenPeer(Arc<Identity>);

impl Gate for ProvenPeer {
    fn admit(&self, request: &mut Request<Body>) -> Result<(), Error> {
        // Taken off: nothing behind this layer has use for it.
        let token = request.headers_mut().remove(ROLE_TOKEN).ok_or_else(|| {
            Error::new(
                Reason::PeerNotTrusted,
                "this port serves proven parts of the deployment only; callers go to the gateway",
            )
        })?;
        let peer: Peer = self.0.verify(&token)?;
        request.extensions_mut().insert(peer);
        Ok(())
    }
}
