//! A small deployment: the real service, the real access feed, and neighbours that can be looked into.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use logicore::{
    Context,
    api::{
        admin::audit_ingest_service_server::AuditIngestServiceServer,
        auth::account_service_server::AccountServiceServer, mesh::Resource, policy::Scope,
        user::user_service_client::UserServiceClient,
    },
    feed::{Producer, resource},
    ids::{SessionId, TokenId, UserId},
    layer,
    mesh::{self, Address, Listener},
    secret::Secret,
    settings::{Role, Settings},
    testkit,
    token::{Claims, Rev, Verifier},
    upstream::Upstream,
};
use tonic::{Request, service::Routes};

use crate::{auth::Auth, log::Log};

const SECRET: &str = "the secret that signs the tokens of these tests";
const EPOCH: &str = "an epoch of auth";

/// What is running.
pub(crate) struct Deployment {
    pub(crate) users: UserServiceClient<Upstream>,
    pub(crate) auth: Arc<Auth>,
    pub(crate) log: Arc<Log>,
    service: Context,
    _folder: tempfile::TempDir,
}

/// Whoever calls.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) id: UserId,
    pub(crate) session: SessionId,
    pub(crate) tenant: &'static str,
    pub(crate) roles: Vec<&'static str>,
}

impl Caller {
    pub(crate) fn new(tenant: &'static str, roles: &[&'static str]) -> Self {
        Self {
            id: UserId::generate(),
            session: SessionId::generate(),
            tenant,
            roles: roles.to_vec(),
        }
    }
}

impl Deployment {
    pub(crate) async fn start() -> Self {
        let (auth, log) = (Arc::new(Auth::default()), Arc::new(Log::default()));
        let of_auth = Routes::new(AccountServiceServer::from_arc(auth.clone()))
            .add_service(Producer::new("auth", EPOCH.to_owned(), 1, Vec::new()).service());
        let of_admin = Routes::new(AuditIngestServiceServer::from_arc(log.clone()))
            .add_service(Producer::new("admin", "an epoch of admin".to_owned(), 1, roles()).service());

        let folder = tempfile::tempdir().unwrap();
        let mut service = context(Role::User, folder.path());
        service.neighbours.auth = upstream(&service, "auth", serve(&context(Role::Auth, folder.path()), of_auth));
        service.neighbours.admin = upstream(&service, "admin", serve(&context(Role::Admin, folder.path()), of_admin));
        let routes = logicore_user::start(&service).await.unwrap();
        service.access.watch(&service);
        let address = serve(&service, routes);
        service.access.wait_ready(Duration::from_secs(10)).await.unwrap();
        let gateway = context(Role::Gateway, folder.path());
        Self {
            users: UserServiceClient::new(upstream(&gateway, "user", address)),
            auth,
            log,
            service,
            _folder: folder,
        }
    }

    /// A message with the caller's token.
    pub(crate) fn by<M>(&self, caller: &Caller, message: M) -> Request<M> {
        let mut request = Request::new(message);
        let token = self.token(caller);
        let metadata = request.metadata_mut();
        metadata.insert("authorization", format!("Bearer {token}").parse().unwrap());
        metadata.insert("x-request-id", "request-7".parse().unwrap());
        metadata.insert("x-logicore-client-address", "192.0.2.7".parse().unwrap());
        request
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

/// Every permission of the user service alone in a role of its own, and the built-in roles.
fn roles() -> Vec<Resource> {
    let built_in = |name: &str, all_of| resource::built_in_role(&name.parse().unwrap(), all_of);
    let tenant = "default".parse().unwrap();
    let own = [
        ("reader", "users.read"),
        ("editor", "users.update"),
        ("maker", "users.create"),
        ("remover", "users.delete"),
    ];
    let own =
        own.map(|(name, permission)| resource::role(&tenant, &name.parse().unwrap(), vec![permission.to_owned()]));
    own.into_iter()
        .chain([
            built_in("user", Scope::Unspecified),
            built_in("admin", Scope::Tenant),
            built_in("operator", Scope::Platform),
        ])
        .collect()
}

fn context(role: Role, folder: &std::path::Path) -> Context {
    let mut settings = Settings::defaults(role);
    settings.data_dir = folder.to_owned();
    settings.mesh.secret = Some(Secret::new("a secret that all roles of these tests share"));
    let mut ctx = testkit::context_with(settings);
    let (url, audience) = (ctx.settings.public_url.clone(), ctx.settings.jwt.audience.clone());
    let (access, clock) = (ctx.access.clone(), ctx.clock.clone());
    ctx.verifier = Arc::new(Verifier::new(url, audience, Some(Secret::new(SECRET)), access, clock));
    ctx
}

fn serve(ctx: &Context, routes: Routes) -> Address {
    let (address, listener) = mesh::memory();
    let (on, stack) = (ctx.clone(), layer::service_stack(ctx, routes));
    tokio::spawn(async move { mesh::serve(&on, Listener::Memory(listener), stack).await });
    Address::Memory(address)
}

fn upstream(of: &Context, name: &'static str, address: Address) -> Upstream {
    Upstream::new(
        name,
        vec![address],
        of.identity.clone(),
        of.policies.clone(),
        &of.settings.resilience,
        of.metrics.clone(),
    )
}
