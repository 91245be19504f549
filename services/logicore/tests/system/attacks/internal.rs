//! Internal methods on the port that callers see: neither reachable nor visible, whatever is sent along.

use std::collections::BTreeSet;

use logicore::{
    mesh::{Identity, ROLE_TOKEN},
    policy::{Access, Method, Table},
    secret::Secret,
    settings::Role,
};
use logicore_harness::{Layout, System, framed, grpc_bytes, grpc_web_bytes};
use prost::Message;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;

use crate::support::{in_both_layouts, shared};

in_both_layouts!(
    internal_methods_are_unknown_in_every_protocol,
    internal_methods_are_not_reflected,
    internal_services_have_no_health_and_no_description,
);

fn internal() -> Vec<Method> {
    let all = Table::compiled_in();
    let internal = all.iter().filter(|m| matches!(m.access, Access::Internal(_)));
    internal.map(|m| Method::clone(m)).collect()
}

async fn internal_methods_are_unknown_in_every_protocol(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    let admin = format!("Bearer {}", system.admin().await?.access);
    let methods = internal();
    assert!(methods.len() > 8, "there are internal methods");
    for role in [Role::All, Role::User, Role::Cli] {
        // As good as the system's own: proof of membership must not help from outside.
        let member = Identity::new(role, &Secret::new(system.mesh_secret())).header();
        let headers = [("authorization", admin.as_str()), (ROLE_TOKEN, member.to_str()?)];
        for method in &methods {
            let unknown = (Code::Unimplemented, "METHOD_UNKNOWN".to_owned());
            let grpc = grpc_bytes(system.address(), &method.path, &headers, framed(&[])).await?;
            assert_eq!(grpc.outcome(), unknown, "{}", method.path);
            let web = grpc_web_bytes(system.address(), &method.path, &headers, framed(&[])).await?;
            assert_eq!(web.outcome(), unknown, "{}", method.path);
            let json = [headers[0], headers[1], ("content-type", "application/json")];
            let rest = system.send("POST", &method.path, &json, "{}").await?;
            assert_eq!(rest.outcome(), (404, "ROUTE_NOT_FOUND".to_owned()), "{}", method.path);
        }
    }
    Ok(())
}

async fn internal_methods_are_not_reflected(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    let internal = internal();
    let names: BTreeSet<_> = internal.iter().map(|m| m.service.to_string()).collect();
    for version in ["v1", "v1alpha"] {
        let listed = ask(&system, version, Ask::list("*"))
            .await?
            .list
            .unwrap_or_default()
            .services;
        let listed: BTreeSet<_> = listed.into_iter().map(|s| s.name).collect();
        assert!(listed.contains("logicore.auth.v1.AuthService"), "{listed:?}");
        assert!(listed.is_disjoint(&names), "{listed:?}");

        for service in &listed {
            let file = ask(&system, version, Ask::symbol(service))
                .await?
                .files
                .unwrap_or_default();
            let text = String::from_utf8_lossy(&file.files.concat()).into_owned();
            assert!(!text.is_empty(), "{service} is described");
            for method in &internal {
                let (service, name) = (method.service.rsplit('.').next().unwrap_or_default(), &*method.name);
                assert!(
                    !text.contains(service) && !text.contains(&format!("{name}Request")),
                    "{service}/{name}"
                );
            }
        }
        let hidden = names.iter().map(|n| Ask::symbol(n));
        let hidden = hidden.chain(
            internal
                .iter()
                .map(|m| Ask::symbol(&format!("{}.{}", m.service, m.name))),
        );
        let hidden = hidden.chain(internal.iter().map(|m| {
            let package = m.service.rsplit_once('.').unwrap_or_default().0;
            Ask::symbol(&format!("{package}.{}Request", m.name))
        }));
        let files = ["auth/v1/account", "mesh/v1/feed", "mesh/v1/actor", "admin/v1/audit"];
        let hidden = hidden.chain(files.map(|f| Ask::file(&format!("logicore/{f}.proto"))));
        for question in hidden {
            let answer = ask(&system, version, question.clone()).await;
            assert!(answer.is_err(), "{question:?}: {answer:?}");
        }
    }
    Ok(())
}

async fn internal_services_have_no_health_and_no_description(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    let openapi = system.get("/openapi.json", "").await?.text();
    let docs = system.get("/docs", "").await?.text();
    for method in internal() {
        let service = method.service.to_string();
        let check = HealthCheckRequest {
            service: service.clone(),
        };
        let health = system.grpc("/grpc.health.v1.Health/Check", "", &check).await?;
        assert_eq!(health.code(), Code::NotFound, "{service}");
        let short = service.rsplit('.').next().unwrap_or_default();
        for text in [&openapi, &docs] {
            assert!(!text.contains(short), "{short} is described");
            assert!(
                !text.contains(&format!("{}Request", method.name)),
                "{} is described",
                method.name
            );
        }
    }
    Ok(())
}

/// `grpc.reflection.v1.ServerReflectionRequest`, as far as it is asked here.
#[derive(Clone, PartialEq, Message)]
struct Ask {
    #[prost(string, tag = "3")]
    file: String,
    #[prost(string, tag = "4")]
    symbol: String,
    #[prost(string, tag = "7")]
    list: String,
}

impl Ask {
    fn file(name: &str) -> Self {
        Self {
            file: name.to_owned(),
            ..Self::default()
        }
    }

    fn symbol(name: &str) -> Self {
        Self {
            symbol: name.to_owned(),
            ..Self::default()
        }
    }

    fn list(name: &str) -> Self {
        Self {
            list: name.to_owned(),
            ..Self::default()
        }
    }
}

#[derive(Clone, PartialEq, Message)]
struct Told {
    #[prost(message, tag = "4")]
    files: Option<Files>,
    #[prost(message, tag = "6")]
    list: Option<List>,
    #[prost(message, tag = "7")]
    error: Option<Refusal>,
}

#[derive(Clone, PartialEq, Message)]
struct Files {
    #[prost(bytes = "vec", repeated, tag = "1")]
    files: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
struct List {
    #[prost(message, repeated, tag = "1")]
    services: Vec<Listed>,
}

#[derive(Clone, PartialEq, Message)]
struct Listed {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct Refusal {
    #[prost(int32, tag = "1")]
    code: i32,
}

/// Asks the reflection service one question. A refusal must be one that says that there is no such thing.
async fn ask(system: &System, version: &str, question: Ask) -> anyhow::Result<Told> {
    let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
    let answer = system.grpc(&path, "", &question).await?;
    if answer.code() == Code::NotFound {
        anyhow::bail!("there is no such thing");
    }
    let told: Told = answer.message().unwrap_or_else(|e| panic!("{question:?}: {e}"));
    if let Some(refusal) = &told.error {
        assert_eq!(refusal.code, Code::NotFound as i32, "{question:?}");
        anyhow::bail!("there is no such thing");
    }
    Ok(told)
}
