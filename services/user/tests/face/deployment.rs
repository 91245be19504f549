//! A small deployment: the real service, the real access feed, and neighbours that can be looked into.

use std::{path::Path, sync::Arc};

use logicore::{
    Context,
    api::{
        mesh::Resource,
        user::{self as pb, user_service_client::UserServiceClient},
    },
    feed::{ADMIN, AUTH, resource},
    settings::Role,
    testkit::{self, Caller, PATIENCE, accounts::Accounts, audit_log::Log},
    upstream::Upstream,
};
use tonic::Request;

/// What is running.
pub(crate) struct Deployment {
    pub(crate) users: UserServiceClient<Upstream>,
    pub(crate) auth: Arc<Accounts>,
    pub(crate) log: Arc<Log>,
    service: Context,
    _folder: tempfile::TempDir,
}

impl Deployment {
    pub(crate) async fn start() -> Self {
        let (auth, log) = (Arc::<Accounts>::default(), Log::new());
        let folder = tempfile::tempdir().unwrap();
        let of_auth = auth.serve(&context(Role::Auth, folder.path()));
        let of_admin = log.serve(&context(Role::Admin, folder.path()), roles());
        let mut service = context(Role::User, folder.path());
        service.neighbours.auth = testkit::upstream(&service, AUTH, of_auth);
        service.neighbours.admin = testkit::upstream(&service, ADMIN, of_admin);
        let routes = logicore_user::start(&service).await.unwrap();
        service.access.watch(&service);
        let of_user = testkit::serve(&service, routes);
        service.access.wait_ready(PATIENCE).await.unwrap();
        let gateway = context(Role::Gateway, folder.path());
        Self {
            users: UserServiceClient::new(testkit::upstream(&gateway, "user", of_user)),
            auth,
            log,
            service,
            _folder: folder,
        }
    }

    /// A message with the caller's token.
    pub(crate) fn by<M>(&self, caller: &Caller, message: M) -> Request<M> {
        caller.says(&self.service, message)
    }

    /// Makes the user that the message describes.
    pub(crate) async fn made(&mut self, by: &Caller, create: pb::CreateUserRequest) -> pb::User {
        let request = self.by(by, create);
        let made = self.users.create_user(request).await.unwrap().into_inner();
        made.user.unwrap()
    }
}

/// Every permission of the user service alone in a role of its own, and the built-in roles.
fn roles() -> Vec<Resource> {
    let tenant = "default".parse().unwrap();
    let own = [
        ("reader", "users.read"),
        ("editor", "users.update"),
        ("maker", "users.create"),
        ("remover", "users.delete"),
    ];
    let own =
        own.map(|(name, permission)| resource::role(&tenant, &name.parse().unwrap(), vec![permission.to_owned()]));
    own.into_iter().chain(testkit::built_in_roles()).collect()
}

fn context(role: Role, folder: &Path) -> Context {
    let mut settings = testkit::settings(role);
    settings.data_dir = folder.to_owned();
    testkit::context_with(settings)
}
