//! The gateway: one port for gRPC, gRPC-Web and REST in front of gRPC services.

pub mod docs;
pub mod http_rules;
pub mod openapi;
pub mod rest;
