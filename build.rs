//! Compiles `proto/` into messages, services and two descriptor sets.
//!
//! The sets are written as protox encodes them: a round trip through `prost_types` would drop the custom options that
//! policies and REST bindings live in. Internal files stand in a set of their own, since reflection serves whole files.

use std::{env, error::Error, fs, path::PathBuf};

/// What callers outside may see: routed, reflected and described in OpenAPI.
const PUBLIC: &[&str] = &[
    "logicore/auth/v1/auth.proto",
    "logicore/user/v1/user.proto",
    "logicore/admin/v1/admin.proto",
    "logicore/mesh/v1/gateway.proto",
    // No service: what errors carry, so that a caller who knows reflection alone can read it.
    "google/rpc/error_details.proto",
    "google/rpc/status.proto",
];

/// What only mesh peers may call.
const INTERNAL: &[&str] = &[
    "logicore/auth/v1/account.proto",
    "logicore/admin/v1/audit.proto",
    "logicore/mesh/v1/actor.proto",
    "logicore/mesh/v1/feed.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let public = compile(PUBLIC)?;
    fs::write(out.join("public.binpb"), public.encode_file_descriptor_set())?;
    let all = compile(&[PUBLIC, INTERNAL].concat())?;
    fs::write(out.join("all.binpb"), all.encode_file_descriptor_set())?;
    tonic_prost_build::configure().compile_fds(all.file_descriptor_set())?;
    Ok(())
}

fn compile(files: &[&str]) -> Result<protox::Compiler, protox::Error> {
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler
        .include_imports(true)
        .include_source_info(true)
        .open_files(files)?;
    Ok(compiler)
}
