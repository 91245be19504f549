//! The shape of the workspace: who may depend on whom, what domain code may name, how large a file may be.
//!
//! Read from the files themselves, so that a new crate or module is held to it without being listed here.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Each package of the workspace and the names of what it is built on, tests aside.
fn packages() -> BTreeMap<String, BTreeSet<String>> {
    let services = fs::read_dir(root().join("services")).expect("services/ is there");
    let folders = services.map(|entry| entry.expect("services/ can be listed").path());
    let folders = folders.chain([root().to_path_buf(), root().join("xtask")]);
    folders.map(|folder| package(&folder.join("Cargo.toml"))).collect()
}

fn package(manifest: &Path) -> (String, BTreeSet<String>) {
    let text = fs::read_to_string(manifest).expect("every folder in services/ is a package");
    let manifest: toml::Table = text.parse().expect("cargo reads the manifest too");
    let name = manifest["package"]["name"]
        .as_str()
        .expect("a package has a name")
        .to_owned();
    let tables = ["dependencies", "build-dependencies"].map(|kind| manifest.get(kind).and_then(toml::Value::as_table));
    let names = tables.into_iter().flatten().flat_map(toml::Table::keys).cloned();
    (name, names.collect())
}

/// Every Rust file of the workspace, as a path below its root.
fn sources() -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("build.rs")];
    for folder in ["src", "tests", "services", "xtask"] {
        collect(&root().join(folder), &mut found);
    }
    assert!(found.len() > 50, "the walk finds the sources");
    found
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the workspace can be listed") {
        let path = entry.expect("its entries can be read").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path.strip_prefix(root()).expect("it lies below the root").to_path_buf());
        }
    }
}

fn read(file: &Path) -> String {
    fs::read_to_string(root().join(file)).expect("a source file is text")
}

/// What of ours a package may be built on.
fn allowed(package: &str) -> Option<&'static [&'static str]> {
    Some(match package {
        "logicore" | "xtask" => &[],
        "logicore-store" | "logicore-gateway" => &["logicore"],
        "logicore-cli" => return None,
        _ => &["logicore", "logicore-store"],
    })
}

#[test]
fn services_are_built_on_the_mesh_and_the_store_and_never_on_each_other() {
    for (package, needs) in packages() {
        let Some(allowed) = allowed(&package) else { continue };
        let ours = needs.iter().filter(|name| name.starts_with("logicore"));
        let wrong = ours
            .filter(|name| !allowed.contains(&name.as_str()))
            .collect::<Vec<_>>();
        assert!(
            wrong.is_empty(),
            "{package} may be built on {allowed:?} of ours, not on {wrong:?}"
        );
    }
}

#[test]
fn only_stores_and_their_services_know_a_database() {
    let packages = packages();
    for package in ["logicore", "logicore-gateway", "logicore-cli"] {
        for banned in ["sqlx", "redis", "argon2"] {
            assert!(
                !packages[package].contains(banned),
                "{package} must not be built on {banned}"
            );
        }
    }
}

/// Where a service meets the wire or the disk: composition, served methods, calls to neighbours, stores.
const EDGES: [&str; 6] = ["lib", "app", "rpc", "neighbour", "neighbours", "store"];

#[test]
fn domain_modules_name_neither_tonic_nor_sqlx() {
    let mut domain = 0;
    for file in sources() {
        let parts = file.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>();
        let ["services", "auth" | "user" | "admin", "src", module, ..] =
            &*parts.iter().map(AsRef::as_ref).collect::<Vec<_>>()
        else {
            continue;
        };
        if EDGES.contains(&module.trim_end_matches(".rs")) {
            continue;
        }
        domain += 1;
        for (number, line) in read(&file).lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let word = |name: &&str| {
                code.split(|c: char| !c.is_alphanumeric() && c != '_')
                    .any(|word| word == *name)
            };
            let named = ["tonic", "sqlx"].into_iter().find(word);
            assert_eq!(
                named,
                None,
                "{}:{}: domain code is free of it",
                file.display(),
                number + 1
            );
        }
    }
    assert!(domain > 5, "the walk finds the domain modules");
}

#[test]
fn no_file_is_longer_than_400_lines() {
    let lines = |file: &PathBuf| read(file).lines().count();
    let long = sources()
        .into_iter()
        .filter(|file| lines(file) > 400)
        .collect::<Vec<_>>();
    assert!(long.is_empty(), "split {long:?}");
}

#[test]
fn no_module_is_called_mod_rs() {
    let named = sources()
        .into_iter()
        .filter(|file| file.ends_with("mod.rs"))
        .collect::<Vec<_>>();
    assert!(named.is_empty(), "a module `foo` is `foo.rs` beside `foo/`: {named:?}");
}
