//! Who may call what: every public method as nobody, as a user, as an admin of a tenant and as an operator, held against a table in
//! the tree, so that a change of anybody's rights shows in review.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use anyhow::Context as _;
use logicore::{
    policy::{Access, Method, Table},
    settings::DEMO_ADMIN_ID,
};
use logicore_harness::{GrpcReply, Layout, System, framed, grpc_bytes, grpc_web_bytes};
use serde_json::Value;
use tonic::Code;

use crate::support::{in_both_layouts, shared, start};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/roles.txt");
/// Ends the sessions of whoever calls it, so it comes last.
const LAST: &str = "/logicore.auth.v1.AuthService/RevokeAllSessions";
const LOGOUT: &str = "/logicore.auth.v1.AuthService/Logout";

in_both_layouts!(
    each_role_may_call_what_the_table_says,
    no_method_but_the_public_ones_serves_without_a_token,
    a_missing_permission_is_named_in_every_protocol,
);

/// Every method that callers may reach, by its path.
fn methods() -> BTreeMap<String, Arc<Method>> {
    let all = Table::compiled_in();
    let public = all.iter().filter(|m| !matches!(m.access, Access::Internal(_)));
    public.map(|m| (m.path.to_string(), Arc::clone(m))).collect()
}

async fn each_role_may_call_what_the_table_says(layout: Layout) -> anyhow::Result<()> {
    let system = start(layout, &[]).await?;
    let admin = system.admin().await?;
    let tenants = system.person(&admin, "boss@example.com", &["admin"]).await?;
    let operators = system.person(&admin, "ops@example.com", &["operator"]).await?;
    let users = system.demo().await?;
    let callers = [
        String::new(),
        users.access,
        tenants.tokens.access,
        operators.tokens.access,
    ];
    let methods = methods();
    let in_order = methods.values().filter(|m| &*m.path != LAST).chain(methods.get(LAST));
    let mut rows = BTreeMap::new();
    for method in in_order {
        let mut row = Vec::new();
        for caller in &callers {
            row.push(right(&system, method, caller).await?);
        }
        rows.insert(&*method.path, row);
    }
    let width = rows.keys().map(|path| path.len()).max().unwrap_or_default();
    let line = |path: &str, row: [&str; 4]| {
        let [nobody, user, admin, operator] = row;
        format!("{path:<width$}  {nobody:<6}  {user:<4}  {admin:<5}  {operator}\n")
    };
    let mut table = line("", ["nobody", "user", "admin", "operator"]);
    for (path, row) in rows {
        table += &line(path, [row[0], row[1], row[2], row[3]]);
    }
    golden(&table)
}

fn golden(table: &str) -> anyhow::Result<()> {
    let path = Path::new(GOLDEN);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().context("a folder")?)?;
        std::fs::write(path, table)?;
    }
    let expected = std::fs::read_to_string(path)?;
    assert_eq!(table, expected, "`cargo xtask golden` writes {GOLDEN} anew");
    Ok(())
}

/// What a caller may do by a method: `yes`, `no`, or `own` where it may for itself alone.
async fn right(system: &System, method: &Method, token: &str) -> anyhow::Result<&'static str> {
    let message = match (&method.subject_field, &*method.path) {
        // Whoever names no session at all is told to.
        (None, LOGOUT) => text_field(1, "x"),
        (None, _) => Vec::new(),
        (Some((_, number)), _) => text_field(*number, &DEMO_ADMIN_ID.to_string()),
    };
    Ok(match &*call(system, &method.path, token, &message).await?.reason() {
        "PERMISSION_MISSING" if method.subject_field.is_some() => {
            let own = call(system, &method.path, token, &[]).await?;
            assert_ne!(own.reason(), "PERMISSION_MISSING", "{}", method.path);
            "own"
        }
        "AUTH_TOKEN_MISSING" | "PERMISSION_MISSING" => "no",
        wrong if wrong.starts_with("AUTH_TOKEN") => anyhow::bail!("{}: {wrong}", method.path),
        _ => "yes",
    })
}

/// A string field in protobuf's wire format.
fn text_field(number: u32, text: &str) -> Vec<u8> {
    let mut bytes = vec![(number << 3 | 2) as u8, text.len() as u8];
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

async fn call(system: &System, path: &str, token: &str, message: &[u8]) -> anyhow::Result<GrpcReply> {
    let bearer = format!("Bearer {token}");
    let headers: &[_] = &[("authorization", bearer.as_str())];
    let headers = if token.is_empty() { &[] } else { headers };
    grpc_bytes(system.address(), path, headers, framed(message)).await
}

async fn no_method_but_the_public_ones_serves_without_a_token(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    let methods = methods();
    let closed: Vec<_> = methods.values().filter(|m| m.access != Access::Public).collect();
    assert!(closed.len() > 20, "most methods ask for a token");
    for method in closed {
        let missing = (Code::Unauthenticated, "AUTH_TOKEN_MISSING".to_owned());
        let grpc = call(&system, &method.path, "", &[]).await?;
        assert_eq!(grpc.outcome(), missing, "{}", method.path);
        assert!(grpc.header("www-authenticate").starts_with("Bearer"), "{}", method.path);
        let web = grpc_web_bytes(system.address(), &method.path, &[], framed(&[])).await?;
        assert_eq!(web.outcome(), missing, "{}", method.path);
    }
    for (verb, path, method) in bindings(&system, &methods).await? {
        if method.access == Access::Public {
            continue;
        }
        let answer = rest(&system, &verb, &path, "").await?;
        assert_eq!(
            answer.outcome(),
            (401, "AUTH_TOKEN_MISSING".to_owned()),
            "{verb} {path}"
        );
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{verb} {path}");
        assert!(
            answer.text().contains("/auth/login"),
            "it says how to get one: {}",
            answer.text()
        );
    }
    Ok(())
}

async fn a_missing_permission_is_named_in_every_protocol(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    let demo = system.demo().await?.access;
    let methods = methods();
    let asks = |m: &Method| match &m.access {
        Access::Permission(permission) | Access::SelfOrPermission(permission) => Some(permission.to_string()),
        _ => None,
    };
    for method in methods.values() {
        let Access::Permission(permission) = &method.access else {
            continue;
        };
        let grpc = call(&system, &method.path, &demo, &[]).await?;
        assert_eq!(
            grpc.outcome(),
            (Code::PermissionDenied, "PERMISSION_MISSING".to_owned())
        );
        assert_eq!(grpc.fact("permission"), &**permission, "{}", method.path);
    }
    for (verb, path, method) in bindings(&system, &methods).await? {
        let Some(permission) = asks(&method) else { continue };
        if method.subject_field.is_some() && !path.contains(&DEMO_ADMIN_ID.to_string()) {
            continue;
        }
        let answer = rest(&system, &verb, &path, &demo).await?;
        assert_eq!(
            answer.outcome(),
            (403, "PERMISSION_MISSING".to_owned()),
            "{verb} {path}"
        );
        assert_eq!(answer.fact("permission"), permission, "{verb} {path}");
    }
    Ok(())
}

async fn rest(system: &System, verb: &str, path: &str, token: &str) -> anyhow::Result<logicore_harness::Reply> {
    let bearer = format!("Bearer {token}");
    let mut headers = vec![("content-type", "application/json")];
    if !token.is_empty() {
        headers.push(("authorization", &bearer));
    }
    let body = if ["POST", "PATCH"].contains(&verb) { "{}" } else { "" };
    system.send(verb, path, &headers, body).await
}

/// Verb, path and method of everything that REST serves, from the description that the gateway gives of itself.
async fn bindings(
    system: &System,
    methods: &BTreeMap<String, Arc<Method>>,
) -> anyhow::Result<Vec<(String, String, Arc<Method>)>> {
    let openapi = system.get("/openapi.json", "").await?.json();
    let mut found = Vec::new();
    for (path, verbs) in openapi["paths"].as_object().context("paths")? {
        for (verb, operation) in verbs.as_object().context("verbs")? {
            let name = operation["operationId"].as_str().unwrap_or_default().replace('_', "/");
            let method = methods.iter().find(|(p, _)| p.ends_with(&format!(".{name}")));
            let (_, method) = method.with_context(|| format!("{name} is a method"))?;
            found.push((verb.to_uppercase(), filled(path, operation), Arc::clone(method)));
        }
    }
    anyhow::ensure!(found.len() > 25, "{found:?}");
    Ok(found)
}

/// A path with the admin's id in place of its variables.
fn filled(path: &str, operation: &Value) -> String {
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    let mut path = path.to_owned();
    for parameter in parameters.iter().filter(|p| p["in"] == "path") {
        let name = parameter["name"].as_str().unwrap_or_default();
        path = path.replace(&format!("{{{name}}}"), &DEMO_ADMIN_ID.to_string());
    }
    path
}
