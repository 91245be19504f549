//! Several pools in one document.

use logicore::policy::{Access, Method, Table};
use prost_reflect::DescriptorPool;
use serde_json::Value;

use super::{URL, openapi, references};
use crate::rest::{Routes, tests::inline};

/// An upstream: a service that gives and takes a `Thing` of these fields, and one that nobody may call.
fn upstream(package: &str, things: &str) -> DescriptorPool {
    inline(&format!(
        r#"syntax = "proto3";
        package shared.v1;
        import "google/api/annotations.proto";
        import "logicore/policy/v1/policy.proto";
        // A part.
        message Part {{ string name = 1; }}
        // A thing.
        message Thing {{ {things} }}
        // Holds a thing.
        message Holder {{ Thing thing = 1; }}
        // Does things.
        service {package}Service {{
            // Gets it.
            rpc Get(Part) returns (Holder) {{
                option (logicore.policy.v1.method) = {{ access: ACCESS_AUTHENTICATED }};
                option (google.api.http) = {{ get: "/{package}/{{name}}" }};
            }}
            rpc Forgotten(Part) returns (Holder) {{
                option (google.api.http) = {{ get: "/{package}/{{name}}/forgotten" }};
            }}
        }}"#
    ))
}

fn document(pools: &[&DescriptorPool]) -> Value {
    let mut routes = Routes::default();
    let mut policies = Vec::new();
    for pool in pools {
        routes.add(pool, |_| true).unwrap();
        policies.extend(Table::from_pool(pool).iter().cloned());
    }
    let policy = |path: &str| policies.iter().find(|m| &*m.path == path).cloned();
    let bytes = openapi(&routes, policy, URL);
    assert_eq!(
        bytes,
        openapi(&routes, policy, URL),
        "the same input gives the same bytes"
    );
    let document = serde_json::from_slice(&bytes).unwrap();
    references(&document, &document);
    document
}

fn schema_of<'d>(document: &'d Value, path: &str) -> &'d str {
    let operation = &document["paths"][path]["get"];
    operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
        .as_str()
        .unwrap()
}

#[test]
fn the_same_type_of_two_pools_is_shown_once() {
    let (one, two) = (upstream("One", "string id = 1;"), upstream("Two", "string id = 1;"));
    let document = document(&[&one, &two]);
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let names: Vec<_> = schemas.keys().collect();
    assert_eq!(names, ["google.rpc.Status", "shared.v1.Holder", "shared.v1.Thing"]);
    assert_eq!(schema_of(&document, "/One/{name}"), schema_of(&document, "/Two/{name}"));
}

#[test]
fn types_of_one_name_that_differ_stay_apart_with_all_that_holds_them() {
    let one = upstream("One", "string id = 1;");
    let two = upstream("Two", "int64 number = 1; Holder inside = 2;");
    let document = document(&[&one, &two]);
    let schemas = &document["components"]["schemas"];
    let reference = |name: &str| format!("#/components/schemas/{name}");
    assert_eq!(schema_of(&document, "/One/{name}"), reference("shared.v1.Holder"));
    assert_eq!(schema_of(&document, "/Two/{name}"), reference("shared.v1.Holder_2"));
    let second = &schemas["shared.v1.Holder_2"]["properties"]["thing"]["$ref"];
    assert_eq!(*second, reference("shared.v1.Thing_2"));
    let properties = &schemas["shared.v1.Thing_2"]["properties"];
    assert_eq!(properties["inside"]["$ref"], reference("shared.v1.Holder_2"));
    assert_eq!(properties["number"]["format"], "int64");
    let first = schemas["shared.v1.Thing"]["properties"].as_object().unwrap();
    assert_eq!(first.keys().collect::<Vec<_>>(), ["id"]);
}

#[test]
fn a_number_that_is_a_types_own_name_is_passed_over() {
    let one = inline(&other(
        "One",
        "message Out { string id = 1; } message Out_2 { Out first = 1; }",
    ));
    let two = inline(&other(
        "Two",
        "message Out { bool flag = 1; } message Out_2 { Out second = 1; }",
    ));
    let document = document(&[&one, &two]);
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let names: Vec<_> = schemas.keys().filter(|name| name.starts_with("other")).collect();
    assert_eq!(names.len(), 4, "{names:?}");
}

fn other(service: &str, messages: &str) -> String {
    format!(
        r#"syntax = "proto3";
        package other.v1;
        import "google/api/annotations.proto";
        import "logicore/policy/v1/policy.proto";
        {messages}
        service {service} {{
            rpc Get(Out) returns (Out_2) {{
                option (logicore.policy.v1.method) = {{ access: ACCESS_PUBLIC }};
                option (google.api.http) = {{ get: "/{service}" }};
            }}
        }}"#
    )
}

#[test]
fn what_nobody_may_call_is_not_described() {
    let one = upstream("One", "string id = 1;");
    let paths = document(&[&one])["paths"].as_object().unwrap().clone();
    assert_eq!(paths.keys().collect::<Vec<_>>(), ["/One/{name}"]);
    let routes = Routes::build(&one).unwrap();
    let internal = |path: &str| {
        let method = Table::from_pool(&one).get(path)?.as_ref().clone();
        let access = Access::Internal(vec!["auth".to_owned()]);
        Some(Method { access, ..method }.into())
    };
    let document: Value = serde_json::from_slice(&openapi(&routes, internal, URL)).unwrap();
    assert_eq!(document["paths"].as_object().unwrap().len(), 0);
}

#[test]
fn services_of_one_short_name_have_tags_and_ids_of_their_own() {
    let one = inline(&other("Same", "message Out {} message Out_2 {}").replace("\"/Same", "\"/one"));
    let two = inline(&other("Same", "message Out {} message Out_2 {}").replace("other.v1", "other.v2"));
    let document = document(&[&one, &two]);
    let tags: Vec<_> = document["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| &t["name"])
        .collect();
    assert_eq!(tags, ["Same", "other.v2.Same"]);
    let id = |path: &str| document["paths"][path]["get"]["operationId"].as_str().unwrap();
    assert_eq!((id("/one"), id("/Same")), ("Same_Get", "other.v2.Same_Get"));
}
