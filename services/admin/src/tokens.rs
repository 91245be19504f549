//! Revoking tokens: auth does it, admin says whose and judges how far the caller reaches.

use logicore::{
    Error, Reason,
    ids::{SessionId, UserId},
    policy,
    secret::Secret,
};

use crate::{app::Admin, audit::Record, caller::Caller};

/// Whose tokens.
#[derive(Clone, Debug)]
pub enum Target {
    /// One token: an access token, its id, or a refresh token.
    Token(Secret),
    /// A session.
    Session(SessionId),
    /// A user.
    User(UserId),
    /// Everyone of the caller's tenant.
    Everyone,
    /// Everyone of every tenant.
    AllTenants,
}

impl Target {
    /// The name of the kind.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Token(_) => "token",
            Self::Session(_) => "session",
            Self::User(_) => "user",
            Self::Everyone => "tenant",
            Self::AllTenants => "all",
        }
    }
}

impl Admin {
    /// Revokes tokens; returns how many sessions ended. All but [`Target::AllTenants`] are of the caller's tenant.
    ///
    /// # Errors
    /// `PERMISSION_MISSING` when the caller may not reach beyond its tenant; `RESOURCE_NOT_FOUND` from auth.
    pub async fn tokens_revoke(&self, caller: &Caller, target: Target) -> Result<i64, Error> {
        if matches!(target, Target::AllTenants) {
            let held = self.holdings(caller).await?.hold(&self.catalogue, policy::REVOKE_ALL);
            let allowed = if held { Ok(()) } else { Err(missing(policy::REVOKE_ALL)) };
            let tried = || Record::of(caller, "tokens.revoke", "tenants/*", self.clock.now());
            self.noting_denial(allowed, tried).await?;
        }
        self.accounts.access_revoke(caller, target).await
    }
}

fn missing(permission: &'static str) -> Error {
    let text = format!("this needs the permission `{permission}`");
    Error::new(Reason::PermissionMissing, text).with("permission", permission)
}
