//! `logicore.auth.v1.AuthService`.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use logicore::{
    Error, Reason,
    access::Principal,
    api::auth::{self as pb, auth_service_server::AuthService},
    ids::{SessionId, UserId},
    secret::Secret,
};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::convert::{account, caller, id, principal, seconds, secret, session, tenant};
use crate::{accounts::Email, auth::Auth};

/// The service.
#[derive(Debug)]
pub(crate) struct Service(pub(super) Arc<Auth>);

#[tonic::async_trait]
impl AuthService for Service {
    async fn login(&self, request: Request<pb::LoginRequest>) -> Result<Response<pb::LoginResponse>, Status> {
        let actor = caller(request.extensions());
        let message = request.into_inner();
        if message.email.is_empty() {
            return Err(Error::field("email", "is missing").into());
        }
        let (email, password) = (Email::lenient(&message.email), secret("password", message.password)?);
        let tenant = tenant(&message.tenant)?.unwrap_or_default();
        let tokens = self.0.login(&tenant, &email, &password, &actor).await?;
        Ok(Response::new(pb::LoginResponse {
            access_token: tokens.access.expose().to_owned(),
            token_type: "Bearer".to_owned(),
            expires_in: seconds(tokens.access_expires_in),
            refresh_token: tokens.refresh.expose().to_owned(),
            refresh_expires_in: seconds(tokens.refresh_expires_in),
            session_id: tokens.session.id.to_string(),
            account: Some(account(tokens.account, None)),
        }))
    }

    async fn refresh(&self, request: Request<pb::RefreshRequest>) -> Result<Response<pb::RefreshResponse>, Status> {
        let actor = caller(request.extensions());
        let token = secret("refresh_token", request.into_inner().refresh_token)?;
        let tokens = self.0.refresh(&token, &actor).await?;
        Ok(Response::new(pb::RefreshResponse {
            access_token: tokens.access.expose().to_owned(),
            token_type: "Bearer".to_owned(),
            expires_in: seconds(tokens.access_expires_in),
            refresh_token: tokens.refresh.expose().to_owned(),
            refresh_expires_in: seconds(tokens.refresh_expires_in),
            session_id: tokens.session.id.to_string(),
        }))
    }

    async fn logout(&self, request: Request<pb::LogoutRequest>) -> Result<Response<pb::LogoutResponse>, Status> {
        let actor = caller(request.extensions());
        let caller = request.extensions().get::<Arc<Principal>>().cloned();
        let token = request.into_inner().refresh_token;
        let token = (!token.is_empty()).then(|| Secret::new(token));
        self.0.logout(token.as_ref(), caller.as_deref(), &actor).await?;
        Ok(Response::new(pb::LogoutResponse {}))
    }

    async fn get_me(&self, request: Request<pb::GetMeRequest>) -> Result<Response<pb::GetMeResponse>, Status> {
        let caller = principal(request.extensions())?;
        let found = self.0.store.account_find(&caller.tenant, caller.subject).await?;
        let record = found.ok_or_else(crate::accounts::not_found)?;
        Ok(Response::new(pb::GetMeResponse {
            account: Some(account(record.account, Some(caller.session))),
        }))
    }

    async fn list_sessions(
        &self,
        request: Request<pb::ListSessionsRequest>,
    ) -> Result<Response<pb::ListSessionsResponse>, Status> {
        let caller = principal(request.extensions())?;
        let message = request.into_inner();
        let user = match message.user_id.as_str() {
            "" => caller.subject,
            text => id("user_id", text)?,
        };
        let size = usize::try_from(message.page_size).map_err(|_| Error::field("page_size", "is negative"))?;
        let after = page(user, &message.page_token)?;
        let page = self.0.sessions(&caller.tenant, user, size, after).await?;
        Ok(Response::new(pb::ListSessionsResponse {
            sessions: page.sessions.iter().map(|s| session(s, caller.session)).collect(),
            next_page_token: page.next.map(|last| page_token(user, last)).unwrap_or_default(),
        }))
    }

    async fn revoke_session(
        &self,
        request: Request<pb::RevokeSessionRequest>,
    ) -> Result<Response<pb::RevokeSessionResponse>, Status> {
        let (actor, caller) = (caller(request.extensions()), principal(request.extensions())?);
        let session = id("session_id", &request.into_inner().session_id)?;
        self.0.revoke_session(&caller, session, &actor).await?;
        Ok(Response::new(pb::RevokeSessionResponse {}))
    }

    async fn revoke_all_sessions(
        &self,
        request: Request<pb::RevokeAllSessionsRequest>,
    ) -> Result<Response<pb::RevokeAllSessionsResponse>, Status> {
        let (actor, caller) = (caller(request.extensions()), principal(request.extensions())?);
        let keep = request.into_inner().keep_current;
        let revoked = self.0.revoke_sessions(&caller, keep, &actor).await?;
        Ok(Response::new(pb::RevokeAllSessionsResponse {
            revoked: i32::try_from(revoked).unwrap_or(i32::MAX),
        }))
    }

    async fn change_password(
        &self,
        request: Request<pb::ChangePasswordRequest>,
    ) -> Result<Response<pb::ChangePasswordResponse>, Status> {
        let (actor, caller) = (caller(request.extensions()), principal(request.extensions())?);
        let message = request.into_inner();
        let current = secret("current_password", message.current_password)?;
        let new = secret("new_password", message.new_password)?;
        let ended = self.0.change_password(&caller, &current, &new, &actor).await?;
        Ok(Response::new(pb::ChangePasswordResponse {
            revoked_sessions: i32::try_from(ended).unwrap_or(i32::MAX),
        }))
    }

    async fn set_password(
        &self,
        request: Request<pb::SetPasswordRequest>,
    ) -> Result<Response<pb::SetPasswordResponse>, Status> {
        let actor = caller(request.extensions());
        let message = request.into_inner();
        let code = secret("code", message.code)?;
        let new = secret("new_password", message.new_password)?;
        self.0.set_password(&code, &new, &actor).await?;
        Ok(Response::new(pb::SetPasswordResponse {}))
    }

    async fn introspect_token(
        &self,
        request: Request<pb::IntrospectTokenRequest>,
    ) -> Result<Response<pb::IntrospectTokenResponse>, Status> {
        let caller = principal(request.extensions())?;
        let token = secret("token", request.into_inner().token)?;
        let active = self.0.introspect(&caller.tenant, &token).await?;
        let response = active.map(|active| pb::IntrospectTokenResponse {
            active: true,
            token_type: if active.access.is_some() {
                "access_token"
            } else {
                "refresh_token"
            }
            .to_owned(),
            sub: active.subject.to_string(),
            tenant: active.tenant.to_string(),
            session_id: active.session.to_string(),
            roles: active.roles.iter().map(ToString::to_string).collect(),
            exp: active.expires.timestamp(),
            iat: active.issued.timestamp(),
            iss: self.0.signer.issuer().to_owned(),
            jti: active.access.map(|jti| jti.to_string()).unwrap_or_default(),
        });
        Ok(Response::new(response.unwrap_or_default()))
    }
}

/// A page token names the question (the user) and where its answer goes on.
fn page_token(user: UserId, last: SessionId) -> String {
    URL_SAFE_NO_PAD.encode([user.0.as_bytes().as_slice(), last.0.as_bytes()].concat())
}

fn page(user: UserId, token: &str) -> Result<Option<SessionId>, Error> {
    if token.is_empty() {
        return Ok(None);
    }
    URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .filter(|bytes| bytes.len() == 32 && bytes[..16] == *user.0.as_bytes())
        .and_then(|bytes| Uuid::from_slice(&bytes[16..]).ok())
        .map(|last| Some(SessionId(last)))
        .ok_or_else(|| {
            Error::new(
                Reason::InvalidPageToken,
                "the page token is not one of this list; start without one",
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_token_belongs_to_its_question() {
        let (ann, bob, last) = (UserId::generate(), UserId::generate(), SessionId::generate());
        let token = page_token(ann, last);
        assert_eq!(page(ann, &token).unwrap(), Some(last));
        assert!(page(bob, &token).is_err());
        assert!(page(ann, "x").is_err());
        assert_eq!(page(ann, "").unwrap(), None);
    }
}
