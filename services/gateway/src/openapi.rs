//! OpenAPI 3.1, generated from the same bindings that route, so that it cannot say what is not so.
//!
//! Comments in the proto files become descriptions, policies become security and permissions. The document is sorted by
//! name throughout, so that the same descriptors give the same bytes.

mod comments;
mod examples;
mod operation;
mod paths;
mod schema;

use comments::Comments;
use logicore::policy;
use prost_reflect::DescriptorPool;
use serde_json::{Map, Value, json};

use crate::rest::Binding;
use schema::Schemas;

/// What a reader should know before the first call.
const DESCRIPTION: &str = "REST form of the gRPC services on the same port. Sign in with `POST /auth/login` and send the access \
token as `Authorization: Bearer ...`. Bodies are protobuf JSON: names in camelCase, 64-bit integers as strings. What a \
request has no field for is refused, never ignored. Every error is a `google.rpc.Status` whose `ErrorInfo` carries a stable \
reason.";

/// The OpenAPI document (JSON) of a pool's REST bindings. The same input gives the same bytes.
///
/// # Panics
/// Never for a pool that [`crate::rest::Routes::build`] took.
#[must_use]
pub fn openapi(pool: &DescriptorPool, public_url: &str) -> Vec<u8> {
    let bindings = Binding::all(pool).expect("the router took the same bindings");
    let policies = policy::Table::from_pool(pool);
    let comments = Comments::read(pool);
    let mut schemas = Schemas::new(&comments);
    let mut paths = paths::Paths::default();
    let mut tags = Map::new();
    for binding in &bindings {
        let service = binding.method.parent_service();
        let about = comments.of_service(service);
        tags.entry(service.name())
            .or_insert_with(|| json!({"name": service.name(), "description": about}));
        let place = paths.place(binding);
        let policy = policies.get(&binding.method_path);
        let operation = operation::operation(binding, &place, policy.map(|p| &**p), &comments, &mut schemas);
        paths.insert(binding, &place, operation);
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": {"title": "LogiCore", "version": logicore::VERSION, "description": DESCRIPTION},
        "servers": [{"url": public_url}],
        "tags": tags.into_iter().map(|(_, tag)| tag).collect::<Vec<Value>>(),
        "paths": paths.into_value(),
        "components": {
            "schemas": schemas.into_value(),
            "responses": operation::error_responses(),
            "securitySchemes": {
                "bearer": {
                    "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                    "description": "Access token from `POST /auth/login` or `POST /auth/refresh`.",
                },
            },
        },
    });
    let mut bytes = serde_json::to_vec_pretty(&document).expect("a JSON value can be written");
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests;
