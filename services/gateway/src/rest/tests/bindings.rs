//! Annotations that cannot be served, told by a sentence at start and not by a request that goes astray.

use prost_reflect::DescriptorPool;

use super::inline;
use crate::rest::{Routes, Unroutable};

fn pool(service: &str) -> DescriptorPool {
    inline(&format!(
        r#"syntax = "proto3";
        package case.v1;
        import "google/api/annotations.proto";
        import "google/protobuf/timestamp.proto";
        message Inner {{ string id = 1; }}
        message In {{
            string name = 1; Inner inner = 2; repeated string list = 3; map<string, string> map = 4;
            google.protobuf.Timestamp when = 5; string other = 6;
        }}
        message Out {{ string name = 1; }}
        service S {{ {service} }}"#
    ))
}

fn method(name: &str, rule: &str) -> String {
    format!("rpc {name}(In) returns (Out) {{ option (google.api.http) = {{ {rule} }}; }}")
}

#[test]
fn what_cannot_be_bound_is_told_by_name() {
    for (rule, why) in [
        (r#"get: "v1/x""#, "does not begin with a slash"),
        (r#"get: "/v1/{name""#, "is not closed"),
        (r#"get: "/v1/{nope}""#, "case.v1.In has no field `nope`"),
        (r#"get: "/v1/{inner.nope}""#, "case.v1.Inner has no field `nope`"),
        (
            r#"get: "/v1/{name.id}""#,
            "`name.id` leads through something that is no message",
        ),
        (
            r#"get: "/v1/{when.seconds}""#,
            "`when.seconds` leads through something that is no message",
        ),
        (r#"get: "/v1/{inner}""#, "`inner` is a message"),
        (r#"get: "/v1/{list}""#, "`list` is repeated"),
        (r#"get: "/v1/{map}""#, "`map` is repeated"),
        (r#"get: "/v1/{name}/{name}""#, "`name` is bound twice"),
        (r#"get: "/v1/**/x""#, "`**` stands before the end"),
        (r#"get: "/v1/{name=**}/x""#, "`**` stands before the end"),
        (r#"get: "/v1/../x""#, "dot segment"),
        (r#"get: "/v1//x""#, "a segment is empty"),
        (r#"get: "/v1/{name=a/{other}}""#, "`{other` is not a segment"),
        (r#"get: "/v1/x y""#, "is not a segment"),
        (r#"get: "/v1/{name}:a/b""#, "slash is missing"),
        (r#"get: "/v1/{name}:a*""#, "the verb is not a plain word"),
        (r#"get: """#, "does not begin with a slash"),
        (r#"post: "/v1/x" body: "nope""#, "case.v1.In has no field `nope`"),
        (
            r#"post: "/v1/x" body: "inner.id""#,
            "case.v1.In has no field `inner.id`",
        ),
        (r#"post: "/v1/{name}" body: "name""#, "`name` is bound by path and body"),
        (
            r#"get: "/v1/x" response_body: "nope""#,
            "case.v1.Out has no field `nope`",
        ),
        (r#"get: "/v1/x" response_body: "*""#, "case.v1.Out has no field `*`"),
        (r#"body: "*""#, "the rule has no pattern"),
        (r#"custom { path: "/v1/x" }"#, "is no HTTP method"),
        (r#"custom { kind: "A B" path: "/v1/x" }"#, "`A B` is no HTTP method"),
        (
            r#"get: "/v1/x" additional_bindings { get: "/v1/y" additional_bindings { get: "/v1/z" } }"#,
            "additional_bindings are nested",
        ),
        (
            r#"get: "/v1/x" additional_bindings { get: "/v1/{nope}" }"#,
            "case.v1.In has no field `nope`",
        ),
    ] {
        let error = Routes::build(&pool(&method("Go", rule))).unwrap_err().to_string();
        assert!(error.contains(why), "{rule}: {error}");
        assert!(error.contains("case.v1.S.Go"), "{rule}: {error}");
    }
}

#[test]
fn a_stream_from_the_caller_needs_a_body() {
    let service = r#"rpc Go(stream In) returns (Out) { option (google.api.http) = { get: "/v1/x" }; }"#;
    let error = Routes::build(&pool(service)).unwrap_err().to_string();
    assert_eq!(
        error,
        "case.v1.S.Go: a stream of the caller is a body, and the rule takes none"
    );
}

#[test]
fn two_methods_never_share_a_path() {
    for (first, second) in [
        (r#"get: "/v1/x""#, r#"get: "/v1/x""#),
        (r#"get: "/v1/{name}""#, r#"get: "/v1/{other}""#),
        (r#"get: "/v1/{name=a/*}""#, r#"get: "/v1/a/*""#),
        (r#"get: "/v1/{name=**}:x""#, r#"get: "/v1/**:x""#),
        (
            r#"custom { kind: "*" path: "/v1/x" }"#,
            r#"custom { kind: "*" path: "/v1/x" }"#,
        ),
    ] {
        let service = format!("{} {}", method("One", first), method("Two", second));
        let error = Routes::build(&pool(&service)).unwrap_err().to_string();
        assert!(error.contains("case.v1.S.Two collides with"), "{error}");
        assert!(error.contains("case.v1.S.One"), "{error}");
    }
    for (first, second) in [
        (r#"get: "/v1/x""#, r#"post: "/v1/x""#),
        (r#"get: "/v1/{name}""#, r#"get: "/v1/x""#),
        (r#"get: "/v1/{name}""#, r#"get: "/v1/{name}:x""#),
        (r#"get: "/v1/*""#, r#"get: "/v1/**""#),
        (r#"get: "/v1/x""#, r#"custom { kind: "*" path: "/v1/x" }"#),
    ] {
        let service = format!("{} {}", method("One", first), method("Two", second));
        let routes = Routes::build(&pool(&service)).unwrap();
        assert_eq!(routes.bindings().len(), 2, "{first} {second}");
    }
}

#[test]
fn pools_add_up_and_collide_like_methods() {
    let mut routes = Routes::build(&pool(&method("One", r#"get: "/v1/x""#))).unwrap();
    let more = pool(&method("Two", r#"get: "/v1/y""#));
    routes.add(&more, |_| true).unwrap();
    assert_eq!(routes.bindings().len(), 2);
    let third = pool(&method("Three", r#"get: "/v1/x""#));
    routes
        .add(&third, |m| m.parent_service().full_name() != "case.v1.S")
        .unwrap();
    assert_eq!(routes.bindings().len(), 2, "what is not served has no route");
    let error = routes
        .add(&third, |m| m.parent_service().full_name() == "case.v1.S")
        .unwrap_err();
    let Unroutable::Collision { new, taken } = &error else {
        panic!("{error}");
    };
    assert_eq!(&*new.method_path, "/case.v1.S/Three");
    assert_eq!(&*taken.method_path, "/case.v1.S/One");
    let error = error.to_string();
    assert!(
        error.contains("case.v1.S.Three collides with GET /v1/x of case.v1.S.One"),
        "{error}"
    );
    let plain = prost_types::FileDescriptorSet::default();
    let empty = DescriptorPool::from_file_descriptor_set(plain).unwrap();
    assert!(Routes::build(&empty).unwrap().bindings().is_empty());
}

/// Whoever logs a route logs a line: the types of descriptors may hold themselves.
#[test]
fn a_binding_is_shown_by_its_name() {
    let found = super::route("PUT /bodies/inner");
    let text = format!("{found:?} {:?}", found.binding.body);
    assert!(
        text.contains("PUT /bodies/inner of shapes.v1.Odd.Bodies") && text.len() < 400,
        "{text}"
    );
}
