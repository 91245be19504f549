use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use logicore::{api::PUBLIC_DESCRIPTORS, settings::Role, testkit};
use prost_reflect::DescriptorPool;
use tower::{ServiceExt, service_fn};

use super::*;
use crate::routes::Table;

const OVERVIEW: &str = "/logicore.admin.v1.AdminService/GetOverview";
const USERS: &str = "/logicore.user.v1.UserService/ListUsers";

struct Rig {
    process: Process,
    table: Table,
    layer: FallbackLayer,
    /// What the upstream answers: an error, or a message.
    upstream: Arc<Mutex<Result<&'static [u8], Code>>>,
    calls: Arc<AtomicUsize>,
}

impl Rig {
    fn new() -> Self {
        let process = testkit::context(Role::Gateway);
        let pool = DescriptorPool::decode(PUBLIC_DESCRIPTORS).unwrap();
        Self {
            table: Table::new(&process, &pool).unwrap(),
            layer: FallbackLayer::new(&process),
            process,
            upstream: Arc::new(Mutex::new(Ok(b"\0\0\0\0\x01x"))),
            calls: Arc::default(),
        }
    }

    fn set(&self, answer: Result<&'static [u8], Code>) {
        *self.upstream.lock().unwrap() = answer;
    }

    async fn ask(&self, path: &str, message: &'static [u8]) -> (HeaderMap, Bytes, Code) {
        let (upstream, calls) = (Arc::clone(&self.upstream), Arc::clone(&self.calls));
        let service = service_fn(move |_| {
            calls.fetch_add(1, SeqCst);
            let answer = *upstream.lock().unwrap();
            async move {
                Ok(match answer {
                    Err(code) => Status::new(code, "gone").into_http(),
                    Ok(bytes) => {
                        let end = std::future::ready(Some(Ok(trailers(&Status::ok("")))));
                        Response::new(Body::new(Full::from(bytes).with_trailers(end)))
                    }
                })
            }
        });
        let mut request = Request::new(Body::new(Full::from(message)));
        request
            .extensions_mut()
            .insert(Arc::clone(self.table.get(path).unwrap()));
        let Ok(answer) = self.layer.layer(service).oneshot(request).await;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.unwrap();
        let code = code_in(&head.headers)
            .or_else(|| body.trailers().and_then(code_in))
            .unwrap();
        (head.headers, body.to_bytes(), code)
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_good_answer_stands_in_and_says_so() {
    let rig = Rig::new();
    let (headers, fresh, _) = rig.ask(OVERVIEW, b"").await;
    assert!(!headers.contains_key(STALE));
    rig.set(Err(Code::Unavailable));
    tokio::time::advance(std::time::Duration::from_secs(7)).await;
    let (headers, old, code) = rig.ask(OVERVIEW, b"").await;
    assert_eq!((old, code), (fresh, Code::Ok));
    assert_eq!(
        (&headers["age"], &headers[STALE]),
        (&"7".parse().unwrap(), &"true".parse().unwrap())
    );
    assert_eq!(rig.calls.load(SeqCst), 2, "the upstream is asked first, each time");
}

#[tokio::test]
async fn a_compressed_answer_stands_in_for_none() {
    let rig = Rig::new();
    rig.set(Ok(b"\x01\0\0\0\x01x"));
    assert_eq!(rig.ask(OVERVIEW, b"").await.2, Code::Ok);
    rig.set(Err(Code::Unavailable));
    assert_eq!(rig.ask(OVERVIEW, b"").await.2, Code::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn another_question_has_no_answer_to_stand_in() {
    let rig = Rig::new();
    rig.ask(OVERVIEW, b"").await;
    rig.set(Err(Code::Unavailable));
    assert_eq!(rig.ask(OVERVIEW, b"other").await.2, Code::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_an_answer() {
    let rig = Rig::new();
    rig.ask(OVERVIEW, b"").await;
    for code in [
        Code::PermissionDenied,
        Code::NotFound,
        Code::InvalidArgument,
        Code::ResourceExhausted,
    ] {
        rig.set(Err(code));
        assert_eq!(rig.ask(OVERVIEW, b"").await.2, code);
    }
}

#[tokio::test(start_paused = true)]
async fn changed_roles_and_other_methods_have_none() {
    let rig = Rig::new();
    rig.ask(OVERVIEW, b"").await;
    rig.ask(USERS, b"").await;
    rig.set(Err(Code::Unavailable));
    assert_eq!(
        rig.ask(USERS, b"").await.2,
        Code::Unavailable,
        "its policy does not allow it"
    );
    let before = rig.process.access.policy_revision();
    assert_eq!(rig.ask(OVERVIEW, b"").await.2, Code::Ok);
    assert_eq!(before, rig.process.access.policy_revision());
}

#[tokio::test(start_paused = true)]
async fn a_long_answer_passes_whole_and_is_not_kept() {
    let rig = Rig::new();
    let long: &'static [u8] = Box::leak(vec![7; LONGEST + 10].into_boxed_slice());
    rig.set(Ok(long));
    assert_eq!(rig.ask(OVERVIEW, b"").await.1.len(), LONGEST + 10);
    rig.set(Err(Code::Unavailable));
    assert_eq!(rig.ask(OVERVIEW, b"").await.2, Code::Unavailable);
}
