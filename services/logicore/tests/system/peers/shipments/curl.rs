//! curl: the example as REST, with pages, streams both ways and errors.

use logicore_harness::Layout;
use serde_json::{Value, json};

use super::{
    super::peer,
    example::{Example, SPOOFED},
};
use crate::support::{in_both_layouts, text};

in_both_layouts!(curl_calls_the_example_as_rest);

impl Example {
    /// `curl [args] http://localhost:PORT/path` as somebody who would be taken for somebody else. Status and body.
    async fn curl(&self, token: &str, path: &str, args: &[&str]) -> anyhow::Result<(u16, String)> {
        let mut command = peer::program("curl")?;
        command
            .args(["-sS", "--max-time", "20", "-w", "\n%{http_code}"])
            .args(args);
        for (name, value) in SPOOFED {
            command.arg("-H").arg(format!("{name}: {value}"));
        }
        if !token.is_empty() {
            command.arg("-H").arg(format!("Authorization: Bearer {token}"));
        }
        let outcome = peer::run(command.arg(format!("http://{}{path}", self.authority()))).await?;
        assert_eq!(outcome.code, 0, "{path}: {}", outcome.stderr);
        let (body, status) = outcome.stdout.rsplit_once('\n').unwrap_or_default();
        Ok((status.parse()?, body.to_owned()))
    }

    async fn json(&self, token: &str, path: &str, body: Option<&Value>) -> anyhow::Result<(u16, Value)> {
        let body = body.map(Value::to_string);
        let args = body
            .iter()
            .flat_map(|body| ["-H", "Content-Type: application/json", "-d", body]);
        let (status, answer) = self.curl(token, path, &args.collect::<Vec<_>>()).await?;
        Ok((status, serde_json::from_str(&answer)?))
    }

    /// Takes a shipment. Its id.
    async fn ship(&self, reference: &str) -> anyhow::Result<String> {
        let (status, made) = self
            .json(&self.shipper.tokens.access, "/v1/shipments", Some(&wish(reference)))
            .await?;
        assert_eq!(
            (status, text(&made["state"])),
            (200, "SHIPMENT_STATE_CREATED".to_owned()),
            "{made}"
        );
        Ok(text(&made["id"]))
    }
}

fn wish(reference: &str) -> Value {
    json!({"reference": reference, "origin": "Hamburg", "destination": "Bern", "weightGrams": "9007199254740993"})
}

async fn curl_calls_the_example_as_rest(layout: Layout) -> anyhow::Result<()> {
    let example = Example::start(layout, &[]).await?;
    pages(&example).await?;
    streams(&example).await?;
    refusals(&example).await?;
    example.saw_only(&[&example.reader.id, &example.shipper.id])
}

async fn pages(example: &Example) -> anyhow::Result<()> {
    let mut made = Vec::new();
    for number in 0..5 {
        made.push(example.ship(&format!("R-{number}")).await?);
    }
    let reader = &example.reader.tokens.access;
    let (mut ids, mut sizes, mut token) = (Vec::new(), Vec::new(), String::new());
    loop {
        let path = format!("/v1/shipments?pageSize=2&pageToken={token}&state=SHIPMENT_STATE_CREATED");
        let (status, page) = example.json(reader, &path, None).await?;
        assert_eq!(status, 200, "{page}");
        let shipments = page["shipments"].as_array().map(Vec::as_slice).unwrap_or_default();
        sizes.push(shipments.len());
        ids.extend(shipments.iter().map(|shipment| text(&shipment["id"])));
        token = text(&page["nextPageToken"]);
        if token.is_empty() {
            break;
        }
    }
    assert_eq!((sizes, &ids), (vec![2, 2, 1], &made));
    let (status, found) = example
        .json(reader, &format!("/v1/shipments/{}", made[0]), None)
        .await?;
    assert_eq!(
        (status, text(&found["weightGrams"])),
        (200, "9007199254740993".to_owned()),
        "no digit is lost: {found}"
    );
    let shipper = &example.shipper.tokens.access;
    let cancel = format!("/v1/shipments/{}:cancel", made[0]);
    let (status, cancelled) = example.json(shipper, &cancel, Some(&json!({}))).await?;
    assert_eq!(
        (status, text(&cancelled["state"])),
        (200, "SHIPMENT_STATE_CANCELLED".to_owned()),
        "{cancelled}"
    );
    Ok(())
}

async fn streams(example: &Example) -> anyhow::Result<()> {
    for (before, accept) in ["application/x-ndjson", "text/event-stream", "application/json"]
        .into_iter()
        .enumerate()
    {
        let id = example.ship("tracked").await?;
        let (path, accepted) = (format!("/v1/shipments/{id}:track"), format!("Accept: {accept}"));
        let reader = &example.reader.tokens.access;
        let flags = ["-N", "-H", &accepted];
        let (track, report) = tokio::join!(example.curl(reader, &path, &flags), async {
            example.called("TrackShipment", before + 1).await?;
            report(example, &id).await
        });
        assert_eq!(report?, json!({"accepted": 2, "rejectedShipmentIds": ["ghost"]}));
        let (status, body) = track?;
        assert_eq!(status, 200, "{body}");
        let states = messages(accept, &body)?
            .iter()
            .map(|answer| text(&answer["shipment"]["state"]))
            .collect::<Vec<_>>();
        assert_eq!(
            states.first().map(String::as_str),
            Some("SHIPMENT_STATE_CREATED"),
            "{accept}: {body}"
        );
        assert_eq!(
            states.last().map(String::as_str),
            Some("SHIPMENT_STATE_DELIVERED"),
            "{accept}: {body}"
        );
    }
    Ok(())
}

/// The messages of a stream, in each of its forms.
fn messages(accept: &str, body: &str) -> anyhow::Result<Vec<Value>> {
    let lines = |prefix: &str| {
        body.lines()
            .filter_map(|line| line.strip_prefix(prefix))
            .map(serde_json::from_str)
            .collect::<Result<Vec<Value>, _>>()
    };
    Ok(match accept {
        "text/event-stream" => lines("data: ")?
            .into_iter()
            .filter(|message| message["shipment"].is_object())
            .collect(),
        "application/json" => serde_json::from_str::<Vec<Value>>(body)?
            .iter()
            .map(|item| item["result"].clone())
            .collect(),
        _ => lines("")?.iter().map(|line| line["result"].clone()).collect(),
    })
}

/// Uploads a line for each report.
async fn report(example: &Example, id: &str) -> anyhow::Result<Value> {
    let position = json!({"latitude": 47.0, "longitude": 8.5});
    let lines = [
        json!({"shipmentId": id, "position": position}),
        json!({"shipmentId": "ghost", "position": position}),
        json!({"shipmentId": id, "position": position, "delivered": true}),
    ];
    let body = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let args = ["-H", "Content-Type: application/x-ndjson", "--data-binary", &body];
    let (status, answer) = example
        .curl(&example.shipper.tokens.access, "/v1/shipments:uploadPositions", &args)
        .await?;
    assert_eq!(status, 200, "{answer}");
    Ok(serde_json::from_str(&answer)?)
}

async fn refusals(example: &Example) -> anyhow::Result<()> {
    let (reader, shipper) = (&*example.reader.tokens.access, &*example.shipper.tokens.access);
    let list = "/v1/shipments";
    for (token, path, body, status, reason) in [
        ("", list, None, 401, "AUTH_TOKEN_MISSING"),
        (&*example.demo.access, list, None, 403, "PERMISSION_MISSING"),
        ("", list, Some(wish("x")), 401, "AUTH_TOKEN_MISSING"),
        (reader, list, Some(wish("x")), 403, "PERMISSION_MISSING"),
        (reader, "/v1/shipments/ghost", None, 404, "SHIPMENT_NOT_FOUND"),
        (reader, "/v1/shipments/ghost:track", None, 404, "SHIPMENT_NOT_FOUND"),
        (shipper, list, Some(json!({"reference": "x"})), 400, "INVALID_FIELD"),
    ] {
        let (seen, error) = example.json(token, path, body.as_ref()).await?;
        let details = error["details"].as_array().map(Vec::as_slice).unwrap_or_default();
        let reasons: Vec<_> = details
            .iter()
            .map(|detail| text(&detail["reason"]))
            .filter(|reason| !reason.is_empty())
            .collect();
        assert_eq!((seen, reasons), (status, vec![reason.to_owned()]), "{path}: {error}");
    }
    let (_, error) = example.json(shipper, list, Some(&json!({"reference": "x"}))).await?;
    let bad = error["details"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|detail| detail["fieldViolations"].is_array());
    let fields = bad
        .and_then(|bad| bad["fieldViolations"].as_array())
        .into_iter()
        .flatten();
    let fields: Vec<_> = fields.map(|violation| text(&violation["field"])).collect();
    assert_eq!(
        fields,
        ["shipment.origin", "shipment.destination", "shipment.weight_grams"],
        "{error}"
    );
    Ok(())
}
