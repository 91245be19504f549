use http::{HeaderMap, Method, StatusCode, Version};
use logicore::settings::{Role, Tls};
use tower::{ServiceExt, service_fn};

use super::*;

fn settings() -> Settings {
    Settings::defaults(Role::All)
}

/// Sends a request through the rules to a service that answers 200.
async fn send(settings: &Settings, request: http::request::Builder) -> Response<Body> {
    let inner = service_fn(|_| async { Ok(Response::new(Body::empty())) });
    let service = wrap(settings, BoxCloneSyncService::new(inner));
    service.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn status(settings: &Settings, host: &str) -> StatusCode {
    send(settings, Request::get("/health").header("host", host))
        .await
        .status()
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).map(|v| v.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn loopback_serves_its_own_names_on_any_port() {
    for host in [
        "localhost",
        "localhost:8080",
        "LOCALHOST:1",
        "127.0.0.1",
        "127.0.0.1:9",
        "[::1]",
        "[::1]:8080",
        "localhost.",
    ] {
        assert_eq!(status(&settings(), host).await, StatusCode::OK, "{host}");
    }
}

#[tokio::test]
async fn loopback_refuses_rebound_names() {
    for host in [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "localhost@evil.example",
        "evil.example@localhost",
        "",
        "127.0.0.2",
        "0.0.0.0",
        "192.168.0.7:8080",
        "[::ffff:127.0.0.1]",
        "local host",
        "::1",
    ] {
        assert_eq!(
            status(&settings(), host).await,
            StatusCode::MISDIRECTED_REQUEST,
            "{host}"
        );
    }
}

#[tokio::test]
async fn a_request_without_host_or_with_two_is_refused() {
    let none = send(&settings(), Request::get("/health")).await;
    assert_eq!(none.status(), StatusCode::MISDIRECTED_REQUEST);
    let two = Request::get("/health")
        .header("host", "localhost")
        .header("host", "localhost");
    assert_eq!(send(&settings(), two).await.status(), StatusCode::MISDIRECTED_REQUEST);
}

#[tokio::test]
async fn authority_counts_as_the_host_does() {
    let own = Request::get("http://localhost:8080/health");
    assert_eq!(send(&settings(), own).await.status(), StatusCode::OK);
    let foreign = Request::get("http://evil.example/health");
    assert_eq!(
        send(&settings(), foreign).await.status(),
        StatusCode::MISDIRECTED_REQUEST
    );
    let smuggled = Request::get("http://localhost/health").header("host", "evil.example");
    assert_eq!(
        send(&settings(), smuggled).await.status(),
        StatusCode::MISDIRECTED_REQUEST
    );
}

#[tokio::test]
async fn public_url_and_allowed_hosts_are_served_on_loopback() {
    let mut settings = settings();
    settings.public_url = "https://API.example.com/".to_owned();
    settings.allowed_hosts = vec!["other.example".to_owned(), "third.example:8443".to_owned()];
    for host in [
        "api.example.com",
        "api.example.com:443",
        "other.example",
        "third.example",
        "localhost",
    ] {
        assert_eq!(status(&settings, host).await, StatusCode::OK, "{host}");
    }
    assert_eq!(status(&settings, "example.com").await, StatusCode::MISDIRECTED_REQUEST);
}

#[tokio::test]
async fn beyond_loopback_every_host_is_served_unless_some_are_named() {
    let mut settings = settings();
    settings.listen = "0.0.0.0:8080".parse().unwrap();
    assert_eq!(status(&settings, "anything.example").await, StatusCode::OK);
    settings.allowed_hosts = vec!["api.example.com".to_owned()];
    assert_eq!(status(&settings, "api.example.com").await, StatusCode::OK);
    assert_eq!(
        status(&settings, "10.1.2.3:8080").await,
        StatusCode::OK,
        "probes use the address"
    );
    assert_eq!(status(&settings, "evil.example").await, StatusCode::MISDIRECTED_REQUEST);
}

#[tokio::test]
async fn a_foreign_host_is_told_so_in_the_callers_protocol() {
    let grpc = Request::post("http://evil.example/a.B/C")
        .version(Version::HTTP_2)
        .header("content-type", "application/grpc");
    let answer = send(&settings(), grpc).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(text(answer.headers(), "grpc-status").as_deref(), Some("7"));
    let rest = send(&settings(), Request::get("/").header("host", "evil.example")).await;
    assert_eq!(
        text(rest.headers(), "content-type").as_deref(),
        Some("application/json")
    );
}

#[tokio::test]
async fn every_answer_carries_what_helmet_sets() {
    let answer = send(&settings(), Request::get("/").header("host", "localhost")).await;
    for (name, value) in [
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("origin-agent-cluster", "?1"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-dns-prefetch-control", "off"),
        ("x-download-options", "noopen"),
        ("x-frame-options", "SAMEORIGIN"),
        ("x-permitted-cross-domain-policies", "none"),
        ("x-xss-protection", "0"),
    ] {
        assert_eq!(text(answer.headers(), name).as_deref(), Some(value), "{name}");
    }
    let csp = text(answer.headers(), "content-security-policy").unwrap();
    assert!(
        csp.contains("script-src 'self';") && !csp.contains("unsafe-eval") && !csp.contains("upgrade"),
        "{csp}"
    );
    assert!(!answer.headers().contains_key("strict-transport-security"));
}

#[tokio::test]
async fn tls_adds_transport_security() {
    let mut settings = settings();
    settings.tls = Some(Tls {
        cert: "c".into(),
        key: "k".into(),
    });
    let answer = send(&settings, Request::get("/").header("host", "localhost")).await;
    assert!(
        text(answer.headers(), "strict-transport-security")
            .unwrap()
            .contains("max-age=31536000")
    );
    assert!(
        text(answer.headers(), "content-security-policy")
            .unwrap()
            .ends_with("upgrade-insecure-requests")
    );
}

#[tokio::test]
async fn native_grpc_pays_nothing_and_grpc_web_gets_them_all() {
    let of = |content_type: &'static str| {
        let request = Request::post("http://localhost/a.B/C").version(Version::HTTP_2);
        request.header("content-type", content_type)
    };
    assert!(
        send(&settings(), of("application/grpc+proto"))
            .await
            .headers()
            .is_empty()
    );
    let web = send(&settings(), of("application/grpc-web+proto")).await;
    assert!(web.headers().contains_key("x-content-type-options"));
}

fn cors(origins: &[&str]) -> Settings {
    let mut settings = settings();
    settings.cors.origins = origins.iter().map(|o| (*o).to_owned()).collect();
    settings
}

fn from(origin: &str) -> http::request::Builder {
    Request::get("/auth/me")
        .header("host", "localhost")
        .header("origin", origin)
}

fn preflight(origin: &str) -> http::request::Builder {
    from(origin)
        .method(Method::OPTIONS)
        .header("access-control-request-method", "POST")
}

#[tokio::test]
async fn an_allowed_origin_may_read_answers_and_nothing_sends_cookies() {
    let settings = cors(&["https://app.example.com"]);
    let answer = send(&settings, from("https://app.example.com")).await;
    let headers = answer.headers();
    assert_eq!(
        text(headers, "access-control-allow-origin").as_deref(),
        Some("https://app.example.com")
    );
    assert_eq!(text(headers, "vary").as_deref(), Some("origin"));
    let exposed = text(headers, "access-control-expose-headers").unwrap();
    for name in [
        "grpc-status",
        "grpc-message",
        "grpc-status-details-bin",
        "x-request-id",
        "retry-after",
    ] {
        assert!(exposed.contains(name), "{name}");
    }
    assert!(!headers.contains_key("access-control-allow-credentials"));
}

#[tokio::test]
async fn other_origins_get_no_cors_headers() {
    let settings = cors(&["https://app.example.com"]);
    for origin in [
        "https://evil.example",
        "https://app.example.com.evil.example",
        "http://app.example.com",
        "null",
        "https://app.example.com:444",
        "https://APP.example.com",
        "https://evil.example,https://app.example.com",
    ] {
        for request in [from(origin), preflight(origin)] {
            let answer = send(&settings, request).await;
            assert!(
                !answer.headers().contains_key("access-control-allow-origin"),
                "{origin}"
            );
            assert!(
                !answer.headers().contains_key("access-control-allow-headers"),
                "{origin}"
            );
            assert_eq!(text(answer.headers(), "vary").as_deref(), Some("origin"), "{origin}");
        }
    }
}

#[tokio::test]
async fn a_preflight_is_answered_without_the_gateway() {
    let answer = send(
        &cors(&["https://app.example.com"]),
        preflight("https://app.example.com"),
    )
    .await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert!(
        text(answer.headers(), "access-control-allow-headers")
            .unwrap()
            .contains("authorization")
    );
    assert!(
        text(answer.headers(), "access-control-allow-methods")
            .unwrap()
            .contains("PATCH")
    );
    assert_eq!(
        text(answer.headers(), "access-control-max-age").as_deref(),
        Some("7200")
    );
}

#[tokio::test]
async fn any_origin_means_the_star_and_never_credentials() {
    let settings = cors(&["*"]);
    let answer = send(&settings, from("https://whoever.example")).await;
    assert_eq!(
        text(answer.headers(), "access-control-allow-origin").as_deref(),
        Some("*")
    );
    assert!(!answer.headers().contains_key("access-control-allow-credentials"));
    let private = preflight("https://whoever.example").header("access-control-request-private-network", "true");
    assert!(
        !send(&settings, private)
            .await
            .headers()
            .contains_key("access-control-allow-private-network")
    );
}

#[tokio::test]
async fn without_settings_cors_is_off() {
    let answer = send(&settings(), from("https://app.example.com")).await;
    assert!(!answer.headers().contains_key("access-control-allow-origin"));
    assert!(!answer.headers().contains_key("vary"));
    let answer = send(&settings(), preflight("https://app.example.com")).await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert!(!answer.headers().contains_key("access-control-allow-methods"));
}

#[tokio::test]
async fn headers_are_counted_together_with_what_each_costs() {
    let mut settings = settings();
    settings.limits.header_bytes = 1000;
    let with = |count: usize, length: usize| {
        let mut request = Request::get("/health").header("host", "localhost");
        for n in 0..count {
            request = request.header(format!("x-{n:02}"), "x".repeat(length));
        }
        request
    };
    for (count, length, status) in [
        (0, 0, StatusCode::OK),
        (1, 900, StatusCode::OK),
        (1, 1000, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        (20, 0, StatusCode::OK),
        (30, 0, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
    ] {
        let answer = send(&settings, with(count, length)).await;
        assert_eq!(answer.status(), status, "{count} of {length}");
    }
    // Small ones, of which there are too many.
    settings.limits.header_bytes = 16 << 10;
    for (count, status) in [(99, StatusCode::OK), (100, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)] {
        assert_eq!(send(&settings, with(count, 1)).await.status(), status, "{count}");
    }
}
