//! Who asks, and where the request came from.

use std::sync::Arc;

use logicore::{
    access::{Origin, Principal},
    ids::TenantId,
};

/// A verified caller of a public method.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Whoever the access token speaks for.
    pub principal: Arc<Principal>,
    /// Facts of the request.
    pub origin: Origin,
}

impl Caller {
    /// The tenant that every answer is confined to.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.principal.tenant
    }

    /// The address of the request as text; empty when it is not known.
    #[must_use]
    pub fn address(&self) -> String {
        self.origin.address.map(|a| a.to_string()).unwrap_or_default()
    }
}
