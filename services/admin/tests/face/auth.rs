//! Stand-in of auth: roles of accounts in memory, and every message as it came.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use logicore::{
    Error, Reason,
    api::{
        auth::{self as pb, account_service_server::AccountService},
        mesh,
    },
    mesh::Peer,
};
use tonic::{Request, Response, Status};

/// What a method answers.
type Answer<M> = Result<Response<M>, Status>;

#[derive(Debug, Default)]
struct State {
    accounts: BTreeMap<String, (String, BTreeSet<String>)>,
    actors: Vec<mesh::Actor>,
    revoked: Vec<pb::RevokeAccessRequest>,
    statistics: Vec<String>,
}

/// The accounts.
#[derive(Debug, Default)]
pub(crate) struct Auth {
    state: Mutex<State>,
    away: AtomicBool,
}

impl Auth {
    /// Adds an account without a role.
    pub(crate) fn add(&self, tenant: &str) -> String {
        let id = uuid::Uuid::now_v7().to_string();
        self.state()
            .accounts
            .insert(id.clone(), (tenant.to_owned(), BTreeSet::new()));
        id
    }

    /// Answers nothing but UNAVAILABLE from now on.
    pub(crate) fn goes_away(&self) {
        self.away.store(true, Ordering::Relaxed);
    }

    /// On whose behalf roles were given and taken.
    pub(crate) fn actors(&self) -> Vec<mesh::Actor> {
        self.state().actors.clone()
    }

    /// The orders to revoke tokens, as they came.
    pub(crate) fn revoked(&self) -> Vec<pb::RevokeAccessRequest> {
        self.state().revoked.clone()
    }

    /// The tenants whose statistics were asked for.
    pub(crate) fn statistics(&self) -> Vec<String> {
        self.state().statistics.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn open<M>(&self, request: Request<M>) -> Result<M, Status> {
        assert!(request.extensions().get::<Peer>().unwrap().is("admin"));
        if self.away.load(Ordering::Relaxed) {
            return Err(Status::unavailable("away"));
        }
        Ok(request.into_inner())
    }

    fn change(
        &self,
        tenant: &str,
        id: &str,
        actor: Option<mesh::Actor>,
        change: impl FnOnce(&mut BTreeSet<String>),
    ) -> Result<pb::Account, Status> {
        let mut state = self.state();
        state.actors.push(actor.unwrap());
        let entry = state.accounts.get_mut(id).filter(|(of, _)| of == tenant);
        let (_, roles) = entry.ok_or_else(|| Error::new(Reason::ResourceNotFound, "there is no such account"))?;
        change(roles);
        Ok(pb::Account {
            id: id.to_owned(),
            tenant: tenant.to_owned(),
            roles: roles.iter().cloned().collect(),
            ..pb::Account::default()
        })
    }
}

#[tonic::async_trait]
impl AccountService for Auth {
    async fn grant_account_role(
        &self,
        request: Request<pb::GrantAccountRoleRequest>,
    ) -> Answer<pb::GrantAccountRoleResponse> {
        let m = self.open(request)?;
        let account = self.change(&m.tenant, &m.id, m.actor, |roles| {
            roles.insert(m.role);
        })?;
        Ok(Response::new(pb::GrantAccountRoleResponse { account: Some(account) }))
    }

    async fn revoke_account_role(
        &self,
        request: Request<pb::RevokeAccountRoleRequest>,
    ) -> Answer<pb::RevokeAccountRoleResponse> {
        let m = self.open(request)?;
        let account = self.change(&m.tenant, &m.id, m.actor, |roles| {
            roles.remove(&m.role);
        })?;
        Ok(Response::new(pb::RevokeAccountRoleResponse { account: Some(account) }))
    }

    async fn count_role_holders(
        &self,
        request: Request<pb::CountRoleHoldersRequest>,
    ) -> Answer<pb::CountRoleHoldersResponse> {
        let m = self.open(request)?;
        let state = self.state();
        let holders = state
            .accounts
            .values()
            .filter(|(of, roles)| *of == m.tenant && roles.contains(&m.role));
        Ok(Response::new(pb::CountRoleHoldersResponse {
            count: i64::try_from(holders.count()).unwrap(),
        }))
    }

    async fn revoke_access(&self, request: Request<pb::RevokeAccessRequest>) -> Answer<pb::RevokeAccessResponse> {
        let m = self.open(request)?;
        self.state().revoked.push(m);
        Ok(Response::new(pb::RevokeAccessResponse { sessions: 3 }))
    }

    async fn get_auth_statistics(
        &self,
        request: Request<pb::GetAuthStatisticsRequest>,
    ) -> Answer<pb::GetAuthStatisticsResponse> {
        let m = self.open(request)?;
        self.state().statistics.push(m.tenant);
        Ok(Response::new(pb::GetAuthStatisticsResponse {
            statistics: Some(mesh::AuthStatistics {
                accounts: 11,
                ..mesh::AuthStatistics::default()
            }),
        }))
    }

    async fn provision_account(&self, _: Request<pb::ProvisionAccountRequest>) -> Answer<pb::ProvisionAccountResponse> {
        Err(not_asked())
    }

    async fn unprovision_account(
        &self,
        _: Request<pb::UnprovisionAccountRequest>,
    ) -> Answer<pb::UnprovisionAccountResponse> {
        Err(not_asked())
    }

    async fn batch_get_accounts(
        &self,
        _: Request<pb::BatchGetAccountsRequest>,
    ) -> Answer<pb::BatchGetAccountsResponse> {
        Err(not_asked())
    }

    async fn lookup_account(&self, _: Request<pb::LookupAccountRequest>) -> Answer<pb::LookupAccountResponse> {
        Err(not_asked())
    }

    async fn set_account_disabled(
        &self,
        _: Request<pb::SetAccountDisabledRequest>,
    ) -> Answer<pb::SetAccountDisabledResponse> {
        Err(not_asked())
    }

    async fn bootstrap_admin(&self, _: Request<pb::BootstrapAdminRequest>) -> Answer<pb::BootstrapAdminResponse> {
        Err(not_asked())
    }
}

fn not_asked() -> Status {
    Status::unimplemented("the admin service asks nothing of the kind")
}
