//! The auth service over gRPC, as the domain's [`Accounts`].

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use logicore::{
    Error, Reason,
    api::auth::{self as pb, account_service_client::AccountServiceClient},
    ids::{TenantId, UserId},
    secret::Secret,
    upstream::Upstream,
};
use tonic::Status;

use crate::domain::{Account, Accounts, Actor, Code, NewAccount, Provisioned};

/// Auth, in this process or another.
#[derive(Clone, Debug)]
pub(crate) struct GrpcAccounts(AccountServiceClient<Upstream>);

impl GrpcAccounts {
    pub(crate) fn new(auth: Upstream) -> Self {
        Self(AccountServiceClient::new(auth))
    }

    fn client(&self) -> AccountServiceClient<Upstream> {
        self.0.clone()
    }
}

#[async_trait::async_trait]
impl Accounts for GrpcAccounts {
    async fn provision(&self, account: &NewAccount, actor: &Actor) -> Result<Provisioned, Error> {
        let request = pb::ProvisionAccountRequest {
            id: account.id.to_string(),
            tenant: account.tenant.to_string(),
            email: account.email.clone(),
            actor: Some(actor.message()),
        };
        let answer = self
            .client()
            .provision_account(request)
            .await
            .map_err(from_auth)?
            .into_inner();
        let code = (!answer.set_password_code.is_empty()).then(|| Code {
            code: Secret::new(answer.set_password_code),
            expire_time: answer.code_expire_time.and_then(time),
        });
        Ok(Provisioned {
            account: account_of(answer.account)?,
            code,
        })
    }

    async fn unprovision(&self, tenant: &TenantId, id: UserId, actor: &Actor) -> Result<(), Error> {
        let request = pb::UnprovisionAccountRequest {
            id: id.to_string(),
            tenant: tenant.to_string(),
            actor: Some(actor.message()),
        };
        self.client()
            .unprovision_account(request)
            .await
            .map(drop)
            .map_err(from_auth)
    }

    async fn batch(&self, tenant: &TenantId, ids: &[UserId]) -> Result<Vec<Account>, Error> {
        let wanted: HashSet<_> = ids.iter().copied().collect();
        let request = pb::BatchGetAccountsRequest {
            tenant: tenant.to_string(),
            ids: wanted.iter().map(ToString::to_string).collect(),
        };
        let answer = self
            .client()
            .batch_get_accounts(request)
            .await
            .map_err(from_auth)?
            .into_inner();
        let accounts = answer.accounts.into_iter().map(|a| account_of(Some(a)));
        accounts
            .filter(|a| a.as_ref().map_or(true, |a| wanted.contains(&a.id)))
            .collect()
    }

    async fn lookup(&self, tenant: &TenantId, email: &str) -> Result<Option<Account>, Error> {
        let request = pb::LookupAccountRequest {
            tenant: tenant.to_string(),
            email: email.to_owned(),
        };
        match self.client().lookup_account(request).await.map_err(from_auth) {
            Ok(answer) => account_of(answer.into_inner().account).map(Some),
            Err(error) if error.reason() == Reason::ResourceNotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn set_disabled(&self, tenant: &TenantId, id: UserId, disabled: bool, actor: &Actor) -> Result<bool, Error> {
        let request = pb::SetAccountDisabledRequest {
            tenant: tenant.to_string(),
            id: id.to_string(),
            disabled,
            actor: Some(actor.message()),
        };
        match self.client().set_account_disabled(request).await.map_err(from_auth) {
            Ok(_) => Ok(true),
            Err(error) if error.reason() == Reason::ResourceNotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn from_auth(status: Status) -> Error {
    Error::from_neighbour("auth", status)
}

fn account_of(account: Option<pb::Account>) -> Result<Account, Error> {
    let account = account.ok_or_else(|| Error::internal("auth answered without the account"))?;
    Ok(Account {
        id: account.id.parse().map_err(Error::internal)?,
        email: account.email,
        roles: account.roles,
    })
}

fn time(time: prost_types::Timestamp) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(time.seconds, u32::try_from(time.nanos).ok()?)
}
