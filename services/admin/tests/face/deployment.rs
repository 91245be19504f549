//! A small deployment: the real service with its real access feed, and an auth that can be looked into.

use std::{path::Path, sync::Arc};

use logicore::{
    Context,
    api::admin::{
        self as pb, admin_service_client::AdminServiceClient, audit_ingest_service_client::AuditIngestServiceClient,
    },
    feed::{ADMIN, AUTH},
    layer,
    mesh::{self, Address},
    settings::Role,
    testkit::{self, Caller, PATIENCE, accounts::Accounts},
    upstream::Upstream,
};
use tonic::{Request, service::Routes};

/// What is running.
pub(crate) struct Deployment {
    pub(crate) admin: AdminServiceClient<Upstream>,
    pub(crate) auth: Arc<Accounts>,
    pub(crate) service: Context,
    routes: Routes,
    of_auth: Address,
    of_admin: Address,
    folder: tempfile::TempDir,
}

impl Deployment {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let auth = Arc::<Accounts>::default();
        let of_auth = auth.serve(&context(Role::Auth, folder.path()));
        let (of_admin, listener) = mesh::memory();
        let of_admin = Address::Memory(of_admin);

        let service = beside(context(Role::Admin, folder.path()), of_auth.clone(), of_admin.clone());
        let routes = logicore_admin::start(&service).await.unwrap();
        testkit::serve_on(&service, listener, routes.clone());
        let service = watching(service).await;
        let gateway = context(Role::Gateway, folder.path());
        Self {
            admin: AdminServiceClient::new(testkit::upstream(&gateway, ADMIN, of_admin.clone())),
            auth,
            service,
            routes,
            of_auth,
            of_admin,
            folder,
        }
    }

    /// Another process of the deployment, which sees auth and admin.
    pub(crate) fn process(&self, role: Role) -> Context {
        beside(
            context(role, self.folder.path()),
            self.of_auth.clone(),
            self.of_admin.clone(),
        )
    }

    /// The audit log without anything in front that would prove a peer.
    pub(crate) fn bare(&self) -> AuditIngestServiceClient<layer::GrpcService> {
        AuditIngestServiceClient::new(layer::service_stack(&self.service, self.routes.clone()))
    }

    /// Such a process with its access feed.
    pub(crate) async fn watching(&self, role: Role) -> Context {
        watching(self.process(role)).await
    }

    /// A message with the caller's token.
    pub(crate) fn by<M>(&self, caller: &Caller, message: M) -> Request<M> {
        caller.says(&self.service, message)
    }

    /// Makes a role and waits until it is in force at the service.
    pub(crate) async fn role(&mut self, tenant: &str, name: &str, permissions: &[&str]) -> pb::Role {
        let role = pb::Role {
            name: name.to_owned(),
            permissions: permissions.iter().map(|p| (*p).to_owned()).collect(),
            ..pb::Role::default()
        };
        let request = self.by(
            &Caller::new(tenant, &["admin"]),
            pb::CreateRoleRequest { role: Some(role) },
        );
        let made = self
            .admin
            .create_role(request)
            .await
            .unwrap()
            .into_inner()
            .role
            .unwrap();
        for permission in permissions {
            holds(&self.service, tenant, name, permission, true).await;
        }
        made
    }
}

/// Waits until a process knows that the role allows the permission, or that it does not.
pub(crate) async fn holds(at: &Context, tenant: &str, role: &str, permission: &str, wanted: bool) {
    let (tenant, roles) = (tenant.parse().unwrap(), [role.parse().unwrap()]);
    testkit::until(&at.access, |known| known.allows(&tenant, &roles, permission) == wanted).await;
}

fn context(role: Role, folder: &Path) -> Context {
    let mut settings = testkit::settings(role);
    settings.data_dir = folder.to_owned();
    testkit::context_with(settings)
}

/// The process with its ways to auth and admin.
fn beside(mut ctx: Context, auth: Address, admin: Address) -> Context {
    ctx.neighbours.auth = testkit::upstream(&ctx, AUTH, auth);
    ctx.neighbours.admin = testkit::upstream(&ctx, ADMIN, admin);
    ctx
}

async fn watching(ctx: Context) -> Context {
    ctx.access.watch(&ctx);
    ctx.access.wait_ready(PATIENCE).await.unwrap();
    ctx
}
