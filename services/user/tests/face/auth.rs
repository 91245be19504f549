//! Stand-in of auth: accounts in memory behind the real service's face.

use std::{
    collections::HashMap,
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
use prost_types::Timestamp;
use tonic::{Request, Response, Status};

/// What a method answers.
type Answer<M> = Result<Response<M>, Status>;

/// When every code expires.
pub(crate) const CODE_EXPIRES: i64 = 4_000_000_000;

/// An account, and on whose behalf it was last changed.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) account: pb::Account,
    pub(crate) disabled: bool,
    pub(crate) by: mesh::Actor,
}

/// The accounts.
#[derive(Debug, Default)]
pub(crate) struct Auth {
    accounts: Mutex<HashMap<String, Entry>>,
    away: AtomicBool,
}

impl Auth {
    /// Answers nothing but UNAVAILABLE from now on, or as usual again.
    pub(crate) fn away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }

    pub(crate) fn entry(&self, id: &str) -> Entry {
        self.accounts()[id].clone()
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.accounts.lock().unwrap()
    }

    fn open<M>(&self, request: Request<M>) -> Result<M, Status> {
        assert!(request.extensions().get::<Peer>().unwrap().is("user"));
        if self.away.load(Ordering::Relaxed) {
            return Err(Status::unavailable("away"));
        }
        Ok(request.into_inner())
    }

    fn find(&self, tenant: &str, is: impl Fn(&pb::Account) -> bool) -> Result<pb::Account, Status> {
        let accounts = self.accounts();
        let mut all = accounts.values().map(|e| &e.account);
        let found = all.find(|a| a.tenant == tenant && is(a)).cloned();
        found.ok_or_else(|| Error::new(Reason::ResourceNotFound, "there is no such account").into())
    }
}

#[tonic::async_trait]
impl AccountService for Auth {
    async fn provision_account(
        &self,
        request: Request<pb::ProvisionAccountRequest>,
    ) -> Answer<pb::ProvisionAccountResponse> {
        let message = self.open(request)?;
        let email = message.email.to_lowercase();
        if self
            .find(&message.tenant, |a| a.email == email && a.id != message.id)
            .is_ok()
        {
            return Err(Error::new(Reason::ResourceExists, "an account with this email exists already").into());
        }
        let account = pb::Account {
            id: message.id.clone(),
            tenant: message.tenant,
            email,
            roles: vec!["user".to_owned()],
            ..pb::Account::default()
        };
        let entry = Entry {
            account: account.clone(),
            disabled: false,
            by: message.actor.unwrap(),
        };
        self.accounts().insert(message.id, entry);
        Ok(Response::new(pb::ProvisionAccountResponse {
            account: Some(account),
            set_password_code: "a code".to_owned(),
            code_expire_time: Some(Timestamp {
                seconds: CODE_EXPIRES,
                nanos: 0,
            }),
        }))
    }

    async fn batch_get_accounts(
        &self,
        request: Request<pb::BatchGetAccountsRequest>,
    ) -> Answer<pb::BatchGetAccountsResponse> {
        let message = self.open(request)?;
        let found = message
            .ids
            .iter()
            .filter_map(|id| self.find(&message.tenant, |a| a.id == *id).ok());
        // An answer with more than was asked for must not confuse anyone.
        let mut accounts: Vec<_> = found.collect();
        accounts.push(pb::Account {
            id: uuid::Uuid::from_u128(99).to_string(),
            email: "stranger@example.com".to_owned(),
            ..pb::Account::default()
        });
        Ok(Response::new(pb::BatchGetAccountsResponse { accounts }))
    }

    async fn lookup_account(&self, request: Request<pb::LookupAccountRequest>) -> Answer<pb::LookupAccountResponse> {
        let message = self.open(request)?;
        let account = self.find(&message.tenant, |a| a.email == message.email.to_lowercase())?;
        Ok(Response::new(pb::LookupAccountResponse { account: Some(account) }))
    }

    async fn set_account_disabled(
        &self,
        request: Request<pb::SetAccountDisabledRequest>,
    ) -> Answer<pb::SetAccountDisabledResponse> {
        let message = self.open(request)?;
        let account = self.find(&message.tenant, |a| a.id == message.id)?;
        let mut accounts = self.accounts();
        let entry = accounts.get_mut(&message.id).unwrap();
        (entry.disabled, entry.by) = (message.disabled, message.actor.unwrap());
        Ok(Response::new(pb::SetAccountDisabledResponse { account: Some(account) }))
    }

    async fn unprovision_account(
        &self,
        _: Request<pb::UnprovisionAccountRequest>,
    ) -> Answer<pb::UnprovisionAccountResponse> {
        Err(not_asked())
    }

    async fn grant_account_role(
        &self,
        _: Request<pb::GrantAccountRoleRequest>,
    ) -> Answer<pb::GrantAccountRoleResponse> {
        Err(not_asked())
    }

    async fn revoke_account_role(
        &self,
        _: Request<pb::RevokeAccountRoleRequest>,
    ) -> Answer<pb::RevokeAccountRoleResponse> {
        Err(not_asked())
    }

    async fn count_role_holders(
        &self,
        _: Request<pb::CountRoleHoldersRequest>,
    ) -> Answer<pb::CountRoleHoldersResponse> {
        Err(not_asked())
    }

    async fn revoke_access(&self, _: Request<pb::RevokeAccessRequest>) -> Answer<pb::RevokeAccessResponse> {
        Err(not_asked())
    }

    async fn get_auth_statistics(
        &self,
        _: Request<pb::GetAuthStatisticsRequest>,
    ) -> Answer<pb::GetAuthStatisticsResponse> {
        Err(not_asked())
    }

    async fn bootstrap_admin(&self, _: Request<pb::BootstrapAdminRequest>) -> Answer<pb::BootstrapAdminResponse> {
        Err(not_asked())
    }
}

fn not_asked() -> Status {
    Status::unimplemented("the user service asks nothing of the kind")
}
