//! The API's own descriptors: paths that are given, and every binding of every method.

use std::{collections::BTreeSet, sync::OnceLock};

use logicore::{Reason, api::PUBLIC_DESCRIPTORS};
use prost_reflect::{DescriptorPool, ReflectMessage};

use super::{call, error_of, from_json, same, shown};
use crate::rest::{BodyRule, Routes};

pub(super) fn routes() -> &'static Routes {
    static ROUTES: OnceLock<Routes> = OnceLock::new();
    ROUTES.get_or_init(|| Routes::build(&DescriptorPool::decode(PUBLIC_DESCRIPTORS).unwrap()).unwrap())
}

#[test]
fn requests_of_the_api_mean_what_they_say() {
    for (request, body, method, json) in [
        (
            "POST /auth/login",
            r#"{"email":"demo@example.com","password":"demo123"}"#,
            "auth.v1.AuthService/Login",
            r#"{"email":"demo@example.com","password":"demo123"}"#,
        ),
        (
            "POST /auth/refresh",
            r#"{"refreshToken":"x"}"#,
            "auth.v1.AuthService/Refresh",
            r#"{"refreshToken":"x"}"#,
        ),
        (
            "POST /auth/refresh",
            r#"{"refresh_token":"x"}"#,
            "auth.v1.AuthService/Refresh",
            r#"{"refreshToken":"x"}"#,
        ),
        ("POST /auth/logout", "{}", "auth.v1.AuthService/Logout", "{}"),
        ("GET /auth/me", "", "auth.v1.AuthService/GetMe", "{}"),
        (
            "POST /auth/password",
            r#"{"newPassword":"n"}"#,
            "auth.v1.AuthService/ChangePassword",
            r#"{"newPassword":"n"}"#,
        ),
        (
            "POST /auth/password:set",
            r#"{"code":"c"}"#,
            "auth.v1.AuthService/SetPassword",
            r#"{"code":"c"}"#,
        ),
        (
            "GET /v1/sessions?userId=u&pageSize=5",
            "",
            "auth.v1.AuthService/ListSessions",
            r#"{"userId":"u","pageSize":5}"#,
        ),
        (
            "DELETE /v1/sessions/s-1",
            "",
            "auth.v1.AuthService/RevokeSession",
            r#"{"sessionId":"s-1"}"#,
        ),
        (
            "POST /v1/sessions:revokeAll",
            r#"{"keepCurrent":true}"#,
            "auth.v1.AuthService/RevokeAllSessions",
            r#"{"keepCurrent":true}"#,
        ),
        ("GET /v1/users", "", "user.v1.UserService/ListUsers", "{}"),
        (
            "GET /v1/users?filter=email%3D%22a%40b%22&orderBy=create_time+desc&showDeleted=true",
            "",
            "user.v1.UserService/ListUsers",
            r#"{"filter":"email=\"a@b\"","orderBy":"create_time desc","showDeleted":true}"#,
        ),
        (
            "POST /v1/users",
            r#"{"user":{"email":"a@b"}}"#,
            "user.v1.UserService/CreateUser",
            r#"{"user":{"email":"a@b"}}"#,
        ),
        (
            "GET /v1/users/u-1",
            "",
            "user.v1.UserService/GetUser",
            r#"{"id":"u-1"}"#,
        ),
        (
            "PATCH /v1/users/u-1",
            r#"{"displayName":"D","labels":{"a":"b"},"etag":"e"}"#,
            "user.v1.UserService/UpdateUser",
            r#"{"id":"u-1","user":{"displayName":"D","labels":{"a":"b"},"etag":"e"},"updateMask":"displayName,labels"}"#,
        ),
        (
            "DELETE /v1/users/u-1?etag=e",
            "",
            "user.v1.UserService/DeleteUser",
            r#"{"id":"u-1","etag":"e"}"#,
        ),
        (
            "POST /v1/users/u-1:undelete",
            "",
            "user.v1.UserService/UndeleteUser",
            r#"{"id":"u-1"}"#,
        ),
        (
            "POST /v1/users/u-1:grantRole",
            r#"{"role":"admin"}"#,
            "admin.v1.AdminService/GrantRole",
            r#"{"userId":"u-1","role":"admin"}"#,
        ),
        (
            "PATCH /v1/roles/r",
            r#"{"permissions":[],"etag":"e"}"#,
            "admin.v1.AdminService/UpdateRole",
            r#"{"name":"r","role":{"etag":"e"},"updateMask":"permissions"}"#,
        ),
        (
            "POST /v1/tokens:revoke",
            r#"{"everyone":true}"#,
            "admin.v1.AdminService/RevokeTokens",
            r#"{"everyone":true}"#,
        ),
        (
            "POST /v1/circuit-breakers:reset",
            r#"{"name":"user"}"#,
            "admin.v1.AdminService/ResetCircuitBreaker",
            r#"{"name":"user"}"#,
        ),
        (
            "GET /circuit-breaker/status",
            "",
            "mesh.v1.GatewayService/GetCircuitBreakerStatus",
            "{}",
        ),
        ("GET /health", "", "mesh.v1.GatewayService/GetHealth", "{}"),
        ("GET /readyz", "", "mesh.v1.GatewayService/GetReadiness", "{}"),
        (
            "HEAD /metrics/health",
            "",
            "mesh.v1.GatewayService/GetHealthMetrics",
            "{}",
        ),
    ] {
        let (path, message) = call(routes(), request, body.as_bytes()).unwrap_or_else(|e| panic!("{request}: {e}"));
        assert_eq!(path, format!("/logicore.{method}"), "{request}");
        assert!(
            same(&message, &from_json(message.descriptor(), json)),
            "{request}: {}",
            shown(&message)
        );
    }
}

#[test]
fn bad_requests_of_the_api_name_the_field() {
    for (request, body, reason, field) in [
        ("POST /auth/login", "", Reason::MissingBody, ""),
        ("POST /auth/login", "{", Reason::MalformedJson, ""),
        (
            "POST /auth/login",
            r#"{"email":"a","passwort":"b"}"#,
            Reason::UnknownField,
            "passwort",
        ),
        ("POST /auth/login", r#"{"email":5}"#, Reason::InvalidField, "email"),
        ("POST /auth/login?tenant=x", "{}", Reason::UnknownField, "tenant"),
        ("GET /auth/me", "{}", Reason::UnexpectedBody, ""),
        ("GET /auth/me?x=1", "", Reason::UnknownField, "x"),
        ("GET /v1/users?pageSize=x", "", Reason::InvalidField, "page_size"),
        (
            "GET /v1/users?pageSize=3000000000",
            "",
            Reason::InvalidField,
            "page_size",
        ),
        (
            "GET /v1/users?page_size=1&pageSize=1",
            "",
            Reason::InvalidField,
            "page_size",
        ),
        ("GET /v1/users/u?id=v", "", Reason::InvalidField, "id"),
        (
            "PATCH /v1/users/u",
            r#"{"state":"GONE"}"#,
            Reason::InvalidField,
            "user.state",
        ),
        (
            "PATCH /v1/users/u",
            r#"{"labels":{"a":1}}"#,
            Reason::InvalidField,
            r#"user.labels["a"]"#,
        ),
        (
            "PATCH /v1/users/u?user.phone=1",
            "{}",
            Reason::InvalidField,
            "user.phone",
        ),
        (
            "POST /v1/tokens:revoke",
            r#"{"everyone":true,"userId":"u"}"#,
            Reason::InvalidField,
            "user_id",
        ),
        (
            "POST /v1/users/u:grantRole",
            r#"{"userId":"v","role":"r"}"#,
            Reason::InvalidField,
            "user_id",
        ),
        ("GET /v1/users/%ff", "", Reason::MalformedPath, ""),
        ("GET /v1/users/", "", Reason::RouteNotFound, ""),
        ("GET /auth/login", "", Reason::MethodNotAllowed, ""),
        ("POST /v1/users/u", "{}", Reason::MethodNotAllowed, ""),
        ("GET /v1/users/u:undelete", "", Reason::MethodNotAllowed, ""),
        ("GET /", "", Reason::RouteNotFound, ""),
    ] {
        let error = error_of(routes(), request, body.as_bytes());
        assert_eq!(error.reason(), reason, "{request} {body}: {error}");
        let named = error.violations().first().map_or("", |(field, _)| field);
        assert_eq!(named, field, "{request} {body}: {error}");
    }
}

#[test]
fn every_method_of_the_api_has_a_path() {
    let pool = DescriptorPool::decode(PUBLIC_DESCRIPTORS).unwrap();
    let methods = pool.services().flat_map(|s| s.methods().collect::<Vec<_>>());
    let all: BTreeSet<_> = methods.map(|m| m.full_name().to_owned()).collect();
    let bound: BTreeSet<_> = routes()
        .bindings()
        .iter()
        .map(|b| b.method.full_name().to_owned())
        .collect();
    assert_eq!(all, bound);
}

/// AIP-131, 135: what reads or deletes takes no body; AIP-134: what changes says of what.
#[test]
fn bodies_stand_where_http_has_them() {
    for binding in routes().bindings() {
        let bodiless = ["GET", "DELETE", "HEAD"].contains(&binding.http.as_str());
        assert_eq!(binding.body == BodyRule::None, bodiless, "{binding}");
        if binding.http == http::Method::PATCH {
            let mask = binding.method.input().get_field_by_name("update_mask");
            assert!(
                matches!(binding.body, BodyRule::Field(_)) && mask.is_some(),
                "{binding}"
            );
        }
    }
}
