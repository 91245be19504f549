//! Accounts: who can sign in. A profile of the same id lives in the user service; the login email lives here alone.
//!
//! The decision to question: an account has a `version` that password, state and roles raise. Whoever read the account before
//! such a change and writes after it (a login under way) finds another version and loses.

use chrono::{DateTime, Utc};
use logicore::{
    Error, Reason,
    ids::{RoleName, TenantId, UserId},
    secret::Secret,
};

use crate::{
    audit::{Actor, Entry},
    auth::Auth,
    codes::{self, Code},
    store::{NewAccount, Provisioned, Removal, RoleRevocation},
};

/// Longest email address (RFC 5321, section 4.5.3.1.3, without the angle brackets).
const EMAIL_BYTES: usize = 254;

/// Role that every new account gets.
pub(crate) const USER: &str = "user";

/// Role whose last holder in the default tenant keeps it.
pub(crate) const ADMIN: &str = "admin";

/// Role of those who run the platform.
pub(crate) const OPERATOR: &str = "operator";

/// A login email: trimmed and in lower case, so that one person is one account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Email(String);

impl Email {
    /// An email of a new account.
    ///
    /// # Errors
    /// `INVALID_FIELD` when it is no address.
    pub(crate) fn new(text: &str) -> Result<Self, Error> {
        let email = Self::lenient(text);
        let valid = email.0.len() <= EMAIL_BYTES
            && email.0.split_once('@').is_some_and(|(local, domain)| {
                !local.is_empty() && !domain.is_empty() && !domain.contains('@') && !domain.starts_with('.')
            })
            && !email.0.chars().any(|c| c.is_whitespace() || c.is_control());
        if valid {
            Ok(email)
        } else {
            Err(Error::field(
                "email",
                "is not an address such as `name@example.com`, at most 254 bytes",
            ))
        }
    }

    /// An email as somebody typed it at a login: whatever it is, it is looked for.
    pub(crate) fn lenient(text: &str) -> Self {
        Self(text.trim().to_lowercase())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// State of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Has no password yet.
    Invited,
    /// Can sign in.
    Active,
    /// Cannot sign in.
    Disabled,
}

/// An account without its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) id: UserId,
    pub(crate) tenant: TenantId,
    pub(crate) email: Email,
    /// Sorted by name.
    pub(crate) roles: Vec<RoleName>,
    pub(crate) state: State,
    pub(crate) create_time: DateTime<Utc>,
}

/// An account as a login sees it.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// The revision, read before the account was.
    pub(crate) revision: u64,
    pub(crate) account: Account,
    pub(crate) version: i64,
    pub(crate) password: Option<Secret>,
}

impl Record {
    /// The hash that a login is checked against; none where nobody may log in.
    pub(crate) fn usable_password(&self) -> Option<&Secret> {
        match self.account.state {
            State::Active => self.password.as_ref(),
            State::Invited | State::Disabled => None,
        }
    }
}

pub(crate) fn not_found() -> Error {
    Error::new(Reason::ResourceNotFound, "there is no such account")
}

impl Auth {
    /// Makes an account, or finds the one that an earlier call with the same id made. The code is new each time while the
    /// account has no password, and `None` once it has one.
    ///
    /// # Errors
    /// `RESOURCE_EXISTS` when the id or the email is another account's.
    pub(crate) async fn provision(
        &self,
        tenant: &TenantId,
        id: UserId,
        email: &Email,
        actor: &Actor,
    ) -> Result<(Account, Option<Code>), Error> {
        let now = self.clock.now();
        let code = Code::generate(now + codes::PROVISION_LIFE)?;
        let new = NewAccount {
            tenant: tenant.clone(),
            id,
            email: email.clone(),
            roles: vec![USER.parse()?],
            code: code.stored(),
            now,
        };
        let audit = Entry::new("account.provision", tenant, actor).on("account", id);
        match self.store.account_provision(new, audit).await? {
            Provisioned::Account { account, coded } => Ok((account, coded.then_some(code))),
            Provisioned::IdTaken => Err(Error::new(
                Reason::ResourceExists,
                "the id belongs to an account with another email or tenant",
            )),
            Provisioned::EmailTaken => Err(Error::new(
                Reason::ResourceExists,
                "an account with this email exists already",
            )),
        }
    }

    /// Undoes a provision that was never finished.
    ///
    /// # Errors
    /// `STATE_FORBIDS` when the account has a password.
    pub(crate) async fn unprovision(&self, tenant: &TenantId, id: UserId, actor: &Actor) -> Result<(), Error> {
        let audit = Entry::new("account.unprovision", tenant, actor).on("account", id);
        match self.store.account_remove_unfinished(tenant, id, audit).await? {
            Removal::Removed | Removal::Absent => Ok(()),
            Removal::InUse => Err(Error::new(
                Reason::StateForbids,
                "the account has a password; disable it instead",
            )),
        }
    }

    /// Disables an account and ends its sessions, or enables it.
    ///
    /// # Errors
    /// `RESOURCE_NOT_FOUND`.
    pub(crate) async fn set_disabled(
        &self,
        tenant: &TenantId,
        id: UserId,
        disabled: bool,
        actor: &Actor,
    ) -> Result<Account, Error> {
        let action = if disabled { "account.disable" } else { "account.enable" };
        let audit = Entry::new(action, tenant, actor).on("account", id);
        self.store
            .account_set_disabled(tenant, id, disabled, self.stamp(), audit)
            .await?
            .ok_or_else(not_found)
    }

    /// Gives an account a role. Whether the role exists, and whether the actor may grant it, was admin's to check.
    ///
    /// # Errors
    /// `RESOURCE_NOT_FOUND`.
    pub(crate) async fn grant_role(
        &self,
        tenant: &TenantId,
        id: UserId,
        role: &RoleName,
        actor: &Actor,
    ) -> Result<Account, Error> {
        let audit = Entry::new("account.role_grant", tenant, actor)
            .on("account", id)
            .with("role", role.as_str());
        self.store
            .account_grant_role(tenant, id, role, self.stamp(), audit)
            .await?
            .ok_or_else(not_found)
    }

    /// Takes a role from an account.
    ///
    /// # Errors
    /// `RESOURCE_NOT_FOUND`; `STATE_FORBIDS` for the last admin of the default tenant.
    pub(crate) async fn revoke_role(
        &self,
        tenant: &TenantId,
        id: UserId,
        role: &RoleName,
        actor: &Actor,
    ) -> Result<Account, Error> {
        let audit = Entry::new("account.role_revoke", tenant, actor)
            .on("account", id)
            .with("role", role.as_str());
        let keep_last = *tenant == TenantId::default() && role.as_str() == ADMIN;
        match self
            .store
            .account_revoke_role(tenant, id, role, keep_last, self.stamp(), audit)
            .await?
        {
            RoleRevocation::Account(account) => Ok(account),
            RoleRevocation::Absent => Err(not_found()),
            RoleRevocation::Last => Err(Error::new(
                Reason::StateForbids,
                "this is the last admin of the default tenant; make another one first",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_email_is_one_whatever_its_case_and_spaces() {
        assert_eq!(Email::new(" Ann@Example.COM ").unwrap().as_str(), "ann@example.com");
        for bad in [
            "",
            "ann",
            "@x",
            "ann@",
            "a b@x",
            "a@b@c",
            &format!("{}@x", "a".repeat(254)),
        ] {
            assert!(Email::new(bad).is_err(), "{bad:?}");
        }
    }
}
