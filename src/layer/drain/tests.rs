use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::task::JoinHandle;
use tonic::Code;
use tower::ServiceExt;

use super::*;
use crate::testkit;

const UNARY: &str = "/logicore.user.v1.UserService/GetUser";
const STREAM: &str = "/logicore.mesh.v1.FeedService/Sync";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
const CHECK: &str = "/grpc.health.v1.Health/Check";

fn request(path: &str) -> Request<Body> {
    let mut request = Request::post(path).body(Body::empty()).unwrap();
    if let Some(method) = testkit::policies().get(path) {
        request.extensions_mut().insert(Arc::clone(method));
    }
    request
}

/// Answers at once, with one message and no end.
async fn endless(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    use tokio_stream::StreamExt;
    let message = tokio_stream::once(Ok::<_, Status>(Frame::data(Bytes::from_static(b"message"))));
    let frames = StreamBody::new(message.chain(tokio_stream::pending()));
    Ok(Response::new(Body::new(frames)))
}

/// The messages of a call and the status that it ends with, once it does.
fn called<S>(service: S, path: &str) -> JoinHandle<(Bytes, Status)>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Send + 'static,
    S::Future: Send,
{
    let request = request(path);
    tokio::spawn(async move {
        let Ok(response) = service.oneshot(request).await;
        let (head, body) = response.into_parts();
        let collected = body.collect().await.unwrap();
        let trailers = collected.trailers().cloned().unwrap_or_default();
        let status = Status::from_header_map(&head.headers).or_else(|| Status::from_header_map(&trailers));
        (collected.to_bytes(), status.expect("a call ends with a status"))
    })
}

async fn moment() {
    tokio::time::sleep(Duration::from_secs(3600)).await;
}

fn shut_down(status: &Status) {
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(Error::reason_of(status), Some(Reason::NotReady));
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_the_process_closes_and_not_before() {
    let life = Lifecycle::default();
    let stream = called(DrainLayer::new(life.clone()).layer(tower::service_fn(endless)), STREAM);
    for phase in [Phase::Serving, Phase::Draining] {
        life.advance(phase);
        moment().await;
        assert!(!stream.is_finished(), "{phase:?}");
    }
    life.advance(Phase::Closing);
    let (messages, status) = stream.await.unwrap();
    assert_eq!(messages, "message", "what was said before is kept");
    shut_down(&status);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_has_not_begun_ends_as_well() {
    let life = Lifecycle::default();
    let silent = tower::service_fn(|_| std::future::pending());
    let stream = called(DrainLayer::new(life.clone()).layer(silent), STREAM);
    moment().await;
    life.advance(Phase::Closing);
    shut_down(&stream.await.unwrap().1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_comes_while_the_process_closes_is_sent_away() {
    let life = Lifecycle::default();
    life.advance(Phase::Closing);
    let stream = called(DrainLayer::new(life).layer(tower::service_fn(endless)), STREAM);
    shut_down(&stream.await.unwrap().1);
}

#[tokio::test(start_paused = true)]
async fn a_unary_call_finishes() {
    let life = Lifecycle::default();
    life.advance(Phase::Closing);
    let slow = tower::service_fn(|_| async {
        moment().await;
        Ok(Status::ok("done").into_http())
    });
    let call = called(DrainLayer::new(life).layer(slow), UNARY);
    let (_, status) = call.await.unwrap();
    assert_eq!((status.code(), status.message()), (Code::Ok, "done"));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_by_itself_keeps_its_status() {
    let life = Lifecycle::default();
    let refused = tower::service_fn(|_| async { Ok(Status::permission_denied("no").into_http()) });
    let (_, status) = called(DrainLayer::new(life).layer(refused), STREAM).await.unwrap();
    assert_eq!((status.code(), status.message()), (Code::PermissionDenied, "no"));
}

#[tokio::test(start_paused = true)]
async fn of_a_health_service_the_watch_ends_and_the_check_does_not() {
    let life = Lifecycle::default();
    let watch = called(watch_ends(life.clone(), tower::service_fn(endless)), WATCH);
    let check = called(watch_ends(life.clone(), tower::service_fn(endless)), CHECK);
    let elsewhere = called(DrainLayer::new(life.clone()).layer(tower::service_fn(endless)), WATCH);
    life.advance(Phase::Closing);
    shut_down(&watch.await.unwrap().1);
    moment().await;
    assert!(!check.is_finished());
    assert!(!elsewhere.is_finished(), "a path alone makes no stream of ours");
}
