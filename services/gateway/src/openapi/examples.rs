//! Examples for the calls that everybody makes first.

use serde_json::{Value, json};

/// An example of a method's request body.
pub(super) fn request(method: &str) -> Option<Value> {
    Some(match method {
        "logicore.auth.v1.AuthService.Login" => json!({"email": "demo@example.com", "password": "demo123"}),
        "logicore.auth.v1.AuthService.Refresh" => json!({"refreshToken": "refreshToken of the last answer"}),
        "logicore.user.v1.UserService.CreateUser" => {
            json!({"user": {"email": "ada@example.com", "displayName": "Ada Lovelace", "locale": "en-GB"}})
        }
        "logicore.user.v1.UserService.UpdateUser" => json!({"displayName": "Ada King", "labels": {"team": "engines"}}),
        "logicore.admin.v1.AdminService.CreateRole" => {
            json!({"name": "support", "description": "May look at users", "permissions": ["users.read"]})
        }
        "logicore.admin.v1.AdminService.GrantRole" | "logicore.admin.v1.AdminService.RevokeRole" => {
            json!({"role": "support"})
        }
        "logicore.admin.v1.AdminService.ResetCircuitBreaker" => json!({"name": "user"}),
        _ => return None,
    })
}

/// An example of an error.
pub(super) fn error() -> Value {
    json!({
        "code": 7,
        "status": "PERMISSION_DENIED",
        "message": "the permission breakers.read is missing",
        "details": [{
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "PERMISSION_MISSING",
            "domain": "logicore",
            "metadata": {"permission": "breakers.read"},
        }],
    })
}
