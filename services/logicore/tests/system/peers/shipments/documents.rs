//! The OpenAPI document with the example in it, judged by openapi-spec-validator.

use logicore_harness::{Layout, get};

use super::{super::peer, example::behind};

/// Of the example, and of our own beside it.
const PATHS: [&str; 6] = [
    "/v1/shipments",
    "/v1/shipments/{id}",
    "/v1/shipments/{id}:track",
    "/v1/shipments:uploadPositions",
    "/auth/login",
    "/v1/users",
];

#[tokio::test]
async fn the_openapi_document_with_the_example_in_it_is_valid() -> anyhow::Result<()> {
    for (descriptors, summary) in [
        ("shipments.binpb", Some("Lists shipments, the oldest first")),
        // Reflection tells no comments.
        ("reflection", None),
    ] {
        let (service, system) = behind(descriptors, Layout::One, &[]).await?;
        let document = get(system.address(), "/openapi.json", "").await?;
        let json = document.json();
        for path in PATHS {
            assert!(json["paths"][path].is_object(), "{descriptors}: {path}");
        }
        let list = &json["paths"]["/v1/shipments"]["get"];
        assert_eq!(list["x-logicore-permission"], "shipments.read", "{list}");
        if let Some(summary) = summary {
            assert_eq!(list["summary"], summary, "{list}");
        }
        assert!(
            list["security"].is_array() && list["responses"]["403"].is_object(),
            "{list}"
        );
        let file = service.work().join("openapi.json");
        std::fs::write(&file, &document.body)?;
        let mut validator = peer::program("openapi-spec-validator")?;
        let outcome = peer::run(validator.arg("--schema").arg("3.1").arg(&file)).await?;
        assert_eq!(outcome.code, 0, "{descriptors}: {}{}", outcome.stdout, outcome.stderr);
    }
    Ok(())
}
