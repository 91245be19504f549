//! Proposals that must not leave a method more open than they read.

use super::*;

#[tokio::test]
async fn a_field_that_cannot_be_held_against_the_caller_denies_the_method() {
    let ctx = testkit::context(Role::Gateway);
    let own = |name: &str, field: &str| {
        let policy = format!("access: ACCESS_SELF_OR_PERMISSION permission: \"ships.read\" subject_field: \"{field}\"");
        rpc(name, &policy)
    };
    let of_tenant =
        |name: &str, field: &str| rpc(name, &format!("access: ACCESS_AUTHENTICATED tenant_field: \"{field}\""));
    let methods = [
        own("Own", "id"),
        own("Optional", "maybe"),
        own("Many", "names"),
        own("Number", "count"),
        own("OneOf", "me"),
        own("NoSubject", "idd"),
        of_tenant("Tenant", "tenant"),
        of_tenant("NoTenant", "tennant"),
        of_tenant("Tenants", "names"),
    ];
    let settings = settings(&[("ships", "")], "");
    let (live, notes) = live(&ctx, &settings, &[&ships(&methods.concat())], None).unwrap();
    let self_or = Access::SelfOrPermission("ships.read".into());
    for (method, expected) in [
        ("Own", &self_or),
        ("Optional", &self_or),
        ("Many", &Access::Denied),
        ("Number", &Access::Denied),
        ("OneOf", &Access::Denied),
        ("NoSubject", &Access::Denied),
        ("Tenant", &Access::Authenticated),
        ("NoTenant", &Access::Denied),
        ("Tenants", &Access::Denied),
    ] {
        assert_eq!(access(&live, method), *expected, "{method}");
    }
    assert_eq!(notes.len(), 6, "{notes:?}");
}

#[tokio::test]
async fn what_a_share_asks_neither_counts_nor_is_remembered() {
    let ctx = testkit::context(Role::Gateway);
    let strict = ships(&rpc("Get", "access: ACCESS_PERMISSION permission: \"ships.read\""));
    let open = ships(&rpc("Get", "access: ACCESS_AUTHENTICATED"));
    let split = "[[split]]\nservice = \"ships.v1.Ships\"\nto = \"new\"\nweight = 10\n";
    let settings = settings(&[("old", ""), ("new", "")], split);
    let (before, _) = live(&ctx, &settings, &[&strict, &open], None).unwrap();
    assert_eq!(access(&before, "Get"), permission("ships.read"));
    let (again, _) = live(&ctx, &settings, &[&strict, &open], Some(&before)).expect("nothing has changed");
    let problems = live(&ctx, &settings, &[&open, &open], Some(&again)).expect_err("the owner asks less than before");
    assert!(problems[0].contains("would ask less of its callers"), "{problems:?}");
}
