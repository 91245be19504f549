//! What a token is worth, to those who may ask (RFC 7662). Of a token that is not good, or that is another tenant's, nothing is
//! said but that it is not active.

use chrono::{DateTime, Utc};
use logicore::{
    Error,
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
    /// `STORE_UNAVAILABLE`.
    pub(crate) async fn introspect(&self, tenant: &TenantId, text: &Secret) -> Result<Option<Active>, Error> {
        if let Ok(principal) = self.verifier.verify(text.expose()) {
            // The store knows of an ended session before the feed has brought the mark back.
            let session = self.store.session_find(Some(tenant), principal.session).await?;
            let own = principal.tenant == *tenant && session.is_some();
            return Ok(own.then(|| Active {
                access: Some(principal.token),
                subject: principal.subject,
                tenant: principal.tenant.clone(),
                session: principal.session,
                roles: principal.roles.clone(),
                expires: principal.expires_at,
                issued: principal.issued_at,
            }));
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
}
