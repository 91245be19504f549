//! The admin service as callers and peers meet it: started as in production, beside a stand-in of auth, over the mesh.

#![allow(clippy::unwrap_used, reason = "the lint misses helpers of tests")]

#[path = "face/access.rs"]
mod access;
#[path = "face/deployment.rs"]
mod deployment;
#[path = "face/feed.rs"]
mod feed;
#[path = "face/log.rs"]
mod log;
#[path = "face/roles.rs"]
mod roles;
#[path = "face/tokens.rs"]
mod tokens;
