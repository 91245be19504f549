//! Rate limits: so many requests a minute for each principal, and for each address that shows no valid token. And what one principal's
//! long messages keep others from.

use std::{convert::Infallible, net::SocketAddr};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::Request;
use http_body_util::StreamBody;
use hyper::body::Frame;
use hyper_util::rt::{TokioExecutor, TokioIo};
use logicore_harness::{GrpcReply, Layout, Reply, framed, grpc_bytes, grpc_web_bytes, soon};
use tokio::{net::TcpStream, task::JoinSet};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::support::{in_both_layouts, start};

/// Whoever lacks a permission may name itself alone, so the gateway looks into the message.
const GET_USER: &str = "/logicore.user.v1.UserService/GetUser";
const GET_ME: &str = "/logicore.auth.v1.AuthService/GetMe";

in_both_layouts!(
    a_principal_has_a_limit_of_its_own_in_every_protocol,
    strangers_share_the_limit_of_their_address,
    long_messages_that_are_looked_into_wait_for_their_callers_others,
);

fn limited(answer: &Reply, limit: &str) {
    assert_eq!(answer.outcome(), (429, "RATE_LIMITED".to_owned()), "{}", answer.text());
    assert!(
        answer.header("retry-after").parse::<u64>().is_ok_and(|s| s >= 1),
        "{answer:?}"
    );
    assert!(
        !answer.detail("google.rpc.RetryInfo")["retryDelay"].is_null(),
        "{}",
        answer.text()
    );
    assert_eq!(answer.header("ratelimit-limit"), limit);
    assert_eq!(answer.header("ratelimit-remaining"), "0");
    assert_eq!(answer.header("ratelimit-policy"), format!("{limit};w=60"));
    assert!(
        answer.header("ratelimit-reset").parse::<u64>().is_ok_and(|s| s >= 1),
        "{answer:?}"
    );
}

fn limited_in_grpc(answer: &GrpcReply, limit: &str) {
    assert_eq!(answer.outcome(), (Code::ResourceExhausted, "RATE_LIMITED".to_owned()));
    let delay = answer.status.get_details_retry_info().and_then(|i| i.retry_delay);
    assert!(delay.is_some_and(|d| !d.is_zero()), "{:?}", answer.status);
    assert_eq!(answer.header("ratelimit-limit"), limit, "{:?}", answer.headers);
}

async fn a_principal_has_a_limit_of_its_own_in_every_protocol(layout: Layout) -> anyhow::Result<()> {
    let system = start(layout, &[("RATE_LIMIT", "5")]).await?;
    let (first, second, admin) = (system.demo().await?, system.demo().await?, system.admin().await?);
    for _ in 0..10 {
        let refused = system.get("/v1/users", &first.access).await?;
        assert_eq!(
            refused.status, 403,
            "what is refused anyway takes nothing from the share"
        );
    }
    for left in (0..5).rev() {
        let me = system.get("/auth/me", &first.access).await?;
        assert_eq!(
            (me.status.as_u16(), me.header("ratelimit-remaining")),
            (200, &*left.to_string()),
            "{me:?}"
        );
        assert_eq!(me.header("ratelimit-limit"), "5");
    }
    for session in [&first, &second] {
        limited(&system.get("/auth/me", &session.access).await?, "5");
        let bearer = format!("Bearer {}", session.access);
        let headers = [("authorization", bearer.as_str()), ("x-forwarded-for", "203.0.113.9")];
        limited_in_grpc(&grpc_bytes(system.address(), GET_ME, &headers, framed(&[])).await?, "5");
        limited_in_grpc(
            &grpc_web_bytes(system.address(), GET_ME, &headers, framed(&[])).await?,
            "5",
        );
    }
    let other = system.get("/auth/me", &admin.access).await?;
    assert_eq!(other.status, 200, "from the same address: {}", other.text());
    assert_eq!(
        system.get("/health", "").await?.status,
        200,
        "strangers are not counted with them"
    );
    let metrics = system.get("/metrics", "").await?.text();
    let refused = metrics
        .lines()
        .find(|l| l.contains("rate_limited") && l.contains("principal"));
    assert!(refused.is_some_and(|l| l.ends_with(" 6")), "{refused:?}");
    Ok(())
}

async fn strangers_share_the_limit_of_their_address(layout: Layout) -> anyhow::Result<()> {
    let system = start(layout, &[("LOGICORE_ADDRESS_RATE_LIMIT", "100")]).await?;
    let demo = system.demo().await?;
    let mut last = None;
    // One comes back every 0.6 s, so the last of so many is refused on the slowest machine.
    for _ in 0..400 {
        let answer = system.get("/nowhere", "").await?;
        if answer.status == 429 {
            last = Some(answer);
            break;
        }
        assert_eq!(answer.status, 404, "{}", answer.text());
    }
    limited(&last.unwrap_or_else(|| panic!("never refused")), "100");
    for probe in ["/health", "/readyz"] {
        let answer = system.get(probe, "").await?;
        assert_eq!(answer.status, 200, "balancers may share an address: {}", answer.text());
    }
    let login = system.try_login("demo@example.com", "demo123").await?;
    assert_eq!(login.reason(), "RATE_LIMITED", "a login costs more: {}", login.text());
    let forged = system.get("/auth/me", "no token of ours").await?;
    assert!(
        [401, 429].contains(&forged.status.as_u16()),
        "a bad token makes no principal: {}",
        forged.text()
    );
    let spoofed = system
        .send("POST", "/auth/login", &[("x-forwarded-for", "203.0.113.9")], "{}")
        .await?;
    assert_eq!(spoofed.reason(), "RATE_LIMITED", "{}", spoofed.text());
    for _ in 0..5 {
        assert_eq!(
            system.get("/auth/me", &demo.access).await?.status,
            200,
            "who shows a token is not a stranger"
        );
    }
    Ok(())
}

async fn long_messages_that_are_looked_into_wait_for_their_callers_others(layout: Layout) -> anyhow::Result<()> {
    let system = start(layout, &[("SERVICE_TIMEOUT", "120s")]).await?;
    let address = system.address();
    let admin = system.admin().await?;
    let (demo, other) = (
        system.demo().await?.access,
        system
            .person(&admin, "other@example.com", &["user"])
            .await?
            .tokens
            .access,
    );
    let own = async |token: &str| {
        let me = system.get("/auth/me", token).await?.json();
        anyhow::Ok(me["id"].as_str().unwrap_or_default().to_owned())
    };
    let (id, id_of_other) = (own(&demo).await?, own(&other).await?);
    // Eight MiB are one caller's share.
    let mut stalled = JoinSet::new();
    for _ in 0..2 {
        stalled.spawn(stall(address, demo.clone(), 4 << 20));
    }
    soon("the third one to wait", async || {
        let answer = get_user(address, &demo, &id, 1 << 20, "1S").await?;
        Ok((answer.code() == Code::DeadlineExceeded).then_some(()))
    })
    .await?;
    for (token, id, filled) in [(&demo, &id, 100), (&other, &id_of_other, 1 << 20)] {
        let answer = get_user(address, token, id, filled, "60S").await?;
        assert_eq!(answer.code(), Code::Ok, "{filled}: {:?}", answer.status);
    }
    stalled.shutdown().await;
    soon("it to be served", async || {
        let answer = get_user(address, &demo, &id, 1 << 20, "60S").await?;
        Ok((answer.code() == Code::Ok).then_some(()))
    })
    .await
}

/// Asks for an account within this time, by a message that an unknown field makes so much longer.
async fn get_user(
    address: SocketAddr,
    token: &str,
    id: &str,
    filled: usize,
    within: &str,
) -> anyhow::Result<GrpcReply> {
    let mut message = vec![0x0a];
    prost::encoding::encode_varint(id.len() as u64, &mut message);
    message.extend_from_slice(id.as_bytes());
    message.push(0x7a);
    prost::encoding::encode_varint(filled as u64, &mut message);
    message.resize(message.len() + filled, b'x');
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", &*bearer), ("grpc-timeout", within)];
    grpc_bytes(address, GET_USER, &headers, framed(&message)).await
}

/// Announces a message of this length, sends the beginning of it, and no more.
async fn stall(address: SocketAddr, token: String, length: u32) -> anyhow::Result<()> {
    let [a, b, c, d] = length.to_be_bytes();
    let begun = Frame::data(Bytes::from(vec![0, a, b, c, d, 0x7a]));
    let body = stream::once(std::future::ready(Ok::<_, Infallible>(begun))).chain(stream::pending());
    let request = Request::post(format!("http://localhost:{}{GET_USER}", address.port()))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", format!("Bearer {token}"))
        .body(StreamBody::new(body))?;
    let io = TokioIo::new(TcpStream::connect(address).await?);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
    let call = sender.send_request(request);
    tokio::select! {
        ended = connection => ended?,
        answered = call => anyhow::bail!("answered: {:?}", answered?.status()),
    }
    Ok(())
}
