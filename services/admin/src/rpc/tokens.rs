//! The target of RevokeTokens.

use logicore::{
    Error,
    api::admin::{RevokeTokensRequest, revoke_tokens_request::Target as Wire},
    ids,
    secret::Secret,
};

use crate::tokens::Target;

/// Longest token that is looked at, in bytes; a real one is far shorter.
const TOKEN_MAX: usize = 8 << 10;

pub(super) fn target(request: RevokeTokensRequest) -> Result<Target, Error> {
    match request.target {
        Some(Wire::Token(token)) if token.is_empty() || token.len() > TOKEN_MAX => {
            Err(Error::field("token", "is empty or longer than any token"))
        }
        Some(Wire::Token(token)) => Ok(Target::Token(Secret::new(token))),
        Some(Wire::SessionId(id)) => Ok(Target::Session(ids::parse("session_id", &id)?)),
        Some(Wire::UserId(id)) => Ok(Target::User(ids::parse("user_id", &id)?)),
        Some(Wire::Everyone(true)) => Ok(Target::Everyone),
        Some(Wire::AllTenants(true)) => Ok(Target::AllTenants),
        Some(Wire::Everyone(false)) => Err(Error::field("everyone", "can only be true")),
        Some(Wire::AllTenants(false)) => Err(Error::field("all_tenants", "can only be true")),
        None => Err(Error::field(
            "target",
            "is missing: say token, session_id, user_id, everyone or all_tenants",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_must_be_said_and_must_be_true() {
        for target in [None, Some(Wire::Everyone(false)), Some(Wire::AllTenants(false))] {
            assert!(super::target(RevokeTokensRequest { target }).is_err());
        }
        let everyone = RevokeTokensRequest {
            target: Some(Wire::Everyone(true)),
        };
        assert!(matches!(target(everyone), Ok(Target::Everyone)));
    }

    #[test]
    fn a_token_is_never_printed() {
        let request = RevokeTokensRequest {
            target: Some(Wire::Token("secret".to_owned())),
        };
        assert!(!format!("{:?}", target(request).unwrap()).contains("secret"));
    }
}
