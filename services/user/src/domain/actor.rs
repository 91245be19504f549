//! On whose behalf something happens.

use logicore::{
    access::{Origin, Principal},
    api::mesh,
    ids::{TenantId, UserId},
};
use logicore_store::outbox::AuditRecord;
use serde::{Deserialize, Serialize};

/// The caller, as far as the audit log and auth need to know it. Kept with a user that is being made, so that the sweeper
/// finishes it in the same name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Actor {
    /// `None` for the system itself.
    pub(crate) subject: Option<UserId>,
    pub(crate) tenant: TenantId,
    pub(crate) session: String,
    pub(crate) request_id: String,
    pub(crate) address: String,
}

impl Actor {
    pub(crate) fn of(principal: &Principal, origin: &Origin) -> Self {
        Self {
            subject: Some(principal.subject),
            tenant: principal.tenant.clone(),
            session: principal.session.to_string(),
            request_id: origin.request_id.to_string(),
            address: origin.address.map(|a| a.to_string()).unwrap_or_default(),
        }
    }

    pub(crate) fn system(tenant: TenantId) -> Self {
        Self {
            subject: None,
            tenant,
            session: String::new(),
            request_id: String::new(),
            address: String::new(),
        }
    }

    /// As neighbours are told.
    pub(crate) fn message(&self) -> mesh::Actor {
        mesh::Actor {
            subject: self.subject.map(|s| s.to_string()).unwrap_or_default(),
            tenant: self.tenant.to_string(),
            session: self.session.clone(),
            request_id: self.request_id.clone(),
            address: self.address.clone(),
        }
    }

    /// A record of what this actor did to a user.
    pub(crate) fn audit(&self, action: &'static str, target: UserId) -> AuditRecord {
        AuditRecord::new(self.tenant.clone(), action, format!("user/{target}")).on_behalf_of(&self.message())
    }
}
