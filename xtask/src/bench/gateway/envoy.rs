//! Envoy's configurations. What each has stands in [`Setup`]; the rest is Envoy's default, with one worker.

use std::{net::SocketAddr, path::Path};

use serde_json::{Value, json};

/// Tokens that the JWT cache holds: as many as the row with many tokens uses.
const CACHED: u32 = 10_000;
/// Requests a second that the rate limit allows: never reached, as with us.
const ALLOWED: u32 = 1_000_000;

/// What an Envoy does beside routing HTTP/2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Setup {
    /// `jwt_authn`, `rbac` on the roles in the token, `local_ratelimit`, `grpc_stats`, circuit breakers, JSON access log to a file.
    pub(super) policy: bool,
    /// The JWT cache.
    pub(super) cache: bool,
    /// `grpc_json_transcoder`.
    pub(super) rest: bool,
    /// `grpc_web`.
    pub(super) web: bool,
}

/// Where an Envoy stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) listen: SocketAddr,
    pub(super) upstream: SocketAddr,
    /// Where its access log goes.
    pub(super) folder: &'a Path,
    pub(super) descriptors: &'a Path,
    pub(super) jwks: &'a str,
    pub(super) issuer: &'a str,
}

/// The configuration, as JSON.
pub(super) fn config(setup: Setup, place: Place<'_>) -> String {
    let mut manager = json!({
        "@type": kind("filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "codec_type": "AUTO",
        "stat_prefix": "in",
        "http_filters": filters(setup, place),
        "route_config": {"name": "all", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "route": {"cluster": "upstream", "timeout": "0s"}}]}]},
    });
    if setup.policy {
        manager["access_log"] = access_log(place.folder);
    }
    let listener = json!({"name": "in", "address": address(place.listen), "filter_chains": [{"filters": [
        {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}]});
    json!({"static_resources": {"listeners": [listener], "clusters": [cluster(place.upstream)]}}).to_string()
}

fn kind(name: &str) -> String {
    format!("type.googleapis.com/envoy.extensions.{name}")
}

fn address(at: SocketAddr) -> Value {
    json!({"socket_address": {"address": at.ip().to_string(), "port_value": at.port()}})
}

fn filters(setup: Setup, place: Place<'_>) -> Vec<Value> {
    let mut all = Vec::new();
    let mut add = |name: &str, message: &str, mut config: Value| {
        config["@type"] = kind(&format!("filters.http.{message}")).into();
        all.push(json!({"name": format!("envoy.filters.http.{name}"), "typed_config": config}));
    };
    if setup.web {
        add("grpc_web", "grpc_web.v3.GrpcWeb", json!({}));
    }
    if setup.rest {
        add(
            "grpc_json_transcoder",
            "grpc_json_transcoder.v3.GrpcJsonTranscoder",
            json!({"proto_descriptor": place.descriptors, "services": ["bench.v1.EchoService"]}),
        );
    }
    if setup.policy {
        add(
            "grpc_stats",
            "grpc_stats.v3.FilterConfig",
            json!({"stats_for_all_methods": true}),
        );
        add("jwt_authn", "jwt_authn.v3.JwtAuthentication", jwt(setup, place));
        add(
            "rbac",
            "rbac.v3.RBAC",
            json!({"rules": {"action": "ALLOW", "policies": {"admins": rbac()}}}),
        );
        add("local_ratelimit", "local_ratelimit.v3.LocalRateLimit", rate_limit());
    }
    add("router", "router.v3.Router", json!({}));
    all
}

fn jwt(setup: Setup, place: Place<'_>) -> Value {
    let mut provider = json!({
        "issuer": place.issuer,
        "audiences": ["logicore"],
        "forward": true,
        "payload_in_metadata": "jwt",
        "local_jwks": {"inline_string": place.jwks},
    });
    if setup.cache {
        provider["jwt_cache_config"] = json!({"jwt_cache_size": CACHED});
    }
    json!({"providers": {"ours": provider}, "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "ours"}}]})
}

fn rbac() -> Value {
    json!({
        "permissions": [{"any": true}],
        "principals": [{"metadata": {
            "filter": "envoy.filters.http.jwt_authn",
            "path": [{"key": "jwt"}, {"key": "roles"}],
            "value": {"list_match": {"one_of": {"string_match": {"exact": "admin"}}}},
        }}],
    })
}

fn rate_limit() -> Value {
    let on = json!({"default_value": {"numerator": 100, "denominator": "HUNDRED"}});
    json!({
        "stat_prefix": "limit",
        "token_bucket": {"max_tokens": ALLOWED, "tokens_per_fill": ALLOWED, "fill_interval": "1s"},
        "filter_enabled": on,
        "filter_enforced": on,
    })
}

/// The facts that our own access log has.
fn access_log(folder: &Path) -> Value {
    json!([{"name": "envoy.access_loggers.file", "typed_config": {
        "@type": kind("access_loggers.file.v3.FileAccessLog"),
        "path": folder.join("access.log"),
        "log_format": {"json_format": {
            "time": "%START_TIME%",
            "method": "%REQ(:PATH)%",
            "protocol": "%PROTOCOL%",
            "code": "%GRPC_STATUS%",
            "millis": "%DURATION%",
            "address": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
            "request_id": "%REQ(X-REQUEST-ID)%",
            "principal": "%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:jwt:sub)%",
        }},
    }}])
}

fn cluster(upstream: SocketAddr) -> Value {
    let options = "upstreams.http.v3.HttpProtocolOptions";
    json!({
        "name": "upstream",
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": "upstream", "endpoints": [{"lb_endpoints": [
            {"endpoint": {"address": address(upstream)}}]}]},
        "circuit_breakers": {"thresholds": [
            {"max_connections": 1024, "max_pending_requests": 4096, "max_requests": 4096, "max_retries": 3}]},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": kind(options), "explicit_http_config": {"http2_protocol_options": {}}}},
    })
}
