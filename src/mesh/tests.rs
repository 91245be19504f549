use std::time::Duration;

use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tonic::{Code, Status, body::Body, service::Routes};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::*;
use crate::{
    access::Origin,
    api::admin::{self as pb, audit_ingest_service_client as client, audit_ingest_service_server as ingest},
    context::Context,
    error::{Error, Reason},
    layer, policy,
    secret::Secret,
    server::Phase,
    settings::{Role, Settings},
    testkit,
    upstream::Upstream,
};

type Request_ = tonic::Request<pb::AppendAuditEventsRequest>;
type Response_ = tonic::Response<pb::AppendAuditEventsResponse>;

const METHOD: &str = "/logicore.admin.v1.AuditIngestService/AppendAuditEvents";

/// Answers when everything that the stack owes a handler is there.
struct Demanding;

#[tonic::async_trait]
impl ingest::AuditIngestService for Demanding {
    async fn append_audit_events(&self, request: Request_) -> Result<Response_, Status> {
        let extensions = request.extensions();
        assert!(extensions.get::<Peer>().unwrap().is("auth"));
        assert!(!extensions.get::<Origin>().unwrap().request_id.is_empty());
        assert!(extensions.get::<std::sync::Arc<policy::Method>>().is_some());
        assert!(extensions.get::<layer::deadline::Deadline>().is_some());
        assert!(request.metadata().get(ROLE_TOKEN).is_none());
        Ok(Response_::new(Default::default()))
    }
}

fn context(role: Role) -> Context {
    let mut settings = testkit::settings(role);
    settings.resilience.drain_delay = Duration::from_millis(20);
    settings.resilience.drain_timeout = Duration::from_millis(1500);
    testkit::context_with(settings)
}

fn stack(ctx: &Context) -> layer::GrpcService {
    layer::service_stack(ctx, Routes::new(ingest::AuditIngestServiceServer::new(Demanding)))
}

fn in_memory(ctx: &Context) -> (MemoryAddress, tokio::task::JoinHandle<Result<(), Error>>) {
    let (address, listener) = memory();
    let (on, service) = (ctx.clone(), stack(ctx));
    let task = tokio::spawn(async move { serve(&on, Listener::Memory(listener), service).await });
    (address, task)
}

async fn on_tcp(ctx: &Context) -> (std::net::SocketAddr, tokio::task::JoinHandle<Result<(), Error>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (on, service) = (ctx.clone(), stack(ctx));
    let task = tokio::spawn(async move { serve(&on, Listener::Tcp(listener), service).await });
    ctx.lifecycle.reached(Phase::Serving).await;
    (address, task)
}

fn upstream(ctx: &Context, address: Address) -> client::AuditIngestServiceClient<Upstream> {
    client::AuditIngestServiceClient::new(testkit::upstream(ctx, "admin", address))
}

async fn raw(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> SendRequest<Body> {
    let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(io))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

/// The status of a call without any layer of ours in front.
async fn status(sender: &mut SendRequest<Body>, path: &str, headers: HeaderMap) -> Status {
    let mut request = Request::post(format!("http://mesh{path}"));
    *request.headers_mut().unwrap() = headers;
    let request = request.header("content-type", "application/grpc");
    let message = http_body_util::Full::from(&[0_u8, 0, 0, 0, 0][..]);
    let response: Response<_> = sender
        .send_request(request.body(Body::new(message)).unwrap())
        .await
        .unwrap();
    let (head, body) = response.into_parts();
    let trailers = body.collect().await.unwrap().trailers().cloned().unwrap_or_default();
    Status::from_header_map(&head.headers)
        .or_else(|| Status::from_header_map(&trailers))
        .unwrap()
}

#[tokio::test]
async fn a_proven_peer_is_served_in_memory_and_over_tcp() {
    let (admin, auth) = (context(Role::Admin), context(Role::Auth));
    let (memory, _task) = in_memory(&admin);
    upstream(&auth, Address::Memory(memory))
        .append_audit_events(pb::AppendAuditEventsRequest::default())
        .await
        .unwrap();
    let (tcp, _task) = on_tcp(&admin).await;
    upstream(&auth, Address::Tcp(tcp.to_string()))
        .append_audit_events(pb::AppendAuditEventsRequest::default())
        .await
        .unwrap();
}

#[tokio::test]
async fn nothing_but_health_is_served_without_a_role_token() {
    let admin = context(Role::Admin);
    let (memory, _task) = in_memory(&admin);
    let mut sender = raw(memory.connect().await.unwrap()).await;
    let refused = status(&mut sender, METHOD, HeaderMap::new()).await;
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert_eq!(Error::reason_of(&refused), Some(Reason::PeerNotTrusted));

    let mut stranger = Settings::defaults(Role::Auth);
    stranger.mesh.secret = Some(Secret::new("a secret of another deployment"));
    let mut headers = HeaderMap::new();
    headers.insert(
        ROLE_TOKEN,
        Identity::from_settings(&stranger, admin.clock.clone()).header(),
    );
    let refused = status(&mut sender, METHOD, headers).await;
    assert_eq!(Error::reason_of(&refused), Some(Reason::PeerNotTrusted));

    let health = status(&mut sender, "/grpc.health.v1.Health/Check", HeaderMap::new()).await;
    assert_eq!(health.code(), Code::Ok);
    let unknown = status(
        &mut sender,
        "/logicore.admin.v1.AuditIngestService/Drop",
        HeaderMap::new(),
    )
    .await;
    assert_eq!(
        (unknown.code(), Error::reason_of(&unknown)),
        (Code::Unimplemented, Some(Reason::MethodUnknown))
    );
}

#[tokio::test]
async fn plaintext_beyond_loopback_must_be_asked_for() {
    let ctx = context(Role::Admin);
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let refused = serve(&ctx, Listener::Tcp(listener), stack(&ctx)).await.unwrap_err();
    assert!(refused.message().contains("LOGICORE_MESH_PLAINTEXT"), "{refused}");

    let mut settings = (*ctx.settings).clone();
    settings.mesh.plaintext = true;
    let ctx = testkit::context_with(settings);
    ctx.lifecycle.advance(Phase::Draining);
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    serve(&ctx, Listener::Tcp(listener), stack(&ctx)).await.unwrap();
}

async fn health(address: std::net::SocketAddr) -> HealthClient<tonic::transport::Channel> {
    let endpoint = tonic::transport::Endpoint::try_from(format!("http://{address}")).unwrap();
    HealthClient::new(endpoint.connect().await.unwrap())
}

async fn check(client: &mut HealthClient<tonic::transport::Channel>, service: &str) -> i32 {
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    client.check(request).await.unwrap().into_inner().status
}

const SERVING: i32 = 1;
const NOT_SERVING: i32 = 2;

#[tokio::test]
async fn probes_see_readiness_and_liveness_apart() {
    let auth = context(Role::Auth);
    let (address, task) = on_tcp(&auth).await;
    let mut client = health(address).await;
    for _ in 0..100 {
        if check(&mut client, "").await == SERVING {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        check(&mut client, "").await,
        SERVING,
        "auth is ready without admin's roles"
    );
    assert_eq!(check(&mut client, "logicore.auth.v1.AuthService").await, SERVING);
    assert_eq!(check(&mut client, "liveness").await, SERVING);

    // A role without its first snapshot lives, and is not ready.
    let user = context(Role::User);
    let (address, _user) = on_tcp(&user).await;
    let mut of_user = health(address).await;
    assert_eq!(check(&mut of_user, "").await, NOT_SERVING);
    assert_eq!(check(&mut of_user, "liveness").await, SERVING);

    // A watch learns of the end, and does not hold it up.
    let mut watch = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status, SERVING);
    let started = tokio::time::Instant::now();
    auth.lifecycle.advance(Phase::Draining);
    let ended = loop {
        match watch.message().await {
            Ok(message) => assert!(message.is_some(), "a watch ends with a status"),
            Err(status) => break status,
        }
    };
    assert_eq!(Error::reason_of(&ended), Some(Reason::NotReady));
    task.await.unwrap().unwrap();
    assert!(
        started.elapsed() < Duration::from_millis(1400),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn the_plaintext_port_serves_health_and_metrics_and_nothing_else() {
    let ctx = context(Role::Auth);
    ctx.lifecycle.advance(Phase::Serving);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let on = ctx.clone();
    let task = tokio::spawn(async move { serve_health(&on, listener).await });
    assert_eq!(check(&mut health(address).await, "liveness").await, SERVING);
    let mut sender = raw(TcpStream::connect(address).await.unwrap()).await;
    for (method, path, expected) in [
        ("GET", "/metrics", 200),
        ("POST", "/metrics", 404),
        ("GET", "/", 404),
        ("POST", METHOD, 404),
        ("GET", "/metrics/health", 404),
    ] {
        let request = Request::builder().method(method).uri(format!("http://x{path}"));
        let request = request.body(Body::new(Empty::new())).unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), expected, "{method} {path}");
        if expected == 200 {
            let text = response.into_body().collect().await.unwrap().to_bytes();
            assert!(
                String::from_utf8(text.to_vec())
                    .unwrap()
                    .contains("logicore_build_info")
            );
        }
    }
    ctx.lifecycle.advance(Phase::Draining);
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_is_in_memory_outlives_the_port_that_callers_use() {
    let (admin, auth) = (context(Role::Admin), context(Role::Auth));
    let (memory, inner) = in_memory(&admin);
    let outer = admin.lifecycle.outer_listener();
    admin.lifecycle.advance(Phase::Draining);
    tokio::time::sleep(Duration::from_millis(100)).await;
    upstream(&auth, Address::Memory(memory))
        .append_audit_events(pb::AppendAuditEventsRequest::default())
        .await
        .unwrap();
    drop(outer);
    tokio::time::timeout(Duration::from_secs(3), inner)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn no_secret_of_a_call_reaches_the_log() {
    const PASSWORD: &str = "correct horse battery staple";
    const TOKEN: &str = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl";
    let (log, _on) = crate::telemetry::capture::start("trace");
    let (admin, gateway) = (context(Role::Admin), context(Role::Gateway));
    let (memory, _task) = in_memory(&admin);
    let mut upstream = testkit::upstream(&gateway, "auth", Address::Memory(memory));
    // A login that meets a service which does not know it: the longest way through everything that logs.
    let mut message = vec![0_u8, 0, 0, 0, 30, 0x12, 28];
    message.extend_from_slice(PASSWORD.as_bytes());
    for path in [
        "/logicore.auth.v1.AuthService/Login",
        "/logicore.auth.v1.AuthService/GetMe",
    ] {
        let request = Request::post(format!("http://mesh{path}"))
            .header("content-type", "application/grpc")
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("cookie", TOKEN)
            .body(Body::new(http_body_util::Full::from(message.clone())))
            .unwrap();
        let Ok(response) = tower::Service::call(&mut upstream, request).await;
        let _ = response.into_body().collect().await;
    }
    let text = log.text();
    assert!(text.contains("AuthService/Login"), "the calls are in the log: {text}");
    let role_token = gateway.identity.header();
    for secret in [PASSWORD, TOKEN, "c2lnbmF0dXJl", role_token.to_str().unwrap(), "lm1."] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}
