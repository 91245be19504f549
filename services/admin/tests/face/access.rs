//! Who may call what.

use logicore::{
    Reason,
    api::admin::{self as pb, revoke_tokens_request::Target},
    testkit::{Caller, reason},
};
use tonic::{Request, Status};

use crate::deployment::Deployment;

const METHODS: [&str; 12] = [
    "ListRoles",
    "CreateRole",
    "UpdateRole",
    "DeleteRole",
    "GrantRole",
    "RevokeRole",
    "ListPermissions",
    "RevokeTokens",
    "ListCircuitBreakers",
    "ResetCircuitBreaker",
    "GetOverview",
    "ListAuditEvents",
];

/// Each permission, and the methods that it opens.
const OPENS: [(&str, &[&str]); 8] = [
    ("roles.read", &["ListRoles", "ListPermissions"]),
    ("roles.manage", &["CreateRole", "UpdateRole", "DeleteRole"]),
    ("roles.grant", &["GrantRole", "RevokeRole"]),
    ("tokens.revoke", &["RevokeTokens"]),
    ("overview.read", &["GetOverview"]),
    ("audit.read", &["ListAuditEvents"]),
    ("users.read", &[]),
    ("users.delete", &[]),
];

/// Of the platform.
const OPERATORS: [&str; 2] = ["ListCircuitBreakers", "ResetCircuitBreaker"];

/// A call about nothing that is there: whoever may make it learns that.
async fn call(on: &mut Deployment, method: &str, signed: Request<()>) -> Result<(), Status> {
    fn with<M>(signed: Request<()>, message: M) -> Request<M> {
        let (metadata, extensions, ()) = signed.into_parts();
        Request::from_parts(metadata, extensions, message)
    }
    let (nobody, no_role) = (uuid::Uuid::now_v7().to_string(), "no-such-role".to_owned());
    let admin = &mut on.admin;
    match method {
        "ListRoles" => admin
            .list_roles(with(signed, pb::ListRolesRequest::default()))
            .await
            .map(drop),
        "CreateRole" => admin
            .create_role(with(signed, pb::CreateRoleRequest::default()))
            .await
            .map(drop),
        "UpdateRole" => {
            let message = pb::UpdateRoleRequest {
                name: no_role,
                role: Some(pb::Role::default()),
                update_mask: None,
            };
            admin.update_role(with(signed, message)).await.map(drop)
        }
        "DeleteRole" => admin
            .delete_role(with(signed, pb::DeleteRoleRequest { name: no_role }))
            .await
            .map(drop),
        "GrantRole" => {
            let message = pb::GrantRoleRequest {
                user_id: nobody,
                role: no_role,
            };
            admin.grant_role(with(signed, message)).await.map(drop)
        }
        "RevokeRole" => {
            let message = pb::RevokeRoleRequest {
                user_id: nobody,
                role: no_role,
            };
            admin.revoke_role(with(signed, message)).await.map(drop)
        }
        "ListPermissions" => admin
            .list_permissions(with(signed, pb::ListPermissionsRequest {}))
            .await
            .map(drop),
        "RevokeTokens" => {
            let target = Some(Target::UserId(nobody));
            admin
                .revoke_tokens(with(signed, pb::RevokeTokensRequest { target }))
                .await
                .map(drop)
        }
        "ListCircuitBreakers" => {
            let message = pb::ListCircuitBreakersRequest {};
            admin.list_circuit_breakers(with(signed, message)).await.map(drop)
        }
        "ResetCircuitBreaker" => {
            let message = pb::ResetCircuitBreakerRequest {
                name: "nothing".to_owned(),
            };
            admin.reset_circuit_breaker(with(signed, message)).await.map(drop)
        }
        "GetOverview" => admin
            .get_overview(with(signed, pb::GetOverviewRequest {}))
            .await
            .map(drop),
        "ListAuditEvents" => {
            let message = pb::ListAuditEventsRequest::default();
            admin.list_audit_events(with(signed, message)).await.map(drop)
        }
        other => panic!("no method {other}"),
    }
}

/// Whether the caller gets in.
async fn open(on: &mut Deployment, method: &str, caller: &Caller) -> bool {
    let signed = on.by(caller, ());
    let answer = call(on, method, signed).await;
    match answer.map_err(|status| reason(&status)) {
        Err(Reason::PermissionMissing) => false,
        Ok(()) | Err(Reason::ResourceNotFound | Reason::InvalidField) => true,
        Err(other) => panic!("{method}: {other:?}"),
    }
}

#[tokio::test]
async fn each_permission_opens_its_methods_and_no_others() {
    let mut on = Deployment::start().await;
    for (n, (permission, methods)) in OPENS.into_iter().enumerate() {
        let name = format!("r{n}");
        on.role("default", &name, &[permission]).await;
        let caller = Caller::new("default", &[&name]);
        for method in METHODS {
            assert_eq!(
                open(&mut on, method, &caller).await,
                methods.contains(&method),
                "{method} by {permission}"
            );
        }
        let namesake = Caller::new("acme", &[&name]);
        for method in methods {
            assert!(
                !open(&mut on, method, &namesake).await,
                "{method}: a role of that name is another tenant's"
            );
        }
    }
}

#[tokio::test]
async fn built_in_roles_open_their_own_side() {
    let mut on = Deployment::start().await;
    for method in METHODS {
        let of_platform = OPERATORS.contains(&method);
        for (roles, wanted) in [
            (&["admin"][..], !of_platform),
            (&["operator"], of_platform),
            (&["admin", "operator"], true),
            (&["user"], false),
            (&["gone"], false),
            (&[], false),
        ] {
            let caller = Caller::new("default", roles);
            assert_eq!(open(&mut on, method, &caller).await, wanted, "{method} by {roles:?}");
        }
        let elsewhere = Caller::new("acme", &["admin"]);
        assert_eq!(
            open(&mut on, method, &elsewhere).await,
            !of_platform,
            "{method} in another tenant"
        );
    }
}

#[tokio::test]
async fn without_a_token_nothing_is_open() {
    let mut on = Deployment::start().await;
    for method in METHODS {
        let refused = call(&mut on, method, Request::new(())).await.unwrap_err();
        assert_eq!(reason(&refused), Reason::AuthTokenMissing, "{method}");
        let mut forged = Request::new(());
        let token = "Bearer eyJhbGciOiJub25lIn0.e30.";
        forged.metadata_mut().insert("authorization", token.parse().unwrap());
        let refused = call(&mut on, method, forged).await.unwrap_err();
        assert_eq!(reason(&refused), Reason::AuthTokenInvalid, "{method}");
    }
}
