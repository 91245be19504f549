//! What the nouns share: the store, the neighbours, the catalogue of permissions, the clock.
//!
//! The rules of each noun stand in its own file as methods of [`Admin`]; the neighbours are traits here, so that the domain
//! names neither tonic nor sqlx.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use logicore::{
    Error,
    api::{auth::Account, mesh as pb},
    clock::Clock,
    ids::{RoleName, TenantId, UserId},
    layer::outgoing,
};
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::{caller::Caller, permissions::Catalogue, store::Store, tokens::Target};

/// What admin asks of auth.
#[async_trait]
pub trait Accounts: fmt::Debug + Send + Sync {
    /// Gives a user of the caller's tenant a role.
    async fn role_grant(&self, caller: &Caller, user: UserId, role: &RoleName) -> Result<Account, Error>;

    /// Takes a role from a user of the caller's tenant.
    async fn role_revoke(&self, caller: &Caller, user: UserId, role: &RoleName) -> Result<Account, Error>;

    /// Counts who holds a role.
    async fn role_holders(&self, tenant: &TenantId, role: &RoleName) -> Result<u64, Error>;

    /// Revokes tokens; returns how many sessions ended.
    async fn access_revoke(&self, caller: &Caller, target: Target) -> Result<i64, Error>;

    /// Counters of logins and tokens of a tenant.
    async fn statistics(&self, tenant: &TenantId) -> Result<pb::AuthStatistics, Error>;
}

/// The gateways that are connected to this process's feed.
pub trait Gateways: fmt::Debug + Send + Sync {
    /// Every one, with its breakers as last reported.
    fn connected(&self) -> Vec<Gateway>;
}

/// A connected gateway.
#[derive(Clone, Debug, Default)]
pub struct Gateway {
    /// Its id, unique for each running process.
    pub id: String,
    /// Its breakers as last reported.
    pub breakers: Vec<pb::CircuitBreaker>,
}

/// The domain of the admin service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Roles, orders to breakers, audit log.
    pub store: Arc<dyn Store>,
    /// The auth service.
    pub accounts: Arc<dyn Accounts>,
    /// Connected gateways.
    pub gateways: Arc<dyn Gateways>,
    /// Every permission that a method asks for.
    pub catalogue: Arc<Catalogue>,
    /// Wall clock.
    pub clock: Clock,
    /// Work that goes on when its caller has left.
    pub tasks: TaskTracker,
}

impl Admin {
    /// Runs work in several steps to its end, whether or not its caller waits: half of a grant or of a deletion must not stay
    /// behind because a connection broke.
    pub(crate) async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let work = outgoing::carried(work.instrument(tracing::Span::current()));
        let task = self.tasks.spawn(work);
        task.await.map_err(Error::internal)?
    }
}
