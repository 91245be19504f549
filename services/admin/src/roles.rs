//! Roles: names for sets of permissions.
//!
//! The built-in ones are constants of the program, so that no store can lose or widen them. A decision about a role is a pure
//! function over what the store found in the same transaction ([`Facts`]); the store carries it out.

mod change;
mod removal;

use std::cmp::Ordering;

use chrono::{DateTime, Utc};
use logicore::{
    Error,
    ids::{RoleName, TenantId},
    policy::Scope,
};
use uuid::Uuid;

use crate::{app::Admin, audit::Record, caller::Caller, permissions::Catalogue};

pub(crate) use change::not_found;
pub use change::{Draft, Patch};

/// A role that a tenant made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Tenant that it belongs to.
    pub tenant: TenantId,
    /// Unique within the tenant.
    pub name: RoleName,
    /// What it is for.
    pub description: String,
    /// Sorted, without doubles.
    pub permissions: Vec<String>,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When it was last changed.
    pub updated: DateTime<Utc>,
    /// Another one after every change.
    pub etag: String,
}

/// A role that every tenant has.
#[derive(Clone, Copy, Debug)]
pub struct BuiltIn {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// Holds every permission of this scope, those of later versions too.
    pub all_of: Option<Scope>,
}

/// The built-in roles, by name.
pub const BUILT_IN: [BuiltIn; 3] = [
    BuiltIn {
        name: "admin",
        description: "Everything in its own tenant.",
        all_of: Some(Scope::Tenant),
    },
    BuiltIn {
        name: "operator",
        description: "The platform: breakers, keys, tenants. Nothing inside a tenant.",
        all_of: Some(Scope::Platform),
    },
    BuiltIn {
        name: "user",
        description: "Its own profile and sessions.",
        all_of: None,
    },
];

/// The built-in role of this name, if there is one.
#[must_use]
pub fn built_in(name: &RoleName) -> Option<&'static BuiltIn> {
    BUILT_IN.iter().find(|b| b.name == name.as_str())
}

impl BuiltIn {
    /// The permissions that it holds in this version.
    pub fn permissions<'a>(&self, catalogue: &'a Catalogue) -> impl Iterator<Item = &'a str> + use<'a> {
        let scope = self.all_of;
        catalogue
            .iter()
            .filter(move |(_, e)| Some(e.scope) == scope)
            .map(|(name, _)| name)
    }
}

/// A role as it is listed.
#[derive(Clone, Debug)]
pub enum Listed {
    /// Of every tenant.
    BuiltIn(&'static BuiltIn),
    /// Of this one.
    Own(Role),
}

impl Listed {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::BuiltIn(role) => role.name,
            Self::Own(role) => role.name.as_str(),
        }
    }
}

/// Work in hand on a role, which other replicas respect until it is over or its time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Of this one piece of work.
    pub id: Uuid,
    /// When it lapses, should the process die over it.
    pub until: DateTime<Utc>,
}

/// What the store found when it was about to change a role.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The role, if it is there.
    pub role: Option<Role>,
    /// Definitions of the roles that the caller has.
    pub held: Vec<Role>,
    /// How many roles the tenant has made.
    pub count: u64,
    /// The deletion in hand, if one is.
    pub deleting: Option<Uuid>,
    /// Whether a grant of the role is on its way to auth.
    pub granting: bool,
}

/// What to do about a role.
#[derive(Clone, Debug)]
pub enum Change {
    /// Nothing.
    Keep,
    /// Make or replace it.
    Put(Role, Record),
    /// Say that it is about to be deleted: nobody can be granted it meanwhile.
    Mark(Lease),
    /// Take that back.
    Unmark,
    /// Delete it.
    Remove(Record),
    /// Say that a grant is on its way: the role cannot be deleted meanwhile.
    Grant(Lease),
}

/// A rule: from what is there to what to do.
pub type Decide = Box<dyn FnOnce(Facts) -> Result<Change, Error> + Send>;

impl Admin {
    /// Roles of the caller's tenant after the name `after`, by name, the built-in ones among them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn role_list(&self, caller: &Caller, after: &str, limit: usize) -> Result<Vec<Listed>, Error> {
        let own = self.store.role_list(caller.tenant(), after, limit).await?;
        let built_in = BUILT_IN.iter().filter(|b| b.name > after).map(Listed::BuiltIn);
        let mut roles: Vec<_> = own.into_iter().map(Listed::Own).chain(built_in).collect();
        roles.sort_by(|a, b| -> Ordering { a.name().cmp(b.name()) });
        roles.truncate(limit);
        Ok(roles)
    }
}
