//! Routes that are read again while calls run, in front of real servers.

mod descriptors;
mod echo;
mod watching;

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use logicore::{
    Context,
    api::PUBLIC_DESCRIPTORS,
    server::HttpService,
    settings::{Role, Settings as Process},
    testkit,
};
use prost_reflect::DescriptorPool;
use tonic::body::Body;
use tower::ServiceExt;

use super::{reload::Outcome, *};
use crate::rest::tests::inline::inline;
use echo::Echo;

/// A service of one public method that reads, by the name of its package.
fn proto(package: &str) -> DescriptorPool {
    inline(&format!(
        r#"
        syntax = "proto3";
        package {package}.v1;
        import "google/api/annotations.proto";
        import "logicore/policy/v1/policy.proto";
        message Ask {{ string id = 1; }}
        message Answer {{ string id = 1; }}
        service Echo {{
            rpc Get(Ask) returns (Answer) {{
                option idempotency_level = NO_SIDE_EFFECTS;
                option (google.api.http) = {{ get: "/{package}/{{id}}" }};
                option (logicore.policy.v1.method) = {{ access: ACCESS_PUBLIC feed_stale: FEED_STALE_SERVE }};
            }}
        }}
        "#
    ))
}

/// A folder with a routes file, and what reads it.
struct Bench {
    ctx: Context,
    folder: tempfile::TempDir,
    reloader: Reloader,
    current: Current,
}

impl Bench {
    fn new() -> Self {
        let mut settings = Process::defaults(Role::Gateway);
        // What is tested is where calls go, however busy the machine is.
        settings.resilience.service_timeout = std::time::Duration::from_secs(120);
        let ctx = testkit::context_with(settings);
        let folder = tempfile::tempdir().unwrap();
        let pool = DescriptorPool::decode(PUBLIC_DESCRIPTORS).unwrap();
        let current = Current::new(Live::own(&ctx, &pool).unwrap());
        let reloader = Reloader::new(&ctx, pool, folder.path().join("routes.toml"), current.clone());
        Self {
            ctx,
            folder,
            reloader,
            current,
        }
    }

    fn set(&self, file: &str, pool: &DescriptorPool) {
        fs::write(self.folder.path().join(file), pool.encode_to_vec()).unwrap();
    }

    async fn routes(&mut self, text: &str) -> Outcome {
        fs::write(self.folder.path().join("routes.toml"), text).unwrap();
        self.reloader.reload().await
    }

    /// The whole gateway over what is in force.
    fn gateway(&self) -> HttpService {
        crate::assemble(&self.ctx, self.current.clone(), self.reloader.state())
    }

    fn problems(&self) -> Vec<String> {
        self.reloader.state().load().problems.clone()
    }
}

fn upstream(name: &str, echo: &Echo, descriptors: &str, package: &str) -> String {
    format!(
        "[[upstream]]\nname = \"{name}\"\nendpoints = [\"{}\"]\ndescriptors = \"{descriptors}\"\npublic = [\"{package}.v1.Echo\"]\n",
        echo.address
    )
}

fn split(to: &str, lines: &str) -> String {
    format!("[[split]]\nservice = \"x.v1.Echo\"\nto = \"{to}\"\n{lines}\n")
}

/// Calls a method by gRPC. Returns an answer that has begun.
async fn begin(gateway: &HttpService, path: &str, headers: &[(&'static str, &str)]) -> http::Response<Body> {
    let mut request = Request::post(path)
        .version(http::Version::HTTP_2)
        .header("content-type", "application/grpc")
        .header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = Body::new(http_body_util::Full::from(vec![0, 0, 0, 0, 0]));
    let Ok(answer) = gateway.clone().oneshot(request.body(body).unwrap()).await;
    answer
}

/// The same to the answer's end. Returns the status and the headers, in which the server names itself.
async fn call(gateway: &HttpService, path: &str, headers: &[(&'static str, &str)]) -> (String, HeaderMap) {
    let (head, body) = begin(gateway, path, headers).await.into_parts();
    let trailers = body.collect().await.unwrap().trailers().cloned().unwrap_or_default();
    let status = head.headers.get("grpc-status").or_else(|| trailers.get("grpc-status"));
    (status.map_or("none", |s| s.to_str().unwrap()).to_owned(), head.headers)
}

async fn server_of(gateway: &HttpService, path: &str, headers: &[(&'static str, &str)]) -> String {
    let (status, head) = call(gateway, path, headers).await;
    let name = head.get("x-server").map_or("", |v| v.to_str().unwrap());
    format!("{status} {name}")
}

const X: &str = "/x.v1.Echo/Get";
const Y: &str = "/y.v1.Echo/Get";

#[tokio::test]
async fn a_good_file_serves_and_a_bad_one_changes_nothing() {
    let (mut bench, a) = (Bench::new(), Echo::start("a").await);
    let gateway = bench.gateway();
    assert_eq!(server_of(&gateway, X, &[]).await, "12 ");
    bench.set("x.binpb", &proto("x"));
    let good = upstream("a", &a, "x.binpb", "x");
    assert_eq!(bench.routes(&good).await, Outcome::Applied);
    assert_eq!(server_of(&gateway, X, &[]).await, "0 a");
    assert_eq!(bench.routes(&good).await, Outcome::Unchanged);
    for (bad, expected) in [
        ("[[upstream]]".to_owned(), "missing field"),
        (upstream("b", &a, "missing.binpb", "x"), "missing.binpb: No such file"),
        (upstream("b", &a, "routes.toml", "x"), "do not hold together"),
        (
            good.clone() + &upstream("b", &a, "x.binpb", "x"),
            "both upstreams `a` and `b` serve x.v1.Echo",
        ),
    ] {
        assert_eq!(bench.routes(&bad).await, Outcome::Refused, "{bad}");
        assert!(
            bench.problems().iter().any(|p| p.contains(expected)),
            "{expected}: {:?}",
            bench.problems()
        );
        assert_eq!(server_of(&gateway, X, &[]).await, "0 a", "what served before goes on");
        assert_eq!(bench.ctx.metrics.route_reload_good.get(), 0);
    }
    assert_eq!(bench.routes(&good).await, Outcome::Unchanged);
    assert!(bench.problems().is_empty());
    assert_eq!(bench.ctx.metrics.route_reload_good.get(), 1);
    assert_eq!(bench.routes("").await, Outcome::Applied);
    assert_eq!(server_of(&gateway, X, &[]).await, "12 ", "nobody serves it any more");
}

#[tokio::test]
async fn reflection_tells_what_there_is_in_both_versions() {
    for version in ["v1", "v1alpha"] {
        let mut bench = Bench::new();
        let a = Echo::reflecting("a", &proto("x"), version).await;
        let gateway = bench.gateway();
        assert_eq!(
            bench.routes(&upstream("a", &a, "reflection", "x")).await,
            Outcome::Applied
        );
        assert_eq!(server_of(&gateway, X, &[]).await, "0 a", "{version}");
        let live = bench.current.load();
        let route = live.table.get(X).unwrap();
        assert!(route.method.repeatable(), "options come through {version}");
        assert!(live.table.rest().bindings().iter().any(|b| b.text == "/x/{id}"));
        assert!(
            live.table
                .get("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
                .unwrap()
                .owner
                .is_none()
        );
    }
}

#[tokio::test]
async fn a_new_limit_counts_the_calls_that_run() {
    let mut bench = Bench::new();
    bench.set("x.binpb", &proto("x"));
    let a = Echo::start("a").await;
    let gateway = bench.gateway();
    let of = |most: usize| upstream("a", &a, "x.binpb", "x") + &format!("max_concurrent_calls = {most}\n");
    assert_eq!(bench.routes(&of(1)).await, Outcome::Applied);
    let running = begin(&gateway, X, &[]).await;
    assert_eq!(server_of(&gateway, X, &[]).await, "14 ");
    assert_eq!(bench.routes(&(of(5) + &of(5))).await, Outcome::Refused);
    assert_eq!(server_of(&gateway, X, &[]).await, "14 ", "a bad file changes nothing");
    assert_eq!(bench.routes(&of(2)).await, Outcome::Applied);
    assert_eq!(server_of(&gateway, X, &[]).await, "0 a");
    assert_eq!(bench.routes(&of(1)).await, Outcome::Applied);
    assert_eq!(server_of(&gateway, X, &[]).await, "14 ", "it still runs");
    drop(running);
    assert_eq!(server_of(&gateway, X, &[]).await, "0 a");
}

#[tokio::test]
async fn a_service_that_is_not_there_yet_holds_up_nobody() {
    let mut bench = Bench::new();
    bench.set("x.binpb", &proto("x"));
    let (a, gone) = (Echo::start("a").await, Echo::nobody());
    let gateway = bench.gateway();
    let text = upstream("a", &a, "x.binpb", "x") + &upstream("b", &gone, "reflection", "y");
    assert_eq!(bench.routes(&text).await, Outcome::Applied);
    assert_eq!(server_of(&gateway, X, &[]).await, "0 a");
    let pending = bench.reloader.state().load().pending.clone();
    assert_eq!(pending.len(), 1, "{pending:?}");
    assert_eq!(pending[0].0, "b");
}

#[tokio::test]
async fn what_reflection_spoils_takes_nobody_else_down() {
    let mut bench = Bench::new();
    bench.set("x.binpb", &proto("x"));
    let a = Echo::start("a").await;
    // It claims the path of the other's method.
    let thief = inline(
        "syntax = \"proto3\"; package y.v1; import \"google/api/annotations.proto\"; message M { string id = 1; } \
         service Echo { rpc Get(M) returns (M) { option (google.api.http) = { get: \"/x/{id}\" }; } }",
    );
    let b = Echo::reflecting("b", &thief, "v1").await;
    let c = Echo::reflecting("c", &proto("z"), "v1").await;
    let text = upstream("a", &a, "x.binpb", "x")
        + &upstream("b", &b, "reflection", "y")
        + &upstream("c", &c, "reflection", "z");
    assert_eq!(bench.routes(&text).await, Outcome::Applied, "{:?}", bench.problems());
    let gateway = bench.gateway();
    assert_eq!(server_of(&gateway, X, &[]).await, "0 a");
    assert_eq!(server_of(&gateway, "/z.v1.Echo/Get", &[]).await, "0 c");
    assert_eq!(server_of(&gateway, Y, &[]).await, "12 ");
    assert!(bench.problems()[0].contains("collides with"), "{:?}", bench.problems());
    assert_eq!(bench.ctx.metrics.route_reload_good.get(), 0);
    assert_eq!(bench.routes(&text).await, Outcome::Unchanged, "not tried again");
    assert_eq!(bench.problems().len(), 1, "and still told");
}

#[tokio::test]
async fn a_share_goes_elsewhere_by_weight_or_by_header() {
    let mut bench = Bench::new();
    bench.set("x.binpb", &proto("x"));
    let (a, b) = (Echo::start("a").await, Echo::start("b").await);
    let two = upstream("a", &a, "x.binpb", "x") + &upstream("b", &b, "x.binpb", "x");
    let gateway = bench.gateway();
    bench
        .routes(&(two.clone() + &split("b", "header = \"x-canary: yes\"")))
        .await;
    assert_eq!(server_of(&gateway, X, &[]).await, "0 a");
    assert_eq!(server_of(&gateway, X, &[("x-canary", "no")]).await, "0 a");
    assert_eq!(server_of(&gateway, X, &[("x-canary", "yes")]).await, "0 b");
    bench.routes(&(two.clone() + &split("b", "weight = 100"))).await;
    assert_eq!(server_of(&gateway, X, &[]).await, "0 b");
    bench.routes(&(two + &split("b", "weight = 30"))).await;
    let mut of_b = 0;
    for _ in 0..400 {
        of_b += usize::from(server_of(&gateway, X, &[]).await == "0 b");
    }
    // Far outside of what 400 throws of a fair coin of 30 % ever give.
    assert!((60..180).contains(&of_b), "{of_b} of 400");
}

#[tokio::test]
async fn strangers_are_told_who_calls_and_not_by_what_it_was_proved() {
    let mut bench = Bench::new();
    bench.set("x.binpb", &proto("x"));
    let a = Echo::start("a").await;
    bench.routes(&upstream("a", &a, "x.binpb", "x")).await;
    let spoofed = [
        ("authorization", "Bearer x"),
        ("cookie", "session=x"),
        ("proxy_authorization", "Basic x"),
        ("x_request_id", "other"),
        ("x_logicore_subject", "root"),
        ("x-logicore-subject", "root"),
        ("x-logicore-tenant", "other"),
        ("x-logicore-roles", "admin"),
        ("x-logicore-mesh", "lm1.admin.1.x"),
        ("x-mine", "kept"),
    ];
    let (status, head) = call(&bench.gateway(), X, &spoofed).await;
    assert_eq!(status, "0");
    let seen: Vec<_> = head["x-seen"].to_str().unwrap().split(',').collect();
    for name in [
        "authorization",
        "cookie",
        "proxy_authorization",
        "x_request_id",
        "x_logicore_subject",
        "x-logicore-subject",
        "x-logicore-tenant",
        "x-logicore-roles",
        "x-logicore-mesh",
    ] {
        assert!(!seen.contains(&name), "{name}: {seen:?}");
    }
    assert!(seen.contains(&"x-mine"), "{seen:?}");
}

#[tokio::test]
async fn files_of_one_name_do_not_mix() {
    let mut bench = Bench::new();
    let (a, b) = (Echo::start("a").await, Echo::start("b").await);
    // Both sets have a file `case.proto`.
    bench.set("x.binpb", &proto("x"));
    bench.set("y.binpb", &proto("y"));
    let two = upstream("a", &a, "x.binpb", "x") + &upstream("b", &b, "y.binpb", "y");
    assert_eq!(bench.routes(&two).await, Outcome::Applied);
    let gateway = bench.gateway();
    assert_eq!(server_of(&gateway, X, &[]).await, "0 a");
    assert_eq!(server_of(&gateway, Y, &[]).await, "0 b");
    let document = String::from_utf8(bench.current.load().openapi().to_vec()).unwrap();
    assert!(document.contains("/x/{id}") && document.contains("/y/{id}"));
}

/// Calls as fast as they are answered, until told to stop.
async fn caller(gateway: HttpService, stop: Arc<AtomicBool>, made: Arc<AtomicUsize>) {
    while !stop.load(Relaxed) {
        let x = server_of(&gateway, X, &[]).await;
        assert!(x == "0 a" || x == "0 b", "x is always served, by one or the other: {x}");
        let y = server_of(&gateway, Y, &[]).await;
        assert!(y == "0 a" || y == "12 ", "y is served by a or not at all: {y}");
        made.fetch_add(2, Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_reloads_drop_and_misroute_no_call() {
    let mut bench = Bench::new();
    bench.set("x.binpb", &proto("x"));
    bench.set("y.binpb", &proto("y"));
    let (a, b) = (Echo::start("a").await, Echo::start("b").await);
    let with_y = upstream("b", &b, "x.binpb", "x") + &upstream("a", &a, "y.binpb", "y");
    let without = upstream("a", &a, "x.binpb", "x");
    bench.routes(&without).await;
    let (stop, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let gateway = bench.gateway();
    let callers: Vec<_> = (0..4)
        .map(|_| tokio::spawn(caller(gateway.clone(), Arc::clone(&stop), Arc::clone(&made))))
        .collect();
    for round in 0..1000 {
        let text = if round % 2 == 0 { &with_y } else { &without };
        assert_eq!(bench.routes(text).await, Outcome::Applied);
    }
    stop.store(true, Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    assert!(
        made.load(Relaxed) > 1000,
        "calls ran all the while: {}",
        made.load(Relaxed)
    );
    assert!(
        a.calls_of(X) > 0 && b.calls_of(X) > 0 && a.calls_of(Y) > 0,
        "each configuration was served"
    );
    assert_eq!(b.calls_of(Y), 0, "b never had it");
    assert_eq!(
        a.calls_of(X) + b.calls_of(X) + a.calls_of(Y),
        a.calls() + b.calls(),
        "nobody saw anything else"
    );
}
