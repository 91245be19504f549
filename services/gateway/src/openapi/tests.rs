use std::{fs, path::Path};

use logicore::{api::PUBLIC_DESCRIPTORS, policy};

use super::*;

mod several;
mod shapes;

const URL: &str = "http://localhost:8080";

fn pool() -> DescriptorPool {
    DescriptorPool::decode(PUBLIC_DESCRIPTORS).unwrap()
}

fn written() -> Vec<u8> {
    let policies = policy::Table::from_pool(&pool());
    let routes = Routes::build(&pool()).unwrap();
    openapi(&routes, |path| policies.get(path).cloned(), URL)
}

fn document() -> Value {
    serde_json::from_slice(&written()).unwrap()
}

fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object()
                .unwrap()
                .iter()
                .map(move |(verb, op)| (path.clone(), verb.clone(), op))
        })
        .collect()
}

/// Compares with a golden file. Set UPDATE_GOLDEN=1 to rewrite it.
fn golden(name: &str, now: &[u8]) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&file, now).unwrap();
    }
    let golden = fs::read(&file).unwrap_or_default();
    assert!(
        golden == now,
        "the API's description changed: run `cargo xtask golden` and look at the difference"
    );
}

#[test]
fn golden_document() {
    golden("openapi.json", &written());
}

#[test]
fn every_binding_is_described_and_no_internal_one() {
    let document = document();
    let bindings = Binding::all(&pool(), |_| true).unwrap();
    assert_eq!(operations(&document).len(), bindings.len());
    let text = document.to_string();
    for internal in ["AccountService", "AuditIngest", "FeedService", "ProvisionAccount"] {
        assert!(!text.contains(internal), "{internal}");
    }
}

#[test]
fn every_operation_and_field_is_described() {
    let document = document();
    for (path, verb, operation) in operations(&document) {
        assert!(!operation["summary"].as_str().unwrap().is_empty(), "{verb} {path}");
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert!(schema["description"].as_str().is_some_and(|d| !d.is_empty()), "{name}");
        for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
            assert!(
                schema["description"].as_str().is_some_and(|d| !d.is_empty()),
                "{name}.{field}"
            );
        }
    }
}

/// Every reference leads somewhere.
fn references(value: &Value, document: &Value) {
    if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
        let target = reference
            .strip_prefix('#')
            .and_then(|pointer| document.pointer(pointer));
        assert!(target.is_some_and(|v| !v.is_null()), "{reference}");
    }
    match value {
        Value::Object(o) => o.values().for_each(|v| references(v, document)),
        Value::Array(a) => a.iter().for_each(|v| references(v, document)),
        _ => {}
    }
}

#[test]
fn references_lead_somewhere() {
    let document = document();
    references(&document, &document);
}

#[test]
fn only_public_methods_go_without_a_token() {
    let document = document();
    let open: Vec<_> = operations(&document)
        .into_iter()
        .filter(|(_, _, op)| op.get("security").is_none())
        .map(|(path, ..)| path)
        .collect();
    assert_eq!(
        open,
        [
            "/auth/login",
            "/auth/logout",
            "/auth/password:set",
            "/auth/refresh",
            "/health",
            "/metrics/health",
            "/readyz"
        ]
    );
    let status = &document["paths"]["/circuit-breaker/status"]["get"];
    assert_eq!(status["x-logicore-permission"], "breakers.read");
    assert!(
        status["description"]
            .as_str()
            .unwrap()
            .contains("`breakers.read`, which only operators hold")
    );
}

#[test]
fn what_the_path_binds_is_not_in_the_body() {
    let document = document();
    let grant = &document["paths"]["/v1/users/{userId}:grantRole"]["post"];
    assert_eq!(grant["parameters"][0]["name"], "userId");
    let body = &document["components"]["schemas"]["logicore.admin.v1.GrantRoleRequest.Body"]["properties"];
    assert_eq!(body.as_object().unwrap().keys().collect::<Vec<_>>(), ["role"]);
    assert!(
        document["paths"]["/v1/users/{id}:undelete"]["post"]
            .get("requestBody")
            .is_none()
    );
}
