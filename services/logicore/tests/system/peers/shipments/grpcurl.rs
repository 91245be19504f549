//! grpcurl, which knows the example by the gateway's reflection alone.

use anyhow::Context as _;
use logicore_harness::Layout;
use serde_json::{Value, json};

use super::{
    super::peer::{self, Outcome},
    example::{Example, SPOOFED},
};
use crate::support::{in_both_layouts, text};

in_both_layouts!(grpcurl_calls_the_example_by_reflection);

const SERVICE: &str = "shipments.v1.ShipmentService";

impl Example {
    /// `grpcurl -plaintext [flags] localhost:PORT [rest]`.
    async fn grpcurl(&self, flags: &[&str], rest: &[&str]) -> anyhow::Result<Outcome> {
        let mut command = peer::program("grpcurl")?;
        peer::run(command.arg("-plaintext").args(flags).arg(self.authority()).args(rest)).await
    }

    /// Calls with these messages, as somebody who would be taken for somebody else. The answers, or the error.
    async fn call(&self, method: &str, token: &str, messages: &[Value]) -> anyhow::Result<Result<Vec<Value>, Value>> {
        let mut headers: Vec<_> = SPOOFED.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        if !token.is_empty() {
            headers.push(format!("authorization: Bearer {token}"));
        }
        let messages = messages.iter().map(Value::to_string).collect::<String>();
        let flags = headers.iter().flat_map(|header| ["-H", header]).chain([
            "-format-error",
            "-max-time",
            "20",
            "-d",
            &messages,
        ]);
        let outcome = self
            .grpcurl(&flags.collect::<Vec<_>>(), &[&format!("{SERVICE}/{method}")])
            .await?;
        if outcome.code != 0 {
            return Ok(Err(serde_json::from_str(&outcome.stderr).context(outcome.stderr)?));
        }
        let answers = serde_json::Deserializer::from_str(&outcome.stdout).into_iter();
        Ok(Ok(answers.collect::<Result<_, _>>()?))
    }

    /// The answers to a call that succeeds.
    async fn answers(&self, method: &str, token: &str, messages: &[Value]) -> anyhow::Result<Vec<Value>> {
        let answers = self.call(method, token, messages).await?;
        answers.map_err(|error| anyhow::anyhow!("{method}: {error}"))
    }
}

async fn grpcurl_calls_the_example_by_reflection(layout: Layout) -> anyhow::Result<()> {
    let example = Example::start(layout, &[]).await?;
    let wish =
        json!({"shipment": {"reference": "R-1", "origin": "Hamburg", "destination": "Bern", "weightGrams": "1200"}});
    let shipper = &example.shipper.tokens.access;
    let made = example
        .answers("CreateShipment", shipper, std::slice::from_ref(&wish))
        .await?;
    let id = text(&made[0]["shipment"]["id"]);
    let position =
        |delivered| json!({"shipmentId": id, "position": {"latitude": 47.0, "longitude": 8.5}, "delivered": delivered});
    let taken = example
        .answers("UploadPositions", shipper, &[position(false), position(true)])
        .await?;
    assert_eq!(taken, [json!({"accepted": 2})]);
    let reader = &example.reader.tokens.access;
    let tracked = example.answers("TrackShipment", reader, &[json!({"id": id})]).await?;
    let states: Vec<_> = tracked
        .iter()
        .map(|answer| text(&answer["shipment"]["state"]))
        .collect();
    assert_eq!(states, ["SHIPMENT_STATE_DELIVERED"]);

    for (token, method, message, code) in [
        ("", "ListShipments", json!({}), 16),
        (&*example.demo.access, "ListShipments", json!({}), 7),
        (reader, "CreateShipment", wish.clone(), 7),
        (reader, "UploadPositions", position(false), 7),
        (reader, "GetShipment", json!({"id": "ghost"}), 5),
        (shipper, "CreateShipment", json!({"shipment": {}}), 3),
    ] {
        let refused = example.call(method, token, &[message]).await?;
        let error = refused.err().with_context(|| format!("{method} is refused"))?;
        assert_eq!(error["code"], code, "{error}");
    }
    example.saw_only(&[&example.reader.id, &example.shipper.id])
}

#[tokio::test]
async fn grpcurl_lists_and_describes_the_example_beside_our_own() -> anyhow::Result<()> {
    for descriptors in ["shipments.binpb", "reflection"] {
        let example = Example::described_by(descriptors, Layout::One, &[]).await?;
        let listed = example.grpcurl(&[], &["list"]).await?.stdout;
        for service in [SERVICE, "logicore.auth.v1.AuthService", "grpc.health.v1.Health"] {
            assert!(
                listed.lines().any(|line| line == service),
                "{descriptors}: {service} in {listed}"
            );
        }
        let described = example.grpcurl(&[], &["describe", SERVICE]).await?.stdout;
        for part in [
            "rpc TrackShipment ( .shipments.v1.TrackShipmentRequest ) returns ( stream .shipments.v1.TrackShipmentResponse )",
            r#"get: "/v1/shipments/{id}:track""#,
            "option (.logicore.policy.v1.method)",
        ] {
            assert!(described.contains(part), "{descriptors}: {part} in {described}");
        }
        let shipper = &example.shipper.tokens.access;
        let listed = example.answers("ListShipments", shipper, &[json!({})]).await?;
        assert_eq!(listed, [json!({})], "{descriptors}");
    }
    Ok(())
}
