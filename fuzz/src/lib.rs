//! What the fuzz targets share: REST over the schema that its tests use, and what must hold of it.

use std::{path::Path, sync::LazyLock};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use logicore_gateway::rest::{Match, Routes, decode, encode};
use prost_reflect::DescriptorPool;
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

/// What was taken can be shown, and what is shown is taken and means the same.
///
/// # Panics
/// Where that does not hold: a finding.
pub fn comes_back(framed: &Bytes) {
    let echo = route("POST", "/echo").expect("the schema has it");
    let (status, json) = shown(&echo, framed.clone());
    if status != 200 {
        // A message that JSON cannot show, such as one nested too deeply to be read again.
        return;
    }
    let text = String::from_utf8_lossy(&json).into_owned();
    serde_json::from_slice::<serde_json::Value>(&json).unwrap_or_else(|e| panic!("{e}: {text}"));
    let (_, again) = sent("POST", "/echo", &json).unwrap_or_else(|| panic!("what was shown is refused: {text}"));
    let (_, json_again) = shown(&echo, again);
    assert!(
        json == json_again,
        "{text} came back as {}",
        String::from_utf8_lossy(&json_again)
    );
}
