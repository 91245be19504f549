//! What may happen to a user, and in which order. Knows neither gRPC nor SQL: what it needs of them are the traits [`Store`] and
//! [`Accounts`].

mod accounts;
mod actor;
mod create;
mod demo;
mod etag;
mod lifecycle;
mod list;
mod mask;
mod profile;
mod turns;
mod validate;

use std::{sync::Arc, time::Duration};

use logicore::{
    Error, Reason,
    clock::Clock,
    ids::{TenantId, UserId},
};

pub(crate) use accounts::{Account, Accounts, Code, NewAccount, Provisioned};
pub(crate) use actor::Actor;
pub(crate) use create::CreateUser;
#[cfg(test)]
pub(crate) use create::Created;
pub(crate) use lifecycle::UpdateUser;
#[cfg(test)]
pub(crate) use list::Order;
pub(crate) use list::{Condition, ListUsers, OrderField, Place, Position, Query, TextField};
pub(crate) use mask::Mask;
pub(crate) use profile::{Fields, Profile, State, User};

use crate::store::Store;

/// How long a profile waits for the email and the roles that belong to it; it is shown without them then.
const ACCOUNT_PATIENCE: Duration = Duration::from_secs(1);

/// The users of every tenant. Each method looks at the actor's tenant only.
#[derive(Debug)]
pub(crate) struct Users {
    store: Arc<dyn Store>,
    accounts: Arc<dyn Accounts>,
    clock: Clock,
    turns: turns::Turns,
}

impl Users {
    pub(crate) fn new(store: Arc<dyn Store>, accounts: Arc<dyn Accounts>, clock: Clock) -> Self {
        Self {
            store,
            accounts,
            clock,
            turns: turns::Turns::default(),
        }
    }

    /// A user of the actor's tenant.
    pub(crate) async fn get(&self, actor: &Actor, id: UserId) -> Result<User, Error> {
        let profile = self.find(&actor.tenant, id).await?;
        Ok(self.with_account(profile).await)
    }

    /// The profile; where only the account is there (the first admin's), an empty one is made.
    async fn find(&self, tenant: &TenantId, id: UserId) -> Result<Profile, Error> {
        if let Some(profile) = self.store.profile_find(tenant, id).await? {
            return Ok(profile);
        }
        if self.accounts.batch(tenant, &[id]).await?.is_empty() {
            return Err(not_found(id));
        }
        let profile = Profile::new(id, tenant.clone(), Fields::default(), State::Active, self.clock.now());
        let audit = Actor::system(tenant.clone())
            .audit("user.create", id)
            .with("cause", "account");
        self.store.profile_add(&profile, Some(&audit)).await?;
        // Somebody may have been faster, and have changed it since.
        self.store.profile_find(tenant, id).await?.ok_or_else(|| not_found(id))
    }

    async fn with_account(&self, profile: Profile) -> User {
        let mut accounts = self.accounts_of(&profile.tenant, &[profile.id]).await;
        User {
            account: accounts.pop(),
            profile,
        }
    }

    /// What auth knows of these users; nothing while it is away, since a profile is worth showing without it.
    async fn accounts_of(&self, tenant: &TenantId, ids: &[UserId]) -> Vec<Account> {
        if ids.is_empty() {
            return Vec::new();
        }
        match tokio::time::timeout(ACCOUNT_PATIENCE, self.accounts.batch(tenant, ids)).await {
            Ok(Ok(accounts)) => accounts,
            Ok(Err(error)) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "users are shown without email and roles"
                );
                Vec::new()
            }
            Err(_) => {
                tracing::warn!("auth takes too long, users are shown without email and roles");
                Vec::new()
            }
        }
    }
}

fn not_found(id: UserId) -> Error {
    Error::new(Reason::ResourceNotFound, format!("there is no user {id}"))
}
