use std::sync::Mutex;

use bytes::Bytes;
use chrono::DateTime;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::task::JoinHandle;
use tonic::Code;
use tower::ServiceExt;

use super::*;
use crate::{
    api::mesh::{self as pb, RevocationTarget as Target},
    clock::Clock,
    error::Reason,
    feed::{AccessView, resource},
    secret::Secret,
    settings::{Role, Settings},
    testkit,
};

const UNARY: &str = "/logicore.user.v1.UserService/GetUser";
const STREAM: &str = "/logicore.mesh.v1.FeedService/Sync";

/// Somebody who is signed in for a quarter of an hour, and the clocks of their verifier.
struct World {
    clock: Clock,
    access: Arc<AccessView>,
    verifier: Arc<Verifier>,
    principal: Arc<Principal>,
}

impl World {
    fn new() -> Self {
        let settings = Settings::defaults(Role::Gateway);
        let clock = Clock::manual(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
        let access = AccessView::new(None);
        testkit::feed(&access, Vec::new(), testkit::built_in_roles());
        let secret = Secret::new("a secret of at least thirty-two bytes");
        let verifier = Arc::new(Verifier::new(
            settings.public_url.clone(),
            settings.jwt.audience.clone(),
            Some(secret.clone()),
            access.clone(),
            clock.clone(),
        ));
        let token = testkit::token(&secret, &testkit::claims(&settings, &clock, &["user"]));
        let principal = verifier.verify(&token).unwrap();
        Self {
            clock,
            access,
            verifier,
            principal,
        }
    }

    /// Both clocks go on, and everybody gets to look at them.
    async fn pass(&self, time: Duration) {
        self.clock.advance(time);
        tokio::time::sleep(time).await;
    }

    fn revoke(&self, id: impl ToString) {
        let marks = pb::Revocation {
            target: Target::Session.into(),
            id: id.to_string(),
            revoked: 100,
            ..pb::Revocation::default()
        };
        let marks = vec![resource::revocation(marks)];
        testkit::feed(&self.access, marks, testkit::built_in_roles());
    }

    fn request(&self, path: &str) -> Request<Body> {
        let mut request = Request::new(Body::empty());
        let table = testkit::policies();
        request.extensions_mut().insert(Arc::clone(table.get(path).unwrap()));
        request.extensions_mut().insert(Arc::clone(&self.principal));
        request
    }

    /// Calls a handler whose answer begins and never ends.
    fn endless(&self, request: Request<Body>) -> JoinHandle<Status> {
        let service = LifetimeLayer::new(&self.verifier).layer(tower::service_fn(|_| async {
            let never = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, Status>>());
            Ok::<_, Infallible>(Response::new(Body::new(never)))
        }));
        tokio::spawn(async move {
            let Ok(response) = service.oneshot(request).await;
            let collected = response.into_body().collect().await.unwrap();
            Status::from_header_map(collected.trailers().unwrap()).unwrap()
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_its_token_expires() {
    let world = World::new();
    let stream = world.endless(world.request(STREAM));
    world.pass(Duration::from_secs(899)).await;
    assert!(!stream.is_finished());
    world.pass(Duration::from_secs(2)).await;
    assert!(stream.is_finished());
    let status = stream.await.unwrap();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(Error::reason_of(&status), Some(Reason::AuthTokenExpired));
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_its_token_is_revoked_and_not_when_anothers_is() {
    let world = World::new();
    let stream = world.endless(world.request(STREAM));
    world.pass(Duration::from_secs(1)).await;
    world.revoke(crate::ids::SessionId::generate());
    world.pass(Duration::from_millis(100)).await;
    assert!(!stream.is_finished());
    world.revoke(world.principal.session);
    world.pass(Duration::from_millis(1)).await;
    assert!(stream.is_finished(), "at once, not at the next look at the clock");
    let status = stream.await.unwrap();
    assert_eq!(Error::reason_of(&status), Some(Reason::AuthTokenRevoked));
}

#[tokio::test(start_paused = true)]
async fn a_stream_whose_handler_has_not_answered_yet_ends_as_well() {
    let world = World::new();
    let service = LifetimeLayer::new(&world.verifier).layer(tower::service_fn(|_| {
        std::future::pending::<Result<Response<Body>, Infallible>>()
    }));
    let call = tokio::spawn(service.oneshot(world.request(STREAM)));
    world.pass(Duration::from_secs(1)).await;
    assert!(!call.is_finished());
    world.revoke(world.principal.session);
    let Ok(response) = call.await.unwrap();
    let status = Status::from_header_map(response.headers()).unwrap();
    assert_eq!(Error::reason_of(&status), Some(Reason::AuthTokenRevoked));
    assert!(response.headers().contains_key("www-authenticate"));
}

#[tokio::test(start_paused = true)]
async fn unary_calls_and_streams_without_a_token_live_on() {
    let world = World::new();
    let unary = world.endless(world.request(UNARY));
    let mut request = world.request(STREAM);
    request.extensions_mut().remove::<Arc<Principal>>();
    let of_a_peer = world.endless(request);
    world.revoke(world.principal.session);
    world.pass(Duration::from_secs(3600)).await;
    assert!(!unary.is_finished() && !of_a_peer.is_finished());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_ends_by_itself_is_left_as_it_was() {
    let world = World::new();
    let service = LifetimeLayer::new(&world.verifier).layer(tower::service_fn(|_| async {
        Ok::<_, Infallible>(Status::not_found("nothing here").into_http())
    }));
    let Ok(response) = service.oneshot(world.request(STREAM)).await;
    let status = Status::from_header_map(response.headers()).unwrap();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "nothing here"));
}

#[tokio::test(start_paused = true)]
async fn the_last_moment_of_a_token_is_not_a_busy_loop() {
    let world = World::new();
    world.clock.advance(Duration::from_millis(899_999));
    let looks = Arc::new(Mutex::new(0));
    let count = looks.clone();
    let watched = tokio::spawn({
        let mut ended = Box::pin(ended(world.verifier.clone(), world.principal.clone()));
        std::future::poll_fn(move |cx| {
            *count.lock().unwrap() += 1;
            ended.as_mut().poll(cx)
        })
    });
    // The wall clock stands still, which makes its last millisecond last.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!watched.is_finished());
    let looked = *looks.lock().unwrap();
    assert!(looked <= 25, "{looked} looks in a second");
}
