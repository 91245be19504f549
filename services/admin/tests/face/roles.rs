//! Roles over the wire.

use logicore::{
    Reason,
    api::{admin as pb, policy::Scope},
    settings::Role,
    testkit::{Caller, reason},
};
use prost_types::FieldMask;
use tonic_types::StatusExt;

use crate::deployment::{Deployment, holds};

fn role(name: &str, permissions: &[&str]) -> pb::Role {
    pb::Role {
        name: name.to_owned(),
        description: "of users".to_owned(),
        permissions: permissions.iter().map(|p| (*p).to_owned()).collect(),
        ..pb::Role::default()
    }
}

fn update(name: &str, role: pb::Role, paths: &[&str]) -> pb::UpdateRoleRequest {
    pb::UpdateRoleRequest {
        name: name.to_owned(),
        role: Some(role),
        update_mask: Some(FieldMask {
            paths: paths.iter().map(|p| (*p).to_owned()).collect(),
        }),
    }
}

#[tokio::test]
async fn a_role_lives_from_its_creation_to_its_deletion() {
    let mut on = Deployment::start().await;
    let admin = Caller::new("default", &["admin"]);
    let forged = pb::Role {
        // Output only: passed over.
        built_in: true,
        etag: "mine".to_owned(),
        ..role("editor", &["users.read", "users.update"])
    };
    let request = on.by(&admin, pb::CreateRoleRequest { role: Some(forged) });
    let made = on.admin.create_role(request).await.unwrap().into_inner().role.unwrap();
    assert!(!made.built_in && made.etag != "mine" && made.create_time.is_some());
    assert_eq!(made.create_time, made.update_time);

    let ann = on.auth.add("default");
    let grant = pb::GrantRoleRequest {
        user_id: ann.clone(),
        role: "editor".to_owned(),
    };
    let request = on.by(&admin, grant);
    let account = on
        .admin
        .grant_role(request)
        .await
        .unwrap()
        .into_inner()
        .account
        .unwrap();
    assert_eq!(
        (account.id.as_str(), account.roles.as_slice()),
        (ann.as_str(), &["editor".to_owned()][..])
    );
    let actor = on.auth.actors().remove(0);
    assert_eq!(
        (actor.subject, actor.session),
        (admin.id.to_string(), admin.session.to_string())
    );
    assert_eq!(
        (actor.tenant.as_str(), actor.request_id.as_str()),
        ("default", Caller::REQUEST_ID)
    );
    assert_eq!(actor.address, Caller::ADDRESS);

    let delete = pb::DeleteRoleRequest {
        name: "editor".to_owned(),
    };
    let request = on.by(&admin, delete.clone());
    let refused = on.admin.delete_role(request).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused)),
        (tonic::Code::FailedPrecondition, Reason::RoleInUse)
    );
    let revoke = pb::RevokeRoleRequest {
        user_id: ann,
        role: "editor".to_owned(),
    };
    let request = on.by(&admin, revoke);
    let account = on
        .admin
        .revoke_role(request)
        .await
        .unwrap()
        .into_inner()
        .account
        .unwrap();
    assert!(account.roles.is_empty());
    let request = on.by(&admin, delete.clone());
    on.admin.delete_role(request).await.unwrap();
    let request = on.by(&admin, delete);
    assert_eq!(
        reason(&on.admin.delete_role(request).await.unwrap_err()),
        Reason::ResourceNotFound
    );
}

#[tokio::test]
async fn a_changed_role_holds_at_once_for_tokens_that_are_out() {
    let mut on = Deployment::start().await;
    on.role("default", "helper", &["roles.read"]).await;
    let gateway = on.watching(Role::Gateway).await;
    let helper = Caller::new("default", &["helper"]);
    let admin = Caller::new("default", &["admin"]);
    let audit = pb::ListAuditEventsRequest::default;
    let request = on.by(&helper, audit());
    assert_eq!(
        reason(&on.admin.list_audit_events(request).await.unwrap_err()),
        Reason::PermissionMissing
    );

    let wider = update(
        "helper",
        role("helper", &["roles.read", "audit.read"]),
        &["permissions"],
    );
    let request = on.by(&admin, wider);
    on.admin.update_role(request).await.unwrap();
    for at in [&gateway, &on.service] {
        holds(at, "default", "helper", "audit.read", true).await;
    }
    let request = on.by(&helper, audit());
    on.admin.list_audit_events(request).await.unwrap();

    let delete = pb::DeleteRoleRequest {
        name: "helper".to_owned(),
    };
    let request = on.by(&admin, delete);
    on.admin.delete_role(request).await.unwrap();
    for at in [&gateway, &on.service] {
        holds(at, "default", "helper", "roles.read", false).await;
    }
    let request = on.by(&helper, pb::ListRolesRequest::default());
    assert_eq!(
        reason(&on.admin.list_roles(request).await.unwrap_err()),
        Reason::PermissionMissing
    );
}

#[tokio::test]
async fn masks_and_etags_are_kept_to() {
    let mut on = Deployment::start().await;
    let admin = Caller::new("default", &["admin"]);
    let made = on.role("default", "editor", &["users.update"]).await;
    let change = pb::Role {
        etag: made.etag.clone(),
        ..role("editor", &["users.read"])
    };
    let request = on.by(&admin, update("editor", change.clone(), &["description"]));
    let changed = on.admin.update_role(request).await.unwrap().into_inner().role.unwrap();
    assert_eq!(
        (changed.description.as_str(), changed.permissions.as_slice()),
        ("of users", &["users.update".to_owned()][..])
    );

    let request = on.by(&admin, update("editor", change.clone(), &["permissions"]));
    let refused = on.admin.update_role(request).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused)),
        (tonic::Code::Aborted, Reason::EtagMismatch)
    );
    let request = on.by(&admin, update("editor", change.clone(), &["name"]));
    assert_eq!(
        reason(&on.admin.update_role(request).await.unwrap_err()),
        Reason::InvalidFieldMask
    );
    let renamed = pb::Role {
        name: "other".to_owned(),
        ..change
    };
    let request = on.by(&admin, update("editor", renamed, &["*"]));
    let refused = on.admin.update_role(request).await.unwrap_err();
    assert_eq!(
        refused.get_details_bad_request().unwrap().field_violations[0].field,
        "role.name"
    );
}

#[tokio::test]
async fn nobody_gives_away_over_the_wire_what_they_do_not_hold() {
    let mut on = Deployment::start().await;
    on.role("default", "boss", &["roles.manage", "roles.grant"]).await;
    let boss = Caller::new("default", &["boss"]);
    let wider = role("mine", &["users.delete"]);
    let request = on.by(&boss, pb::CreateRoleRequest { role: Some(wider) });
    let refused = on.admin.create_role(request).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused)),
        (tonic::Code::PermissionDenied, Reason::GrantExceedsOwn)
    );
    assert_eq!(
        refused.get_details_error_info().unwrap().metadata["permission"],
        "users.delete"
    );
    let own = role("boss", &["roles.manage", "roles.grant", "users.delete"]);
    let request = on.by(&boss, update("boss", own, &["*"]));
    assert_eq!(
        reason(&on.admin.update_role(request).await.unwrap_err()),
        Reason::GrantExceedsOwn
    );
    let grant = pb::GrantRoleRequest {
        user_id: on.auth.add("default"),
        role: "admin".to_owned(),
    };
    let request = on.by(&boss, grant);
    assert_eq!(
        reason(&on.admin.grant_role(request).await.unwrap_err()),
        Reason::GrantExceedsOwn
    );
    assert!(on.auth.actors().is_empty(), "auth does not hear of it");
}

#[tokio::test]
async fn roles_come_in_pages_by_name() {
    let mut on = Deployment::start().await;
    on.role("default", "zebra", &[]).await;
    on.role("acme", "theirs", &[]).await;
    let admin = Caller::new("default", &["admin"]);
    let (mut names, mut page_token) = (Vec::new(), String::new());
    loop {
        let list = pb::ListRolesRequest {
            page_size: 3,
            page_token: page_token.clone(),
        };
        let request = on.by(&admin, list);
        let page = on.admin.list_roles(request).await.unwrap().into_inner();
        names.extend(page.roles.into_iter().map(|r| (r.name, r.built_in)));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let wanted = [("admin", true), ("operator", true), ("user", true), ("zebra", false)];
    assert_eq!(names, wanted.map(|(name, built_in)| (name.to_owned(), built_in)));
    let stranger = Caller::new("acme", &["admin"]);
    let list = pb::ListRolesRequest {
        page_size: 1,
        ..pb::ListRolesRequest::default()
    };
    let request = on.by(&admin, list);
    let page_token = on.admin.list_roles(request).await.unwrap().into_inner().next_page_token;
    let list = pb::ListRolesRequest {
        page_size: 1,
        page_token,
    };
    let request = on.by(&stranger, list);
    assert_eq!(
        reason(&on.admin.list_roles(request).await.unwrap_err()),
        Reason::InvalidPageToken
    );
}

#[tokio::test]
async fn permissions_are_listed_from_the_descriptors() {
    let mut on = Deployment::start().await;
    let request = on.by(&Caller::new("default", &["admin"]), pb::ListPermissionsRequest {});
    let listed = on
        .admin
        .list_permissions(request)
        .await
        .unwrap()
        .into_inner()
        .permissions;
    assert!(listed.is_sorted_by(|a, b| a.name < b.name));
    let of = |name: &str| listed.iter().find(|p| p.name == name).unwrap();
    assert_eq!(of("users.read").scope(), Scope::Tenant);
    let methods = [
        "logicore.user.v1.UserService/GetUser",
        "logicore.user.v1.UserService/ListUsers",
    ];
    assert_eq!(of("users.read").methods, methods);
    assert_eq!(of("breakers.reset").scope(), Scope::Platform);
    assert_eq!(of("tokens.revoke_all").scope(), Scope::Platform);
}
