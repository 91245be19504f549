//! Answers that break the protocol, or that JSON cannot show.

use bytes::Bytes;
use futures_util::{FutureExt, stream};
use http::{HeaderMap, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use logicore::{Error, Reason};
use logicore_harness::framed;
use prost::Message;
use prost_reflect::DynamicMessage;
use serde_json::Value;
use tonic::{Status, body::Body};

use super::{
    answers::{answer, data, failed, message, ok, text},
    everything, route, shown,
};
use crate::rest::encode;

#[test]
fn the_error_of_a_stream_is_its_last_line() {
    let gone = || failed(Error::new(Reason::NotReady, "draining"));
    // Bytes that are no `Everything`: a field of the wrong wire type.
    let wrong = || data(b"\0\0\0\0\x02\x0d\x01");
    for (frames, results, reason) in [
        (vec![message("{}"), message("{}"), gone()], 2, "NOT_READY"),
        (vec![gone()], 0, "NOT_READY"),
        (
            vec![message("{}"), wrong(), message("{}"), ok()],
            1,
            "UPSTREAM_MALFORMED",
        ),
        (
            vec![message("{}"), data(b"\x01\0\0\0\0"), message("{}"), ok()],
            1,
            "UPSTREAM_MALFORMED",
        ),
        (vec![message("{}"), data(b"\0\0\0")], 1, "UPSTREAM_MALFORMED"),
        (vec![message("{}")], 1, "UPSTREAM_MALFORMED"),
    ] {
        let text = text(answer("GET /watch", frames));
        let lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        let (last, before) = lines.split_last().unwrap();
        assert_eq!(before.len(), results, "{text}");
        assert!(before.iter().all(|l| l.get("result").is_some()), "{text}");
        assert_eq!(last["error"]["details"][0]["reason"], reason, "{text}");
        assert!(text.ends_with("}\n"), "{text}");
    }
}

#[test]
fn broken_answers_are_the_services_fault() {
    let large = || {
        let mut prefix = vec![0];
        prefix.extend_from_slice(&u32::MAX.to_be_bytes());
        Frame::data(Bytes::from(prefix))
    };
    for (frames, why) in [
        (vec![], "ends without a status"),
        (vec![ok()], "holds no message"),
        (vec![message("{}")], "ends without a status"),
        (vec![message("{}"), message("{}"), ok()], "holds two messages"),
        (
            vec![message("{}"), Frame::trailers(HeaderMap::new())],
            "ends without a status",
        ),
        (vec![data(b"\0\0"), ok()], "ends within a message"),
        (vec![data(b"\0\0\0\0\x05abc"), ok()], "ends within a message"),
        (vec![data(b"\0\0\0\0\x05abc")], "ends without a status"),
        (vec![message("{}"), data(b"\0"), ok()], "ends within a message"),
        (vec![data(b"\x01\0\0\0\0"), ok()], "compressed"),
        (vec![data(b"<html>no grpc</html>"), ok()], "not framed"),
        (vec![large(), ok()], "too large"),
        (vec![data(b"\0\0\0\0\x02\x0d\x01"), ok()], "not the message"),
        (vec![data(b"\0\0\0\0\x02\x12\x05"), ok()], "not the message"),
        // Text that is not UTF-8.
        (vec![data(b"\0\0\0\0\x03\x12\x01\xff"), ok()], "not the message"),
    ] {
        let answer = answer("GET /search", frames);
        assert_eq!(answer.status(), 500, "{why}");
        let json: Value = serde_json::from_str(&text(answer)).unwrap();
        assert_eq!(json["details"][0]["reason"], "UPSTREAM_MALFORMED", "{json}");
        assert!(json["message"].as_str().unwrap().contains(why), "{why}: {json}");
    }
}

#[test]
fn what_has_no_json_form_is_the_services_fault() {
    let wire = |field: u32, bytes: &[u8]| {
        let mut out = Vec::new();
        prost::encoding::encode_key(field, prost::encoding::WireType::LengthDelimited, &mut out);
        prost::encoding::encode_varint(bytes.len() as u64, &mut out);
        out.extend_from_slice(bytes);
        out
    };
    let time = |seconds, nanos| prost_types::Timestamp { seconds, nanos }.encode_to_vec();
    let span = |seconds, nanos| prost_types::Duration { seconds, nanos }.encode_to_vec();
    let any = |url: &str| {
        prost_types::Any {
            type_url: url.to_owned(),
            value: vec![1],
        }
        .encode_to_vec()
    };
    let number = |v| {
        prost_types::Value {
            kind: Some(prost_types::value::Kind::NumberValue(v)),
        }
        .encode_to_vec()
    };
    let nested = (0..10).fold(Vec::new(), |value, _| {
        prost_types::Any {
            type_url: "t/google.protobuf.Any".to_owned(),
            value,
        }
        .encode_to_vec()
    });
    for bytes in [
        wire(70, &time(253_402_300_800, 0)),
        wire(70, &time(-62_135_596_801, 0)),
        wire(70, &time(0, -1)),
        wire(70, &time(0, 1_000_000_000)),
        wire(71, &span(315_576_000_001, 0)),
        wire(71, &span(1, -1)),
        wire(71, &span(0, 1_000_000_000)),
        wire(73, &any("t/shapes.v1.Nope")),
        wire(73, &any("")),
        wire(73, &any("t/shapes.v1.Inner")),
        wire(73, &nested),
        wire(75, &number(f64::NAN)),
        wire(75, &number(f64::INFINITY)),
    ] {
        let message = DynamicMessage::decode(everything(), &*bytes).unwrap();
        let frame = Frame::data(framed(&message.encode_to_vec()));
        let answer = answer("GET /search", vec![frame, ok()]);
        assert_eq!(answer.status(), 500, "{}", shown(&message));
        let text = text(answer);
        assert!(
            text.contains("UPSTREAM_MALFORMED") && text.contains("no JSON form"),
            "{}: {text}",
            shown(&message)
        );
    }
}

#[test]
fn an_error_after_a_message_wins() {
    let frames = vec![message("{}"), failed(Error::new(Reason::EtagMismatch, "x"))];
    let answer = answer("GET /search", frames);
    assert_eq!(answer.status(), 409);
    assert!(text(answer).contains("ETAG_MISMATCH"));
    let broken = stream::iter([Ok(message("{}")), Err(Status::unavailable("reset"))]);
    let broken = Response::new(Body::new(StreamBody::new(broken)));
    let answer = encode(&route("GET /search"), broken).now_or_never().unwrap();
    assert_eq!(answer.status(), 503);
}
