//! What is not understood is not wrong: the bytes of a message pass as they are, whatever this version knows of them.

use std::time::Duration;

use logicore::{
    api::user::{GetUserRequest, GetUserResponse, User},
    settings::DEMO_USER_ID,
};
use logicore_harness::{Layout, framed, grpc_bytes, grpc_web_bytes};
use prost::Message as _;

use crate::{
    support::start,
    upstream::{Seen, Upstream},
};

const GET_USER: &str = "/logicore.user.v1.UserService/GetUser";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// Fields of a later version: a number written longer than it need be, bytes that are no text, a group, and one that comes twice.
fn unknown_fields() -> Vec<u8> {
    let mut bytes = vec![0xc0, 0x3e, 0x81, 0x80, 0x00];
    bytes.extend_from_slice(&[0xca, 0x3e, 3, 0xff, 0x00, 0xfe]);
    bytes.extend_from_slice(&[0xd3, 0x3e, 0x08, 0x01, 0xd4, 0x3e]);
    bytes.extend_from_slice(&[0xca, 0x3e, 0]);
    bytes.extend_from_slice(&[0xdd, 0x3e, 1, 2, 3, 4]);
    bytes
}

#[tokio::test]
async fn unknown_fields_arrive_byte_for_byte_on_both_ways() -> anyhow::Result<()> {
    let user = User {
        id: DEMO_USER_ID.to_string(),
        display_name: "somebody".to_owned(),
        ..User::default()
    };
    let known = GetUserResponse { user: Some(user) }.encode_to_vec();
    let answer = [unknown_fields(), known, unknown_fields()].concat();
    let upstream = Upstream::start(&answer, Duration::ZERO).await?;
    let at = upstream.address.to_string();
    let system = start(Layout::Four, &[("LOGICORE_USER_ADDR", &at)]).await?;

    let demo = format!("Bearer {}", system.demo().await?.access);
    let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
    let headers = [
        ("authorization", demo.as_str()),
        ("traceparent", parent.as_str()),
        ("x-request-id", "request-of-a-test"),
        ("grpc-timeout", "3S"),
    ];
    let id = DEMO_USER_ID.to_string();
    let question = [
        unknown_fields(),
        GetUserRequest { id }.encode_to_vec(),
        unknown_fields(),
    ]
    .concat();
    let native = grpc_bytes(system.address(), GET_USER, &headers, framed(&question)).await?;
    assert_eq!(native.body, framed(&answer), "{:?}", native.status);
    let web = grpc_web_bytes(system.address(), GET_USER, &headers, framed(&question)).await?;
    assert_eq!(web.body, framed(&answer), "{:?}", web.status);

    let seen = upstream.seen(GET_USER);
    assert_eq!(seen.len(), 2);
    for seen in &seen {
        assert_eq!(seen.body, framed(&question));
        handed_on(seen);
    }
    let rest = system
        .get(&format!("/v1/users/{DEMO_USER_ID}"), demo.trim_start_matches("Bearer "))
        .await?;
    assert_eq!(
        rest.json()["displayName"],
        "somebody",
        "REST shows what it knows: {}",
        rest.text()
    );
    Ok(())
}

/// What belongs to the call goes on with it.
fn handed_on(seen: &Seen) {
    let header = |name: &str| seen.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    assert_eq!(header("x-request-id"), "request-of-a-test");
    assert!(
        header("traceparent").starts_with(&format!("00-{TRACE}-")),
        "{:?}",
        seen.headers
    );
    assert!(
        header("grpc-timeout").ends_with('u'),
        "what is left, in microseconds: {:?}",
        seen.headers
    );
    assert_eq!(header("x-logicore-client-address"), "127.0.0.1");
    assert!(
        header("x-logicore-mesh").starts_with("lm1.gateway."),
        "the gateway proves itself"
    );
}
