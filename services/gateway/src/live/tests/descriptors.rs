//! Descriptors that their writer made to hurt, or that only look like something else.

use super::*;

async fn get(gateway: &HttpService, uri: &str) -> (u16, String) {
    let request = Request::get(uri)
        .header("host", "localhost")
        .body(Body::empty())
        .unwrap();
    let Ok(answer) = gateway.clone().oneshot(request).await;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

/// Each message holds the next one, and the last one the first.
fn chain(length: usize) -> DescriptorPool {
    let message = |i: usize| format!("message M{i} {{ M{} next = 1; }}", (i + 1) % length);
    let messages: String = (0..length).map(message).collect();
    inline(&format!(
        r#"
        syntax = "proto3";
        package x.v1;
        import "google/api/annotations.proto";
        import "logicore/policy/v1/policy.proto";
        {messages}
        service Echo {{ rpc Get(M0) returns (M0) {{
            option (google.api.http) = {{ post: "/x" body: "*" }};
            option (logicore.policy.v1.method) = {{ access: ACCESS_AUTHENTICATED }};
        }} }}
        "#
    ))
}

#[tokio::test]
async fn a_long_chain_of_types_is_served_and_described() {
    let mut bench = Bench::new();
    bench.set("x.binpb", &chain(3_000));
    let a = Echo::start("a").await;
    let outcome = bench.routes(&upstream("a", &a, "x.binpb", "x")).await;
    assert_eq!(outcome, Outcome::Applied, "{:?}", bench.problems());
    let (status, document) = get(&bench.gateway(), "/openapi.json").await;
    assert_eq!(status, 200);
    for message in ["x.v1.M0", "x.v1.M2999"] {
        assert!(document.contains(message), "{message}");
    }
}

/// A wrapper is shown as what it holds, whatever calls itself one; and what holds itself many times over has no end.
#[tokio::test]
async fn what_holds_itself_is_described_by_as_much_as_fits_a_page() {
    let mut bench = Bench::new();
    let many: String = (2..300).map(|i| format!("Many f{i} = {i};")).collect();
    let proto = format!(
        r#"
        syntax = "proto3";
        package google.protobuf;
        import "google/api/annotations.proto";
        import "logicore/policy/v1/policy.proto";
        message OwnValue {{ OwnValue value = 1; }}
        message Many {{ string id = 1; {many} OwnValue own = 300; }}
        service Echo {{ rpc Get(Many) returns (Many) {{
            option (google.api.http) = {{ post: "/x" body: "*" additional_bindings {{ get: "/x" }} }};
            option (logicore.policy.v1.method) = {{ access: ACCESS_AUTHENTICATED }};
        }} rpc Own(OwnValue) returns (OwnValue) {{
            option (google.api.http) = {{ post: "/own" body: "*" }};
            option (logicore.policy.v1.method) = {{ access: ACCESS_AUTHENTICATED }};
        }} }}
        "#
    );
    bench.set("x.binpb", &inline(&proto));
    let a = Echo::start("a").await;
    let routes = format!(
        "[[upstream]]\nname = \"a\"\nendpoints = [\"{}\"]\ndescriptors = \"x.binpb\"\n",
        a.address
    );
    assert_eq!(bench.routes(&routes).await, Outcome::Applied, "{:?}", bench.problems());
    let (status, document) = get(&bench.gateway(), "/openapi.json").await;
    assert_eq!(status, 200);
    assert!(
        document.contains("\"/own\"") && document.len() < 4 << 20,
        "{} bytes",
        document.len()
    );
}

#[tokio::test]
async fn fields_that_are_named_as_in_calls_by_get_are_fields() {
    let mut bench = Bench::new();
    bench.set(
        "x.binpb",
        &inline(
            r#"
            syntax = "proto3";
            package x.v1;
            import "google/api/annotations.proto";
            import "logicore/policy/v1/policy.proto";
            message Ask { string encoding = 1; string message = 2; }
            service Echo { rpc Get(Ask) returns (Ask) {
                option (google.api.http) = { get: "/x" };
                option (logicore.policy.v1.method) = { access: ACCESS_PUBLIC feed_stale: FEED_STALE_SERVE };
            } }
            "#,
        ),
    );
    let a = Echo::start("a").await;
    bench.routes(&upstream("a", &a, "x.binpb", "x")).await;
    let (status, answer) = get(&bench.gateway(), "/x?encoding=json&message=hello").await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(a.calls_of("/x.v1.Echo/Get"), 1);
}

#[tokio::test]
async fn what_somebody_reads_is_described_with_the_routes_and_not_when_they_ask() {
    let mut bench = Bench::new();
    bench.set("x.binpb", &proto("x"));
    let a = Echo::start("a").await;
    let of = |name: &str| upstream(name, &a, "x.binpb", "x");
    let written = |bench: &Bench| bench.current.load().openapi.get().is_some();
    for (name, asked) in [("a", false), ("b", true), ("c", true)] {
        assert_eq!(bench.routes(&of(name)).await, Outcome::Applied);
        assert_eq!(written(&bench), name == "c", "{name}");
        if asked {
            assert_eq!(get(&bench.gateway(), "/openapi.json").await.0, 200);
        }
    }
}
