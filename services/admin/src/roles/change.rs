//! Making and changing roles.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use logicore::{Error, Reason, ids::RoleName};
use serde_json::json;
use uuid::Uuid;

use super::{Change, Facts, Role, built_in};
use crate::{
    app::Admin,
    audit::Record,
    caller::Caller,
    permissions::{Catalogue, Holdings},
};

/// Longest description, in characters.
const DESCRIPTION_MAX: usize = 500;

/// Most roles that a tenant can make: every gateway holds all of them in memory.
const ROLES_MAX: u64 = 1000;

/// A role to make.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Its name.
    pub name: RoleName,
    /// What it is for.
    pub description: String,
    /// What it allows.
    pub permissions: Vec<String>,
}

/// What to change of a role.
#[derive(Clone, Debug, Default)]
pub struct Patch {
    /// The new description, if it changes.
    pub description: Option<String>,
    /// The new permissions, if they change.
    pub permissions: Option<Vec<String>>,
    /// The etag that the caller read; empty for any.
    pub etag: String,
}

impl Admin {
    /// Makes a role for the caller's tenant.
    ///
    /// # Errors
    /// `INVALID_FIELD`, `RESOURCE_EXISTS`, `GRANT_EXCEEDS_OWN`, `STATE_FORBIDS` when the tenant has too many.
    pub async fn role_create(&self, caller: &Caller, draft: Draft) -> Result<Role, Error> {
        check_description(&draft.description)?;
        let permissions = self.catalogue.tenant_permissions(draft.permissions)?;
        if built_in(&draft.name).is_some() {
            return Err(exists(&draft.name));
        }
        let now = self.clock.now();
        let role = Role {
            tenant: caller.tenant().clone(),
            name: draft.name.clone(),
            description: draft.description,
            permissions,
            created: now,
            updated: now,
            etag: new_etag(),
        };
        let (catalogue, by) = (self.catalogue.clone(), caller.clone());
        let decide = Box::new(move |facts: Facts| create(&catalogue, &by, facts, role));
        self.role_decide(caller, "role.create", &draft.name, decide).await
    }

    /// Changes a role of the caller's tenant.
    ///
    /// # Errors
    /// `INVALID_FIELD`, `RESOURCE_NOT_FOUND`, `BUILT_IN`, `ETAG_MISMATCH`, `GRANT_EXCEEDS_OWN`.
    pub async fn role_update(&self, caller: &Caller, name: RoleName, mut patch: Patch) -> Result<Role, Error> {
        refuse_built_in(&name)?;
        patch.description.as_deref().map_or(Ok(()), check_description)?;
        let names = patch.permissions.take();
        patch.permissions = names.map(|p| self.catalogue.tenant_permissions(p)).transpose()?;
        let (catalogue, by, now, of) = (self.catalogue.clone(), caller.clone(), self.clock.now(), name.clone());
        let decide = Box::new(move |facts: Facts| update(&catalogue, &by, facts, &of, patch, now));
        self.role_decide(caller, "role.update", &name, decide).await
    }

    async fn role_decide(
        &self,
        caller: &Caller,
        action: &'static str,
        name: &RoleName,
        decide: super::Decide,
    ) -> Result<Role, Error> {
        let held = &caller.principal.roles;
        let done = self
            .store
            .role_change(caller.tenant(), name, held, self.clock.now(), decide)
            .await;
        let tried = || Record::of(caller, action, format!("role/{name}"), self.clock.now());
        let role = self.noting_denial(done, tried).await?;
        role.ok_or_else(|| not_found(name))
    }
}

fn create(catalogue: &Arc<Catalogue>, caller: &Caller, facts: Facts, role: Role) -> Result<Change, Error> {
    if facts.role.is_some() {
        return Err(exists(&role.name));
    }
    if facts.count >= ROLES_MAX {
        let text = format!("a tenant can make {ROLES_MAX} roles; delete one first");
        return Err(Error::new(Reason::StateForbids, text));
    }
    let holdings = Holdings::new(&caller.principal.roles, &facts.held);
    holdings.cover(catalogue, role.permissions.iter().map(String::as_str))?;
    let record = Record::of(caller, "role.create", format!("role/{}", role.name), role.created)
        .detail("permissions", json!(role.permissions));
    Ok(Change::Put(role, record))
}

fn update(
    catalogue: &Arc<Catalogue>,
    caller: &Caller,
    facts: Facts,
    name: &RoleName,
    patch: Patch,
    now: DateTime<Utc>,
) -> Result<Change, Error> {
    let old = facts.role.ok_or_else(|| not_found(name))?;
    if !patch.etag.is_empty() && patch.etag != old.etag {
        let text = format!("role `{name}` has been changed since it was read; read it again");
        return Err(Error::new(Reason::EtagMismatch, text));
    }
    let mut new = old.clone();
    new.description = patch.description.unwrap_or(new.description);
    new.permissions = patch.permissions.unwrap_or(new.permissions);
    if new == old {
        return Ok(Change::Keep);
    }
    let added: Vec<_> = difference(&new.permissions, &old.permissions);
    let removed: Vec<_> = difference(&old.permissions, &new.permissions);
    Holdings::new(&caller.principal.roles, &facts.held).cover(catalogue, added.iter().copied())?;
    let record = Record::of(caller, "role.update", format!("role/{name}"), now)
        .detail("added", json!(added))
        .detail("removed", json!(removed))
        .detail("description_changed", json!(new.description != old.description));
    new.updated = now;
    new.etag = new_etag();
    Ok(Change::Put(new, record))
}

fn difference<'a>(from: &'a [String], without: &[String]) -> Vec<&'a str> {
    from.iter()
        .filter(|p| !without.contains(p))
        .map(String::as_str)
        .collect()
}

fn check_description(text: &str) -> Result<(), Error> {
    if text.chars().count() > DESCRIPTION_MAX {
        let problem = format!("is longer than {DESCRIPTION_MAX} characters");
        return Err(Error::field("role.description", problem));
    }
    Ok(())
}

fn new_etag() -> String {
    Uuid::now_v7().simple().to_string()
}

fn exists(name: &RoleName) -> Error {
    Error::new(Reason::ResourceExists, format!("there is a role `{name}` already"))
}

pub(crate) fn not_found(name: &RoleName) -> Error {
    Error::new(Reason::ResourceNotFound, format!("there is no role `{name}`"))
}

pub(super) fn refuse_built_in(name: &RoleName) -> Result<(), Error> {
    match built_in(name) {
        Some(_) => Err(Error::new(
            Reason::BuiltIn,
            format!("role `{name}` is built in and stays as it is"),
        )),
        None => Ok(()),
    }
}
