//! The OpenAPI document with the example in it, judged by openapi-spec-validator.

use logicore_harness::{Layout, get};

use super::{super::peer, example::Example};

#[tokio::test]
async fn the_openapi_document_with_the_example_in_it_is_valid() -> anyhow::Result<()> {
    let example = Example::start(Layout::One, &[]).await?;
    let document = get(example.system.address(), "/openapi.json", "").await?;
    let json = document.json();
    let list = &json["paths"]["/v1/shipments"];
    assert_eq!(
        list["get"]["summary"], "Lists shipments, the oldest first",
        "comments become text: {list}"
    );
    assert!(list["post"]["security"].is_array(), "{list}");
    assert!(list["get"]["responses"]["403"].is_object(), "{list}");
    for path in [
        "/v1/shipments/{id}",
        "/v1/shipments/{id}:track",
        "/v1/shipments:uploadPositions",
        "/auth/login",
        "/v1/users",
    ] {
        assert!(json["paths"][path].is_object(), "{path}");
    }
    let file = example.service.work().join("openapi.json");
    std::fs::write(&file, &document.body)?;
    let mut validator = peer::program("openapi-spec-validator")?;
    let outcome = peer::run(validator.arg("--schema").arg("3.1").arg(&file)).await?;
    assert_eq!(outcome.code, 0, "{}{}", outcome.stdout, outcome.stderr);
    Ok(())
}
