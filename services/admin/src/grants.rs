//! Granting and revoking roles. Auth keeps who has which role; admin judges whether the caller may give or take it.

use std::time::Duration;

use logicore::{
    Error, Reason,
    api::auth::Account,
    error::Kind,
    ids::{RoleName, UserId},
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    app::Admin,
    audit::Record,
    caller::Caller,
    permissions::Holdings,
    roles::{Change, Facts, Lease, built_in, not_found},
};

/// How long a grant whose outcome is not known keeps its role from being deleted: well above the deadline of the call to auth,
/// so that it cannot land later.
const GRANT: Duration = Duration::from_secs(60);

impl Admin {
    /// Gives a user of the caller's tenant a role.
    ///
    /// # Errors
    /// `RESOURCE_NOT_FOUND` for an unknown role or user, another tenant's too; `GRANT_EXCEEDS_OWN`; `STATE_FORBIDS` while the
    /// role is being deleted.
    pub async fn role_grant(&self, caller: &Caller, user: UserId, role: RoleName) -> Result<Account, Error> {
        if built_in(&role).is_some() {
            let allowed = self.may_handle(caller, &role).await;
            self.noting_denial(allowed, || self.tried(caller, "role.grant", user, &role))
                .await?;
            return self.accounts.role_grant(caller, user, &role).await;
        }
        let (admin, by) = (self.clone(), caller.clone());
        self.to_the_end(async move { admin.grant_own(&by, user, &role).await })
            .await
    }

    /// Takes a role from a user of the caller's tenant. A name without a role behind it can be taken too: what is left of a
    /// role that is gone must not stay on an account.
    ///
    /// # Errors
    /// `RESOURCE_NOT_FOUND` for an unknown user, another tenant's too; `GRANT_EXCEEDS_OWN`.
    pub async fn role_revoke(&self, caller: &Caller, user: UserId, role: RoleName) -> Result<Account, Error> {
        let allowed = self.may_handle(caller, &role).await;
        self.noting_denial(allowed, || self.tried(caller, "role.revoke", user, &role))
            .await?;
        self.accounts.role_revoke(caller, user, &role).await
    }

    /// The record of a grant or its reverse.
    fn tried(&self, caller: &Caller, action: &str, user: UserId, role: &RoleName) -> Record {
        Record::of(caller, action, format!("user/{user}"), self.clock.now()).detail("role", json!(role.as_str()))
    }

    /// Whether the caller holds every permission of a role.
    async fn may_handle(&self, caller: &Caller, role: &RoleName) -> Result<(), Error> {
        let holdings = self.holdings(caller).await?;
        if let Some(built_in) = built_in(role) {
            return holdings.cover(&self.catalogue, built_in.permissions(&self.catalogue));
        }
        let found = self
            .store
            .role_find(caller.tenant(), std::slice::from_ref(role))
            .await?;
        let permissions = found.iter().flat_map(|r| r.permissions.iter().map(String::as_str));
        holdings.cover(&self.catalogue, permissions)
    }

    async fn grant_own(&self, caller: &Caller, user: UserId, role: &RoleName) -> Result<Account, Error> {
        let now = self.clock.now();
        let lease = Lease {
            id: Uuid::now_v7(),
            until: now + GRANT,
        };
        let (catalogue, names, of) = (self.catalogue.clone(), caller.principal.roles.clone(), role.clone());
        let decide = Box::new(move |facts: Facts| {
            let role = facts.role.ok_or_else(|| not_found(&of))?;
            if facts.deleting.is_some() {
                return Err(Error::new(
                    Reason::StateForbids,
                    format!("role `{of}` is being deleted"),
                ));
            }
            let held = Holdings::new(&names, &facts.held);
            held.cover(&catalogue, role.permissions.iter().map(String::as_str))?;
            Ok(Change::Grant(lease))
        });
        let held = &caller.principal.roles;
        let begun = self.store.role_change(caller.tenant(), role, held, now, decide).await;
        self.noting_denial(begun, || self.tried(caller, "role.grant", user, role))
            .await?;
        let answer = self.accounts.role_grant(caller, user, role).await;
        if answer.as_ref().err().is_none_or(is_certain) {
            // A release that fails only keeps the role from being deleted until the lease lapses.
            if let Err(error) = self.store.grant_release(lease.id).await {
                tracing::warn!(%error, "a finished grant could not be released");
            }
        }
        answer
    }
}

/// Whether an error of auth says that nothing was done there.
fn is_certain(error: &Error) -> bool {
    matches!(
        error.reason().kind(),
        Kind::InvalidArgument
            | Kind::NotFound
            | Kind::AlreadyExists
            | Kind::FailedPrecondition
            | Kind::PermissionDenied
            | Kind::Unauthenticated
    ) || error.reason() == Reason::CircuitOpen
}
