//! What roles allow, compiled: each permission is a bit, each role a set of bits.
//!
//! Two rules hold here whatever a producer sends: a built-in role cannot be shadowed by a tenant's role of the same name, and
//! no tenant's role holds a permission of the platform.
//!
//! The catalogue knows what is compiled in. Services behind the gateway ask for permissions of their own, which no release of ours
//! can list: whoever holds all of a tenant holds those too, by one bit for all that the catalogue does not name.

use std::collections::HashMap;

use crate::{
    api::{mesh as pb, policy::Scope as PbScope},
    ids::{RoleName, TenantId},
    policy::{Scope, Table, is_permission},
};

/// The permissions that exist, by name, with their scope.
#[derive(Clone, Debug, Default)]
pub(super) struct Catalog(Vec<(Box<str>, Scope)>);

impl Catalog {
    pub(super) fn new(policies: &Table) -> Self {
        let all = policies.permissions().into_iter();
        Self(all.map(|(name, scope, _)| (name.into(), scope)).collect())
    }
}

type Bits = Box<[u64]>;

/// The bit of every tenant permission that the catalogue does not name.
const OTHERS: usize = 0;

/// Every role in force.
#[derive(Debug, Default)]
pub(super) struct Roles {
    /// By bit; that of [`OTHERS`] is empty.
    names: Vec<Box<str>>,
    index: HashMap<Box<str>, usize>,
    /// How many bits the catalogue has named, [`OTHERS`] among them.
    known: usize,
    platform: Bits,
    built_in: HashMap<Box<str>, Bits>,
    tenants: HashMap<Box<str>, HashMap<Box<str>, Bits>>,
}

impl Roles {
    /// Compiles the grants.
    pub(super) fn compile<'a>(catalog: &Catalog, grants: impl Iterator<Item = &'a pb::RoleGrant> + Clone) -> Self {
        let mut roles = Self {
            names: vec!["".into()],
            ..Self::default()
        };
        for (name, _) in &catalog.0 {
            roles.intern(name);
        }
        roles.known = roles.names.len();
        for name in grants.clone().flat_map(|g| &g.permissions) {
            roles.intern(name);
        }
        let words = roles.names.len().div_ceil(64);
        roles.platform = scope_bits(catalog, words, Scope::Platform);
        let mut tenant = scope_bits(catalog, words, Scope::Tenant);
        // Before the catalogue is known nobody knows which of them are the platform's.
        if !catalog.0.is_empty() {
            set(&mut tenant, OTHERS);
        }
        for grant in grants {
            let mut bits = match grant.all_of() {
                PbScope::Unspecified => vec![0; words].into_boxed_slice(),
                PbScope::Tenant => tenant.clone(),
                PbScope::Platform => roles.platform.clone(),
            };
            for name in &grant.permissions {
                set(&mut bits, roles.index[name.as_str()]);
            }
            let name = grant.name.as_str().into();
            if grant.tenant.is_empty() {
                roles.built_in.insert(name, bits);
            } else {
                bits.iter_mut().zip(&roles.platform).for_each(|(b, p)| *b &= !p);
                let of_tenant = roles.tenants.entry(grant.tenant.as_str().into()).or_default();
                of_tenant.insert(name, bits);
            }
        }
        roles
    }

    /// Whether one of the roles holds the permission. An unknown role allows nothing.
    pub(super) fn allow(&self, tenant: &TenantId, roles: &[RoleName], permission: &str) -> bool {
        match self.index.get(permission) {
            Some(&bit) if bit < self.known => self.held(tenant, roles).any(|bits| has(bits, bit)),
            Some(&bit) => self.held(tenant, roles).any(|bits| has(bits, bit) || has(bits, OTHERS)),
            None => is_permission(permission) && self.held(tenant, roles).any(|bits| has(bits, OTHERS)),
        }
    }

    /// Whether one of the roles holds any permission of the platform.
    pub(super) fn platform(&self, tenant: &TenantId, roles: &[RoleName]) -> bool {
        let any = |bits: &[u64]| bits.iter().zip(&self.platform).any(|(b, p)| b & p != 0);
        self.held(tenant, roles).any(any)
    }

    /// Every permission that the roles hold, by name.
    pub(super) fn permissions(&self, tenant: &TenantId, roles: &[RoleName]) -> Vec<String> {
        let names = self.names.iter().enumerate().filter(|(bit, _)| *bit != OTHERS);
        let mut held: Vec<_> = names
            .filter(|(bit, _)| self.held(tenant, roles).any(|bits| has(bits, *bit)))
            .map(|(_, name)| name.as_ref().to_owned())
            .collect();
        held.sort_unstable();
        held
    }

    fn held<'a>(&'a self, tenant: &TenantId, roles: &'a [RoleName]) -> impl Iterator<Item = &'a [u64]> {
        let own = self.tenants.get(tenant.as_str());
        roles.iter().filter_map(move |role| {
            let built_in = self.built_in.get(role.as_str());
            built_in.or_else(|| own?.get(role.as_str())).map(AsRef::as_ref)
        })
    }

    fn intern(&mut self, name: &str) {
        if !self.index.contains_key(name) {
            self.index.insert(name.into(), self.names.len());
            self.names.push(name.into());
        }
    }
}

/// The permissions of a scope; the catalog's names have the first bits behind [`OTHERS`].
fn scope_bits(catalog: &Catalog, words: usize, scope: Scope) -> Bits {
    let mut bits = vec![0; words].into_boxed_slice();
    for (place, _) in catalog.0.iter().enumerate().filter(|(_, (_, s))| *s == scope) {
        set(&mut bits, OTHERS + 1 + place);
    }
    bits
}

fn set(bits: &mut [u64], bit: usize) {
    bits[bit / 64] |= 1 << (bit % 64);
}

fn has(bits: &[u64], bit: usize) -> bool {
    bits.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
}
