//! Sessions: logins that last. An ended session is a deleted row; what remains of it is a mark until its last access token has
//! expired.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use logicore::{
    Error, Reason,
    access::Principal,
    ids::{SessionId, TenantId, UserId},
    secret::Secret,
};

use crate::{
    audit::{Actor, Entry},
    auth::Auth,
    refresh,
    store::Ending,
};

/// Sessions on a page where the caller does not say.
const PAGE: usize = 50;

/// Sessions on a page at most.
const PAGE_MAX: usize = 1000;

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) tenant: TenantId,
    pub(crate) account: UserId,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) refresh_time: DateTime<Utc>,
    /// When it ends unless it is refreshed.
    pub(crate) expire_time: DateTime<Utc>,
    /// When it ends whatever happens.
    pub(crate) end_time: DateTime<Utc>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) user_agent: Option<String>,
}

/// A page of sessions, newest first.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) sessions: Vec<Session>,
    /// Last session of the page, where more follow.
    pub(crate) next: Option<SessionId>,
}

pub(crate) fn not_found() -> Error {
    Error::new(Reason::ResourceNotFound, "there is no such session")
}

impl Auth {
    /// Lists the sessions of a user; of one who does not exist there are none.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub(crate) async fn sessions(
        &self,
        tenant: &TenantId,
        user: UserId,
        size: usize,
        after: Option<SessionId>,
    ) -> Result<Page, Error> {
        let size = if size == 0 { PAGE } else { size.min(PAGE_MAX) };
        let now = self.clock.now();
        let mut sessions = self.store.session_list(tenant, user, after, size + 1, now).await?;
        let more = sessions.len() > size;
        sessions.truncate(size);
        let next = sessions.last().filter(|_| more).map(|s| s.id);
        Ok(Page { sessions, next })
    }

    /// Ends one of the caller's sessions.
    ///
    /// # Errors
    /// `RESOURCE_NOT_FOUND`, for another user's session too.
    pub(crate) async fn revoke_session(&self, caller: &Principal, id: SessionId, actor: &Actor) -> Result<(), Error> {
        let audit = self.session_entry("session.revoke", caller, actor).on("session", id);
        let ending = Ending::Session {
            tenant: caller.tenant.clone(),
            account: Some(caller.subject),
            id,
        };
        match self.store.session_end(ending, self.stamp(), audit).await? {
            0 => Err(not_found()),
            _ => Ok(()),
        }
    }

    /// Ends every session of the caller, or every one but the current. Returns how many.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub(crate) async fn revoke_sessions(
        &self,
        caller: &Principal,
        keep_current: bool,
        actor: &Actor,
    ) -> Result<u64, Error> {
        let audit = self
            .session_entry("session.revoke_all", caller, actor)
            .on("account", caller.subject);
        let (tenant, account) = (caller.tenant.clone(), caller.subject);
        let ending = if keep_current {
            let keep = caller.session;
            Ending::Others { tenant, account, keep }
        } else {
            Ending::User { tenant, account }
        };
        self.store.session_end(ending, self.stamp(), audit).await
    }

    /// Ends the session of a refresh token, or of the caller where none is given. A session that is over already is no error.
    ///
    /// # Errors
    /// `AUTH_TOKEN_MISSING` when neither is there.
    pub(crate) async fn logout(
        &self,
        refresh_token: Option<&Secret>,
        caller: Option<&Principal>,
        actor: &Actor,
    ) -> Result<(), Error> {
        let (tenant, account, id) = match (refresh_token, caller) {
            (Some(text), _) => {
                let Ok(token) = refresh::Token::open(&self.refresh_keys, text.expose()) else {
                    return Ok(());
                };
                match self.store.session_find_by_family(token.family).await? {
                    Some(f) => (f.session.tenant, f.session.account, f.session.id),
                    None => return Ok(()),
                }
            }
            (None, Some(caller)) => (caller.tenant.clone(), caller.subject, caller.session),
            (None, None) => {
                return Err(Error::new(
                    Reason::AuthTokenMissing,
                    "say which session: send `refreshToken`, or an access token as `authorization: Bearer ...`",
                ));
            }
        };
        let audit = Entry::new("auth.logout", &tenant, actor)
            .on("session", id)
            .by(account, Some(id));
        let ending = Ending::Session {
            tenant,
            account: Some(account),
            id,
        };
        self.store.session_end(ending, self.stamp(), audit).await.map(drop)
    }

    fn session_entry(&self, action: &'static str, caller: &Principal, actor: &Actor) -> Entry {
        Entry::new(action, &caller.tenant, actor)
    }
}
