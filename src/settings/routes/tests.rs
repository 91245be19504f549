//! What a routes file may say, and how it is told what it may not.

use super::*;

const UPSTREAM: &str = "[[upstream]]\nname = \"shipments\"\nendpoints = [\"127.0.0.1:50051\"]\n";

fn read(text: &str) -> Result<Routes, Vec<String>> {
    Routes::parse(text, Path::new("/etc/logicore"))
}

#[test]
fn a_whole_file_is_read() {
    let routes = read(
        r#"
        [[upstream]]
        name = "shipments"
        endpoints = ["ships.internal:50051", "127.0.0.1:50051"]
        descriptors = "sets/shipments.binpb"
        public = ["shipments.v1.ShipmentService/Track"]
        max_message = "1MiB"
        max_concurrent_calls = 200
        health_check = "5s"
        [upstream.tls]
        ca = "ca.pem"
        cert = "/run/client.pem"
        key = "client.key"
        [upstream.policy."shipments.v1.ShipmentService"]
        access = "authenticated"
        deadline = "2s"
        [upstream.policy."shipments.v1.ShipmentService/Create"]
        access = "permission"
        permission = "shipments.write"
        idempotency = "idempotent"

        [[upstream]]
        name = "canary"
        endpoints = ["127.0.0.1:1"]
        descriptors = "reflection"

        [[split]]
        service = "shipments.v1.ShipmentService"
        to = "canary"
        weight = 10
        header = "x-canary: yes"
        "#,
    )
    .unwrap();
    let [shipments, canary] = &routes.upstreams[..] else {
        panic!("{routes:?}");
    };
    assert_eq!(shipments.max_message, Some(1 << 20));
    assert_eq!(shipments.health_check, Some(Duration::from_secs(5)));
    assert_eq!(
        (shipments.max_concurrent_calls, canary.max_concurrent_calls),
        (200, 1024)
    );
    assert_eq!(canary.descriptors, Descriptors::Reflection);
    let files: Vec<_> = routes.files().map(|p| p.display().to_string()).collect();
    assert_eq!(
        files,
        [
            "/etc/logicore/ca.pem",
            "/run/client.pem",
            "/etc/logicore/client.key",
            "/etc/logicore/sets/shipments.binpb"
        ]
    );
    let service = &shipments.policies["shipments.v1.ShipmentService"];
    let create = shipments.policies["shipments.v1.ShipmentService/Create"].or(Some(service));
    assert_eq!(
        (create.access, create.deadline),
        (Some(Access::Permission), Some(Duration::from_secs(2)))
    );
    assert_eq!(create.idempotency, Some(Idempotency::Idempotent));
    let [split] = &routes.splits[..] else {
        panic!("one split")
    };
    assert_eq!((&*split.to, split.weight), ("canary", 10));
    assert_eq!(split.header.as_ref().unwrap().0, "x-canary");
}

#[test]
fn what_the_settings_say_of_callers_replaces_all_that_is_said_of_them() {
    let service = Policy {
        access: Some(Access::SelfOrPermission),
        permission: Some("a.b".to_owned()),
        subject_field: Some("user".to_owned()),
        ..Policy::default()
    };
    let method = Policy {
        access: Some(Access::Authenticated),
        ..Policy::default()
    };
    let both = method.or(Some(&service));
    assert_eq!(
        (both.access, both.permission, both.subject_field),
        (Some(Access::Authenticated), None, None)
    );
    assert_eq!(Policy::default().or(Some(&service)), service);
}

#[test]
fn every_problem_is_told() {
    let policy = |body: &str| format!("{UPSTREAM}descriptors = \"x\"\n[upstream.policy.\"a.B/C\"]\n{body}");
    let with = |line: &str| format!("{UPSTREAM}descriptors = \"x\"\n{line}");
    for (text, expected) in [
        (UPSTREAM.to_owned(), "missing field `descriptors`"),
        (with("descriptor = 1"), "unknown field `descriptor`"),
        (
            with("max_message = \"12\""),
            "upstream `shipments`: max_message: must be a size",
        ),
        (
            with("max_concurrent_calls = 0"),
            "max_concurrent_calls: must be 1 at least",
        ),
        (with("max_concurrent_calls = -1"), "invalid value: integer `-1`"),
        (with("health_check = \"1ms\""), "health_check: must be from 100ms to 1h"),
        (
            with("[upstream.tls]\nca = \"a\"\ncert = \"b\""),
            "tls: `cert` and `key` go together",
        ),
        (with("").replace("shipments", "Ships"), "a name has lower-case letters"),
        (with("").replace("shipments", "auth"), "is taken by a part of LogiCore"),
        (
            with("").replace(":50051", ""),
            "endpoints: `127.0.0.1` is not host:port",
        ),
        (
            with("").replace("\"127.0.0.1:50051\"", ""),
            "endpoints: must name at least one",
        ),
        (policy("access = \"nobody\""), "unknown variant `nobody`"),
        (policy("access = \"permission\""), "asks for a `permission`"),
        (
            policy("access = \"permission\"\npermission = \"write\""),
            "`write` is no permission",
        ),
        (
            policy("permission = \"a.b\""),
            "needs the access permission or self_or_permission",
        ),
        (
            policy("access = \"public\"\nsubject_field = \"id\""),
            "`subject_field` needs",
        ),
        (
            policy("access = \"self_or_permission\"\npermission = \"a.b\""),
            "needs a `subject_field`",
        ),
        (policy("tenant_field = \"t\""), "`tenant_field` needs an access"),
        (
            policy("deadline = \"soon\""),
            "policy of `a.B/C`: deadline: `soon` is not a duration",
        ),
        (
            with("[[split]]\nservice = \"a.B\"\nto = \"x\"\nweight = 1"),
            "split of `a.B`: there is no upstream `x`",
        ),
        (
            with("[[split]]\nservice = \"a.B\"\nto = \"shipments\""),
            "needs a `weight` or a `header`",
        ),
        (
            with("[[split]]\nservice = \"a.B\"\nto = \"shipments\"\nweight = 101"),
            "at most 100",
        ),
        (
            with("[[split]]\nservice = \"a.B\"\nto = \"shipments\"\nheader = \"x\""),
            "must be `name: value`",
        ),
        (
            with("[[split]]\nservice = \"a.B\"\nto = \"shipments\"\nweight = 60\n")
                + "[[split]]\nservice = \"a.B\"\nto = \"shipments\"\nweight = 60",
            "the weights are 120 % together",
        ),
        (
            with("[[split]]\nservice = \"a.B\"\nto = \"shipments\"\nweight = 6\n")
                + "[[split]]\nservice = \"a.B\"\nto = \"shipments\"\nweight = 6",
            "`shipments` has two shares",
        ),
        (policy("rate_cost = 0"), "a call costs 1 at least"),
        (policy("deadline = 2.5"), "must be a text with a unit"),
        (with("health_check = true"), "must be a text with a unit"),
        (with("max_message = -1"), "must be a text with a unit"),
        (format!("{0}{0}", with("")), "there are two of this name"),
        ("[[upstream]\n".to_owned(), "line 1: "),
    ] {
        let problems = read(&text).expect_err(&text);
        assert!(
            problems.iter().any(|p| p.contains(expected)),
            "{expected}: {problems:?}"
        );
    }
    let both = read(&with("max_message = 1\nhealth_check = \"x\"")).expect_err("two problems");
    assert_eq!(both.len(), 2, "{both:?}");
}

#[test]
fn an_empty_file_routes_nothing() {
    assert_eq!(read("").unwrap(), Routes::default());
}

#[test]
fn endpoints_are_taken_as_they_were_read() {
    let text = UPSTREAM.replace("\"127.0.0.1:50051\"", "\" a:1, b:2\", \"c:3 \"") + "descriptors = \"x\"";
    assert_eq!(read(&text).unwrap().upstreams[0].endpoints, ["a:1", "b:2", "c:3"]);
}
