//! Breakers of every gateway: read from what the gateways report up the feed, closed by an order that goes down it.

use logicore::{Error, Reason, api::mesh as pb};

use crate::{app::Admin, audit::Record, caller::Caller};

impl Admin {
    /// The breakers of every connected gateway, by name, then gateway.
    #[must_use]
    pub fn breaker_list(&self) -> Vec<pb::CircuitBreaker> {
        let gateways = self.gateways.connected();
        let mut breakers: Vec<_> = gateways
            .into_iter()
            .flat_map(|gateway| {
                let id = gateway.id;
                gateway.breakers.into_iter().map(move |mut breaker| {
                    breaker.gateway.clone_from(&id);
                    breaker
                })
            })
            .collect();
        breakers.sort_by(|a, b| (&a.name, &a.gateway).cmp(&(&b.name, &b.gateway)));
        breakers
    }

    /// Orders every gateway to close a breaker; returns how many are connected.
    ///
    /// # Errors
    /// `RESOURCE_NOT_FOUND` when no connected gateway has it.
    pub async fn breaker_reset(&self, caller: &Caller, name: &str) -> Result<usize, Error> {
        let gateways = self.gateways.connected();
        if !gateways.iter().any(|g| g.breakers.iter().any(|b| b.name == name)) {
            let text = format!("no connected gateway has a breaker `{}`", name.escape_debug());
            return Err(Error::new(Reason::ResourceNotFound, text));
        }
        let now = self.clock.now();
        let record = Record::of(caller, "breaker.reset", format!("breaker/{name}"), now);
        self.store.breaker_reset(name, now, record).await?;
        Ok(gateways.len())
    }
}
