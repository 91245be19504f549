use logicore::{settings::Role, testkit};
use tonic::Status;
use tower::{ServiceExt, service_fn};

use super::*;

pub(crate) fn principal() -> Arc<Principal> {
    Arc::new(testkit::principal(UserId::generate()))
}

fn layer(by: By, units: u32) -> LimitLayer {
    let mut settings = logicore::settings::Settings::defaults(Role::Gateway);
    settings.limits.rate_per_minute = units;
    settings.limits.address_rate_per_minute = units;
    LimitLayer::new(&testkit::context_with(settings), by)
}

async fn call(layer: &LimitLayer, from: &str, principal: Option<&Arc<Principal>>) -> Response<Body> {
    let answers = service_fn(|_| async { Ok(Response::new(Body::empty())) });
    let mut request = Request::new(Body::empty());
    request
        .extensions_mut()
        .insert(PeerAddr(format!("{from}:9").parse().unwrap()));
    if let Some(principal) = principal {
        request.extensions_mut().insert(Arc::clone(principal));
    }
    let Ok(answer) = layer.layer(answers).oneshot(request).await;
    answer
}

fn refused(answer: &Response<Body>) -> bool {
    Status::from_header_map(answer.headers()).is_some_and(|s| Error::reason_of(&s) == Some(Reason::RateLimited))
}

#[tokio::test(start_paused = true)]
async fn the_answer_says_what_is_left() {
    let (layer, who) = (layer(By::Principal, 2), principal());
    for left in ["1", "0"] {
        let answer = call(&layer, "192.0.2.1", Some(&who)).await;
        assert!(!refused(&answer));
        assert_eq!(answer.headers()["ratelimit-limit"], "2");
        assert_eq!(answer.headers()["ratelimit-remaining"], left);
        assert_eq!(answer.headers()["ratelimit-policy"], "2;w=60");
    }
    let answer = call(&layer, "192.0.2.1", Some(&who)).await;
    assert!(refused(&answer));
    assert_eq!(answer.headers()["ratelimit-reset"], "60");
    assert_eq!(answer.headers()["grpc-retry-pushback-ms"], "30000");
}

#[tokio::test(start_paused = true)]
async fn principals_are_counted_wherever_they_come_from_and_apart() {
    let (layer, ann, bob) = (layer(By::Principal, 1), principal(), principal());
    assert!(!refused(&call(&layer, "192.0.2.1", Some(&ann)).await));
    assert!(refused(&call(&layer, "192.0.2.2", Some(&ann)).await));
    assert!(!refused(&call(&layer, "192.0.2.1", Some(&bob)).await));
    let stranger = call(&layer, "192.0.2.1", None).await;
    assert!(!stranger.headers().contains_key("ratelimit-limit"));
}

#[tokio::test(start_paused = true)]
async fn strangers_are_counted_by_address_and_known_callers_are_not() {
    let (layer, ann) = (layer(By::Address, 1), principal());
    assert!(!refused(&call(&layer, "192.0.2.1", None).await));
    assert!(refused(&call(&layer, "192.0.2.1", None).await));
    assert!(
        refused(&call(&layer, "[::ffff:192.0.2.1]", None).await),
        "the same address"
    );
    assert!(!refused(&call(&layer, "192.0.2.1", Some(&ann)).await));
    assert!(!refused(&call(&layer, "192.0.2.2", None).await));
}

#[tokio::test(start_paused = true)]
async fn one_network_of_ipv6_is_one_stranger() {
    let layer = layer(By::Address, 1);
    assert!(!refused(&call(&layer, "[2001:db8:1:2::1]", None).await));
    assert!(refused(&call(&layer, "[2001:db8:1:2:ffff::9]", None).await));
    assert!(!refused(&call(&layer, "[2001:db8:1:3::1]", None).await));
}

#[tokio::test(start_paused = true)]
async fn what_no_stack_answers_is_counted_with_the_rest() {
    let layer = layer(By::Address, 2);
    let mut from = http::Extensions::new();
    from.insert(PeerAddr("192.0.2.1:9".parse().unwrap()));
    assert!(layer.count(&from).is_ok());
    assert!(!refused(&call(&layer, "192.0.2.1", None).await));
    let error = layer.count(&from).unwrap_err();
    assert_eq!(error.reason(), Reason::RateLimited);
    assert!(refused(&call(&layer, "192.0.2.1", None).await));
}
