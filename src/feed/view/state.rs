//! What readers look at: made anew from a snapshot, and from the last state by a delta.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use super::AccessView;
use crate::{
    api::mesh::resource::Kind,
    feed::{marks::Marks, replica::Replica, resources::Change, roles::Roles},
    token::VerifyingKey,
};

#[derive(Clone, Debug)]
pub(super) struct AuthState {
    pub(super) epoch: Arc<str>,
    pub(super) keys: Arc<BTreeMap<String, Arc<VerifyingKey>>>,
    pub(super) jwks: Arc<str>,
    pub(super) marks: Marks,
}

#[derive(Clone, Debug)]
pub(super) struct AdminState {
    pub(super) roles: Arc<Roles>,
    pub(super) suspended: Arc<HashSet<String>>,
}

impl AccessView {
    pub(super) fn compile_auth(&self, replica: &Replica) {
        let epoch = replica.revision().map_or("", |r| r.epoch.as_str());
        let keys = Arc::new(self.compile_keys(replica));
        self.auth_state.store(Some(Arc::new(AuthState {
            epoch: epoch.into(),
            jwks: jwks(&keys),
            keys,
            marks: Marks::of(replica.resources()),
        })));
    }

    pub(super) fn change_auth(&self, replica: &Replica, changes: &[Change]) {
        let state = self.auth_state.load_full();
        let Some(mut next) = state.map(|s| AuthState::clone(&s)) else {
            return self.compile_auth(replica);
        };
        next.marks.follow(replica.resources(), changes);
        let mut touched = changes.iter().flat_map(Change::kinds);
        if touched.any(|kind| matches!(kind, Kind::VerificationKey(_))) {
            next.keys = Arc::new(self.compile_keys(replica));
            next.jwks = jwks(&next.keys);
        }
        self.auth_state.store(Some(Arc::new(next)));
    }

    /// A key that is still the same stays the same object, so that what it proved stays proven.
    fn compile_keys(&self, replica: &Replica) -> BTreeMap<String, Arc<VerifyingKey>> {
        let mut keys = BTreeMap::new();
        for resource in replica.resources().whole() {
            let Some(Kind::VerificationKey(key)) = &resource.kind else {
                continue;
            };
            let same = |held: &Arc<VerifyingKey>| held.jwk() == key.jwk && held.allows(&key.alg);
            let held = self
                .key(&key.kid)
                .filter(same)
                .map_or_else(|| VerifyingKey::from_feed(key).map(Arc::new), Ok);
            match held {
                Ok(held) => {
                    keys.insert(key.kid.clone(), held);
                }
                Err(error) => tracing::error!(kid = key.kid, %error, "a key of the feed is not taken"),
            }
        }
        keys
    }

    pub(super) fn compile_admin(&self, replica: &Replica, roles: bool, tenants: bool) {
        let state = self.admin_state.load_full();
        let mut next = state.map_or_else(AdminState::empty, |s| AdminState::clone(&s));
        let kinds = || replica.resources().whole().filter_map(|r| r.kind.as_ref());
        if roles {
            let grants = kinds().filter_map(|k| match k {
                Kind::Role(grant) => Some(grant),
                _ => None,
            });
            let grants: Vec<_> = grants.collect();
            next.roles = Arc::new(Roles::compile(&self.catalog.load(), grants.into_iter()));
        }
        if tenants {
            let suspended = kinds().filter_map(|k| match k {
                Kind::Tenant(tenant) if tenant.suspended => Some(tenant.id.clone()),
                _ => None,
            });
            next.suspended = Arc::new(suspended.collect());
        }
        self.admin_state.store(Some(Arc::new(next)));
    }
}

impl AdminState {
    fn empty() -> Self {
        Self {
            roles: Arc::default(),
            suspended: Arc::default(),
        }
    }
}

impl Change {
    pub(super) fn kinds(&self) -> impl Iterator<Item = &Kind> {
        let resources = self.old.iter().chain(&self.new);
        resources.filter_map(|resource| resource.kind.as_ref())
    }
}

pub(super) fn jwks(keys: &BTreeMap<String, Arc<VerifyingKey>>) -> Arc<str> {
    let keys: Vec<_> = keys.values().map(|k| k.public()).collect();
    serde_json::json!({ "keys": keys }).to_string().into()
}
