//! The figures that an operator looks at first.

use chrono::{DateTime, Utc};
use logicore::{Error, api::mesh as pb};

use crate::{app::Admin, caller::Caller, roles::BUILT_IN};

/// Figures of a tenant.
#[derive(Clone, Debug)]
pub struct Overview {
    /// Logins and tokens.
    pub auth: pb::AuthStatistics,
    /// Roles, the built-in ones too.
    pub roles: u64,
    /// Audit events.
    pub audit_events: u64,
    /// Connected gateways.
    pub gateways: usize,
    /// Breakers of theirs that are not closed.
    pub breakers_not_closed: usize,
    /// When the figures were taken.
    pub as_of: DateTime<Utc>,
}

impl Admin {
    /// The figures of the caller's tenant.
    ///
    /// # Errors
    /// UNAVAILABLE while auth is away, so that the gateway's last good answer can stand in: half of the figures would look
    /// like all of them.
    pub async fn overview(&self, caller: &Caller) -> Result<Overview, Error> {
        let auth = self.accounts.statistics(caller.tenant()).await?;
        let counts = self.store.tenant_counts(caller.tenant()).await?;
        let gateways = self.gateways.connected();
        let breakers = gateways.iter().flat_map(|g| &g.breakers);
        let closed = pb::CircuitBreakerState::Closed as i32;
        Ok(Overview {
            auth,
            roles: counts.roles + BUILT_IN.len() as u64,
            audit_events: counts.audit_events,
            gateways: gateways.len(),
            breakers_not_closed: breakers.filter(|b| b.state_code != closed).count(),
            as_of: self.clock.now(),
        })
    }
}
