//! Revoking tokens over the wire, and figures.

use logicore::{
    Reason,
    api::{
        admin::{self as pb, revoke_tokens_request::Target},
        auth::revoke_access_request::Target as Wire,
    },
    testkit::{
        Caller,
        accounts::{COUNTED, ENDED},
        reason,
    },
};
use tonic_types::StatusExt;

use crate::deployment::Deployment;

fn revoke(target: Target) -> pb::RevokeTokensRequest {
    pb::RevokeTokensRequest { target: Some(target) }
}

#[tokio::test]
async fn auth_hears_whose_tokens_and_how_far_the_caller_reaches() {
    let mut on = Deployment::start().await;
    let admin = Caller::new("acme", &["admin"]);
    let id = uuid::Uuid::now_v7().to_string();
    let targets = [
        (Target::Token("a.b.c".to_owned()), Wire::Token("a.b.c".to_owned())),
        (Target::SessionId(id.clone()), Wire::SessionId(id.clone())),
        (Target::UserId(id.clone()), Wire::UserId(id)),
        (Target::Everyone(true), Wire::Everyone(true)),
    ];
    for (target, wanted) in targets {
        let request = on.by(&admin, revoke(target));
        let answer = on.admin.revoke_tokens(request).await.unwrap().into_inner();
        assert_eq!(answer.sessions, ENDED);
        let heard = on.auth.revoked().pop().unwrap();
        assert_eq!((heard.tenant.as_str(), heard.target), ("acme", Some(wanted)));
        assert_eq!(heard.actor.unwrap().subject, admin.id.to_string());
    }
}

#[tokio::test]
async fn no_tenant_is_named_for_an_operator_who_says_all_and_for_nobody_else() {
    let mut on = Deployment::start().await;
    for roles in [&["admin"][..], &["operator"]] {
        let request = on.by(&Caller::new("acme", roles), revoke(Target::AllTenants(true)));
        let refused = on.admin.revoke_tokens(request).await.unwrap_err();
        assert_eq!(reason(&refused), Reason::PermissionMissing, "{roles:?}");
    }
    assert!(on.auth.revoked().is_empty());
    let request = on.by(
        &Caller::new("default", &["admin", "operator"]),
        revoke(Target::AllTenants(true)),
    );
    on.admin.revoke_tokens(request).await.unwrap();
    let heard = on.auth.revoked().pop().unwrap();
    assert_eq!((heard.tenant.as_str(), heard.target), ("", Some(Wire::Everyone(true))));
}

#[tokio::test]
async fn a_target_must_be_said() {
    let mut on = Deployment::start().await;
    let admin = Caller::new("default", &["admin", "operator"]);
    let refused = [
        pb::RevokeTokensRequest { target: None },
        revoke(Target::Everyone(false)),
        revoke(Target::AllTenants(false)),
        revoke(Target::Token(String::new())),
        revoke(Target::Token("x".repeat(9000))),
        revoke(Target::UserId(String::new())),
        revoke(Target::SessionId("me".to_owned())),
    ];
    for message in refused {
        let request = on.by(&admin, message.clone());
        let answer = on.admin.revoke_tokens(request).await.unwrap_err();
        assert_eq!(answer.code(), tonic::Code::InvalidArgument, "{:?}", message.target);
    }
    assert!(on.auth.revoked().is_empty());
}

#[tokio::test]
async fn the_overview_is_of_the_callers_tenant() {
    let mut on = Deployment::start().await;
    on.role("acme", "editor", &[]).await;
    let admin = Caller::new("acme", &["admin"]);
    let request = on.by(&admin, pb::GetOverviewRequest {});
    let overview = on.admin.get_overview(request).await.unwrap().into_inner();
    assert_eq!((overview.roles, overview.audit_events, overview.gateways), (4, 1, 0));
    assert_eq!(overview.auth.unwrap().accounts, COUNTED);
    assert!(overview.as_of.is_some());
    assert_eq!(on.auth.statistics(), ["acme"]);

    on.auth.away(true);
    let request = on.by(&admin, pb::GetOverviewRequest {});
    let refused = on.admin.get_overview(request).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused)),
        (tonic::Code::Unavailable, Reason::UpstreamUnavailable)
    );
    assert!(refused.get_details_retry_info().is_some());
}
