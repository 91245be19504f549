//! What thousands of tokens say alike: their client, their roles, the epoch. It is kept once, so that a token that is remembered takes
//! few pieces of memory.

use std::{
    borrow::Borrow,
    collections::HashSet,
    hash::Hash,
    sync::{Arc, PoisonError, RwLock},
};

use crate::ids::RoleName;

/// Entries of each kind. Beyond it all are forgotten, and found again as they come; only auth's own words get here.
const MOST: usize = 1024;

/// Words of tokens.
#[derive(Debug, Default)]
pub(super) struct Interned {
    texts: Set<str>,
    roles: Set<[RoleName]>,
}

impl Interned {
    /// A client, or an epoch.
    pub(super) fn text(&self, text: &str) -> Arc<str> {
        self.texts.get(text)
    }

    /// Roles, in their order.
    pub(super) fn roles(&self, roles: &[RoleName]) -> Arc<[RoleName]> {
        self.roles.get(roles)
    }
}

#[derive(Debug)]
struct Set<T: ?Sized>(RwLock<HashSet<Arc<T>>>);

impl<T: ?Sized> Default for Set<T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<T: ?Sized + Eq + Hash> Set<T>
where
    Arc<T>: Borrow<T> + for<'a> From<&'a T>,
{
    fn get(&self, value: &T) -> Arc<T> {
        let known = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(value)
            .cloned();
        known.unwrap_or_else(|| self.add(value.into()))
    }

    fn add(&self, value: Arc<T>) -> Arc<T> {
        let mut set = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // Another call may have been first.
        if let Some(known) = set.get(&*value) {
            return Arc::clone(known);
        }
        if set.len() >= MOST {
            set.clear();
        }
        set.insert(Arc::clone(&value));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_alike_is_kept_once() {
        let interned = Interned::default();
        assert!(Arc::ptr_eq(&interned.text("web"), &interned.text("web")));
        let roles = |names: &[&str]| -> Vec<RoleName> { names.iter().map(|name| name.parse().unwrap()).collect() };
        let (ab, ba) = (roles(&["a", "b"]), roles(&["b", "a"]));
        assert!(Arc::ptr_eq(&interned.roles(&ab), &interned.roles(&ab)));
        assert_eq!(*interned.roles(&ba), ba[..], "their order is kept");
    }

    #[test]
    fn there_is_an_end_to_what_is_kept() {
        let interned = Interned::default();
        for number in 0..10 * MOST {
            assert_eq!(*interned.text(&number.to_string()), *number.to_string());
            assert!(interned.texts.0.read().unwrap().len() <= MOST);
        }
    }
}
