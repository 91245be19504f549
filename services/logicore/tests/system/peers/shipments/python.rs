//! A client in Python, with code generated from the example's proto.

use logicore_harness::Layout;
use serde_json::{Value, json};

use super::{super::peer, example::Example, generated::python};
use crate::support::in_both_layouts;

in_both_layouts!(a_generated_python_client_may_what_its_roles_say);

const READS: [&str; 3] = ["GetShipment", "ListShipments", "TrackShipment"];
const WRITES: [&str; 3] = ["CreateShipment", "UploadPositions", "CancelShipment"];

async fn a_generated_python_client_may_what_its_roles_say(layout: Layout) -> anyhow::Result<()> {
    let example = Example::start(layout, &[]).await?;
    let tokens = json!({
        "demo": example.demo.access,
        "reader": example.reader.tokens.access,
        "shipper": example.shipper.tokens.access,
    });
    let mut client = python(example.service.work())?;
    client.arg(peer::beside("shipments/client.py"));
    let outcome = peer::run(client.args([example.authority(), tokens.to_string()])).await?;
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let seen: Value = serde_json::from_str(&outcome.stdout)?;

    let states = ["CREATED", "IN_TRANSIT", "DELIVERED"].map(|state| format!("SHIPMENT_STATE_{state}"));
    let expected = json!({
        "pages": [2, 1],
        "keyed": true,
        "followed": {"states": states, "accepted": 2},
        "found": [true, 47.0],
        "late": ["FAILED_PRECONDITION", "SHIPMENT_DELIVERED"],
    });
    for (name, value) in expected.as_object().into_iter().flatten() {
        assert_eq!(&seen[name], value, "{name}");
    }
    let (missing, refused) = (
        json!(["UNAUTHENTICATED", "AUTH_TOKEN_MISSING"]),
        json!(["PERMISSION_DENIED", "PERMISSION_MISSING"]),
    );
    let may = json!(["OK", ""]);
    for (who, reads, writes) in [
        ("nobody", &missing, &missing),
        ("demo", &refused, &refused),
        ("reader", &may, &refused),
        ("shipper", &may, &may),
    ] {
        for (methods, wanted) in [(READS, reads), (WRITES, writes)] {
            for method in methods {
                assert_eq!(&seen[who][method], wanted, "{who} {method}");
            }
        }
    }
    example.saw_only(&[&example.reader.id, &example.shipper.id])
}
