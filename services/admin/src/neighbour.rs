//! The auth service as the domain needs it, over the generated client.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use logicore::{
    Error,
    api::{
        auth::{self as pb, account_service_client::AccountServiceClient, revoke_access_request::Target as PbTarget},
        mesh::{Actor, AuthStatistics},
    },
    ids::{RoleName, TenantId, UserId},
};
use tonic::{
    Request, Status,
    body::Body,
    client::GrpcService,
    codegen::{Body as HttpBody, Bytes, StdError},
};

use crate::{app::Accounts, caller::Caller, tokens::Target};

/// Deadline of a call; the leases of a grant and of a deletion are well above it.
const DEADLINE: Duration = Duration::from_secs(10);

/// Auth behind any way out; in production a [`logicore::upstream::Upstream`].
#[derive(Clone)]
pub struct Auth<T>(AccountServiceClient<T>);

impl<T> fmt::Debug for Auth<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Auth")
    }
}

impl<T> Auth<T>
where
    T: GrpcService<Body>,
    T::Error: Into<StdError>,
    T::ResponseBody: HttpBody<Data = Bytes> + Send + 'static,
    <T::ResponseBody as HttpBody>::Error: Into<StdError> + Send,
{
    /// The service at the end of a way out.
    pub fn new(way: T) -> Self {
        Self(AccountServiceClient::new(way))
    }
}

#[async_trait]
impl<T> Accounts for Auth<T>
where
    T: GrpcService<Body> + Clone + Send + Sync + 'static,
    T::Error: Into<StdError>,
    T::Future: Send,
    T::ResponseBody: HttpBody<Data = Bytes> + Send + 'static,
    <T::ResponseBody as HttpBody>::Error: Into<StdError> + Send,
{
    async fn role_grant(&self, caller: &Caller, user: UserId, role: &RoleName) -> Result<pb::Account, Error> {
        let request = pb::GrantAccountRoleRequest {
            tenant: caller.tenant().to_string(),
            id: user.to_string(),
            role: role.to_string(),
            actor: Some(actor(caller)),
        };
        let answer = self.0.clone().grant_account_role(timed(request)).await;
        account(answer.map_err(failed)?.into_inner().account)
    }

    async fn role_revoke(&self, caller: &Caller, user: UserId, role: &RoleName) -> Result<pb::Account, Error> {
        let request = pb::RevokeAccountRoleRequest {
            tenant: caller.tenant().to_string(),
            id: user.to_string(),
            role: role.to_string(),
            actor: Some(actor(caller)),
        };
        let answer = self.0.clone().revoke_account_role(timed(request)).await;
        account(answer.map_err(failed)?.into_inner().account)
    }

    async fn role_holders(&self, tenant: &TenantId, role: &RoleName) -> Result<u64, Error> {
        let request = pb::CountRoleHoldersRequest {
            tenant: tenant.to_string(),
            role: role.to_string(),
        };
        let answer = self.0.clone().count_role_holders(timed(request)).await;
        u64::try_from(answer.map_err(failed)?.into_inner().count).map_err(Error::internal)
    }

    async fn access_revoke(&self, caller: &Caller, target: Target) -> Result<i64, Error> {
        // An empty tenant means every tenant to auth, so it is left empty in one case only.
        let (tenant, target) = match target {
            Target::Token(token) => (true, PbTarget::Token(token.expose().to_owned())),
            Target::Session(id) => (true, PbTarget::SessionId(id.to_string())),
            Target::User(id) => (true, PbTarget::UserId(id.to_string())),
            Target::Everyone => (true, PbTarget::Everyone(true)),
            Target::AllTenants => (false, PbTarget::Everyone(true)),
        };
        let request = pb::RevokeAccessRequest {
            tenant: if tenant {
                caller.tenant().to_string()
            } else {
                String::new()
            },
            target: Some(target),
            actor: Some(actor(caller)),
        };
        let answer = self.0.clone().revoke_access(timed(request)).await;
        Ok(answer.map_err(failed)?.into_inner().sessions)
    }

    async fn statistics(&self, tenant: &TenantId) -> Result<AuthStatistics, Error> {
        let request = pb::GetAuthStatisticsRequest {
            tenant: tenant.to_string(),
        };
        let answer = self.0.clone().get_auth_statistics(timed(request)).await;
        let statistics = answer.map_err(failed)?.into_inner().statistics;
        statistics.ok_or_else(|| Error::internal("auth answered without statistics"))
    }
}

fn timed<M>(message: M) -> Request<M> {
    let mut request = Request::new(message);
    request.set_timeout(DEADLINE);
    request
}

fn failed(status: Status) -> Error {
    Error::from_neighbour("auth", status)
}

fn account(account: Option<pb::Account>) -> Result<pb::Account, Error> {
    account.ok_or_else(|| Error::internal("auth answered without the account"))
}

fn actor(caller: &Caller) -> Actor {
    Actor {
        subject: caller.principal.subject.to_string(),
        tenant: caller.tenant().to_string(),
        session: caller.principal.session.to_string(),
        request_id: caller.origin.request_id.to_string(),
        address: caller.address(),
    }
}
