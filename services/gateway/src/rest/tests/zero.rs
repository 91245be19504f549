//! The sign of a zero, by every way that a message comes.

use prost::Message;

use super::{inline, only};
use crate::rest::{Routes, codec, decode};

#[derive(Clone, PartialEq, Message)]
struct Point {
    #[prost(double, tag = "1")]
    x: f64,
    #[prost(float, tag = "2")]
    y: f32,
    #[prost(double, repeated, tag = "3")]
    list: Vec<f64>,
    #[prost(map = "string, double", tag = "4")]
    map: std::collections::HashMap<String, f64>,
    #[prost(message, optional, boxed, tag = "5")]
    inner: Option<Box<Point>>,
    #[prost(message, repeated, tag = "6")]
    inners: Vec<Point>,
    #[prost(map = "int32, message", tag = "7")]
    by_number: std::collections::HashMap<i32, Point>,
    #[prost(message, optional, tag = "8")]
    wrapped: Option<f64>,
    #[prost(double, optional, tag = "9")]
    maybe: Option<f64>,
    #[prost(message, optional, tag = "10")]
    any: Option<prost_types::Any>,
    #[prost(string, tag = "11")]
    text: String,
}

const PROTO: &str = r#"syntax = "proto3";
    package zero.v1;
    import "google/api/annotations.proto";
    import "google/protobuf/any.proto";
    import "google/protobuf/field_mask.proto";
    import "google/protobuf/wrappers.proto";
    message Point {
      double x = 1;
      float y = 2;
      repeated double list = 3;
      map<string, double> map = 4;
      Point inner = 5;
      repeated Point inners = 6;
      map<int32, Point> by_number = 7;
      google.protobuf.DoubleValue wrapped = 8;
      optional double maybe = 9;
      google.protobuf.Any any = 10;
      string text = 11;
      google.protobuf.FieldMask mask = 12;
    }
    service S { rpc Go(Point) returns (Point) {
      option (google.api.http) = {
        post: "/v1/points" body: "*"
        additional_bindings { get: "/v1/points" }
        additional_bindings { get: "/v1/points/{x}" }
        additional_bindings { put: "/v1/points/{x}" body: "inner" }
      };
    } }"#;

/// The message that a service reads.
fn read(request: &str, body: &str) -> Point {
    let routes = Routes::build(&inline(PROTO)).unwrap();
    let (method, target) = request.split_once(' ').unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let route = routes.matched(&method.parse().unwrap(), path).unwrap();
    let framed = decode::message(&route, query, body.as_bytes()).unwrap();
    Point::decode(only(&framed)).unwrap()
}

fn negative(number: f64) -> bool {
    number == 0.0 && number.is_sign_negative()
}

/// A field that the reader without a tree leaves to the strict one.
const RARE: &str = r#""mask":"x","#;

#[test]
fn it_stays_wherever_it_stands_in_a_body() {
    for rare in ["", RARE] {
        let body = r#"RARE"x":-0.0,"y":-0,"list":[0,-0.0],"map":{"a":-0.0,"b":0,"":-0.0},"inner":{"x":-0.0,"text":"t"},
            "inners":[{},{"y":"-0"},{"x":7}],"byNumber":{"0":{"x":-0.0},"1":{}},"wrapped":-0.0,"maybe":-0.0,"text":"t""#;
        let point = read("POST /v1/points", &format!("{{{}}}", body.replace("RARE", rare)));
        assert!(negative(point.x) && negative(point.y.into()), "{point:?}");
        assert!(!negative(point.list[0]) && negative(point.list[1]), "{point:?}");
        assert!(
            negative(point.map["a"]) && negative(point.map[""]) && !negative(point.map["b"]),
            "{point:?}"
        );
        let inner = point.inner.as_ref().unwrap();
        assert!(negative(inner.x) && inner.text == "t", "{point:?}");
        assert_eq!(point.inners.len(), 3);
        assert!(
            negative(point.inners[1].y.into()) && point.inners[2].x == 7.0,
            "{point:?}"
        );
        assert!(
            negative(point.by_number[&0].x) && !negative(point.by_number[&1].x),
            "{point:?}"
        );
        assert!(
            negative(point.wrapped.unwrap()) && negative(point.maybe.unwrap()),
            "{point:?}"
        );
        assert_eq!(point.text, "t");
    }
}

#[test]
fn it_stays_in_any_in_paths_and_in_queries() {
    let any = r#"{"any":{"@type":"type.googleapis.com/zero.v1.Point","inner":{"x":-0.0}}}"#;
    let any = read("POST /v1/points", any).any.unwrap();
    assert!(
        negative(Point::decode(&*any.value).unwrap().inner.unwrap().x),
        "{any:?}"
    );
    for request in ["GET /v1/points?x=-0", "GET /v1/points?x=-0.0", "GET /v1/points/-0.0"] {
        assert!(negative(read(request, "").x), "{request}");
    }
    let deep = read("GET /v1/points?inner.inner.y=-0", "");
    assert!(negative(deep.inner.unwrap().inner.unwrap().y.into()));
    for body in [r#"{"y":-0.0}"#, r#"{"mask":"x","y":-0.0}"#] {
        let point = read("PUT /v1/points/-0", body);
        assert!(negative(point.x) && negative(point.inner.unwrap().y.into()), "{body}");
    }
}

#[test]
fn it_stays_in_the_protocols_beside_rest() {
    let descriptor = inline(PROTO).get_message_by_name("zero.v1.Point").unwrap();
    let bytes = codec::from_json(&descriptor, br#"{"x":-0.0}"#).unwrap();
    assert!(negative(Point::decode(bytes).unwrap().x));
}

#[test]
fn a_zero_without_a_sign_is_still_not_written() {
    assert_eq!(
        read("POST /v1/points", &format!(r#"{{{RARE}"x":0,"y":0.0}}"#)).encode_to_vec(),
        b""
    );
    let both = read("POST /v1/points", &format!(r#"{{{RARE}"x":0,"y":-0.0}}"#));
    assert!(!negative(both.x) && negative(both.y.into()));
}
