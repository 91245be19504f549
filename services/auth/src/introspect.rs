//! What a token is worth, to those who may ask (RFC 7662). Of a token that is not good, or that is another tenant's, nothing is
//! said but that it is not active.

use chrono::{DateTime, Utc};
use logicore::{
    Error, Reason,
    access::Principal,
    ids::{RoleName, SessionId, TenantId, TokenId, UserId},
    secret::Secret,
};

use crate::{
    auth::Auth,
    refresh::{self, Verdict},
};

/// A token that is good now.
#[derive(Debug)]
pub(crate) struct Active {
    /// The `jti`; an access token has one.
    pub(crate) access: Option<TokenId>,
    pub(crate) subject: UserId,
    pub(crate) tenant: TenantId,
    pub(crate) session: SessionId,
    pub(crate) roles: Vec<RoleName>,
    pub(crate) expires: DateTime<Utc>,
    pub(crate) issued: DateTime<Utc>,
}

impl Auth {
    /// Judges a token of the tenant; `None` when it is not active.
    ///
    /// # Errors
    /// `NOT_READY` for an access token before the first snapshot of the feed; `STORE_UNAVAILABLE`.
    pub(crate) async fn introspect(&self, tenant: &TenantId, text: &Secret) -> Result<Option<Active>, Error> {
        match self.verifier.verify(text.expose()) {
            Ok(principal) => return self.introspect_access(tenant, &principal).await,
            // Nobody knows yet: "not active" would make others refuse a good token.
            Err(error) if error.reason() == Reason::NotReady => return Err(error),
            Err(_) => {}
        }
        let Ok(token) = refresh::Token::open(&self.refresh_keys, text.expose()) else {
            return Ok(None);
        };
        let family = self.store.session_find_by_family(token.family).await?;
        let now = self.clock.now();
        Ok(family
            .filter(|f| f.session.tenant == *tenant)
            .filter(|f| matches!(f.judge(token.generation, now), Verdict::Current | Verdict::Grace))
            .map(|f| Active {
                access: None,
                subject: f.account.id,
                tenant: f.account.tenant,
                session: f.session.id,
                roles: f.account.roles,
                expires: f.session.expire_time,
                issued: f.session.refresh_time,
            }))
    }

    async fn introspect_access(&self, tenant: &TenantId, token: &Principal) -> Result<Option<Active>, Error> {
        // The store knows of an ended session before the feed has brought the mark back.
        let session = self.store.session_find(Some(tenant), token.session).await?;
        let own = token.tenant == *tenant && session.is_some();
        Ok(own.then(|| Active {
            access: Some(token.token),
            subject: token.subject,
            tenant: token.tenant.clone(),
            session: token.session,
            roles: token.roles.to_vec(),
            expires: token.expires_at,
            issued: token.issued_at,
        }))
    }
}
