//! Examples for the calls that everybody makes first.

use logicore::{Error, Reason, access::missing_token, layer::authorize::missing_permission};
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

/// Errors that almost every method may answer: HTTP status, and one of that status.
pub(super) fn errors() -> [(&'static str, Error); 6] {
    let one = |reason, message: &'static str| Error::new(reason, message);
    [
        ("400", Error::field("page_size", "must be 0 or more")),
        ("401", missing_token()),
        ("403", missing_permission("users.read")),
        (
            "429",
            one(
                Reason::RateLimited,
                "too many requests from you: 1000 a minute are served",
            )
            .retry_after(SECOND),
        ),
        (
            "503",
            one(
                Reason::CircuitOpen,
                "the user service keeps failing and is left alone for a while",
            )
            .retry_after(SECOND),
        ),
        ("default", one(Reason::ResourceNotFound, "there is no such user")),
    ]
}

const SECOND: std::time::Duration = std::time::Duration::from_secs(1);
