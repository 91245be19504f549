//! openapi-spec-validator on what the running system says of itself.

use std::path::Path;

use logicore_harness::{Layout, get};

use super::peer;
use crate::support::start;

#[tokio::test]
async fn the_served_openapi_document_is_valid() -> anyhow::Result<()> {
    let system = start(Layout::One, &[]).await?;
    let document = get(system.address(), "/openapi.json", "").await?;
    assert_eq!(
        (document.status.as_u16(), document.header("content-type")),
        (200, "application/json")
    );
    let port = system.address().port();
    assert_eq!(document.json()["servers"][0]["url"], format!("http://localhost:{port}"));

    let file = system.dir().join("openapi.json");
    std::fs::write(&file, &document.body)?;
    validate(&file).await
}

/// Streams both ways and bytes, which LogiCore's own services do not have.
#[tokio::test]
async fn the_document_of_streams_and_bytes_is_valid() -> anyhow::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    validate(&folder.join("../gateway/tests/golden/openapi-files.json")).await
}

async fn validate(file: &Path) -> anyhow::Result<()> {
    let mut validator = peer::program("openapi-spec-validator")?;
    let outcome = peer::run(validator.arg("--schema").arg("3.1").arg(file)).await?;
    assert_eq!(outcome.code, 0, "{}{}", outcome.stdout, outcome.stderr);
    Ok(())
}
