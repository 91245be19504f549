//! What is wrong with a request is told clearly, in the protocol that the request came by.

#[path = "bad_input/blame.rs"]
mod blame;
#[path = "bad_input/bytes.rs"]
mod bytes;
#[path = "bad_input/grpc.rs"]
mod grpc;
#[path = "bad_input/headers.rs"]
mod headers;
#[path = "bad_input/rest.rs"]
mod rest;
