//! REST as a whole, over a schema of every shape that `google.api.http` can ask for.
//!
//! What a request means is written as JSON and read by prost-reflect's own reader, so that two readers check each other.

mod answers;
mod arbitrary;
mod bindings;
mod bodies;
mod broken_answers;
mod client;
mod compressed;
mod deep;
mod direct;
mod errors;
pub(crate) mod inline;
mod intake;
mod masks;
mod properties;
mod public;
mod queries;
mod raw;
mod refused_bodies;
mod refused_queries;
mod routing;
mod slow;
mod streams;
mod table;
mod transport;
mod uploads;
mod zero;

use std::{path::Path, sync::OnceLock};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Uri};
use http_body_util::{BodyExt, Full};
use logicore::{Error, Reason};
use logicore_harness::unframed;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, ReflectMessage};
use tonic::body::Body;

pub(crate) use inline::inline;

use super::{Match, Routes, decode, write};

/// Far above what the tables send.
const LIMIT: usize = 1 << 20;

fn pool() -> &'static DescriptorPool {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    POOL.get_or_init(|| compiled("shapes.proto"))
}

/// The pool of a file of `tests/proto`.
pub(crate) fn compiled(file: &str) -> DescriptorPool {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut compiler = protox::Compiler::new([folder.join("tests/proto"), folder.join("../../proto")]).unwrap();
    compiler.include_imports(true).open_file(file).unwrap();
    DescriptorPool::decode(&*compiler.encode_file_descriptor_set()).unwrap()
}

fn routes() -> &'static Routes {
    static ROUTES: OnceLock<Routes> = OnceLock::new();
    ROUTES.get_or_init(|| Routes::build(pool()).unwrap())
}

fn everything() -> MessageDescriptor {
    pool().get_message_by_name("shapes.v1.Everything").unwrap()
}

/// The route of `GET /path`.
fn route(request: &str) -> Match {
    let (method, target) = request.split_once(' ').unwrap();
    let uri: Uri = target.parse().unwrap();
    routes()
        .matched(&method.parse().unwrap(), uri.path())
        .unwrap_or_else(|e| panic!("{request}: {e:?}"))
}

/// What a service gets of a request, by the whole way: its method and its message.
fn call(routes: &Routes, request: &str, body: &[u8]) -> Result<(String, DynamicMessage), Error> {
    let (method, target) = request.split_once(' ').unwrap();
    let request = Request::builder().method(method).uri(target);
    let request = match body.is_empty() {
        true => request,
        false => request.header("content-type", "application/json"),
    };
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let route = routes.matched(&parts.method, parts.uri.path()).map_err(Error::from)?;
    let body = Body::new(Full::from(body.to_vec()));
    let request = decode(&route, parts, body, LIMIT)
        .now_or_never()
        .expect("nothing is waited for")?;
    let path = request.uri().path().to_owned();
    let frame = request
        .into_body()
        .collect()
        .now_or_never()
        .unwrap()
        .unwrap()
        .to_bytes();
    let message = DynamicMessage::decode(route.binding.method.input(), only(&frame)).unwrap();
    Ok((path, message))
}

/// Bytes as gzip has them.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

/// The one message of a gRPC body.
fn only(body: &Bytes) -> Bytes {
    let frames = unframed(body).unwrap();
    let [(0, message)] = &frames[..] else {
        panic!("it is one, and uncompressed: {frames:?}");
    };
    message.clone()
}

/// Whether the gateway takes a request.
pub(crate) fn taken(request: &str, body: &str) -> Result<(), Error> {
    call(routes(), request, body.as_bytes()).map(drop)
}

/// A message by prost-reflect's own reader, as it comes over the wire: without what is set to its default.
fn from_json(descriptor: MessageDescriptor, json: &str) -> DynamicMessage {
    let mut reader = serde_json::Deserializer::from_str(json);
    let read = DynamicMessage::deserialize(descriptor.clone(), &mut reader);
    let read = read.unwrap_or_else(|e| panic!("{json}: {e}"));
    DynamicMessage::decode(descriptor, &*read.encode_to_vec()).unwrap()
}

/// A message for people. Its own `Debug` does not end where a type holds itself.
fn shown(message: &DynamicMessage) -> String {
    let mut json = Vec::new();
    let written = write::message(message, &mut json);
    format!("{} {written:?}", String::from_utf8_lossy(&json))
}

/// Whether two messages are one: NaN too is itself here.
fn same(a: &DynamicMessage, b: &DynamicMessage) -> bool {
    a == b || a.encode_to_vec() == b.encode_to_vec()
}

/// The request reaches `Service/Method` with the message that the JSON says.
#[track_caller]
fn means(request: &str, body: &str, method: &str, json: &str) {
    let (path, message) = call(routes(), request, body.as_bytes()).unwrap_or_else(|e| panic!("{request} {body}: {e}"));
    assert_eq!(path, format!("/shapes.v1.{method}"), "{request}");
    let meant = from_json(message.descriptor(), json);
    assert!(
        same(&message, &meant),
        "{request} {body}:\n{}\nis not\n{}",
        shown(&message),
        shown(&meant)
    );
}

/// The error of a request that is refused.
#[track_caller]
fn error_of(routes: &Routes, request: &str, body: &[u8]) -> Error {
    match call(routes, request, body) {
        Ok((_, message)) => panic!("{request} was taken as {}", shown(&message)),
        Err(error) => error,
    }
}

/// The request is refused for a reason, by an error that names the field (none where empty).
#[track_caller]
fn refused(request: &str, body: &[u8], reason: Reason, field: &str) {
    let text = String::from_utf8_lossy(body);
    let error = error_of(routes(), request, body);
    assert_eq!(error.reason(), reason, "{request} {text}: {error}");
    let named: Vec<_> = error.violations().iter().map(|(field, _)| field.as_str()).collect();
    let meant: Vec<_> = Some(field).filter(|f| !f.is_empty()).into_iter().collect();
    assert_eq!(named, meant, "{request} {text}: {error}");
    assert!(error.message().contains(field), "{error}");
    assert!(error.message().len() < 400, "an error is read by people: {error}");
}
