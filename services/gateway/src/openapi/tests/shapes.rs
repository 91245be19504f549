//! Services of others: every shape of a binding is described, in a document that a reader can follow.

use logicore::policy::{Access, Method, Table};
use serde_json::{Value, json};

use super::{URL, golden, openapi, operations, references};
use crate::rest::{Routes, tests::compiled};

/// The document of protos that REST is tested with, each method open to whoever has a token.
fn written(files: &[&str]) -> Vec<u8> {
    let mut routes = Routes::default();
    let mut policies = Vec::new();
    for file in files {
        let pool = compiled(file);
        routes.add(&pool, |_| true).unwrap();
        policies.extend(Table::from_pool(&pool).iter().cloned());
    }
    let policy = |path: &str| {
        let method = policies.iter().find(|m| &*m.path == path)?;
        let access = Access::Authenticated;
        Some(
            Method {
                access,
                ..Method::clone(method)
            }
            .into(),
        )
    };
    openapi(&routes, policy, URL)
}

fn document() -> Value {
    serde_json::from_slice(&written(&["shapes.proto", "files.proto"])).unwrap()
}

/// Validated by another program in the system tests.
#[test]
fn golden_document_of_streams_and_bytes() {
    golden("openapi-files.json", &written(&["files.proto"]));
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn every_reference_leads_somewhere_and_every_id_is_one() {
    let document = document();
    references(&document, &document);
    let mut ids: Vec<_> = operations(&document)
        .iter()
        .map(|(_, _, op)| op["operationId"].to_string())
        .collect();
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all);
    assert!(!document.to_string().contains("#/local/"));
}

#[test]
fn a_stream_is_described_in_all_its_forms() {
    let document = document();
    let content = &document["paths"]["/watch"]["get"]["responses"]["200"]["content"];
    assert_eq!(
        keys(content),
        ["application/json", "application/x-ndjson", "text/event-stream"]
    );
    let item = &content["application/x-ndjson"]["schema"]["properties"];
    assert_eq!(item["error"]["$ref"], "#/components/schemas/google.rpc.Status");
    assert_eq!(content["application/json"]["schema"]["items"]["properties"], *item);
}

#[test]
fn streams_of_the_caller_are_lines() {
    let document = document();
    let body = &document["paths"]["/tracks/{track}/positions"]["post"]["requestBody"];
    assert_eq!(keys(&body["content"]), ["application/x-ndjson"]);
    let schema = body["content"]["application/x-ndjson"]["schema"]["$ref"]
        .as_str()
        .unwrap();
    let schema = document.pointer(&schema[1..]).unwrap();
    assert_eq!(
        keys(&schema["properties"]),
        ["latitude", "longitude"],
        "the path binds the track"
    );
}

#[test]
fn bytes_are_bytes() {
    let document = document();
    let binary = json!({"*/*": {"schema": {"type": "string", "format": "binary"}}});
    for (path, verb, request) in [
        ("/blobs/{name}", "get", false),
        ("/parts/{name}", "get", false),
        ("/exports/{name}", "get", false),
        ("/blobs/{name}", "post", true),
        ("/parts/{name}", "post", true),
        ("/convert", "post", true),
    ] {
        let operation = &document["paths"][path][verb];
        let content = match request {
            true => &operation["requestBody"]["content"],
            false => &operation["responses"]["200"]["content"],
        };
        assert_eq!(*content, binary, "{verb} {path}");
    }
    let query: Vec<_> = document["paths"]["/blobs/{name}"]["post"]["parameters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["name"].as_str().unwrap())
        .collect();
    assert_eq!(query, ["name", "overwrite"]);
}

#[test]
fn custom_kinds_are_left_out() {
    let document = document();
    assert!(document["paths"].get("/custom/{text}").is_none());
    assert_eq!(keys(&document["paths"]["/whatever/{i32}"]), ["put"]);
    assert_eq!(keys(&document["paths"]["/heads/{text}"]), ["head"]);
}

#[test]
fn a_body_has_an_example_that_the_gateway_takes() {
    let document = document();
    let book = &document["paths"]["/v1/shelves/{parent}/books"]["post"]["requestBody"]["content"];
    let example = &book["application/json"]["example"];
    assert_eq!(example["publisher"]["displayName"], "display name");
    assert_eq!(example["publishTime"], "2026-01-31T12:00:00Z");
    let taken = crate::rest::tests::taken("POST /v1/shelves/1/books", &example.to_string());
    assert!(taken.is_ok(), "{taken:?}");
    let echo = &document["paths"]["/echo"]["post"]["requestBody"]["content"]["application/json"]["example"];
    let taken = crate::rest::tests::taken("POST /echo", &echo.to_string());
    assert!(taken.is_ok(), "{taken:?}");
}
