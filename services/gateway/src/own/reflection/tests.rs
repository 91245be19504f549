//! What reflection tells, and what it must not.

use std::sync::Arc;

use logicore::{
    settings::{Role, routes::Routes},
    testkit,
    upstream::{Trust, Upstream, intern},
};

use super::*;
use crate::{rest::tests::inline::inline, routes::foreign::Described};

const PROTO: &str = r#"
syntax = "proto3";
package ships.v1;
import "logicore/policy/v1/policy.proto";
import "google/protobuf/timestamp.proto";
message Ask { google.protobuf.Timestamp at = 1; }
service Ships {
  rpc Get(Ask) returns (Ask) { option (logicore.policy.v1.method) = { access: ACCESS_AUTHENTICATED }; }
  rpc Sweep(Ask) returns (Ask) { option (logicore.policy.v1.method) = { access: ACCESS_INTERNAL peers: "admin" }; }
}
service Inner {
  rpc Run(Ask) returns (Ask) { option (logicore.policy.v1.method) = { access: ACCESS_INTERNAL peers: "admin" }; }
}
service Unserved { rpc Get(Ask) returns (Ask); }
"#;

fn live() -> Live {
    let ctx = testkit::context(Role::Gateway);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("routes.toml");
    let text = "[[upstream]]\nname = \"ships\"\nendpoints = [\"127.0.0.1:1\"]\ndescriptors = \"reflection\"\n\
                services = [\"ships.v1.Ships\", \"ships.v1.Inner\"]\n";
    std::fs::write(&file, text).unwrap();
    let settings = Routes::read(&file).unwrap();
    let described = Described {
        settings: Arc::new(settings.upstreams[0].clone()),
        upstream: Upstream::new(
            intern("ships"),
            Vec::new(),
            Trust::Foreign,
            Arc::default(),
            &ctx.settings.resilience,
            Arc::clone(&ctx.metrics),
        ),
        pool: Some(inline(PROTO)),
    };
    let ours = DescriptorPool::decode(logicore::api::PUBLIC_DESCRIPTORS).unwrap();
    Live::with(&ctx, &ours, settings, vec![described], None).unwrap().0
}

fn files(live: &Live, asked: MessageRequest) -> Option<DescriptorPool> {
    let MessageResponse::FileDescriptorResponse(answer) = answer(live, &asked)? else {
        return None;
    };
    // As clients do: what an answer brings must be whole, whatever the order.
    let mut set = Vec::new();
    for file in &answer.file_descriptor_proto {
        encode_key(1, WireType::LengthDelimited, &mut set);
        encode_varint(file.len() as u64, &mut set);
        set.extend_from_slice(file);
    }
    Some(DescriptorPool::decode(&*set).unwrap())
}

fn symbol(live: &Live, name: &str) -> Option<DescriptorPool> {
    files(live, MessageRequest::FileContainingSymbol(name.to_owned()))
}

#[tokio::test]
async fn every_service_that_is_routed_is_listed_and_no_other() {
    let Some(MessageResponse::ListServicesResponse(list)) =
        answer(&live(), &MessageRequest::ListServices(String::new()))
    else {
        panic!("a list");
    };
    let names: Vec<_> = list.service.into_iter().map(|s| s.name).collect();
    for name in [
        "ships.v1.Ships",
        "logicore.auth.v1.AuthService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
    ] {
        assert!(names.iter().any(|n| n == name), "{name}: {names:?}");
    }
    assert!(
        !names
            .iter()
            .any(|n| n.contains("Inner") || n.contains("Unserved") || n.contains("FeedService")),
        "{names:?}"
    );
}

#[tokio::test]
async fn a_symbol_brings_its_file_with_all_that_it_imports() {
    let live = live();
    for name in [
        "ships.v1.Ships",
        "ships.v1.Ships.Get",
        "ships.v1.Ask",
        "ships.v1.Ask.at",
    ] {
        let pool = symbol(&live, name).unwrap_or_else(|| panic!("{name}"));
        let ships = pool.get_service_by_name("ships.v1.Ships").unwrap();
        let methods: Vec<_> = ships.methods().map(|m| m.name().to_owned()).collect();
        assert_eq!(methods, ["Get"], "internal methods are cut out");
        assert_eq!(pool.services().len(), 1, "and services that are not served");
        assert!(pool.get_extension_by_name("logicore.policy.v1.method").is_some());
    }
}

#[tokio::test]
async fn what_is_not_routed_is_not_told() {
    let live = live();
    for name in [
        "ships.v1.Inner",
        "ships.v1.Unserved",
        "ships.v1.Ships.Sweep",
        "logicore.mesh.v1.FeedService",
        "logicore.mesh.v1.FeedService.Sync",
        "ships.v1.Nothing",
        "",
    ] {
        assert!(symbol(&live, name).is_none(), "{name}");
    }
}

#[tokio::test]
async fn files_and_extensions_are_found() {
    let live = live();
    let by_name = |name: &str| files(&live, MessageRequest::FileByFilename(name.to_owned()));
    assert!(by_name("case.proto").is_some() && by_name("google/protobuf/timestamp.proto").is_some());
    assert!(by_name("nothing.proto").is_none());
    let options = "google.protobuf.MethodOptions";
    let Some(MessageResponse::AllExtensionNumbersResponse(numbers)) =
        answer(&live, &MessageRequest::AllExtensionNumbersOfType(options.to_owned()))
    else {
        panic!("numbers");
    };
    assert!(numbers.extension_number.contains(&50801), "{numbers:?}");
    let extension = tonic_reflection::pb::v1::ExtensionRequest {
        containing_type: options.to_owned(),
        extension_number: 50801,
    };
    let pool = files(&live, MessageRequest::FileContainingExtension(extension)).unwrap();
    assert!(pool.get_extension_by_name("logicore.policy.v1.method").is_some());
}

#[test]
fn a_long_chain_of_imports_is_told_whole_and_its_head_first() {
    let file = |i: usize| prost_types::FileDescriptorProto {
        name: Some(format!("{i}.proto")),
        dependency: i
            .checked_sub(1)
            .map(|before| format!("{before}.proto"))
            .into_iter()
            .collect(),
        ..Default::default()
    };
    let mut pool = DescriptorPool::new();
    pool.add_file_descriptor_set(prost_types::FileDescriptorSet {
        file: (0..20_000).map(file).collect(),
    })
    .unwrap();
    let mut names = Vec::new();
    closure(&pool.get_file_by_name("19999.proto").unwrap(), |file| {
        names.push(file.name().to_owned())
    });
    assert_eq!(
        (names.len(), &*names[0], &*names[19_999]),
        (20_000, "19999.proto", "0.proto")
    );
}
