use tonic::Code;
use tonic_types::StatusExt;

use super::*;
use crate::{
    feed::{Source, resource},
    ids::UserId,
    policy::Idempotency,
    settings::Role,
    testkit,
};

const STALE_AFTER: Duration = Duration::from_secs(60);

const LOGIN: &str = "/logicore.auth.v1.AuthService/Login";
const GET_ME: &str = "/logicore.auth.v1.AuthService/GetMe";
const REVOKE_SESSION: &str = "/logicore.auth.v1.AuthService/RevokeSession";
const GET_USER: &str = "/logicore.user.v1.UserService/GetUser";
const UPDATE_USER: &str = "/logicore.user.v1.UserService/UpdateUser";
const LIST_USERS: &str = "/logicore.user.v1.UserService/ListUsers";
const BREAKERS: &str = "/logicore.admin.v1.AdminService/ListCircuitBreakers";
const PROVISION: &str = "/logicore.auth.v1.AccountService/ProvisionAccount";
const SYNC: &str = "/logicore.mesh.v1.FeedService/Sync";

/// A view that has just heard of both producers and knows the built-in roles.
fn fresh() -> Arc<AccessView> {
    let view = AccessView::new(None);
    view.learn(&testkit::policies());
    testkit::feed(&view, Vec::new(), testkit::built_in_roles());
    view
}

fn method(path: &str) -> Method {
    Method::clone(testkit::policies().get(path).unwrap())
}

fn somebody(roles: &[&str]) -> Arc<Principal> {
    Arc::new(Principal {
        tenant: "acme".parse().unwrap(),
        roles: roles.iter().map(|role| role.parse().unwrap()).collect(),
        ..testkit::principal(UserId::generate())
    })
}

fn decided(view: &AccessView, method: &Method, roles: &[&str]) -> Result<Verdict, Reason> {
    let principal = somebody(roles);
    let caller = Caller {
        principal: Some(&principal),
        peer: None,
    };
    authorize(view, STALE_AFTER, method, caller).map_err(|e| e.reason())
}

fn by_peer(view: &AccessView, path: &str, role: Role) -> Result<Verdict, Reason> {
    let peer = Peer { role };
    let caller = Caller {
        principal: None,
        peer: Some(&peer),
    };
    authorize(view, STALE_AFTER, &method(path), caller).map_err(|e| e.reason())
}

const SETTLED: Verdict = Verdict {
    own_subject: None,
    own_tenant: None,
};

#[test]
fn every_method_without_a_token_is_open_or_says_what_it_needs() {
    let view = fresh();
    for method in testkit::policies().iter() {
        let decided = authorize(&view, STALE_AFTER, method, Caller::default()).map_err(|e| e.reason());
        let expected = match method.access {
            Access::Public => Ok(SETTLED),
            Access::Internal(_) => Err(Reason::PeerNotTrusted),
            Access::Denied => Err(Reason::PolicyMissing),
            _ => Err(Reason::AuthTokenMissing),
        };
        assert_eq!(decided, expected, "{}", method.path);
    }
}

#[test]
fn every_method_with_a_role_that_nobody_knows_is_closed_or_ones_own() {
    let view = fresh();
    for method in testkit::policies().iter() {
        let found = decided(&view, method, &["ghost"]);
        match &method.access {
            Access::Public | Access::Authenticated => assert_eq!(found, Ok(SETTLED), "{}", method.path),
            Access::SelfOrPermission(_) => {
                let (_, number) = method.subject_field.clone().unwrap();
                let own = Verdict {
                    own_subject: Some(number),
                    own_tenant: None,
                };
                assert_eq!(found, Ok(own), "{}", method.path);
            }
            Access::Permission(_) => assert_eq!(found, Err(Reason::PermissionMissing), "{}", method.path),
            Access::Internal(_) => assert_eq!(found, Err(Reason::PeerNotTrusted), "{}", method.path),
            Access::Denied => assert_eq!(found, Err(Reason::PolicyMissing), "{}", method.path),
        }
    }
}

#[test]
fn a_permission_opens_what_asks_for_it() {
    let view = fresh();
    assert_eq!(decided(&view, &method(LIST_USERS), &["admin"]), Ok(SETTLED));
    assert_eq!(
        decided(&view, &method(LIST_USERS), &["user"]),
        Err(Reason::PermissionMissing)
    );
    assert_eq!(
        decided(&view, &method(LIST_USERS), &["operator"]),
        Err(Reason::PermissionMissing)
    );
    assert_eq!(decided(&view, &method(BREAKERS), &["operator"]), Ok(SETTLED));
    assert_eq!(
        decided(&view, &method(BREAKERS), &["admin"]),
        Err(Reason::PermissionMissing)
    );
    assert_eq!(decided(&view, &method(GET_USER), &["admin"]), Ok(SETTLED), "anyone's");
    let own = decided(&view, &method(GET_USER), &["user"]).unwrap();
    assert_eq!(own.own_subject, Some(1), "one's own");
}

#[test]
fn a_missing_permission_is_named() {
    let principal = somebody(&["user"]);
    let caller = Caller {
        principal: Some(&principal),
        peer: None,
    };
    let refused = authorize(&fresh(), STALE_AFTER, &method(LIST_USERS), caller).unwrap_err();
    let status = tonic::Status::from(refused);
    assert_eq!(status.code(), Code::PermissionDenied);
    assert_eq!(
        status.get_details_error_info().unwrap().metadata["permission"],
        "users.read"
    );
}

#[test]
fn a_method_that_lost_its_subject_field_is_closed_to_the_subject() {
    let method = Method {
        subject_field: None,
        ..method(GET_USER)
    };
    assert_eq!(decided(&fresh(), &method, &["user"]), Err(Reason::PermissionMissing));
    assert_eq!(decided(&fresh(), &method, &["admin"]), Ok(SETTLED));
}

#[test]
fn only_an_operator_names_another_tenant() {
    let method = Method {
        tenant_field: Some(("tenant".to_owned(), 3)),
        ..method(GET_USER)
    };
    let asked = |own_subject| {
        Ok(Verdict {
            own_subject,
            own_tenant: Some(3),
        })
    };
    let view = fresh();
    assert_eq!(decided(&view, &method, &["admin"]), asked(None));
    assert_eq!(decided(&view, &method, &["user"]), asked(Some(1)));
    assert_eq!(decided(&view, &method, &["admin", "operator"]), Ok(SETTLED));
}

#[test]
fn a_stream_of_messages_cannot_be_held_against_its_first() {
    let method = Method {
        client_streaming: true,
        ..method(GET_USER)
    };
    let view = fresh();
    assert_eq!(decided(&view, &method, &["user"]), Err(Reason::PolicyMissing));
    assert_eq!(decided(&view, &method, &["admin"]), Ok(SETTLED));
}

#[test]
fn a_method_without_a_policy_is_closed_to_everybody() {
    let method = Method {
        access: Access::Denied,
        ..method(LOGIN)
    };
    let view = fresh();
    assert_eq!(
        decided(&view, &method, &["admin", "operator"]),
        Err(Reason::PolicyMissing)
    );
    let peer = Peer { role: Role::All };
    let caller = Caller {
        principal: None,
        peer: Some(&peer),
    };
    let refused = authorize(&view, STALE_AFTER, &method, caller).unwrap_err();
    assert_eq!(refused.reason(), Reason::PolicyMissing);
}

#[test]
fn an_internal_method_serves_the_peers_that_it_names() {
    let ignorant = AccessView::new(None);
    let refused = Err(Reason::PeerNotAllowed);
    for (path, role, expected) in [
        (PROVISION, Role::User, Ok(SETTLED)),
        (PROVISION, Role::All, Ok(SETTLED)),
        (PROVISION, Role::Gateway, refused),
        (PROVISION, Role::Admin, refused),
        (PROVISION, Role::Cli, refused),
        (SYNC, Role::Gateway, Ok(SETTLED)),
        (SYNC, Role::Auth, Ok(SETTLED)),
        (SYNC, Role::Cli, refused),
        (
            "/logicore.auth.v1.AccountService/BootstrapAdmin",
            Role::Cli,
            Ok(SETTLED),
        ),
        ("/logicore.auth.v1.AccountService/BootstrapAdmin", Role::All, refused),
    ] {
        assert_eq!(by_peer(&ignorant, path, role), expected, "{path} {role:?}");
    }
    let view = fresh();
    assert_eq!(
        decided(&view, &method(PROVISION), &["admin", "operator"]),
        Err(Reason::PeerNotTrusted),
        "no token opens it"
    );
}

#[test]
fn permissions_are_not_judged_before_admin_was_heard() {
    let view = AccessView::new(None);
    view.learn(&testkit::policies());
    view.snapshot(Source::Auth, Default::default());
    view.heard(Source::Auth, Duration::ZERO);
    assert_eq!(decided(&view, &method(LIST_USERS), &["admin"]), Err(Reason::NotReady));
    assert_eq!(decided(&view, &method(GET_USER), &["admin"]), Err(Reason::NotReady));
    assert_eq!(decided(&view, &method(GET_ME), &["admin"]), Ok(SETTLED));
    assert_eq!(
        decided(&view, &method(REVOKE_SESSION), &["user"]),
        Ok(SETTLED),
        "roles do not matter"
    );
    assert_eq!(decided(&view, &method(LOGIN), &[]), Ok(SETTLED));
}

/// A view that heard its producers so long ago.
fn heard(auth: Duration, admin: Duration) -> Arc<AccessView> {
    let view = fresh();
    view.heard(Source::Auth, auth);
    view.heard(Source::Admin, admin);
    view
}

/// Whether a caller who may do everything may do this.
fn serves(view: &AccessView, path: &str) -> bool {
    match decided(view, &method(path), &["admin", "operator"]) {
        Ok(_) => true,
        Err(Reason::AccessFeedStale) => false,
        Err(other) => panic!("{path}: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_changes_something_is_not_decided_by_old_keys_and_revocations() {
    let view = heard(STALE_AFTER + Duration::from_millis(1), Duration::ZERO);
    let always = [
        LOGIN,
        "/logicore.auth.v1.AuthService/Refresh",
        "/logicore.auth.v1.AuthService/Logout",
    ];
    for method in testkit::policies().iter() {
        if matches!(method.access, Access::Internal(_)) {
            continue;
        }
        let expected = method.idempotency == Idempotency::NoSideEffects || always.contains(&&*method.path);
        assert_eq!(serves(&view, &method.path), expected, "{}", method.path);
    }
}

#[tokio::test(start_paused = true)]
async fn old_roles_matter_only_where_a_permission_decides() {
    let view = heard(Duration::ZERO, STALE_AFTER * 10);
    for method in testkit::policies().iter() {
        if matches!(method.access, Access::Internal(_)) {
            continue;
        }
        let reads = method.idempotency == Idempotency::NoSideEffects;
        let expected = reads || method.permission().is_none();
        assert_eq!(serves(&view, &method.path), expected, "{}", method.path);
    }
    assert!(serves(&view, "/logicore.auth.v1.AuthService/ChangePassword"));
    assert!(!serves(&view, UPDATE_USER));
}

#[tokio::test(start_paused = true)]
async fn knowledge_is_old_after_its_time_and_not_before() {
    let view = heard(Duration::ZERO, Duration::ZERO);
    tokio::time::advance(STALE_AFTER).await;
    assert!(serves(&view, REVOKE_SESSION));
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(!serves(&view, REVOKE_SESSION));
    view.heard(Source::Auth, Duration::ZERO);
    assert!(serves(&view, REVOKE_SESSION));
}

#[tokio::test(start_paused = true)]
async fn the_refusal_says_whose_silence_it_is_and_when_to_come_again() {
    for (view, producer) in [
        (heard(STALE_AFTER * 2, Duration::ZERO), "auth"),
        (heard(Duration::ZERO, STALE_AFTER * 2), "admin"),
    ] {
        let principal = somebody(&["admin"]);
        let caller = Caller {
            principal: Some(&principal),
            peer: None,
        };
        let refused = authorize(&view, STALE_AFTER, &method(UPDATE_USER), caller).unwrap_err();
        let status = tonic::Status::from(refused);
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(status.get_details_error_info().unwrap().metadata["producer"], producer);
        assert!(status.get_details_retry_info().is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_may_not_learns_that_and_not_that_the_feed_is_old() {
    let view = heard(STALE_AFTER * 2, STALE_AFTER * 2);
    let delete = method("/logicore.user.v1.UserService/DeleteUser");
    assert_eq!(decided(&view, &delete, &["user"]), Err(Reason::PermissionMissing));
    assert_eq!(decided(&view, &delete, &["admin"]), Err(Reason::AccessFeedStale));
    let nobody = authorize(&view, STALE_AFTER, &delete, Caller::default()).unwrap_err();
    assert_eq!(nobody.reason(), Reason::AuthTokenMissing);
}

#[test]
fn a_method_may_insist_or_renounce_by_its_policy() {
    let view = fresh();
    view.heard(Source::Auth, STALE_AFTER * 2);
    let insists = Method {
        feed_stale: FeedStale::Refuse,
        ..method(GET_ME)
    };
    assert_eq!(decided(&view, &insists, &["user"]), Err(Reason::AccessFeedStale));
    let renounces = Method {
        feed_stale: FeedStale::Serve,
        ..method(REVOKE_SESSION)
    };
    assert_eq!(decided(&view, &renounces, &["user"]), Ok(SETTLED));
}

#[test]
fn a_role_of_a_tenant_opens_what_it_lists() {
    let view = AccessView::new(None);
    view.learn(&testkit::policies());
    let role = resource::role(
        &"acme".parse().unwrap(),
        &"reader".parse().unwrap(),
        vec!["users.read".to_owned()],
    );
    testkit::feed(&view, Vec::new(), vec![role]);
    assert_eq!(decided(&view, &method(LIST_USERS), &["reader"]), Ok(SETTLED));
    assert_eq!(
        decided(&view, &method("/logicore.user.v1.UserService/DeleteUser"), &["reader"]),
        Err(Reason::PermissionMissing)
    );
}

#[test]
fn the_layer_leaves_its_verdict_and_refuses_what_has_no_method() {
    let ctx = testkit::context(Role::Gateway);
    ctx.access.learn(&ctx.policies);
    testkit::feed(&ctx.access, Vec::new(), testkit::built_in_roles());
    let gate = layer(&ctx).0;
    let mut request = Request::new(Body::empty());
    let refused = gate.admit(&mut request).unwrap_err();
    assert_eq!(refused.reason(), Reason::PolicyMissing);
    request.extensions_mut().insert(Arc::new(method(GET_USER)));
    assert_eq!(gate.admit(&mut request).unwrap_err().reason(), Reason::AuthTokenMissing);
    request.extensions_mut().insert(somebody(&["user"]));
    gate.admit(&mut request).unwrap();
    let verdict = request.extensions().get::<Verdict>().unwrap();
    assert_eq!(verdict.own_subject, Some(1));
    assert!(!verdict.settled());
}
