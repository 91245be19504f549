//! Stand-in of auth: accounts in memory behind the real service's face, and what was asked of it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use prost_types::Timestamp;
use tonic::{Request, Response, Status, service::Routes};

use crate::{
    api::{
        auth::{
            self as pb, AccountState,
            account_service_server::{AccountService, AccountServiceServer},
        },
        mesh::{Actor, AuthStatistics},
    },
    context::Context,
    error::{Error, Reason},
    feed::{AUTH, Producer},
    ids::UserId,
    mesh::Address,
};

/// The code of every account that is made.
pub const CODE: &str = "a code";
/// When it expires, in seconds since 1970.
pub const CODE_EXPIRES: i64 = 4_000_000_000;
/// How many accounts the statistics of every tenant count.
pub const COUNTED: u64 = 11;
/// How many sessions every revocation ends.
pub const ENDED: i64 = 3;

/// What a method answers.
type Answer<M> = Result<Response<M>, Status>;

/// The accounts.
#[derive(Debug, Default)]
pub struct Accounts {
    book: Mutex<Book>,
    away: AtomicBool,
}

#[derive(Debug, Default)]
struct Book {
    accounts: BTreeMap<String, pb::Account>,
    actors: Vec<Actor>,
    revoked: Vec<pb::RevokeAccessRequest>,
    statistics: Vec<String>,
}

impl Accounts {
    /// Serves them and auth's feed, in which nothing is revoked.
    pub fn serve(self: &Arc<Self>, on: &Context) -> Address {
        let feed = Producer::new(AUTH, super::EPOCH.to_owned(), 1, Vec::new());
        let accounts = AccountServiceServer::from_arc(Arc::clone(self));
        super::serve(on, Routes::new(accounts).add_service(feed.service()))
    }

    /// Adds an account without a role, and returns its id.
    pub fn add(&self, tenant: &str) -> String {
        let account = pb::Account {
            id: UserId::generate().to_string(),
            tenant: tenant.to_owned(),
            state: AccountState::Active.into(),
            ..pb::Account::default()
        };
        let id = account.id.clone();
        self.book().accounts.insert(id.clone(), account);
        id
    }

    /// Answers nothing but UNAVAILABLE from now on, or as usual again.
    pub fn away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }

    /// An account that is there.
    #[must_use]
    pub fn account(&self, id: &str) -> pb::Account {
        self.book().accounts[id].clone()
    }

    /// On whose behalf accounts were changed, in order.
    #[must_use]
    pub fn actors(&self) -> Vec<Actor> {
        self.book().actors.clone()
    }

    /// The orders to revoke tokens, as they came.
    #[must_use]
    pub fn revoked(&self) -> Vec<pb::RevokeAccessRequest> {
        self.book().revoked.clone()
    }

    /// The tenants whose statistics were asked for.
    #[must_use]
    pub fn statistics(&self) -> Vec<String> {
        self.book().statistics.clone()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("no test panics with it")
    }

    /// The message, and the book that answers it. Who may ask has been proven in front, as in production.
    fn open<M>(&self, request: Request<M>) -> Result<(M, MutexGuard<'_, Book>), Status> {
        if self.away.load(Ordering::Relaxed) {
            return Err(Status::unavailable("away"));
        }
        Ok((request.into_inner(), self.book()))
    }
}

impl Book {
    fn find(&self, tenant: &str, is: impl Fn(&pb::Account) -> bool) -> Option<&pb::Account> {
        self.accounts.values().find(|a| a.tenant == tenant && is(a))
    }

    /// Changes an account of the tenant on somebody's behalf.
    fn change(
        &mut self,
        (tenant, id): (&str, &str),
        by: Option<Actor>,
        change: impl FnOnce(&mut pb::Account),
    ) -> Result<pb::Account, Status> {
        self.actors.push(by.expect("a change says on whose behalf it is"));
        let account = self.accounts.get_mut(id).filter(|a| a.tenant == tenant);
        let account = account.ok_or_else(not_found)?;
        change(account);
        Ok(account.clone())
    }
}

#[tonic::async_trait]
impl AccountService for Accounts {
    async fn provision_account(
        &self,
        request: Request<pb::ProvisionAccountRequest>,
    ) -> Answer<pb::ProvisionAccountResponse> {
        let (m, mut book) = self.open(request)?;
        let email = m.email.to_lowercase();
        if book.find(&m.tenant, |a| a.email == email && a.id != m.id).is_some() {
            return Err(Error::new(Reason::ResourceExists, "an account with this email exists already").into());
        }
        let account = pb::Account {
            id: m.id.clone(),
            tenant: m.tenant.clone(),
            email,
            roles: vec!["user".to_owned()],
            state: AccountState::Invited.into(),
            ..pb::Account::default()
        };
        book.accounts.insert(m.id.clone(), account);
        let account = book.change((&m.tenant, &m.id), m.actor, |_| {})?;
        Ok(Response::new(pb::ProvisionAccountResponse {
            account: Some(account),
            set_password_code: CODE.to_owned(),
            code_expire_time: Some(Timestamp {
                seconds: CODE_EXPIRES,
                nanos: 0,
            }),
        }))
    }

    async fn unprovision_account(
        &self,
        _: Request<pb::UnprovisionAccountRequest>,
    ) -> Answer<pb::UnprovisionAccountResponse> {
        Err(not_asked())
    }

    async fn batch_get_accounts(
        &self,
        request: Request<pb::BatchGetAccountsRequest>,
    ) -> Answer<pb::BatchGetAccountsResponse> {
        let (m, book) = self.open(request)?;
        let found = m.ids.iter().filter_map(|id| book.find(&m.tenant, |a| a.id == *id));
        let mut accounts: Vec<_> = found.cloned().collect();
        // An answer with more than was asked for must not confuse anyone.
        accounts.push(pb::Account {
            id: UserId::generate().to_string(),
            email: "stranger@example.com".to_owned(),
            ..pb::Account::default()
        });
        Ok(Response::new(pb::BatchGetAccountsResponse { accounts }))
    }

    async fn lookup_account(&self, request: Request<pb::LookupAccountRequest>) -> Answer<pb::LookupAccountResponse> {
        let (m, book) = self.open(request)?;
        let email = m.email.to_lowercase();
        let account = book.find(&m.tenant, |a| a.email == email).ok_or_else(not_found)?;
        Ok(Response::new(pb::LookupAccountResponse {
            account: Some(account.clone()),
        }))
    }

    async fn set_account_disabled(
        &self,
        request: Request<pb::SetAccountDisabledRequest>,
    ) -> Answer<pb::SetAccountDisabledResponse> {
        let (m, mut book) = self.open(request)?;
        let state = if m.disabled {
            AccountState::Disabled
        } else {
            AccountState::Active
        };
        let account = book.change((&m.tenant, &m.id), m.actor, |a| a.set_state(state))?;
        Ok(Response::new(pb::SetAccountDisabledResponse { account: Some(account) }))
    }

    async fn grant_account_role(
        &self,
        request: Request<pb::GrantAccountRoleRequest>,
    ) -> Answer<pb::GrantAccountRoleResponse> {
        let (m, mut book) = self.open(request)?;
        let account = book.change((&m.tenant, &m.id), m.actor, |a| {
            a.roles.retain(|role| *role != m.role);
            a.roles.push(m.role);
        })?;
        Ok(Response::new(pb::GrantAccountRoleResponse { account: Some(account) }))
    }

    async fn revoke_account_role(
        &self,
        request: Request<pb::RevokeAccountRoleRequest>,
    ) -> Answer<pb::RevokeAccountRoleResponse> {
        let (m, mut book) = self.open(request)?;
        let account = book.change((&m.tenant, &m.id), m.actor, |a| a.roles.retain(|role| *role != m.role))?;
        Ok(Response::new(pb::RevokeAccountRoleResponse { account: Some(account) }))
    }

    async fn count_role_holders(
        &self,
        request: Request<pb::CountRoleHoldersRequest>,
    ) -> Answer<pb::CountRoleHoldersResponse> {
        let (m, book) = self.open(request)?;
        let accounts = book.accounts.values();
        let holders = accounts.filter(|a| a.tenant == m.tenant && a.roles.contains(&m.role));
        let count = i64::try_from(holders.count()).expect("a few accounts");
        Ok(Response::new(pb::CountRoleHoldersResponse { count }))
    }

    async fn revoke_access(&self, request: Request<pb::RevokeAccessRequest>) -> Answer<pb::RevokeAccessResponse> {
        let (m, mut book) = self.open(request)?;
        book.revoked.push(m);
        Ok(Response::new(pb::RevokeAccessResponse { sessions: ENDED }))
    }

    async fn get_auth_statistics(
        &self,
        request: Request<pb::GetAuthStatisticsRequest>,
    ) -> Answer<pb::GetAuthStatisticsResponse> {
        let (m, mut book) = self.open(request)?;
        book.statistics.push(m.tenant);
        let statistics = AuthStatistics {
            accounts: COUNTED,
            ..AuthStatistics::default()
        };
        Ok(Response::new(pb::GetAuthStatisticsResponse {
            statistics: Some(statistics),
        }))
    }

    async fn bootstrap_admin(&self, _: Request<pb::BootstrapAdminRequest>) -> Answer<pb::BootstrapAdminResponse> {
        Err(not_asked())
    }
}

fn not_found() -> Status {
    Error::new(Reason::ResourceNotFound, "there is no such account").into()
}

fn not_asked() -> Status {
    Status::unimplemented("no test of a neighbour's face asks for it")
}
