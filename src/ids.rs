//! Ids as types, so that a user's id is never taken for a session's.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{Error, Reason};

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// Makes a new id; ids made later sort later (UUID version 7, RFC 9562).
            #[must_use]
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(s: &str) -> Result<Self, Error> {
                Uuid::try_parse(s)
                    .map(Self)
                    .map_err(|_| Error::new(Reason::InvalidId, format!("`{}` is not an id (UUID)", s.escape_debug())))
            }
        }
    };
}

uuid_id!(
    /// Id of a user: of the account and of the profile.
    UserId
);
uuid_id!(
    /// Id of a session (`sid`).
    SessionId
);
uuid_id!(
    /// Id of an access token (`jti`).
    TokenId
);
uuid_id!(
    /// Id of an audit event.
    EventId
);

/// Reads an id or a name that a field of a request holds.
///
/// # Errors
/// `INVALID_ID` or `INVALID_NAME`, with the field.
pub fn parse<T: FromStr<Err = Error>>(field: &'static str, text: &str) -> Result<T, Error> {
    text.parse().map_err(|error: Error| {
        let problem = error.message().to_owned();
        error.and_field(field, problem)
    })
}

macro_rules! name_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as a string.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(s: &str) -> Result<Self, Error> {
                if is_name(s) {
                    Ok(Self(s.into()))
                } else {
                    Err(Error::new(
                        Reason::InvalidName,
                        format!(concat!("`{}` is not a ", $what, " name: a-z first, then a-z, 0-9, - and _, at most 63 characters"), s.escape_debug()),
                    ))
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(s: String) -> Result<Self, Error> {
                s.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }
    };
}

name_id!(
    /// Name of a tenant (`tid`).
    TenantId,
    "tenant"
);
name_id!(
    /// Name of a role within a tenant.
    RoleName,
    "role"
);

impl Default for TenantId {
    /// The tenant that a login without one means.
    fn default() -> Self {
        Self("default".into())
    }
}

fn is_name(s: &str) -> bool {
    s.len() <= 63
        && s.starts_with(|c: char| c.is_ascii_lowercase())
        && s.bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_lowercase() {
        assert!("acme-1".parse::<TenantId>().is_ok());
        for bad in ["", "1a", "A", "a b", "a/b", &"a".repeat(64)] {
            assert!(bad.parse::<TenantId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn ids_parse_what_they_print() {
        let id = UserId::generate();
        assert_eq!(id.to_string().parse::<UserId>().ok(), Some(id));
        let wrong = parse::<UserId>("id", "me").unwrap_err();
        assert_eq!((wrong.reason(), &*wrong.violations()[0].0), (Reason::InvalidId, "id"));
    }
}
