//! What the fuzz targets share: REST over the schema that its tests use, and what must hold of it.

use std::{path::Path, sync::LazyLock};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use logicore_gateway::rest::{Match, Routes, decode, encode};
use prost_reflect::DescriptorPool;
use serde::Deserialize;
use tonic::{Status, body::Body};

/// Longest body that is read.
const LIMIT: usize = 1 << 20;

static ROUTES: LazyLock<Routes> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let includes = [folder.join("../services/gateway/tests/proto"), folder.join("../proto")];
    let mut compiler = protox::Compiler::new(includes).expect("the folders are there");
    compiler.include_imports(true);
    compiler.open_file("shapes.proto").expect("the file is right");
    let set = compiler.encode_file_descriptor_set();
    let pool = DescriptorPool::decode(&*set).expect("the compiler wrote descriptors");
    Routes::build(&pool).expect("every binding can be served")
});

/// The route of a request, if it has one.
pub fn route(method: &str, path: &str) -> Option<Match> {
    ROUTES.matched(&method.parse().ok()?, path).ok()
}

/// The message that a service gets of a request, as gRPC frames it; `None` where it is refused.
pub fn sent(method: &str, target: &str, body: &[u8]) -> Option<(Match, Bytes)> {
    let request = Request::builder().method(method).uri(target);
    let request = match body.is_empty() {
        true => request,
        false => request.header("content-type", "application/json"),
    };
    let (parts, ()) = request.body(()).ok()?.into_parts();
    let route = ROUTES.matched(&parts.method, parts.uri.path()).ok()?;
    let body = Body::new(Full::from(body.to_vec()));
    let decoded = decode(&route, parts, body, LIMIT)
        .now_or_never()
        .expect("nothing is waited for");
    let framed = decoded.ok()?.into_body().collect().now_or_never()?.ok()?.to_bytes();
    Some((route, framed))
}

/// The status and body of the answer that frames of gRPC become.
pub fn shown(route: &Match, framed: Bytes) -> (u16, Bytes) {
    let mut trailers = HeaderMap::new();
    Status::ok("")
        .add_header(&mut trailers)
        .expect("there is nothing to encode");
    let frames = [Frame::data(framed), Frame::trailers(trailers)].map(Ok::<_, Status>);
    let body = Body::new(StreamBody::new(futures_util::stream::iter(frames)));
    let answer = encode(route, Response::new(body))
        .now_or_never()
        .expect("nothing is waited for");
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().now_or_never().expect("the body is there");
    (status, body.map(|body| body.to_bytes()).unwrap_or_default())
}

/// What a reader took can be shown, and what is shown is taken and means the same.
///
/// # Panics
/// Where that does not hold: a finding.
pub fn comes_back(framed: &Bytes) {
    let (json, again) = shown_twice(framed).expect("what was taken can be shown");
    let again = again.unwrap_or_else(|| panic!("what was shown is refused: {json}"));
    assert!(json == again, "{json} came back as {again}");
}

/// What is shown of any bytes is JSON, and means the same where it is taken. It need not be: an upstream may nest deeper
/// than callers may, or name fields in a mask that nobody could.
///
/// # Panics
/// Where that does not hold: a finding.
pub fn comes_back_or_not(framed: &Bytes) {
    if let Some((json, Some(again))) = shown_twice(framed) {
        assert!(json == again, "{json} came back as {again}");
    }
}

/// A message as JSON, and what that becomes by way of a request; `None` where there is no such.
fn shown_twice(framed: &Bytes) -> Option<(String, Option<String>)> {
    let echo = route("POST", "/echo").expect("the schema has it");
    let (status, json) = shown(&echo, framed.clone());
    if status != 200 {
        return None;
    }
    let mut reader = serde_json::Deserializer::from_slice(&json);
    let read = serde::de::IgnoredAny::deserialize(&mut reader).and_then(|_| reader.end());
    read.unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&json)));
    let again = sent("POST", "/echo", &json).map(|(_, framed)| unsigned_zeros(&shown(&echo, framed).1));
    Some((unsigned_zeros(&json), again))
}

/// The strict reader's messages take a zero for the default whatever its sign, so where it reads, the sign is lost.
fn unsigned_zeros(json: &[u8]) -> String {
    String::from_utf8_lossy(json).replace("-0.0", "0")
}
