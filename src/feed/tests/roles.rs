//! What roles allow, whatever a producer sends.

use super::*;
use crate::api::policy::Scope;

/// A view that knows the permissions of the program, the built-in roles and these.
fn knowing(more: Vec<pb::Resource>) -> Arc<AccessView> {
    let view = AccessView::new(None);
    view.learn(&testkit::policies());
    view.snapshot(Source::Admin, update(1, [built_in(), more].concat()));
    view
}

fn role(tenant: &str, name: &str, permissions: &[&str]) -> pb::Resource {
    let permissions = permissions.iter().map(|p| (*p).to_owned()).collect();
    resource::role(&tenant_id(tenant), &name.parse().unwrap(), permissions)
}

fn allows(view: &AccessView, tenant: &str, names: &[&str], permission: &str) -> bool {
    view.allows(&tenant_id(tenant), &roles(names), permission)
}

#[test]
fn the_built_in_roles_hold_a_scope_each() {
    let view = knowing(Vec::new());
    for (role, tenants, platforms) in [
        ("admin", true, false),
        ("operator", false, true),
        ("user", false, false),
    ] {
        assert_eq!(allows(&view, "acme", &[role], "users.read"), tenants, "{role}");
        assert_eq!(allows(&view, "acme", &[role], "breakers.read"), platforms, "{role}");
        assert_eq!(view.operator(&tenant_id("acme"), &roles(&[role])), platforms, "{role}");
    }
    assert!(allows(&view, "acme", &["user", "operator", "admin"], "users.read"));
}

#[test]
fn who_holds_all_of_a_tenant_holds_what_services_behind_the_gateway_ask_for() {
    let view = knowing(vec![
        role("acme", "packer", &["shipments.write"]),
        role("acme", "reader", &["users.read"]),
    ]);
    for (names, asked, expected) in [
        (&["admin"][..], "shipments.write", true),
        (&["admin"], "shipments.read", true),
        (&["packer"], "shipments.write", true),
        (&["packer"], "shipments.read", false),
        (&["reader", "user", "operator"], "shipments.read", false),
        (&["operator"], "shipments.write", false),
    ] {
        assert_eq!(allows(&view, "acme", names, asked), expected, "{names:?} {asked}");
    }
    assert!(!allows(&view, "other", &["packer"], "shipments.write"));
    let held = view.permissions(&tenant_id("acme"), &roles(&["admin"]));
    assert!(held.contains(&"users.read".to_owned()) && !held.contains(&String::new()));
}

#[test]
fn a_role_that_nobody_knows_allows_nothing() {
    let view = knowing(vec![role("acme", "reader", &["users.read"])]);
    for names in [&["ghost"][..], &["admins"], &["reader2"], &[]] {
        assert!(!allows(&view, "acme", names, "users.read"), "{names:?}");
        assert!(view.permissions(&tenant_id("acme"), &roles(names)).is_empty());
    }
    for permission in ["", "users", "users.read ", "users.*", "*"] {
        assert!(
            !allows(&view, "acme", &["admin", "operator"], permission),
            "{permission:?}"
        );
    }
}

#[test]
fn a_tenants_role_holds_in_its_own_tenant_only() {
    let view = knowing(vec![
        role("acme", "reader", &["users.read"]),
        role("other", "reader", &["users.delete"]),
    ]);
    assert!(allows(&view, "acme", &["reader"], "users.read"));
    assert!(!allows(&view, "acme", &["reader"], "users.delete"));
    assert!(allows(&view, "other", &["reader"], "users.delete"));
    assert!(!allows(&view, "other", &["reader"], "users.read"));
    assert!(!allows(&view, "third", &["reader"], "users.read"));
}

#[test]
fn a_built_in_role_cannot_be_shadowed() {
    let view = knowing(vec![
        role("acme", "admin", &[]),
        role("acme", "user", &["users.read"]),
        role("acme", "operator", &["users.read"]),
    ]);
    assert!(allows(&view, "acme", &["admin"], "users.read"), "not narrowed");
    assert!(!allows(&view, "acme", &["user"], "users.read"), "not widened");
    assert!(!allows(&view, "acme", &["operator"], "users.read"));
    assert!(allows(&view, "acme", &["operator"], "breakers.read"));
}

#[test]
fn a_tenants_role_never_holds_a_permission_of_the_platform() {
    let mut whole = role("acme", "whole", &["breakers.read", "users.read"]);
    let Some(pb::resource::Kind::Role(grant)) = &mut whole.kind else {
        panic!("a role");
    };
    grant.all_of = Scope::Platform.into();
    let view = knowing(vec![role("acme", "sly", &["breakers.read", "users.read"]), whole]);
    for name in ["sly", "whole"] {
        assert!(!allows(&view, "acme", &[name], "breakers.read"), "{name}");
        assert!(!view.operator(&tenant_id("acme"), &roles(&[name])), "{name}");
        assert_eq!(view.permissions(&tenant_id("acme"), &roles(&[name])), ["users.read"]);
    }
}

#[test]
fn permissions_are_listed_by_name_and_once() {
    let view = knowing(vec![
        role("acme", "reader", &["users.read", "roles.read"]),
        role("acme", "auditor", &["audit.read", "users.read"]),
    ]);
    let held = view.permissions(&tenant_id("acme"), &roles(&["reader", "auditor"]));
    assert_eq!(held, ["audit.read", "roles.read", "users.read"]);
    let all = view.permissions(&tenant_id("acme"), &roles(&["admin", "operator"]));
    let catalog: Vec<_> = testkit::policies()
        .permissions()
        .into_iter()
        .map(|(name, ..)| name)
        .collect();
    assert_eq!(all, catalog);
}

#[test]
fn each_of_many_permissions_is_held_apart() {
    let names: Vec<String> = (0..200).map(|n| format!("things.p{n}")).collect();
    let grants = names.iter().enumerate();
    let view = knowing(
        grants
            .map(|(n, name)| role("acme", &format!("r{n}"), &[name]))
            .collect(),
    );
    for (n, name) in names.iter().enumerate() {
        let own = format!("r{n}");
        assert!(allows(&view, "acme", &[&own], name), "{name}");
        let held = view.permissions(&tenant_id("acme"), &roles(&[&own]));
        assert_eq!(held, [name.as_str()]);
    }
}

#[test]
fn what_a_built_in_role_holds_comes_from_the_policies() {
    let view = AccessView::new(None);
    view.snapshot(Source::Admin, update(1, built_in()));
    assert!(
        !allows(&view, "acme", &["admin"], "users.read"),
        "no permission is known"
    );
    view.learn(&testkit::policies());
    assert!(allows(&view, "acme", &["admin"], "users.read"));
}

#[test]
fn nobody_may_do_anything_before_admin_was_heard() {
    let view = AccessView::new(None);
    view.learn(&testkit::policies());
    assert!(!allows(&view, "acme", &["admin", "operator"], "users.read"));
    assert!(!view.operator(&tenant_id("acme"), &roles(&["operator"])));
    assert!(view.permissions(&tenant_id("acme"), &roles(&["admin"])).is_empty());
}
