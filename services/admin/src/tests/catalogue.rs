//! Permissions as the descriptors have them.

use std::collections::BTreeSet;

use logicore::policy::{self, Scope, Table};

use super::role_name;
use crate::{
    permissions::{Catalogue, Holdings},
    roles::BUILT_IN,
};

fn catalogue() -> Catalogue {
    Catalogue::new(&Table::compiled_in())
}

#[test]
fn every_permission_of_a_policy_is_in_the_catalogue_with_its_methods() {
    let (table, catalogue) = (Table::compiled_in(), catalogue());
    let mut wanted = BTreeSet::from([policy::REVOKE_ALL]);
    for method in table.iter() {
        let Some(permission) = method.permission() else {
            continue;
        };
        wanted.insert(permission);
        let (_, entry) = catalogue.iter().find(|(name, _)| *name == permission).unwrap();
        assert_eq!(entry.scope, method.scope, "{permission}");
        let name = format!("{}/{}", method.service, method.name);
        assert!(entry.methods.contains(&name), "{permission} opens {name}");
    }
    assert_eq!(catalogue.iter().map(|(name, _)| name).collect::<BTreeSet<_>>(), wanted);
}

#[test]
fn revoking_everywhere_is_of_the_platform() {
    assert_eq!(catalogue().scope(policy::REVOKE_ALL), Some(Scope::Platform));
}

#[test]
fn built_in_roles_hold_their_scope_and_nothing_else() {
    let catalogue = catalogue();
    for role in &BUILT_IN {
        let held: Vec<_> = role.permissions(&catalogue).collect();
        let holdings = Holdings::new(&[role_name(role.name)], &[]);
        for (name, entry) in catalogue.iter() {
            let wanted = role.all_of == Some(entry.scope);
            assert_eq!(held.contains(&name), wanted, "{} lists {name}", role.name);
            assert_eq!(holdings.hold(&catalogue, name), wanted, "{} holds {name}", role.name);
        }
        let later = holdings.hold(&catalogue, "later.version");
        assert_eq!(later, role.all_of == Some(Scope::Tenant), "{}", role.name);
    }
}
