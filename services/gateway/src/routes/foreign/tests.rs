//! What other people's services may ask for, and what they may not.

mod proposals;

use std::fs;

use logicore::{
    Context,
    settings::{Role, routes::Routes},
    testkit,
    upstream::{Trust, intern},
};

use super::*;
use crate::{live::Live, rest::tests::inline::inline};

/// A proto file of a service `ships.v1.Ships` with these methods.
fn ships(methods: &str) -> DescriptorPool {
    inline(&format!(
        r#"
        syntax = "proto3";
        package ships.v1;
        import "google/api/annotations.proto";
        import "logicore/policy/v1/policy.proto";
        message Ask {{ string id = 1; string tenant = 2; int32 count = 3; repeated string names = 4;
            optional string maybe = 5; oneof who {{ string me = 6; string email = 7; }} }}
        message Answer {{ string id = 1; }}
        service Ships {{ {methods} }}
        "#
    ))
}

fn rpc(name: &str, policy: &str) -> String {
    format!("rpc {name}(Ask) returns (Answer) {{ option (logicore.policy.v1.method) = {{{policy}}}; }}")
}

/// The settings of upstreams of these names, with lines of their own; their descriptors are given by the test.
fn settings(upstreams: &[(&str, &str)], rest: &str) -> Routes {
    let upstream = |(name, lines): &(&str, &str)| {
        format!(
            "[[upstream]]\nname = \"{name}\"\nendpoints = [\"127.0.0.1:1\"]\ndescriptors = \"reflection\"\n{lines}\n"
        )
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("routes.toml");
    fs::write(&file, upstreams.iter().map(upstream).collect::<String>() + rest).unwrap();
    Routes::read(&file).unwrap()
}

fn described(ctx: &Context, settings: &Routes, pools: &[&DescriptorPool]) -> Vec<Described> {
    let described = settings.upstreams.iter().zip(pools).map(|(settings, pool)| Described {
        upstream: Upstream::new(
            intern(&settings.name),
            Vec::new(),
            Trust::Foreign,
            Arc::default(),
            &ctx.settings.resilience,
            Arc::clone(&ctx.metrics),
        ),
        settings: Arc::new(settings.clone()),
        pool: Some((*pool).clone()),
    });
    described.collect()
}

/// A snapshot with these upstreams.
fn live(
    ctx: &Context,
    settings: &Routes,
    pools: &[&DescriptorPool],
    before: Option<&Live>,
) -> Result<(Live, Vec<String>), Vec<String>> {
    let ours = DescriptorPool::decode(logicore::api::PUBLIC_DESCRIPTORS).unwrap();
    Live::with(ctx, &ours, settings.clone(), described(ctx, settings, pools), before)
}

fn access(live: &Live, method: &str) -> Access {
    live.table
        .get(&format!("/ships.v1.Ships/{method}"))
        .unwrap()
        .method
        .access
        .clone()
}

fn permission(name: &str) -> Access {
    Access::Permission(name.into())
}

#[tokio::test]
async fn what_descriptors_ask_for_is_agreed_to_or_denied() {
    let ctx = testkit::context(Role::Gateway);
    let pool = ships(
        &[
            rpc("Read", "access: ACCESS_PERMISSION permission: \"ships.read\""),
            rpc(
                "Own",
                "access: ACCESS_SELF_OR_PERMISSION permission: \"ships.read\" subject_field: \"id\"",
            ),
            rpc("Any", "access: ACCESS_AUTHENTICATED"),
            rpc("Open", "access: ACCESS_PUBLIC"),
            rpc("Agreed", "access: ACCESS_PUBLIC"),
            rpc(
                "Platform",
                "access: ACCESS_PERMISSION permission: \"ships.sink\" scope: SCOPE_PLATFORM",
            ),
            rpc("Odd", "access: ACCESS_PERMISSION permission: \"*\""),
            rpc("Inner", "access: ACCESS_INTERNAL peers: \"gateway\""),
            "rpc Silent(Ask) returns (Answer);".to_owned(),
        ]
        .concat(),
    );
    let settings = settings(&[("ships", "public = [\"ships.v1.Ships/Agreed\"]")], "");
    let (live, notes) = live(&ctx, &settings, &[&pool], None).unwrap();
    for (method, expected) in [
        ("Read", permission("ships.read")),
        ("Own", Access::SelfOrPermission("ships.read".into())),
        ("Any", Access::Authenticated),
        ("Open", Access::Denied),
        ("Agreed", Access::Public),
        ("Platform", Access::Denied),
        ("Odd", Access::Denied),
        ("Silent", Access::Denied),
    ] {
        assert_eq!(access(&live, method), expected, "{method}");
    }
    assert!(
        live.table.get("/ships.v1.Ships/Inner").is_none(),
        "internal methods are never routed"
    );
    assert_eq!(notes.len(), 4, "each denial is told: {notes:#?}");
    assert!(notes[0].starts_with("upstream `ships`: ships.v1.Ships/Open asks to be public"));
}

#[tokio::test]
async fn the_settings_decide_for_protos_that_cannot_be_changed() {
    let ctx = testkit::context(Role::Gateway);
    let pool = ships("rpc Get(Ask) returns (Answer); rpc List(Ask) returns (Answer); rpc Drop(Ask) returns (Answer);");
    let lines = r#"
        max_message = "2MiB"
        [upstream.policy."ships.v1.Ships"]
        access = "authenticated"
        deadline = "1s"
        [upstream.policy."ships.v1.Ships/Get"]
        access = "self_or_permission"
        permission = "ships.read"
        subject_field = "id"
        tenant_field = "tenant"
        idempotency = "no_side_effects"
        max_message = "8KiB"
        [upstream.policy."ships.v1.Ships/Drop"]
        access = "denied"
    "#;
    let (live, notes) = live(&ctx, &settings(&[("ships", lines)], ""), &[&pool], None).unwrap();
    let get = live.table.get("/ships.v1.Ships/Get").unwrap();
    assert_eq!(get.method.subject_field, Some(("id".to_owned(), 1)));
    assert_eq!(get.method.tenant_field, Some(("tenant".to_owned(), 2)));
    assert!(get.method.repeatable());
    assert_eq!(
        (get.max_message, get.method.deadline),
        (Some(8 << 10), Some(std::time::Duration::from_secs(1)))
    );
    let list = live.table.get("/ships.v1.Ships/List").unwrap();
    assert_eq!(
        (list.max_message, &list.method.access),
        (Some(2 << 20), &Access::Authenticated)
    );
    assert_eq!(access(&live, "Drop"), Access::Denied);
    assert!(notes.is_empty(), "what the settings deny is meant: {notes:?}");
}

#[tokio::test]
async fn what_cannot_be_routed_is_told() {
    let ctx = testkit::context(Role::Gateway);
    let plain = ships("rpc Get(Ask) returns (Answer);");
    let at = |binding: &str| {
        ships(&format!(
            "rpc Get(Ask) returns (Answer) {{ option (google.api.http) = {{ get: \"{binding}\" }}; }}"
        ))
    };
    let policy = |of: &str, body: &str| {
        format!("[upstream.policy.\"{of}\"]\naccess = \"self_or_permission\"\npermission = \"a.b\"\n{body}")
    };
    for (lines, pool, expected) in [
        (
            policy("ships.v1.Ships/Gte", "subject_field = \"id\""),
            &plain,
            "it has no `ships.v1.Ships/Gte`",
        ),
        (
            policy("ships.v1.Ship", "subject_field = \"id\""),
            &plain,
            "it has no `ships.v1.Ship`",
        ),
        (
            policy("ships.v1.Ships/Get", "subject_field = \"owner\""),
            &plain,
            "has no string field `owner`",
        ),
        (
            policy("ships.v1.Ships/Get", "subject_field = \"count\""),
            &plain,
            "has no string field `count`",
        ),
        (
            policy("ships.v1.Ships/Get", "subject_field = \"names\""),
            &plain,
            "has no string field `names`",
        ),
        (
            "services = [\"ships.v1.Boats\"]".to_owned(),
            &plain,
            "it has no `ships.v1.Boats`",
        ),
        (String::new(), &at("/metrics"), "paths of the gateway itself begin so"),
        (String::new(), &at("/docs/{id}"), "paths of the gateway itself begin so"),
        (
            String::new(),
            &at("/.well-known/{id}"),
            "paths of the gateway itself begin so",
        ),
        (String::new(), &at("/auth/{id}"), "paths of the gateway itself begin so"),
        (
            String::new(),
            &at("/{id}/login"),
            "a path must begin with a literal segment",
        ),
        (
            String::new(),
            &at("/{id=**}"),
            "a path must begin with a literal segment",
        ),
        (
            String::new(),
            &at("/v1/users/{id}"),
            "(upstream ships) collides with GET /v1/users/{id} of logicore.user.v1.UserService.GetUser (upstream logicore)",
        ),
        (String::new(), &at("/v1/{id"), "ships.v1.Ships.Get"),
    ] {
        let problems = live(&ctx, &settings(&[("ships", &lines)], ""), &[pool], None).expect_err(expected);
        assert!(
            problems.iter().any(|p| p.contains(expected)),
            "{expected}: {problems:#?}"
        );
    }
}

#[tokio::test]
async fn names_of_ours_cannot_be_claimed() {
    let ctx = testkit::context(Role::Gateway);
    for package in [
        "logicore.auth.v1",
        "logicore.other",
        "grpc.health.v1",
        "logicore",
        "grpc",
    ] {
        let pool = inline(&format!(
            "syntax = \"proto3\"; package {package}; message M {{}} \
             service Health {{ rpc Check(M) returns (M); }} service AuthService {{ rpc Login(M) returns (M); }}"
        ));
        let (live, _) = live(&ctx, &settings(&[("ships", "")], ""), &[&pool], None).unwrap();
        let foreign: Vec<_> = live.table.iter().filter(|r| r.owner.is_some()).collect();
        assert!(foreign.is_empty(), "{package}: {foreign:?}");
        assert_eq!(
            live.table
                .get("/logicore.auth.v1.AuthService/Login")
                .unwrap()
                .target
                .names(),
            ["auth"]
        );
    }
}

#[tokio::test]
async fn two_services_of_one_name_need_a_split() {
    let ctx = testkit::context(Role::Gateway);
    let old = ships("rpc Get(Ask) returns (Answer); rpc Gone(Ask) returns (Answer);");
    let new = ships("rpc Get(Ask) returns (Answer); rpc Added(Ask) returns (Answer);");
    let two = [("old", ""), ("new", "")];
    let problems = live(&ctx, &settings(&two, ""), &[&old, &new], None).expect_err("nobody says which");
    assert!(
        problems
            .iter()
            .any(|p| p.contains("both upstreams `old` and `new` serve ships.v1.Ships")),
        "{problems:?}"
    );
    let split = "[[split]]\nservice = \"ships.v1.Ships\"\nto = \"new\"\nweight = 10\n";
    let (live_, _) = live(&ctx, &settings(&two, split), &[&old, &new], None).unwrap();
    let names = |method: &str| {
        live_
            .table
            .get(&format!("/ships.v1.Ships/{method}"))
            .map(|r| r.target.names())
    };
    assert_eq!(names("Get").unwrap(), ["old", "new 10 %"]);
    assert_eq!(
        names("Gone").unwrap(),
        ["old"],
        "a version without the method gets no calls of it"
    );
    assert_eq!(names("Added"), None, "the owner says which methods there are");
    let problems = live(&ctx, &settings(&[("new", "")], split), &[&new], None).expect_err("a share of nothing");
    assert!(problems[0].contains("two upstreams must serve it"), "{problems:?}");
}

#[tokio::test]
async fn a_policy_does_not_become_weaker_by_itself() {
    let ctx = testkit::context(Role::Gateway);
    let strict = "access: ACCESS_PERMISSION permission: \"ships.read\" tenant_field: \"tenant\"";
    let own =
        "access: ACCESS_SELF_OR_PERMISSION permission: \"ships.read\" subject_field: \"id\" tenant_field: \"tenant\"";
    let any = "access: ACCESS_AUTHENTICATED tenant_field: \"tenant\"";
    for (old, new, refused) in [
        (strict, strict, false),
        (strict, own, true),
        (strict, any, true),
        (strict, "access: ACCESS_PERMISSION permission: \"ships.read\"", true),
        (
            strict,
            "access: ACCESS_PERMISSION permission: \"ships.list\" tenant_field: \"tenant\"",
            true,
        ),
        (own, strict, false),
        (
            own,
            "access: ACCESS_SELF_OR_PERMISSION permission: \"ships.read\" subject_field: \"tenant\" tenant_field: \"tenant\"",
            true,
        ),
        (any, own, false),
        (any, "access: ACCESS_AUTHENTICATED", true),
        (any, "", false),
    ] {
        let none = settings(&[("ships", "")], "");
        let (before, _) = live(&ctx, &none, &[&ships(&rpc("Get", old))], None).unwrap();
        let pool = ships(&rpc("Get", new));
        let after = live(&ctx, &none, &[&pool], Some(&before));
        assert_eq!(after.is_err(), refused, "{old} -> {new}: {:?}", after.err());
        let consent = settings(&[("ships", "allow_weaker = true")], "");
        assert!(live(&ctx, &consent, &[&pool], Some(&before)).is_ok());
        let decided = settings(
            &[(
                "ships",
                "[upstream.policy.\"ships.v1.Ships/Get\"]\naccess = \"authenticated\"",
            )],
            "",
        );
        assert!(
            live(&ctx, &decided, &[&pool], Some(&before)).is_ok(),
            "the settings say so"
        );
    }
}

#[tokio::test]
async fn taking_a_method_away_does_not_open_it() {
    let ctx = testkit::context(Role::Gateway);
    let none = settings(&[("ships", "")], "");
    let strict = ships(&rpc("Get", "access: ACCESS_PERMISSION permission: \"ships.read\""));
    let weak = ships(&rpc("Get", "access: ACCESS_AUTHENTICATED"));
    for between in [
        ships("rpc Other(Ask) returns (Answer);"),
        ships("rpc Get(Ask) returns (Answer);"),
    ] {
        let (first, _) = live(&ctx, &none, &[&strict], None).unwrap();
        let (second, _) = live(&ctx, &none, &[&between], Some(&first)).unwrap();
        let problems = live(&ctx, &none, &[&weak], Some(&second)).expect_err("weaker than it ever was");
        assert!(
            problems[0].contains("would ask less of its callers (authenticated instead of ships.read)"),
            "{problems:?}"
        );
    }
}
