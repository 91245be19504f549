//! openapi-spec-validator on what the running system says of itself.

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
    let mut validator = peer::program("openapi-spec-validator")?;
    let outcome = peer::run(validator.arg("--schema").arg("3.1").arg(&file)).await?;
    assert_eq!(outcome.code, 0, "{}{}", outcome.stdout, outcome.stderr);
    Ok(())
}
