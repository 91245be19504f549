//! Revocation by order: a target's mark says which tokens are too old, counted in revisions and not in seconds, so no clock
//! can be wrong about it. See DESIGN, Tokens.

use std::fmt;

use chrono::{DateTime, Utc};
use logicore::{
    Error, Reason,
    ids::{SessionId, TenantId, TokenId, UserId},
    secret::Secret,
};

use crate::{
    audit::{Actor, Entry},
    auth::Auth,
    refresh, sessions,
    store::Ending,
};

/// What a mark stands on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    /// One access token.
    Token(TokenId),
    /// One session.
    Session(SessionId),
    /// One user.
    User(UserId),
    /// One tenant.
    Tenant(TenantId),
    /// Everyone.
    All,
}

impl Target {
    /// Word for the target's kind in the store.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Token(_) => "token",
            Self::Session(_) => "session",
            Self::User(_) => "user",
            Self::Tenant(_) => "tenant",
            Self::All => "all",
        }
    }

    /// Id of the target; empty for everyone.
    pub(crate) fn id(&self) -> String {
        match self {
            Self::Token(id) => id.to_string(),
            Self::Session(id) => id.to_string(),
            Self::User(id) => id.to_string(),
            Self::Tenant(id) => id.to_string(),
            Self::All => String::new(),
        }
    }

    /// Reads what [`Target::kind`] and [`Target::id`] wrote.
    pub(crate) fn parse(kind: &str, id: &str) -> Option<Self> {
        Some(match kind {
            "token" => Self::Token(id.parse().ok()?),
            "session" => Self::Session(id.parse().ok()?),
            "user" => Self::User(id.parse().ok()?),
            "tenant" => Self::Tenant(id.parse().ok()?),
            "all" => Self::All,
            _ => return None,
        })
    }
}

/// The two marks of a target. Neither hides the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) target: Target,
    /// Tokens with a lower revision are revoked; 0 for no mark.
    pub(crate) revoked: u64,
    /// Tokens with a lower revision are stale; 0 for no mark.
    pub(crate) stale: u64,
    /// No token that the marks cover lives longer.
    pub(crate) expire_time: DateTime<Utc>,
}

/// A time, and how long a mark made at it must be kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) now: DateTime<Utc>,
    pub(crate) marks_until: DateTime<Utc>,
}

/// A committed change of what the access feed tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// The revision that the change made.
    pub(crate) revision: u64,
    /// Marks that are new or higher.
    pub(crate) raised: Vec<Mark>,
    /// Targets whose marks are over.
    pub(crate) lowered: Vec<Target>,
    /// Ids of signing keys that are gone.
    pub(crate) keys_gone: Vec<String>,
}

/// Told of every committed change, in commit order.
pub(crate) trait Sink: fmt::Debug + Send + Sync {
    /// Takes a change; must not block.
    fn changed(&self, change: Change);
}

/// Whose tokens an operator wants to end.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// An access token, its `jti`, or a refresh token.
    Token(Secret),
    Session(SessionId),
    User(UserId),
    Everyone,
}

impl Auth {
    /// Revokes tokens of a target that belongs to `tenant` (of any, where it is `None`) and ends the sessions behind them.
    /// Returns how many sessions ended. An unknown token is no error (RFC 7009, section 2.2).
    ///
    /// # Errors
    /// `RESOURCE_NOT_FOUND` for a session or user that the tenant does not have; `NOT_READY` and `TENANT_SUSPENDED` for an access
    /// token that cannot be judged now.
    pub(crate) async fn revoke_access(
        &self,
        tenant: Option<&TenantId>,
        wanted: Wanted,
        actor: &Actor,
    ) -> Result<u64, Error> {
        let Some(ending) = self.ending(tenant, wanted).await? else {
            return Ok(0);
        };
        let home = ending.tenant().cloned().or_else(|| tenant.cloned()).unwrap_or_default();
        let audit = Entry::new("access.revoke", &home, actor);
        let audit = match &ending {
            Ending::Token { token, .. } => audit.on("token", token),
            Ending::Session { id, .. } => audit.on("session", id),
            Ending::Others { account, .. } | Ending::User { account, .. } => audit.on("account", account),
            Ending::Tenant(tenant) => audit.on("tenant", tenant),
            Ending::Everyone => audit.on("tenant", "*"),
        };
        self.store.session_end(ending, self.stamp(), audit).await
    }

    async fn ending(&self, tenant: Option<&TenantId>, wanted: Wanted) -> Result<Option<Ending>, Error> {
        Ok(match wanted {
            Wanted::Token(text) => self.ending_of_token(tenant, &text).await?,
            Wanted::Session(id) => {
                let session = self.store.session_find(tenant, id).await?;
                let session = session.ok_or_else(sessions::not_found)?;
                Some(Ending::Session {
                    tenant: session.tenant,
                    account: None,
                    id,
                })
            }
            Wanted::User(id) => {
                let tenant = self.store.account_tenant(tenant, id).await?;
                let tenant = tenant.ok_or_else(crate::accounts::not_found)?;
                Some(Ending::User { tenant, account: id })
            }
            Wanted::Everyone => Some(tenant.map_or(Ending::Everyone, |t| Ending::Tenant(t.clone()))),
        })
    }

    async fn ending_of_token(&self, tenant: Option<&TenantId>, text: &Secret) -> Result<Option<Ending>, Error> {
        if let Ok(token) = text.expose().parse::<TokenId>() {
            // A bare id does not say whose it is, but only its holder and the tenant's own log know it: 74 random bits.
            let tenant = tenant.cloned().unwrap_or_default();
            return Ok(Some(Ending::Token { tenant, token }));
        }
        match self.verifier.verify(text.expose()) {
            Ok(principal) => {
                let own = tenant.is_none_or(|t| *t == principal.tenant);
                return Ok(own.then(|| Ending::Token {
                    tenant: principal.tenant.clone(),
                    token: principal.token,
                }));
            }
            // It may be good, or may be again: whoever wants it ended must not hear that it is.
            Err(error) if matches!(error.reason(), Reason::NotReady | Reason::TenantSuspended) => return Err(error),
            Err(_) => {}
        }
        let Ok(token) = refresh::Token::open(&self.refresh_keys, text.expose()) else {
            return Ok(None);
        };
        let family = self.store.session_find_by_family(token.family).await?;
        Ok(family
            .filter(|f| tenant.is_none_or(|t| *t == f.session.tenant))
            .map(|f| Ending::Session {
                tenant: f.session.tenant,
                account: None,
                id: f.session.id,
            }))
    }
}
