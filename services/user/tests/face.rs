//! The user service as callers meet it: started as in production, between a stand-in of auth and one of admin, over the mesh.

#![allow(clippy::unwrap_used, reason = "the lint misses helpers of tests")]

#[path = "face/access.rs"]
mod access;
#[path = "face/calls.rs"]
mod calls;
#[path = "face/deployment.rs"]
mod deployment;
