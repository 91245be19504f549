//! Connect's own clients for Node.js, which speak Connect, gRPC-Web and gRPC.

use anyhow::Context as _;
use logicore_harness::{Layout, shapes};
use serde_json::{Value, json};

use super::peer;
use crate::protocols::Behind;

#[tokio::test]
async fn every_transport_calls_every_shape() -> anyhow::Result<()> {
    let behind = Behind::start(Layout::One).await?;
    let file = behind.system.dir().join("shapes-of-the-client.binpb");
    std::fs::write(&file, shapes::DESCRIPTORS)?;
    let gateway = format!("http://localhost:{}", behind.address().port());
    let token = behind.bearer.trim_start_matches("Bearer ");
    let seen = peer::script("node", "connect.js", &[&gateway, &file.display().to_string(), token]).await?;
    let seen = seen.as_object().context("an object")?;
    assert_eq!(seen.len(), 18, "{seen:?}");
    for (transport, seen) in seen {
        holds(transport, seen);
    }
    behind.waiting(0).await
}

fn holds(transport: &str, seen: &Value) {
    let told = json!({"code": "ResourceExhausted", "message": "told to: no", "echo": "there and back", "details": []});
    for (what, expected) in [
        ("unary", json!(2000)),
        ("echo", json!("there and back")),
        ("bytes", json!([0, 255, 7])),
        ("down", json!(["a", "a", "a"])),
        ("up", json!("ab")),
        ("both", json!(["a", "b"])),
        ("unaryFails", told.clone()),
        ("downFails", told.clone()),
        ("upFails", told.clone()),
        ("bothFails", told),
        ("before", json!("a")),
    ] {
        assert_eq!(seen[what], expected, "{transport}: {what} in {seen}");
    }
    for what in ["stranger", "strangersStream"] {
        assert_eq!(seen[what]["code"], "Unauthenticated", "{transport}: {seen}");
        let details = seen[what]["details"].as_array().cloned().unwrap_or_default();
        assert!(details.contains(&"google.rpc.ErrorInfo".into()), "{transport}: {seen}");
    }
    assert_eq!(seen["late"]["code"], "DeadlineExceeded", "{transport}: {seen}");
    assert_eq!(seen["leaves"]["code"], "Canceled", "{transport}: {seen}");
}
