//! A service that stops and comes back: whoever follows a shipment is told, and the gateway finds it again by itself.

use logicore_harness::{Layout, free_port, post, soon};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::{super::peer, example::Service};
use crate::support::{start, text};

#[tokio::test]
async fn a_stopping_service_ends_its_streams_and_is_found_when_it_is_back() -> anyhow::Result<()> {
    let listen = format!("127.0.0.1:{}", free_port()?);
    let mut service = Service::start(&["--listen", &listen]).await?;
    let env = [
        ("LOGICORE_ROUTES", &*service.routes("shipments.binpb")?),
        ("CIRCUIT_RESET_TIMEOUT", "500ms"),
    ];
    let system = start(Layout::One, &env).await?;
    let admin = system.admin().await?;
    let wish = json!({"reference": "R-1", "origin": "Hamburg", "destination": "Bern", "weightGrams": 1200});
    let made = post(system.address(), "/v1/shipments", &admin.access, &wish)
        .await?
        .json();

    let mut curl = peer::program("curl")?;
    curl.args([
        "-sSN",
        "--max-time",
        "60",
        "-H",
        &format!("Authorization: Bearer {}", admin.access),
    ]);
    curl.arg(format!(
        "{}/v1/shipments/{}:track",
        system.public_url(),
        text(&made["id"])
    ));
    let mut tracking = curl.stdout(std::process::Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(tracking.stdout.take().expect("it is piped")).lines();
    let first: Value = serde_json::from_str(&lines.next_line().await?.unwrap_or_default())?;
    assert_eq!(first["result"]["shipment"], made);
    assert!(service.stop().await?, "a good end");
    let last: Value = serde_json::from_str(&lines.next_line().await?.unwrap_or_default())?;
    assert_eq!(last["error"]["status"], "UNAVAILABLE", "{last}");
    assert_eq!(last["error"]["details"][0]["reason"], "STOPPING", "{last}");
    assert_eq!(lines.next_line().await?, None);

    let away = system.get("/v1/shipments", &admin.access).await?;
    assert_eq!(away.status, 503, "{}", away.text());
    let _back = Service::start(&["--listen", &listen]).await?;
    soon("it is found again", async || {
        let listed = system.get("/v1/shipments", &admin.access).await?;
        Ok((listed.status == 200).then_some(()))
    })
    .await
}
