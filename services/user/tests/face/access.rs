//! Who may call what.

use logicore::{
    Reason,
    api::{auth::AccountState, user as pb},
    testkit::{Caller, reason},
};
use prost_types::FieldMask;
use tonic::{Request, Status};

use crate::deployment::Deployment;

const METHODS: [&str; 6] = ["create", "get", "list", "update", "delete", "undelete"];

/// A well-formed call about `target`, by whoever `sign` says.
async fn call(
    on: &mut Deployment,
    method: &str,
    target: &str,
    sign: &dyn Fn(&Deployment, &mut Request<()>),
) -> Result<(), Status> {
    fn request<M>(on: &Deployment, sign: &dyn Fn(&Deployment, &mut Request<()>), message: M) -> Request<M> {
        let mut signed = Request::new(());
        sign(on, &mut signed);
        let (metadata, extensions, ()) = signed.into_parts();
        Request::from_parts(metadata, extensions, message)
    }
    let id = target.to_owned();
    let user = Some(pb::User {
        email: format!("{}@example.com", uuid::Uuid::now_v7().simple()),
        locale: "de".to_owned(),
        ..pb::User::default()
    });
    match method {
        "create" => {
            let message = pb::CreateUserRequest {
                user,
                request_id: String::new(),
            };
            on.users.create_user(request(on, sign, message)).await.map(drop)
        }
        "get" => on
            .users
            .get_user(request(on, sign, pb::GetUserRequest { id }))
            .await
            .map(drop),
        "list" => {
            let message = pb::ListUsersRequest::default();
            on.users.list_users(request(on, sign, message)).await.map(drop)
        }
        "update" => {
            let message = pb::UpdateUserRequest {
                id,
                user,
                update_mask: Some(FieldMask {
                    paths: vec!["locale".to_owned()],
                }),
            };
            on.users.update_user(request(on, sign, message)).await.map(drop)
        }
        "delete" => {
            let message = pb::DeleteUserRequest {
                id,
                etag: String::new(),
            };
            on.users.delete_user(request(on, sign, message)).await.map(drop)
        }
        "undelete" => on
            .users
            .undelete_user(request(on, sign, pb::UndeleteUserRequest { id }))
            .await
            .map(drop),
        other => panic!("no method {other}"),
    }
}

async fn outcome(on: &mut Deployment, method: &str, target: &str, caller: &Caller) -> Option<Reason> {
    let caller = caller.clone();
    let sign = move |on: &Deployment, request: &mut Request<()>| *request = on.by(&caller, ());
    let answer = call(on, method, target, &sign).await;
    answer.err().map(|status| reason(&status))
}

/// Makes a user of the default tenant and returns the id.
async fn person(on: &mut Deployment, called: &str) -> String {
    let create = pb::CreateUserRequest {
        user: Some(pb::User {
            email: format!("{called}@example.com"),
            ..pb::User::default()
        }),
        request_id: String::new(),
    };
    on.made(&Caller::new("default", &["admin"]), create).await.id
}

#[tokio::test]
async fn each_permission_opens_its_methods_and_no_others() {
    let mut on = Deployment::start().await;
    let bob = person(&mut on, "bob").await;
    let table: [(&[&str], &[&str]); 8] = [
        (&[], &[]),
        (&["user"], &[]),
        (&["operator"], &[]),
        (&["gone"], &[]),
        (&["reader"], &["get", "list"]),
        (&["editor", "user"], &["update"]),
        (&["maker"], &["create"]),
        (&["remover"], &["delete", "undelete"]),
    ];
    for (roles, open) in table.into_iter().chain([(&["admin"][..], &METHODS[..])]) {
        let caller = Caller::new("default", roles);
        for method in METHODS {
            let wanted = (!open.contains(&method)).then_some(Reason::PermissionMissing);
            assert_eq!(
                outcome(&mut on, method, &bob, &caller).await,
                wanted,
                "{method} by {roles:?}"
            );
        }
    }
}

#[tokio::test]
async fn without_a_token_nothing_is_open() {
    let mut on = Deployment::start().await;
    let bob = person(&mut on, "bob").await;
    for method in METHODS {
        let refused = call(&mut on, method, &bob, &|_, _| {}).await.unwrap_err();
        assert_eq!(reason(&refused), Reason::AuthTokenMissing, "{method}");
        let forged = |_: &Deployment, request: &mut Request<()>| {
            let token = "Bearer eyJhbGciOiJub25lIn0.e30.";
            request.metadata_mut().insert("authorization", token.parse().unwrap());
        };
        let refused = call(&mut on, method, &bob, &forged).await.unwrap_err();
        assert_eq!(reason(&refused), Reason::AuthTokenInvalid, "{method}");
    }
}

#[tokio::test]
async fn another_tenants_admin_finds_nobody_here() {
    let mut on = Deployment::start().await;
    let bob = person(&mut on, "bob").await;
    let stranger = Caller::new("acme", &["admin"]);
    for method in ["get", "update", "delete", "undelete"] {
        let refused = outcome(&mut on, method, &bob, &stranger).await;
        assert_eq!(refused, Some(Reason::ResourceNotFound), "{method}");
    }
    let namesake = Caller::new("acme", &["reader"]);
    let refused = outcome(&mut on, "list", &bob, &namesake).await;
    assert_eq!(
        refused,
        Some(Reason::PermissionMissing),
        "a role of that name is another tenant's"
    );
    let request = on.by(&stranger, pb::ListUsersRequest::default());
    assert!(
        on.users
            .list_users(request)
            .await
            .unwrap()
            .into_inner()
            .users
            .is_empty()
    );
    assert_ne!(on.auth.account(&bob).state(), AccountState::Disabled);
}

#[tokio::test]
async fn everybody_sees_and_changes_the_own_profile_and_no_other() {
    let mut on = Deployment::start().await;
    let bob = person(&mut on, "bob").await;
    let me = Caller {
        id: bob.parse().unwrap(),
        ..Caller::new("default", &["user"])
    };
    let other = person(&mut on, "eve").await;
    for method in ["get", "update"] {
        for own in ["", &bob] {
            assert_eq!(outcome(&mut on, method, own, &me).await, None, "{method} of `{own}`");
        }
        // An id has one spelling.
        for foreign in [&other, &bob.to_uppercase(), "me", &uuid::Uuid::nil().to_string()] {
            let refused = outcome(&mut on, method, foreign, &me).await;
            assert_eq!(refused, Some(Reason::PermissionMissing), "{method} of `{foreign}`");
        }
    }
    for method in ["delete", "undelete"] {
        let refused = outcome(&mut on, method, &bob, &me).await;
        assert_eq!(refused, Some(Reason::PermissionMissing), "{method} of oneself");
    }
}

#[tokio::test]
async fn nobody_writes_what_is_output_only() {
    let mut on = Deployment::start().await;
    let bob = person(&mut on, "bob").await;
    let me = Caller {
        id: bob.parse().unwrap(),
        ..Caller::new("default", &["user"])
    };
    let mut update = pb::UpdateUserRequest {
        user: Some(pb::User {
            id: uuid::Uuid::nil().to_string(),
            tenant: "acme".to_owned(),
            roles: vec!["admin".to_owned()],
            state: pb::UserState::Deleted.into(),
            display_name: "Bob".to_owned(),
            ..pb::User::default()
        }),
        ..pb::UpdateUserRequest::default()
    };
    let request = on.by(&me, update.clone());
    let changed = on.users.update_user(request).await.unwrap().into_inner().user.unwrap();
    assert_eq!(
        (changed.id.as_str(), changed.tenant.as_str()),
        (bob.as_str(), "default")
    );
    assert_eq!(
        (changed.state(), changed.roles.as_slice()),
        (pb::UserState::Active, &["user".to_owned()][..])
    );
    for path in ["roles", "state", "tenant", "email", "id"] {
        update.update_mask = Some(FieldMask {
            paths: vec!["display_name".to_owned(), path.to_owned()],
        });
        let request = on.by(&me, update.clone());
        let refused = on.users.update_user(request).await.unwrap_err();
        assert_eq!(reason(&refused), Reason::InvalidFieldMask, "{path}");
    }
}
