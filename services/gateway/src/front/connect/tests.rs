//! Calls from their HTTP request to the gRPC request that the stack sees, and back.

mod refused;
mod slow;
mod streams;
mod unaries;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, request::Builder};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use logicore::{
    Reason,
    api::{PUBLIC_DESCRIPTORS, user::GetUserRequest},
    layer::{body::trailers, refuse},
    settings::Role,
    testkit,
};
use logicore_harness::unframed;
use prost::Message as _;
use prost_reflect::DescriptorPool;
use serde_json::{Value, json};

use super::{messages::enveloped, *};
use crate::bodies::Bounds;

const GET_USER: &str = "/logicore.user.v1.UserService/GetUser";
const LOGIN: &str = "/logicore.auth.v1.AuthService/Login";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
const REFLECT: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const LIMIT: usize = 10_000;

/// What came out of a call.
struct Outcome {
    /// What the stack saw; nothing where the call did not get so far.
    seen: Option<(HeaderMap, Bytes)>,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Outcome {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// What the stack saw as the one message.
    fn message(&self) -> Bytes {
        let (_, body) = self.seen.as_ref().expect("the stack saw it");
        let [(0, message)] = &unframed(body).unwrap()[..] else {
            panic!("it is one, and plain: {body:?}");
        };
        message.clone()
    }

    /// The envelopes of a stream, each with its flags.
    fn envelopes(&self) -> Vec<(u8, Bytes)> {
        unframed(&self.body).unwrap()
    }
}

fn post(path: &str, content_type: &str) -> Builder {
    Request::post(path).header("content-type", content_type)
}

/// Sends a request through the front, and answers it with `answer` where the stack sees it.
async fn call(request: Builder, body: impl Into<Bytes>, answer: Response<Body>) -> Outcome {
    let pool = DescriptorPool::decode(PUBLIC_DESCRIPTORS).unwrap();
    let table = Table::new(&testkit::context(Role::Gateway), &pool).unwrap();
    let mut request = request.body(Body::new(Full::new(body.into()))).unwrap();
    let Ok(connect) = Connect::begin(&mut request, &table) else {
        panic!("answered without a call");
    };
    let (mut seen, mut answer) = (None, answer);
    match request.extensions_mut().remove::<Inward>() {
        Some(inward) => {
            let (parts, body) = request.into_parts();
            match inward.adapt(parts, body, &Bounds::new(LIMIT)).await {
                Ok(request) => {
                    assert_eq!((request.method(), request.uri().query()), (&Method::POST, None));
                    let (head, body) = request.into_parts();
                    match body.collect().await {
                        Ok(body) => seen = Some((head.headers, body.to_bytes())),
                        Err(status) => answer = status.into_http(),
                    }
                }
                Err(error) => answer = refuse(error),
            }
        }
        None => {
            let unrouted = request.extensions().get::<Unrouted>().and_then(Unrouted::take);
            answer = refuse(unrouted.unwrap_or_else(|| Error::new(Reason::MethodUnknown, "unknown")));
        }
    }
    let (head, body) = connect.answer(answer).await.into_parts();
    Outcome {
        seen,
        status: head.status,
        headers: head.headers,
        body: body.collect().await.unwrap().to_bytes(),
    }
}

/// An answer of gRPC: messages with their flags, then this status with a trailer beside it.
fn answer(messages: &[(u8, &[u8])], status: &Status) -> Response<Body> {
    let mut ends = trailers(status);
    ends.insert("x-cost", HeaderValue::from_static("3"));
    ends.insert("x-trace-bin", HeaderValue::from_static("AAE"));
    let data = messages.iter().map(|(flags, m)| Frame::data(enveloped(*flags, m)));
    let frames: Vec<_> = data.chain([Frame::trailers(ends)]).map(Ok::<_, Status>).collect();
    Response::builder()
        .header("content-type", "application/grpc")
        .header("x-served-by", "b")
        .body(Body::new(StreamBody::new(tokio_stream::iter(frames))))
        .unwrap()
}

fn ok(messages: &[(u8, &[u8])]) -> Response<Body> {
    answer(messages, &Status::ok(""))
}

/// A message of a method that takes an id.
fn get_user(id: &str) -> Vec<u8> {
    GetUserRequest { id: id.to_owned() }.encode_to_vec()
}
