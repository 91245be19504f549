//! The services on the wire: convert, call the domain, convert.

mod audit;
mod convert;
mod roles;
mod tokens;

use logicore::{
    access::{self, Origin},
    api::admin::{self as pb, admin_service_server::AdminService},
    ids,
};
use tonic::{Extensions, Request, Response, Status};

use crate::{app::Admin, caller::Caller};

/// Longest name of a breaker that is looked for, in bytes.
const BREAKER_NAME_MAX: usize = 300;

/// `logicore.admin.v1.AdminService` and `AuditIngestService`.
#[derive(Clone, Debug)]
pub struct Rpc(pub Admin);

fn caller(extensions: &Extensions) -> Result<Caller, Status> {
    Ok(Caller {
        principal: access::principal(extensions)?.clone(),
        origin: extensions.get::<Origin>().cloned().unwrap_or_default(),
    })
}

#[tonic::async_trait]
impl AdminService for Rpc {
    async fn list_roles(&self, request: Request<pb::ListRolesRequest>) -> Answer<pb::ListRolesResponse> {
        roles::list(&self.0, &caller(request.extensions())?, request.get_ref()).await
    }

    async fn create_role(&self, request: Request<pb::CreateRoleRequest>) -> Answer<pb::CreateRoleResponse> {
        let caller = caller(request.extensions())?;
        roles::create(&self.0, &caller, request.into_inner()).await
    }

    async fn update_role(&self, request: Request<pb::UpdateRoleRequest>) -> Answer<pb::UpdateRoleResponse> {
        let caller = caller(request.extensions())?;
        roles::update(&self.0, &caller, request.into_inner()).await
    }

    async fn delete_role(&self, request: Request<pb::DeleteRoleRequest>) -> Answer<pb::DeleteRoleResponse> {
        let name = ids::parse("name", &request.get_ref().name)?;
        self.0.role_delete(&caller(request.extensions())?, name).await?;
        Ok(Response::new(pb::DeleteRoleResponse {}))
    }

    async fn grant_role(&self, request: Request<pb::GrantRoleRequest>) -> Answer<pb::GrantRoleResponse> {
        let (caller, m) = (caller(request.extensions())?, request.get_ref());
        let account = self
            .0
            .role_grant(
                &caller,
                ids::parse("user_id", &m.user_id)?,
                ids::parse("role", &m.role)?,
            )
            .await?;
        Ok(Response::new(pb::GrantRoleResponse { account: Some(account) }))
    }

    async fn revoke_role(&self, request: Request<pb::RevokeRoleRequest>) -> Answer<pb::RevokeRoleResponse> {
        let (caller, m) = (caller(request.extensions())?, request.get_ref());
        let account = self
            .0
            .role_revoke(
                &caller,
                ids::parse("user_id", &m.user_id)?,
                ids::parse("role", &m.role)?,
            )
            .await?;
        Ok(Response::new(pb::RevokeRoleResponse { account: Some(account) }))
    }

    async fn list_permissions(
        &self,
        _request: Request<pb::ListPermissionsRequest>,
    ) -> Answer<pb::ListPermissionsResponse> {
        let permissions = self.0.catalogue.iter().map(convert::permission).collect();
        Ok(Response::new(pb::ListPermissionsResponse { permissions }))
    }

    async fn revoke_tokens(&self, request: Request<pb::RevokeTokensRequest>) -> Answer<pb::RevokeTokensResponse> {
        let caller = caller(request.extensions())?;
        let target = tokens::target(request.into_inner())?;
        let sessions = self.0.tokens_revoke(&caller, target).await?;
        Ok(Response::new(pb::RevokeTokensResponse { sessions }))
    }

    async fn list_circuit_breakers(
        &self,
        _request: Request<pb::ListCircuitBreakersRequest>,
    ) -> Answer<pb::ListCircuitBreakersResponse> {
        let breakers = self.0.breaker_list();
        Ok(Response::new(pb::ListCircuitBreakersResponse { breakers }))
    }

    async fn reset_circuit_breaker(
        &self,
        request: Request<pb::ResetCircuitBreakerRequest>,
    ) -> Answer<pb::ResetCircuitBreakerResponse> {
        let name = request.get_ref().name.as_str();
        if name.is_empty() || name.len() > BREAKER_NAME_MAX {
            return Err(logicore::Error::field("name", "is empty or too long").into());
        }
        let gateways = self.0.breaker_reset(&caller(request.extensions())?, name).await?;
        let gateways = i32::try_from(gateways).unwrap_or(i32::MAX);
        Ok(Response::new(pb::ResetCircuitBreakerResponse { gateways }))
    }

    async fn get_overview(&self, request: Request<pb::GetOverviewRequest>) -> Answer<pb::GetOverviewResponse> {
        let overview = self.0.overview(&caller(request.extensions())?).await?;
        Ok(Response::new(convert::overview(overview)))
    }

    async fn list_audit_events(
        &self,
        request: Request<pb::ListAuditEventsRequest>,
    ) -> Answer<pb::ListAuditEventsResponse> {
        audit::list(&self.0, &caller(request.extensions())?, request.get_ref()).await
    }
}

/// What every method answers.
type Answer<M> = Result<Response<M>, Status>;
