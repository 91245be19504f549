//! The catalogue of permissions, and what a caller holds of it.
//!
//! What somebody holds is worked out from the store, inside the transaction that relies on it, and not from the access feed:
//! admin owns the roles, so it need not trust a copy that may be a moment old.

use std::collections::{BTreeMap, HashSet};

use logicore::{
    Error, Reason,
    ids::RoleName,
    policy::{self, Scope},
};

use crate::{
    app::Admin,
    caller::Caller,
    roles::{Role, built_in},
};

/// Every permission that a method asks for.
#[derive(Debug)]
pub struct Catalogue(BTreeMap<String, Entry>);

/// What is known of a permission.
#[derive(Clone, Debug)]
pub struct Entry {
    /// How far it reaches.
    pub scope: Scope,
    /// Full names of the methods that ask for it.
    pub methods: Vec<String>,
}

impl Catalogue {
    /// The permissions of a policy table.
    #[must_use]
    pub fn new(table: &policy::Table) -> Self {
        let entries = table.permissions().into_iter();
        Self(
            entries
                .map(|(name, scope, methods)| (name, Entry { scope, methods }))
                .collect(),
        )
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.0.iter().map(|(name, entry)| (name.as_str(), entry))
    }

    /// The names of one scope.
    pub fn of_scope(&self, scope: Scope) -> impl Iterator<Item = &str> {
        self.iter().filter(move |(_, e)| e.scope == scope).map(|(name, _)| name)
    }

    /// How far a permission reaches; `None` when no method asks for it.
    #[must_use]
    pub fn scope(&self, permission: &str) -> Option<Scope> {
        self.0.get(permission).map(|e| e.scope)
    }

    /// Whether a service behind the gateway may ask for it: `resource.verb`, of a resource that is not one of ours, whose misspelt
    /// permissions shall be found.
    fn foreign(&self, name: &str) -> bool {
        let ours = |resource: &str| {
            self.iter()
                .any(|(known, _)| known.split_once('.').is_some_and(|(r, _)| r == resource))
        };
        policy::is_permission(name) && name.split_once('.').is_some_and(|(resource, _)| !ours(resource))
    }

    /// Sorted, without doubles, and nothing that a tenant's role may not hold.
    ///
    /// # Errors
    /// `INVALID_FIELD` naming each permission that does not exist or is the platform's.
    pub fn tenant_permissions(&self, mut names: Vec<String>) -> Result<Vec<String>, Error> {
        names.sort_unstable();
        names.dedup();
        let problems = names.iter().filter_map(|name| match self.scope(name) {
            Some(Scope::Tenant) => None,
            Some(Scope::Platform) => Some(format!("`{name}` is of the platform: no tenant's role can hold it")),
            None if self.foreign(name) => None,
            None => Some(format!("no method asks for `{}`", name.escape_debug())),
        });
        let refused = problems.fold(None, |error: Option<Error>, problem| {
            Some(match error {
                None => Error::field("role.permissions", problem),
                Some(error) => error.and_field("role.permissions", problem),
            })
        });
        refused.map_or(Ok(names), Err)
    }
}

/// What the holder of some roles may do.
#[derive(Clone, Debug, Default)]
pub struct Holdings {
    scopes: Vec<Scope>,
    listed: HashSet<String>,
}

impl Holdings {
    /// What `names` amount to, where `own` are the definitions of those that the tenant made. A name that is neither built in
    /// nor defined gives nothing.
    #[must_use]
    pub fn new(names: &[RoleName], own: &[Role]) -> Self {
        Self {
            scopes: names.iter().filter_map(|n| built_in(n)?.all_of).collect(),
            listed: own.iter().flat_map(|r| r.permissions.iter().cloned()).collect(),
        }
    }

    /// Whether the permission is held. One that no method asks for any more counts as the tenant's: some role had it once, and
    /// a later version may ask for it again.
    #[must_use]
    pub fn hold(&self, catalogue: &Catalogue, permission: &str) -> bool {
        match catalogue.scope(permission) {
            Some(Scope::Platform) => self.scopes.contains(&Scope::Platform),
            Some(Scope::Tenant) | None => self.scopes.contains(&Scope::Tenant) || self.listed.contains(permission),
        }
    }

    /// Refuses to give, or take, what is not held.
    ///
    /// # Errors
    /// `GRANT_EXCEEDS_OWN`, naming what is missing.
    pub fn cover<'a>(
        &self,
        catalogue: &Catalogue,
        permissions: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), Error> {
        let missing: Vec<_> = permissions.into_iter().filter(|p| !self.hold(catalogue, p)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let missing = missing.join(", ");
        let text = format!("only a holder of {missing} can give or take it");
        Err(Error::new(Reason::GrantExceedsOwn, text).with("permission", missing))
    }
}

impl Admin {
    /// What the caller holds now.
    pub(crate) async fn holdings(&self, caller: &Caller) -> Result<Holdings, Error> {
        let names = &caller.principal.roles;
        let own = self.store.role_find(caller.tenant(), names).await?;
        Ok(Holdings::new(names, &own))
    }
}
