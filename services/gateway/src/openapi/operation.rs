//! One binding as an OpenAPI operation.

use logicore::policy::{Access, Method, Scope};
use prost_reflect::{FieldDescriptor, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::{
    comments::{Comments, summary},
    examples, media,
    merge::global,
    paths::Place,
    schema::{STATUS, Schemas},
};
use crate::rest::{
    Binding, BodyRule, error_json,
    scalar::{fits_text, inside},
};

/// Deepest message that a query parameter is looked for in.
const QUERY_DEPTH: usize = 4;
/// Most fields that are looked at for them, in all depths: what messages that hold each other many times over could name has no end.
const QUERY_FIELDS: usize = 1_000;

pub(super) fn operation(
    binding: &Binding,
    service: &str,
    place: &Place,
    policy: &Method,
    comments: &Comments,
    schemas: &mut Schemas<'_>,
) -> Value {
    let method = &binding.method;
    let about = comments.of_method(method);
    let mut operation = json!({
        "operationId": operation_id(binding, service),
        "summary": summary(about),
        "tags": [service],
        "responses": responses(binding, policy, schemas),
    });
    let mut parameters = path_parameters(binding, place, comments);
    parameters.extend(query_parameters(binding, comments, schemas));
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if let Some(body) = media::request_body(binding, schemas) {
        operation["requestBody"] = body;
    }
    secure(&mut operation, about, policy);
    operation
}

/// Unique, and the same however many bindings a method has: the second one is numbered.
fn operation_id(binding: &Binding, service: &str) -> String {
    let base = format!("{service}_{}", binding.method.name());
    match binding.index {
        0 => base,
        n => format!("{base}_{}", n + 1),
    }
}

fn secure(operation: &mut Value, about: &str, policy: &Method) {
    let access = &policy.access;
    let reach = match policy.scope {
        Scope::Platform => ", which only operators hold",
        Scope::Tenant => "",
    };
    let needs = match access {
        Access::Public => "Needs no token.".to_owned(),
        Access::Authenticated => "Needs an access token.".to_owned(),
        Access::Permission(p) => format!("Needs the permission `{p}`{reach}."),
        Access::SelfOrPermission(p) => format!("Needs the permission `{p}`{reach}, unless callers ask for themselves."),
        Access::Internal(_) | Access::Denied => "Cannot be called.".to_owned(),
    };
    operation["description"] = format!("{about}\n\n{needs}").trim().into();
    if *access != Access::Public {
        operation["security"] = json!([{"bearer": []}]);
    }
    if let Some(permission) = policy.permission() {
        operation["x-logicore-permission"] = permission.into();
    }
}

fn path_parameters(binding: &Binding, place: &Place, comments: &Comments) -> Vec<Value> {
    let parameter = |(name, variable): &(String, Option<usize>)| {
        let about = variable.map_or("", |v| binding.variables[v].last().map_or("", |f| comments.of_field(f)));
        json!({"name": name, "in": "path", "required": true, "description": about, "schema": {"type": "string"}})
    };
    place.parameters.iter().map(parameter).collect()
}

/// Every field that neither path nor body binds and that can stand in a query.
fn query_parameters(binding: &Binding, comments: &Comments, schemas: &mut Schemas<'_>) -> Vec<Value> {
    let mut leaves = Vec::new();
    if binding.body != BodyRule::Whole {
        collect(&binding.method.input(), &mut Vec::new(), &mut leaves, &mut {
            QUERY_FIELDS
        });
    }
    let free = |path: &&Vec<FieldDescriptor>| {
        let bound = binding.variables.contains(path);
        !bound && !matches!(&binding.body, BodyRule::Field(f) if path[0] == *f)
    };
    let mut parameters = Vec::new();
    for path in leaves.iter().filter(free) {
        let last = path.last().expect("a leaf has a field");
        let name: Vec<_> = path.iter().map(|f| f.json_name()).collect();
        parameters.push(json!({
            "name": name.join("."), "in": "query", "description": comments.of_field(last), "schema": schemas.field(last),
        }));
    }
    parameters
}

fn collect(
    message: &MessageDescriptor,
    path: &mut Vec<FieldDescriptor>,
    leaves: &mut Vec<Vec<FieldDescriptor>>,
    left: &mut usize,
) {
    for field in message.fields() {
        let Some(fewer) = left.checked_sub(1) else { return };
        *left = fewer;
        path.push(field.clone());
        match inside(&field) {
            Some(m) if path.len() < QUERY_DEPTH => collect(&m, path, leaves, left),
            None if fits_text(&field) && !field.is_map() => leaves.push(path.clone()),
            _ => {}
        }
        path.pop();
    }
}

fn responses(binding: &Binding, policy: &Method, schemas: &mut Schemas<'_>) -> Value {
    let mut all = Map::new();
    all.insert("200".to_owned(), media::answer(binding, schemas));
    let mut codes = vec!["400", "429", "503", "default"];
    if policy.access != Access::Public {
        codes.push("401");
    }
    if policy.permission().is_some() {
        codes.push("403");
    }
    for code in codes {
        all.insert(
            code.to_owned(),
            json!({"$ref": format!("#/components/responses/{}", component(code))}),
        );
    }
    Value::Object(all)
}

/// The name of the answer of an HTTP status.
fn component(status: &str) -> String {
    match status {
        "default" => "Error".to_owned(),
        status => format!("Error{status}"),
    }
}

/// The answers to what fails, with an example of each.
pub(super) fn error_responses() -> Value {
    let responses = examples::errors().into_iter().map(|(status, error)| {
        let example: Value = serde_json::from_str(&error_json(&error.into())).unwrap_or_default();
        let response = json!({
            "description": "Why the request failed.",
            "content": {"application/json": {"schema": global(STATUS), "example": example}},
        });
        (component(status), response)
    });
    Value::Object(responses.collect())
}
