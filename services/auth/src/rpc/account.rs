//! `logicore.auth.v1.AccountService`: for the other services, who say by `Actor` on whose behalf they call.

use std::sync::Arc;

use logicore::{
    Error,
    api::{
        auth::{self as pb, account_service_server::AccountService, revoke_access_request::Target},
        mesh,
    },
    ids::{TenantId, UserId},
    secret::Secret,
};
use tonic::{Request, Response, Status};

use super::convert::{account, actor, caller, id, tenant, timestamp};
use crate::{
    accounts::{self, Account, Email},
    auth::Auth,
    revocations::Wanted,
};

/// Accounts in one batch.
const BATCH: usize = 1000;

/// The service.
#[derive(Debug)]
pub(crate) struct Service(pub(super) Arc<Auth>);

fn found(found: Account) -> Option<pb::Account> {
    Some(account(found, None))
}

fn named(tenant: &str, user: &str) -> Result<(TenantId, UserId), Error> {
    Ok((id("tenant", tenant)?, id("id", user)?))
}

#[tonic::async_trait]
impl AccountService for Service {
    async fn provision_account(
        &self,
        request: Request<pb::ProvisionAccountRequest>,
    ) -> Result<Response<pb::ProvisionAccountResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let actor = actor(message.actor, &extensions)?;
        let (tenant, user) = named(&message.tenant, &message.id)?;
        let email = Email::new(&message.email)?;
        let (account, code) = self.0.provision(&tenant, user, &email, &actor).await?;
        Ok(Response::new(pb::ProvisionAccountResponse {
            account: found(account),
            set_password_code: code.as_ref().map(|c| c.text.expose().to_owned()).unwrap_or_default(),
            code_expire_time: code.map(|c| timestamp(c.expire_time)),
        }))
    }

    async fn unprovision_account(
        &self,
        request: Request<pb::UnprovisionAccountRequest>,
    ) -> Result<Response<pb::UnprovisionAccountResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let actor = actor(message.actor, &extensions)?;
        let (tenant, user) = named(&message.tenant, &message.id)?;
        self.0.unprovision(&tenant, user, &actor).await?;
        Ok(Response::new(pb::UnprovisionAccountResponse {}))
    }

    async fn batch_get_accounts(
        &self,
        request: Request<pb::BatchGetAccountsRequest>,
    ) -> Result<Response<pb::BatchGetAccountsResponse>, Status> {
        let message = request.into_inner();
        if message.ids.len() > BATCH {
            return Err(Error::field("ids", "are more than 1000").into());
        }
        let tenant = id("tenant", &message.tenant)?;
        let ids: Result<Vec<UserId>, Error> = message.ids.iter().map(|text| id("ids", text)).collect();
        let accounts = self.0.store.account_batch(&tenant, &ids?).await?;
        Ok(Response::new(pb::BatchGetAccountsResponse {
            accounts: accounts.into_iter().map(|a| account(a, None)).collect(),
        }))
    }

    async fn lookup_account(
        &self,
        request: Request<pb::LookupAccountRequest>,
    ) -> Result<Response<pb::LookupAccountResponse>, Status> {
        let message = request.into_inner();
        let (tenant, email) = (id("tenant", &message.tenant)?, Email::lenient(&message.email));
        let record = self.0.store.account_find_by_email(&tenant, &email).await?;
        Ok(Response::new(pb::LookupAccountResponse {
            account: found(record.ok_or_else(accounts::not_found)?.account),
        }))
    }

    async fn set_account_disabled(
        &self,
        request: Request<pb::SetAccountDisabledRequest>,
    ) -> Result<Response<pb::SetAccountDisabledResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let actor = actor(message.actor, &extensions)?;
        let (tenant, user) = named(&message.tenant, &message.id)?;
        let account = self.0.set_disabled(&tenant, user, message.disabled, &actor).await?;
        Ok(Response::new(pb::SetAccountDisabledResponse {
            account: found(account),
        }))
    }

    async fn grant_account_role(
        &self,
        request: Request<pb::GrantAccountRoleRequest>,
    ) -> Result<Response<pb::GrantAccountRoleResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let actor = actor(message.actor, &extensions)?;
        let (tenant, user) = named(&message.tenant, &message.id)?;
        let role = id("role", &message.role)?;
        let account = self.0.grant_role(&tenant, user, &role, &actor).await?;
        Ok(Response::new(pb::GrantAccountRoleResponse {
            account: found(account),
        }))
    }

    async fn revoke_account_role(
        &self,
        request: Request<pb::RevokeAccountRoleRequest>,
    ) -> Result<Response<pb::RevokeAccountRoleResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let actor = actor(message.actor, &extensions)?;
        let (tenant, user) = named(&message.tenant, &message.id)?;
        let role = id("role", &message.role)?;
        let account = self.0.revoke_role(&tenant, user, &role, &actor).await?;
        Ok(Response::new(pb::RevokeAccountRoleResponse {
            account: found(account),
        }))
    }

    async fn count_role_holders(
        &self,
        request: Request<pb::CountRoleHoldersRequest>,
    ) -> Result<Response<pb::CountRoleHoldersResponse>, Status> {
        let message = request.into_inner();
        let (tenant, role) = (id("tenant", &message.tenant)?, id("role", &message.role)?);
        let count = self.0.store.account_count_by_role(&tenant, &role).await?;
        Ok(Response::new(pb::CountRoleHoldersResponse {
            count: i64::try_from(count).unwrap_or(i64::MAX),
        }))
    }

    async fn revoke_access(
        &self,
        request: Request<pb::RevokeAccessRequest>,
    ) -> Result<Response<pb::RevokeAccessResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let actor = actor(message.actor, &extensions)?;
        let wanted = match message.target {
            Some(Target::Token(text)) => Wanted::Token(Secret::new(text)),
            Some(Target::SessionId(text)) => Wanted::Session(id("session_id", &text)?),
            Some(Target::UserId(text)) => Wanted::User(id("user_id", &text)?),
            Some(Target::Everyone(true)) => Wanted::Everyone,
            Some(Target::Everyone(false)) | None => return Err(Error::field("target", "is missing").into()),
        };
        let tenant = tenant(&message.tenant)?;
        let ended = self.0.revoke_access(tenant.as_ref(), wanted, &actor).await?;
        Ok(Response::new(pb::RevokeAccessResponse {
            sessions: i64::try_from(ended).unwrap_or(i64::MAX),
        }))
    }

    async fn get_auth_statistics(
        &self,
        request: Request<pb::GetAuthStatisticsRequest>,
    ) -> Result<Response<pb::GetAuthStatisticsResponse>, Status> {
        let tenant = tenant(&request.into_inner().tenant)?;
        let now = self.0.statistics(tenant.as_ref()).await?;
        Ok(Response::new(pb::GetAuthStatisticsResponse {
            statistics: Some(mesh::AuthStatistics {
                logins_succeeded: now.logins_succeeded,
                logins_failed: now.logins_failed,
                logins_throttled: now.logins_throttled,
                refreshes: now.refreshes,
                refresh_replays: now.replays,
                active_sessions: now.rows.sessions,
                accounts: now.rows.accounts,
                revocations: now.rows.marks,
            }),
        }))
    }

    async fn bootstrap_admin(
        &self,
        request: Request<pb::BootstrapAdminRequest>,
    ) -> Result<Response<pb::BootstrapAdminResponse>, Status> {
        let actor = caller(request.extensions());
        let email = Email::new(&request.into_inner().email)?;
        let (account, code) = self.0.bootstrap_admin(&email, &actor).await?;
        Ok(Response::new(pb::BootstrapAdminResponse {
            account: found(account),
            set_password_code: code.text.expose().to_owned(),
            code_expire_time: Some(timestamp(code.expire_time)),
        }))
    }
}
