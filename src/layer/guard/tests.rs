mod memory;
mod scan;

use std::sync::Mutex;

use bytes::Bytes;
use http::HeaderValue;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use prost::Message;
use tonic::{Code, Status};
use tower::ServiceExt;

use super::*;
use crate::{
    api::{auth, user},
    compression::GRPC_ENCODING,
    ids::UserId,
    layer::body,
    testkit,
};

const LIMIT: usize = 1000;
const GET_USER: &str = "/logicore.user.v1.UserService/GetUser";
const LIST_SESSIONS: &str = "/logicore.auth.v1.AuthService/ListSessions";

/// What is asked of GetUser's `id`.
const OWN_SUBJECT: Verdict = Verdict {
    own_subject: Some(1),
    own_tenant: None,
};
/// What would be asked of a method whose third field names the tenant.
const OWN_TENANT: Verdict = Verdict {
    own_subject: None,
    own_tenant: Some(3),
};

fn somebody() -> Arc<Principal> {
    let ctx = testkit::context(crate::settings::Role::Auth);
    let secret = crate::secret::Secret::new("a secret of at least thirty-two bytes");
    let token = testkit::token(&secret, &testkit::claims(&ctx.settings, &ctx.clock, &["user"]));
    testkit::feed(&ctx.access, Vec::new(), Vec::new());
    let verifier = crate::token::Verifier::new(
        ctx.settings.public_url.clone(),
        ctx.settings.jwt.audience.clone(),
        Some(secret),
        ctx.access,
        ctx.clock,
    );
    verifier.verify(&token).unwrap()
}

fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0][..], &length, message].concat().into()
}

fn get_user(id: &str) -> Vec<u8> {
    user::GetUserRequest { id: id.to_owned() }.encode_to_vec()
}

/// What arrives behind the guard, and what the caller is told.
async fn guarded(path: &str, verdict: Verdict, principal: &Arc<Principal>, body: Body) -> (Option<Bytes>, Status) {
    let mut request = Request::new(body);
    let method = Arc::clone(testkit::policies().get(path).unwrap());
    request.extensions_mut().insert(method);
    request.extensions_mut().insert(verdict);
    request.extensions_mut().insert(Arc::clone(principal));
    pass(request).await
}

async fn pass(request: Request<Body>) -> (Option<Bytes>, Status) {
    let arrived = Arc::new(Mutex::new(None));
    let sink = arrived.clone();
    let handler = tower::service_fn(move |request: Request<Body>| {
        let sink = sink.clone();
        async move {
            let bytes = request.into_body().collect().await.unwrap().to_bytes();
            *sink.lock().unwrap() = Some(bytes);
            Ok::<_, Infallible>(Status::ok("").into_http())
        }
    });
    let Ok(response) = GuardLayer::new(LIMIT).layer(handler).oneshot(request).await;
    let status = Status::from_header_map(response.headers()).unwrap();
    (arrived.lock().unwrap().take(), status)
}

/// What becomes of a message that `own_subject` or `own_tenant` is asked of.
async fn judged(path: &str, verdict: Verdict, principal: &Arc<Principal>, message: &[u8]) -> Option<Reason> {
    let sent = framed(message);
    let body = Body::new(Full::new(sent.clone()));
    let (arrived, status) = guarded(path, verdict, principal, body).await;
    let passed = arrived.is_some();
    assert_eq!(passed, status.code() == Code::Ok);
    if let Some(arrived) = arrived {
        assert_eq!(arrived, sent, "byte for byte");
    }
    Error::reason_of(&status)
}

#[tokio::test]
async fn a_message_about_oneself_passes_and_about_another_does_not() {
    let me = somebody();
    let own = me.subject.to_string();
    let judged = async |id: &str| judged(GET_USER, OWN_SUBJECT, &me, &get_user(id)).await;
    assert_eq!(judged("").await, None, "nobody named is the caller");
    assert_eq!(judged(&own).await, None);
    for other in [
        &UserId::generate().to_string(),
        &own[1..],
        &format!("{own}0"),
        &format!("{own} "),
        &own.replace('-', "_"),
        "me",
        "*",
    ] {
        assert_eq!(judged(other).await, Some(Reason::PermissionMissing), "{other:?}");
    }
}

#[tokio::test]
async fn oneself_in_another_spelling_is_not_oneself() {
    let me = somebody();
    let own = me.subject.to_string();
    for spelled in [
        own.to_uppercase(),
        own[..1].to_uppercase() + &own[1..],
        own.replace('-', ""),
        own.replace('-', "").to_uppercase(),
        format!("{{{own}}}"),
        format!("urn:uuid:{own}"),
        format!("URN:UUID:{own}"),
        format!("{own}\0"),
        format!(" {own}"),
    ] {
        // The capitals of an id without letters are the id itself.
        if spelled != own {
            let judged = judged(GET_USER, OWN_SUBJECT, &me, &get_user(&spelled)).await;
            assert_eq!(judged, Some(Reason::PermissionMissing), "{spelled:?}");
        }
    }
}

#[tokio::test]
async fn the_refusal_names_the_permission_that_would_open_it() {
    let body = Body::new(Full::new(framed(&get_user(&UserId::generate().to_string()))));
    let (arrived, status) = guarded(GET_USER, OWN_SUBJECT, &somebody(), body).await;
    assert_eq!((arrived, status.code()), (None, Code::PermissionDenied));
    let info = tonic_types::StatusExt::get_details_error_info(&status).unwrap();
    assert_eq!(info.metadata["permission"], "users.read");
}

#[tokio::test]
async fn of_a_field_that_occurs_twice_the_last_one_counts() {
    let me = somebody();
    let (own, other) = (me.subject.to_string(), UserId::generate().to_string());
    let twice = |first: &str, last: &str| [get_user(first), get_user(last)].concat();
    let judged = async |message: Vec<u8>| judged(GET_USER, OWN_SUBJECT, &me, &message).await;
    assert_eq!(judged(twice(&own, &other)).await, Some(Reason::PermissionMissing));
    assert_eq!(judged(twice(&other, &own)).await, None);
    // prost writes no empty string, others do.
    let emptied = [get_user(&other), vec![0x0a, 0]].concat();
    assert_eq!(judged(emptied.clone()).await, None);
    assert_eq!(
        user::GetUserRequest::decode(&emptied[..]).unwrap().id,
        "",
        "as the service sees it"
    );
}

#[tokio::test]
async fn the_field_is_found_among_others_and_what_is_unknown_passes() {
    let me = somebody();
    let request = |user_id: String| auth::ListSessionsRequest {
        user_id,
        page_size: 7,
        page_token: "next".to_owned(),
    };
    // Field 99, which this version does not know.
    let unknown = [0x9a, 0x06, 3, 1, 2, 3];
    let message = |id: String| [&unknown[..], &request(id).encode_to_vec(), &unknown[..]].concat();
    let judged = async |message: Vec<u8>| judged(LIST_SESSIONS, OWN_SUBJECT, &me, &message).await;
    assert_eq!(judged(message(me.subject.to_string())).await, None);
    let other = message(UserId::generate().to_string());
    assert_eq!(judged(other).await, Some(Reason::PermissionMissing));
}

#[tokio::test]
async fn another_tenant_is_not_to_be_named() {
    let me = somebody();
    let named = |tenant: &str| {
        auth::ListSessionsRequest {
            page_token: tenant.to_owned(),
            ..Default::default()
        }
        .encode_to_vec()
    };
    let judged = async |tenant: &str| judged(LIST_SESSIONS, OWN_TENANT, &me, &named(tenant)).await;
    assert_eq!(judged("").await, None);
    assert_eq!(judged("default").await, None);
    for other in ["other", "Default", "default ", "defaul"] {
        assert_eq!(judged(other).await, Some(Reason::TenantMismatch), "{other:?}");
    }
}

#[tokio::test]
async fn both_fields_are_held_against_the_caller() {
    let me = somebody();
    let both = Verdict {
        own_subject: Some(1),
        own_tenant: Some(3),
    };
    let message = |user_id: &str, tenant: &str| {
        auth::ListSessionsRequest {
            user_id: user_id.to_owned(),
            page_size: 0,
            page_token: tenant.to_owned(),
        }
        .encode_to_vec()
    };
    let own = me.subject.to_string();
    let judged = async |user: &str, tenant: &str| judged(LIST_SESSIONS, both, &me, &message(user, tenant)).await;
    assert_eq!(judged(&own, "default").await, None);
    assert_eq!(judged(&own, "other").await, Some(Reason::TenantMismatch));
    assert_eq!(judged("x", "default").await, Some(Reason::PermissionMissing));
}

#[tokio::test]
async fn what_is_not_one_plain_message_is_refused() {
    let me = somebody();
    let message = get_user(&me.subject.to_string());
    let whole = framed(&message);
    let mut compressed = whole.to_vec();
    compressed[0] = 1;
    let mut strange = whole.to_vec();
    strange[0] = 0x80;
    let broken = [
        whole[..4].to_vec(),
        whole[..whole.len() - 1].to_vec(),
        compressed,
        strange,
        vec![0, 0, 0, 0, 9],
        framed(&[0x0a, 5, b'x']).to_vec(),
        framed(&[0x08, 1]).to_vec(),
        framed(&[0x0a, 1, 0xff]).to_vec(),
    ];
    for body in broken {
        let sent = Body::new(Full::new(Bytes::from(body.clone())));
        let (arrived, status) = guarded(GET_USER, OWN_SUBJECT, &me, sent).await;
        assert_eq!(Error::reason_of(&status), Some(Reason::MalformedMessage), "{body:?}");
        assert_eq!(arrived, None);
    }
}

#[tokio::test]
async fn none_or_two_messages_are_no_unary_call() {
    let me = somebody();
    let whole = framed(&get_user(&me.subject.to_string()));
    for body in [
        Vec::new(),
        [&whole[..], &whole[..]].concat(),
        [&whole[..], &[0]].concat(),
    ] {
        let sent = Body::new(Full::new(Bytes::from(body.clone())));
        let (arrived, status) = guarded(GET_USER, OWN_SUBJECT, &me, sent).await;
        assert_eq!(Error::reason_of(&status), Some(Reason::MessageCount), "{body:?}");
        assert_eq!(arrived, None);
    }
}

#[test]
fn a_compressed_message_is_read_and_not_beyond_its_limit() {
    let message = get_user("0192f0c1-2345-7890-abcd-ef0123456789");
    let named = |name: &'static str| HeaderMap::from_iter([(GRPC_ENCODING, HeaderValue::from_static(name))]);
    for encoding in Encoding::ALL {
        let small = encoding.compress(&message).unwrap();
        let mut body = framed(&small).to_vec();
        body[0] = COMPRESSED;
        let headers = named(encoding.as_str());
        assert_eq!(unframed(&headers, &body, LIMIT).unwrap(), message);
        let over = unframed(&headers, &body, message.len() - 1).unwrap_err();
        assert_eq!(over.reason(), Reason::MessageTooLarge);
        for (headers, reason) in [
            (HeaderMap::new(), Reason::MalformedMessage),
            (named("identity"), Reason::MalformedMessage),
            (named("snappy"), Reason::EncodingUnknown),
        ] {
            assert_eq!(unframed(&headers, &body, LIMIT).unwrap_err().reason(), reason);
        }
    }
}

#[tokio::test]
async fn a_message_is_read_up_to_its_limit() {
    let me = somebody();
    // Field 2, unknown here, fills the message up.
    let filled = |size: usize| {
        let mut message = vec![0x12];
        prost::encoding::encode_varint(size as u64 - 3, &mut message);
        message.resize(size, b'x');
        message
    };
    assert_eq!(judged(GET_USER, OWN_SUBJECT, &me, &filled(LIMIT)).await, None);
    assert_eq!(
        judged(GET_USER, OWN_SUBJECT, &me, &filled(LIMIT + 1)).await,
        Some(Reason::MessageTooLarge)
    );
    for (most, refused) in [(2 * LIMIT, None), (LIMIT / 2, Some(Reason::MessageTooLarge))] {
        let mut request = Request::new(Body::new(Full::from(framed(&filled(LIMIT / 2 + 1)))));
        if most > LIMIT {
            *request.body_mut() = Body::new(Full::from(framed(&filled(LIMIT + 1))));
        }
        let extensions = request.extensions_mut();
        extensions.insert(Arc::clone(testkit::policies().get(GET_USER).unwrap()));
        extensions.insert(OWN_SUBJECT);
        extensions.insert(Arc::clone(&me));
        extensions.insert(MaxMessage(most));
        let (_, status) = pass(request).await;
        assert_eq!(Error::reason_of(&status), refused, "the method's own limit is {most}");
    }
    let announced = Body::new(Full::from(&[0, 0xff, 0xff, 0xff, 0xff][..]));
    let (arrived, status) = guarded(GET_USER, OWN_SUBJECT, &me, announced).await;
    assert_eq!(
        Error::reason_of(&status),
        Some(Reason::MessageTooLarge),
        "however much came of it"
    );
    assert_eq!(arrived, None);
}

#[tokio::test]
async fn a_request_that_breaks_off_is_refused() {
    let frames = [
        Ok(Frame::data(Bytes::from_static(&[0, 0, 0, 0, 9]))),
        Err(Status::cancelled("gone")),
    ];
    let body = Body::new(StreamBody::new(tokio_stream::iter(frames)));
    let (arrived, status) = guarded(GET_USER, OWN_SUBJECT, &somebody(), body).await;
    assert_eq!(Error::reason_of(&status), Some(Reason::CallerGone));
    assert_eq!(arrived, None);
}

#[tokio::test]
async fn a_settled_verdict_leaves_the_body_alone() {
    let endless = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, Status>>());
    let mut request = Request::new(Body::new(endless));
    request.extensions_mut().insert(Verdict::default());
    let handler = tower::service_fn(|_| async { Ok::<_, Infallible>(Status::ok("").into_http()) });
    let Ok(response) = GuardLayer::new(LIMIT).layer(handler).oneshot(request).await;
    assert_eq!(
        body::code_in(response.headers()),
        Some(Code::Ok),
        "answered before the body has come"
    );
}

#[tokio::test]
async fn without_the_layers_before_it_nothing_passes() {
    let body = || Body::new(Full::new(framed(&get_user(""))));
    let (arrived, status) = pass(Request::new(body())).await;
    assert_eq!((arrived, status.code()), (None, Code::Internal), "no verdict");
    let mut request = Request::new(body());
    request.extensions_mut().insert(OWN_SUBJECT);
    let (arrived, status) = pass(request).await;
    assert_eq!(arrived, None);
    assert_eq!(
        Error::reason_of(&status),
        Some(Reason::AuthTokenMissing),
        "no principal"
    );
}
