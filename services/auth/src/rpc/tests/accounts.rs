//! Claims about the internal service: whom it serves, and on whose behalf.

use logicore::{
    Reason,
    api::{
        auth::{
            self as pb, account_service_client::AccountServiceClient, auth_service_client::AuthServiceClient,
            revoke_access_request::Target,
        },
        mesh::Actor,
    },
    feed::AUTH,
    ids::UserId,
    layer,
    mesh::{Identity, ROLE_TOKEN},
    secret::Secret,
    settings::Role,
    testkit,
    upstream::Upstream,
};
use tonic::{Code, Request};

use super::{told, with};
use crate::tests::harness::World;

impl World {
    fn accounts(&self, role: Role) -> AccountServiceClient<Upstream> {
        let mut ctx = self.ctx.clone();
        ctx.identity = self.ctx.identity.in_role(role);
        AccountServiceClient::new(testkit::upstream(&ctx, AUTH, self.address.clone()))
    }
}

/// The request with a role token, where there is one.
fn bearing<M>(role_token: Option<&str>, mut request: Request<M>) -> Request<M> {
    if let Some(value) = role_token {
        request.metadata_mut().insert(ROLE_TOKEN, value.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn accounts_serve_the_peers_that_are_named_alone() {
    let world = World::new().await;
    let count = || pb::CountRoleHoldersRequest {
        tenant: "default".to_owned(),
        role: "user".to_owned(),
    };
    world.accounts(Role::Admin).count_role_holders(count()).await.unwrap();
    for role in [Role::User, Role::Gateway, Role::Auth, Role::Cli] {
        let status = world.accounts(role).count_role_holders(count()).await.unwrap_err();
        let expected = (Code::PermissionDenied, Some(Reason::PeerNotAllowed));
        assert_eq!(told(&status), expected, "{role:?}");
    }
    let bootstrap = || pb::BootstrapAdminRequest {
        email: "ann@example.com".to_owned(),
    };
    for role in [Role::Admin, Role::Gateway, Role::All] {
        let status = world.accounts(role).bootstrap_admin(bootstrap()).await.unwrap_err();
        let expected = (Code::PermissionDenied, Some(Reason::PeerNotAllowed));
        assert_eq!(told(&status), expected, "{role:?}");
    }
    let made = world
        .accounts(Role::Cli)
        .bootstrap_admin(bootstrap())
        .await
        .unwrap()
        .into_inner();
    assert!(!made.set_password_code.is_empty());
}

#[tokio::test]
async fn accounts_serve_nobody_without_a_role_token_whatever_else_they_bring() {
    let world = World::new().await;
    let admin = world.person("default", "admin").await;
    world.grant(&admin, "admin").await;
    world.grant(&admin, "operator").await;
    let (_, tokens) = world.caller(&admin).await;
    let revoke = || pb::RevokeAccessRequest {
        target: Some(Target::Everyone(true)),
        ..Default::default()
    };
    let expected = (Code::Unauthenticated, Some(Reason::PeerNotTrusted));
    let secret = Secret::new("the secret of another deployment");
    let stranger = Identity::with_clock(Role::Admin, &secret, world.ctx.clock.clone()).header();
    // Straight into the stack, since no upstream would go on without a role token or tell what was said to a wrong one.
    let stack = layer::service_stack(&world.ctx, world.parts().routes());
    for role_token in [Some(stranger.to_str().unwrap()), None] {
        let request = bearing(role_token, with(&tokens, revoke()));
        let mut accounts = AccountServiceClient::new(stack.clone());
        let status = accounts.revoke_access(request).await.unwrap_err();
        assert_eq!(told(&status), expected);
        let request = bearing(role_token, with(&tokens, pb::GetMeRequest {}));
        let mut auth = AuthServiceClient::new(stack.clone());
        let status = auth.get_me(request).await.unwrap_err();
        assert_eq!(told(&status), expected);
    }
    assert!(world.verified(&tokens.access).await.is_ok(), "nothing was revoked");
}

fn provision(tenant: &str, id: UserId, email: &str) -> pb::ProvisionAccountRequest {
    pb::ProvisionAccountRequest {
        id: id.to_string(),
        tenant: tenant.to_owned(),
        email: email.to_owned(),
        actor: None,
    }
}

#[tokio::test]
async fn neighbours_act_on_behalf_of_whom_they_name() {
    let world = World::new().await;
    let admin = world.person("default", "admin").await;
    let id = UserId::generate();
    let actor = Actor {
        subject: admin.id.to_string(),
        request_id: "r-1".to_owned(),
        address: "192.0.2.7".to_owned(),
        ..Default::default()
    };
    let mut wanted = provision("acme", id, "Ann@Example.com");
    wanted.actor = Some(actor);
    let mut user = world.accounts(Role::User);
    let made = user.provision_account(wanted.clone()).await.unwrap().into_inner();
    assert_eq!(made.account.unwrap().state, i32::from(pb::AccountState::Invited));
    let again = user.provision_account(wanted).await.unwrap().into_inner();
    assert_ne!(again.set_password_code, made.set_password_code);
    let record = world.records().await.pop().unwrap();
    let facts = (record.actor, record.request_id, record.address, record.tenant);
    let expected = (
        admin.id.to_string(),
        "r-1".to_owned(),
        "192.0.2.7".to_owned(),
        "acme".to_owned(),
    );
    assert_eq!(facts, expected);

    let taken = user.provision_account(provision("acme", id, "bob@example.com")).await;
    let expected = (Code::AlreadyExists, Some(Reason::ResourceExists));
    assert_eq!(told(&taken.unwrap_err()), expected);
    let unnamed = user.provision_account(provision("", id, "bob@example.com")).await;
    assert_eq!(unnamed.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn neighbours_find_accounts_in_the_tenant_that_they_name() {
    let world = World::new().await;
    let (ann, admin) = (
        world.person("acme", "ann").await,
        world.person("default", "admin").await,
    );
    let mut user = world.accounts(Role::User);
    let lookup = |tenant: &str| pb::LookupAccountRequest {
        tenant: tenant.to_owned(),
        email: "ANN@example.com".to_owned(),
    };
    let found = user.lookup_account(lookup("acme")).await.unwrap().into_inner();
    assert_eq!(found.account.unwrap().id, ann.id.to_string());
    let hidden = user.lookup_account(lookup("default")).await.unwrap_err();
    assert_eq!(told(&hidden), (Code::NotFound, Some(Reason::ResourceNotFound)));
    for (tenant, expected) in [("acme", ann.id), ("default", admin.id)] {
        let batch = pb::BatchGetAccountsRequest {
            tenant: tenant.to_owned(),
            ids: vec![ann.id.to_string(), admin.id.to_string()],
        };
        let found = user.batch_get_accounts(batch).await.unwrap().into_inner().accounts;
        let ids: Vec<_> = found.iter().map(|a| &*a.id).collect();
        assert_eq!(ids, [expected.to_string()]);
    }
}

#[tokio::test]
async fn no_target_is_not_everyone() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let tokens = world.login(&ann).await;
    for target in [None, Some(Target::Everyone(false))] {
        let request = pb::RevokeAccessRequest {
            target,
            ..Default::default()
        };
        let status = world.accounts(Role::Admin).revoke_access(request).await.unwrap_err();
        assert_eq!(told(&status), (Code::InvalidArgument, Some(Reason::InvalidField)));
    }
    assert!(world.verified(&tokens.access).await.is_ok());
}
