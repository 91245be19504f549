//! What a call may cost, by its method's policy and by what its caller asks for.

use super::*;
use crate::layer::deadline;

const DEFAULT: Duration = Duration::from_secs(5);

fn plan(method: &policy::Method, headers: &[(&'static str, &'static str)]) -> Plan {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, HeaderValue::from_static(value));
    }
    Plan::new(Some(method), &map, DEFAULT)
}

fn method(path: &str) -> policy::Method {
    policy::Method::clone(testkit::policies().get(path).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_key_makes_a_call_repeatable_where_the_service_honours_it() {
    let honours = policy::Method {
        idempotency_key: true,
        ..method(LOGIN)
    };
    let key = [("idempotency-key", "k-1")];
    assert!(plan(&honours, &key).repeatable);
    assert!(!plan(&honours, &[]).repeatable, "no key");
    assert!(!plan(&method(LOGIN), &key).repeatable, "nobody would look at it");
    assert!(plan(&method(GET_USER), &[]).repeatable);
}

#[tokio::test(start_paused = true)]
async fn a_methods_own_deadline_stands_in_for_the_default() {
    let slow = policy::Method {
        deadline: Some(Duration::from_secs(30)),
        ..method(LOGIN)
    };
    assert_eq!(plan(&slow, &[]).remaining(), Some(Duration::from_secs(30)));
    assert_eq!(
        plan(&slow, &[(deadline::HEADER, "7S")]).remaining(),
        Some(Duration::from_secs(7))
    );
    assert_eq!(
        plan(&slow, &[(deadline::HEADER, "31S")]).remaining(),
        Some(Duration::from_secs(30))
    );
    assert_eq!(plan(&method(LOGIN), &[]).remaining(), Some(DEFAULT));
}

#[tokio::test(start_paused = true)]
async fn the_patience_with_an_upstream_is_the_methods_and_not_the_callers() {
    let hurried = plan(&method(GET_USER), &[(deadline::HEADER, "300m")]);
    assert_eq!(hurried.per_try, Some(Duration::from_millis(100)));
    assert_eq!(hurried.patience, DEFAULT / 3);
    let once = plan(&method(LOGIN), &[(deadline::HEADER, "300m")]);
    assert_eq!((once.per_try, once.patience), (None, DEFAULT));
}

#[tokio::test(start_paused = true)]
async fn a_method_that_nobody_knows_is_neither_repeated_nor_cut_short() {
    let unknown = Plan::new(None, &HeaderMap::new(), DEFAULT);
    assert!(!unknown.repeatable && !unknown.unary && !unknown.hold());
    assert_eq!(unknown.remaining(), None);
}
