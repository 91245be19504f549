//! OpenAPI 3.1, generated from the same bindings that route, so that it cannot say what is not so.
//!
//! Comments in the proto files become descriptions, policies become security and permissions. The document is sorted by
//! name throughout, so that the same descriptors give the same bytes.

mod comments;
mod examples;
mod media;
mod merge;
mod operation;
mod paths;
mod samples;
mod schema;
mod tags;

use std::sync::Arc;

use comments::Comments;
use logicore::policy::{Access, Method};
use prost_reflect::DescriptorPool;
use serde_json::{Map, Value, json};

use crate::rest::{Binding, Routes};
use schema::{STATUS, Schemas};

/// What a reader should know before the first call.
const DESCRIPTION: &str = "REST form of the gRPC services on the same port. Sign in with `POST /auth/login` and send the access \
token as `Authorization: Bearer ...`. Bodies are protobuf JSON: names in camelCase, 64-bit integers as strings. What a \
request has no field for is refused, never ignored. Every error is a `google.rpc.Status` whose `ErrorInfo` carries a stable \
reason.";

/// The OpenAPI document (JSON) of everything that is routed, from whatever pools. The same input gives the same bytes.
///
/// `policies` tells how a method is served, by its path; one without a policy, and one that callers cannot reach, is left
/// out.
#[must_use]
pub fn openapi(routes: &Routes, policies: impl Fn(&str) -> Option<Arc<Method>>, public_url: &str) -> Vec<u8> {
    let mut document = Document::default();
    document
        .schemas
        .add(Map::from_iter([(STATUS.to_owned(), schema::status())]));
    for (pool, bindings) in by_pool(routes.bindings()) {
        document.add(&pool, &bindings, &policies);
    }
    let mut bytes = serde_json::to_vec_pretty(&document.into_value(public_url)).expect("a JSON value can be written");
    bytes.push(b'\n');
    bytes
}

/// Bindings with their pool, in the order of the pools.
fn by_pool(bindings: &[Arc<Binding>]) -> Vec<(DescriptorPool, Vec<&Binding>)> {
    let mut pools: Vec<(DescriptorPool, Vec<&Binding>)> = Vec::new();
    for binding in bindings {
        let pool = binding.method.parent_pool();
        match pools.iter_mut().find(|(known, _)| known == pool) {
            Some((_, bindings)) => bindings.push(binding),
            None => pools.push((pool.clone(), vec![binding])),
        }
    }
    pools
}

/// A document that grows by the pools.
#[derive(Debug, Default)]
struct Document {
    tags: tags::Tags,
    paths: paths::Paths,
    schemas: merge::Merged,
}

impl Document {
    fn add(&mut self, pool: &DescriptorPool, bindings: &[&Binding], policies: &impl Fn(&str) -> Option<Arc<Method>>) {
        let comments = Comments::read(pool);
        let mut schemas = Schemas::new(&comments);
        let mut operations = Vec::new();
        for binding in bindings {
            let Some(policy) = policies(&binding.method_path).filter(|p| is_open(&p.access)) else {
                continue;
            };
            if !paths::can_show(binding) {
                continue;
            }
            let service = binding.method.parent_service();
            let tag = self.tags.of(service, comments.of_service(service));
            let place = self.paths.place(binding);
            let operation = operation::operation(binding, &tag, &place, &policy, &comments, &mut schemas);
            operations.push((*binding, place, operation));
        }
        let renamed = self.schemas.add(schemas.into_map());
        for (binding, place, mut operation) in operations {
            renamed.apply(&mut operation);
            self.paths.insert(binding, &place, operation);
        }
    }

    fn into_value(self, public_url: &str) -> Value {
        json!({
            "openapi": "3.1.0",
            "info": {"title": "LogiCore", "version": logicore::VERSION, "description": DESCRIPTION},
            "servers": [{"url": public_url}],
            "tags": self.tags.into_value(),
            "paths": self.paths.into_value(),
            "components": {
                "schemas": self.schemas.into_value(),
                "responses": operation::error_responses(),
                "securitySchemes": {
                    "bearer": {
                        "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                        "description": "Access token from `POST /auth/login` or `POST /auth/refresh`.",
                    },
                },
            },
        })
    }
}

/// Whether callers may reach a method at all.
fn is_open(access: &Access) -> bool {
    !matches!(access, Access::Denied | Access::Internal(_))
}

#[cfg(test)]
mod tests;
