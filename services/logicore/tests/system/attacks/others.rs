//! What belongs to somebody else.

use logicore::{
    api::{
        auth::{ListSessionsRequest, RevokeSessionRequest},
        user::GetUserRequest,
    },
    settings::{DEMO_ADMIN_ID, DEMO_USER_ID},
};
use logicore_harness::{Layout, System, framed, grpc_bytes};
use prost::Message as _;
use serde_json::json;
use tonic::Code;

use crate::support::{in_both_layouts, shared, start};

const LIST: &str = "/logicore.auth.v1.AuthService/ListSessions";
const GET_USER: &str = "/logicore.user.v1.UserService/GetUser";

in_both_layouts!(
    anothers_sessions_can_neither_be_read_nor_ended,
    anothers_profile_can_neither_be_read_nor_changed,
    a_message_is_read_as_the_service_will_read_it,
);

async fn anothers_sessions_can_neither_be_read_nor_ended(layout: Layout) -> anyhow::Result<()> {
    let system = start(layout, &[]).await?;
    let (demo, admin) = (system.demo().await?, system.admin().await?);
    let listed = system
        .get(&format!("/v1/sessions?userId={DEMO_ADMIN_ID}"), &demo.access)
        .await?;
    assert_eq!(listed.outcome(), (403, "PERMISSION_MISSING".to_owned()));
    assert_eq!(listed.fact("permission"), "sessions.read");
    let own = system.get("/v1/sessions", &demo.access).await?;
    assert!(
        own.text().contains(&demo.session) && !own.text().contains(&admin.session),
        "{}",
        own.text()
    );

    // Whose it is cannot be told from an answer, and neither whether it is.
    let ended = system
        .delete(&format!("/v1/sessions/{}", admin.session), &demo.access)
        .await?;
    let nobodys = system
        .delete(&format!("/v1/sessions/{DEMO_USER_ID}"), &demo.access)
        .await?;
    assert_eq!(ended.outcome(), (404, "RESOURCE_NOT_FOUND".to_owned()));
    assert_eq!(ended.json()["message"], nobodys.json()["message"]);
    let message = RevokeSessionRequest {
        session_id: admin.session.clone(),
    };
    let path = "/logicore.auth.v1.AuthService/RevokeSession";
    let ended = system.grpc(path, &demo.access, &message).await?;
    assert_eq!(ended.outcome(), (Code::NotFound, "RESOURCE_NOT_FOUND".to_owned()));

    let all = system.post("/v1/sessions:revokeAll", &demo.access, &json!({})).await?;
    assert_eq!(all.json()["revoked"], 1, "{}", all.text());
    assert_eq!(system.get("/auth/me", &admin.access).await?.status, 200);
    system.refreshed(&admin.refresh).await?;
    Ok(())
}

async fn anothers_profile_can_neither_be_read_nor_changed(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    let demo = system.demo().await?;
    let path = format!("/v1/users/{DEMO_ADMIN_ID}");
    let read = system.get(&path, &demo.access).await?;
    assert_eq!((read.outcome(), &*read.fact("permission")), (missing(), "users.read"));
    let name = json!({"displayName": "somebody else"});
    let changed = system.patch(&path, &demo.access, &name).await?;
    assert_eq!(
        (changed.outcome(), &*changed.fact("permission")),
        (missing(), "users.update")
    );
    let deleted = system.delete(&path, &demo.access).await?;
    assert_eq!(
        (deleted.outcome(), &*deleted.fact("permission")),
        (missing(), "users.delete")
    );
    // Which ids exist is nobody's business either.
    let nobody = system
        .get("/v1/users/01900000-0000-7000-8000-0000000000ff", &demo.access)
        .await?;
    assert_eq!(nobody.outcome(), missing());

    let own = format!("/v1/users/{DEMO_USER_ID}");
    let changed = system.patch(&own, &demo.access, &name).await?;
    assert_eq!(
        (changed.status.as_u16(), &changed.json()["displayName"]),
        (200, &json!("somebody else"))
    );
    for other in ["id", "user.id", "tenant"] {
        let path = format!("{own}?{other}={DEMO_ADMIN_ID}");
        let refused = system.get(&path, &demo.access).await?;
        assert_eq!(refused.status, 400, "{path}: {}", refused.text());
    }
    let body = json!({"id": DEMO_ADMIN_ID.to_string(), "displayName": "x"});
    let refused = system.patch(&own, &demo.access, &body).await?;
    assert_ne!(refused.json()["id"], DEMO_ADMIN_ID.to_string(), "{}", refused.text());
    Ok(())
}

fn missing() -> (u16, String) {
    (403, "PERMISSION_MISSING".to_owned())
}

/// The policy looks at the subject on the wire, so whatever decoders take for the subject must be what it saw.
async fn a_message_is_read_as_the_service_will_read_it(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    let demo = system.demo().await?.access;
    let (own, other) = (DEMO_USER_ID.to_string(), DEMO_ADMIN_ID.to_string());
    let sessions = |id: &str| ListSessionsRequest {
        user_id: id.to_owned(),
        ..Default::default()
    };
    let user = |id: &str| GetUserRequest { id: id.to_owned() }.encode_to_vec();
    let twice = |a: &str, b: &str| [sessions(a).encode_to_vec(), sessions(b).encode_to_vec()].concat();

    assert_eq!(
        call(&system, LIST, &demo, framed(&twice(&other, &own))).await?.0,
        Code::Ok,
        "the last one counts"
    );
    for (path, message) in [
        (LIST, twice(&own, &other)),
        (LIST, [sessions(&own).encode_to_vec(), overlong(&other)].concat()),
        (LIST, sessions(&other.to_uppercase()).encode_to_vec()),
        (LIST, sessions(&other.replace('-', "")).encode_to_vec()),
        (LIST, sessions(&format!("{{{other}}}")).encode_to_vec()),
        (GET_USER, [user(&own), user(&other)].concat()),
        (GET_USER, user(&format!("urn:uuid:{other}"))),
    ] {
        let refused = call(&system, path, &demo, framed(&message)).await?;
        assert_eq!(
            refused,
            (Code::PermissionDenied, "PERMISSION_MISSING".to_owned()),
            "{message:?}"
        );
    }
    // Two messages in one unary call: nobody knows which of them the service would take.
    let two = [framed(&user(&own)), framed(&user(&other))].concat();
    let group = [user(&own), vec![0x0b], user(&other), vec![0x0c]].concat();
    let varint = [user(&own), vec![0x08, 0x01]].concat();
    let refused = call(&system, GET_USER, &demo, two.into()).await?;
    assert_eq!(refused, (Code::Unimplemented, "MESSAGE_COUNT".to_owned()));
    for body in [framed(&group), framed(&varint), framed(&[0x0a, 0x7f])] {
        let refused = call(&system, GET_USER, &demo, body).await?;
        assert_eq!(refused, (Code::InvalidArgument, "MALFORMED_MESSAGE".to_owned()));
    }
    Ok(())
}

/// The field with its key written in two bytes where one is enough, which decoders take.
fn overlong(id: &str) -> Vec<u8> {
    let mut bytes = vec![0x8a, 0x00, id.len() as u8];
    bytes.extend_from_slice(id.as_bytes());
    bytes
}

async fn call(system: &System, path: &str, token: &str, body: bytes::Bytes) -> anyhow::Result<(Code, String)> {
    let bearer = format!("Bearer {token}");
    let answer = grpc_bytes(system.address(), path, &[("authorization", &bearer)], body).await?;
    Ok(answer.outcome())
}
