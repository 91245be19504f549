//! A small deployment: the real service with its real access feed, and an auth that can be looked into.

use std::{path::Path, sync::Arc, time::Duration};

use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use logicore::{
    Context, Error, Reason,
    api::{
        admin::{
            self as pb, admin_service_client::AdminServiceClient, audit_ingest_service_client::AuditIngestServiceClient,
        },
        auth::account_service_server::AccountServiceServer,
    },
    feed::Producer,
    ids::{SessionId, TokenId, UserId},
    layer,
    mesh::{self, Address, Listener, MemoryAddress},
    secret::Secret,
    settings::{Role, Settings},
    testkit,
    token::{Claims, Rev, Verifier},
    upstream::Upstream,
};
use tonic::{Request, Status, service::Routes};

use crate::auth::Auth;

const SECRET: &str = "the secret that signs the tokens of these tests";
const EPOCH: &str = "an epoch of auth";
/// How long something that must come may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What is running.
pub(crate) struct Deployment {
    pub(crate) admin: AdminServiceClient<Upstream>,
    pub(crate) auth: Arc<Auth>,
    pub(crate) service: Context,
    stack: layer::GrpcService,
    of_auth: MemoryAddress,
    of_admin: MemoryAddress,
    folder: tempfile::TempDir,
}

/// Whoever calls.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) id: UserId,
    pub(crate) session: SessionId,
    pub(crate) tenant: &'static str,
    pub(crate) roles: Vec<String>,
}

impl Caller {
    pub(crate) fn new(tenant: &'static str, roles: &[&str]) -> Self {
        Self {
            id: UserId::generate(),
            session: SessionId::generate(),
            tenant,
            roles: roles.iter().map(|r| (*r).to_owned()).collect(),
        }
    }
}

impl Deployment {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let auth = Arc::new(Auth::default());
        let of_auth = Routes::new(AccountServiceServer::from_arc(auth.clone()))
            .add_service(Producer::new("auth", EPOCH.to_owned(), 1, Vec::new()).service());
        let of_auth = serve(&context(Role::Auth, folder.path()), of_auth);
        let (of_admin, listener) = mesh::memory();

        let mut service = context(Role::Admin, folder.path());
        service.neighbours.auth = upstream(&service, "auth", &of_auth);
        service.neighbours.admin = upstream(&service, "admin", &of_admin);
        let routes = logicore_admin::start(&service).await.unwrap();
        let stack = layer::service_stack(&service, routes);
        let (on, served) = (service.clone(), stack.clone());
        tokio::spawn(async move { mesh::serve(&on, Listener::Memory(listener), served).await });
        service.access.watch(&service);
        service.access.wait_ready(PATIENCE).await.unwrap();
        let gateway = context(Role::Gateway, folder.path());
        Self {
            admin: AdminServiceClient::new(upstream(&gateway, "admin", &of_admin)),
            auth,
            service,
            stack,
            of_auth,
            of_admin,
            folder,
        }
    }

    /// Another process of the deployment, which sees auth and admin.
    pub(crate) fn process(&self, role: Role) -> Context {
        let mut ctx = context(role, self.folder.path());
        ctx.neighbours.auth = upstream(&ctx, "auth", &self.of_auth);
        ctx.neighbours.admin = upstream(&ctx, "admin", &self.of_admin);
        ctx
    }

    /// The audit log without anything in front that would prove a peer.
    pub(crate) fn bare(&self) -> AuditIngestServiceClient<layer::GrpcService> {
        AuditIngestServiceClient::new(self.stack.clone())
    }

    /// Such a process with its access feed.
    pub(crate) async fn watching(&self, role: Role) -> Context {
        let ctx = self.process(role);
        ctx.access.watch(&ctx);
        ctx.access.wait_ready(PATIENCE).await.unwrap();
        ctx
    }

    /// A message with the caller's token.
    pub(crate) fn by<M>(&self, caller: &Caller, message: M) -> Request<M> {
        let mut request = Request::new(message);
        let metadata = request.metadata_mut();
        let bearer = format!("Bearer {}", self.token(caller));
        metadata.insert("authorization", bearer.parse().unwrap());
        metadata.insert("x-request-id", "request-7".parse().unwrap());
        metadata.insert("x-logicore-client-address", "192.0.2.7".parse().unwrap());
        request
    }

    /// Makes a role and waits until it is in force at the service.
    pub(crate) async fn role(&mut self, tenant: &'static str, name: &str, permissions: &[&str]) -> pb::Role {
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

    fn token(&self, caller: &Caller) -> String {
        let now = self.service.clock.unix();
        let claims = Claims {
            iss: self.service.settings.public_url.clone(),
            aud: self.service.settings.jwt.audience.clone(),
            sub: caller.id,
            client_id: "test".to_owned(),
            sid: caller.session,
            tid: caller.tenant.parse().unwrap(),
            jti: TokenId::generate(),
            iat: now,
            nbf: now,
            exp: now + 900,
            auth_time: now,
            amr: vec!["pwd".to_owned()],
            roles: caller.roles.iter().map(|r| r.parse().unwrap()).collect(),
            rev: Rev {
                e: EPOCH.to_owned(),
                n: 1,
            },
            act: None,
        };
        let part = |json: String| BASE64_URL_SAFE_NO_PAD.encode(json);
        let header = part(r#"{"alg":"HS256","typ":"at+jwt"}"#.to_owned());
        let signed = format!("{header}.{}", part(serde_json::to_string(&claims).unwrap()));
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        let tag = BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
        format!("{signed}.{tag}")
    }
}

/// Waits until a process knows that the role allows the permission, or that it does not.
pub(crate) async fn holds(at: &Context, tenant: &str, role: &str, permission: &str, wanted: bool) {
    let (tenant, roles) = (tenant.parse().unwrap(), [role.parse().unwrap()]);
    until(at, || at.access.allows(&tenant, &roles, permission) == wanted).await;
}

/// Waits until the access feed has made something true at a process.
pub(crate) async fn until(at: &Context, true_by_now: impl Fn() -> bool) {
    let mut changed = at.access.changed();
    let wait = async {
        while !true_by_now() {
            changed.changed().await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the feed brings it");
}

/// The reason of a refusal.
pub(crate) fn reason(status: &Status) -> Reason {
    Error::reason_of(status).unwrap_or_else(|| panic!("a reason of ours: {status:?}"))
}

fn context(role: Role, folder: &Path) -> Context {
    let mut settings = Settings::defaults(role);
    settings.data_dir = folder.to_owned();
    settings.mesh.secret = Some(Secret::new("a secret that all roles of these tests share"));
    let mut ctx = testkit::context_with(settings);
    let (url, audience) = (ctx.settings.public_url.clone(), ctx.settings.jwt.audience.clone());
    let (access, clock) = (ctx.access.clone(), ctx.clock.clone());
    ctx.verifier = Arc::new(Verifier::new(url, audience, Some(Secret::new(SECRET)), access, clock));
    ctx
}

fn serve(ctx: &Context, routes: Routes) -> MemoryAddress {
    let (address, listener) = mesh::memory();
    let (on, stack) = (ctx.clone(), layer::service_stack(ctx, routes));
    tokio::spawn(async move { mesh::serve(&on, Listener::Memory(listener), stack).await });
    address
}

fn upstream(of: &Context, name: &'static str, address: &MemoryAddress) -> Upstream {
    Upstream::new(
        name,
        vec![Address::Memory(address.clone())],
        of.identity.clone(),
        of.policies.clone(),
        &of.settings.resilience,
        of.metrics.clone(),
    )
}
