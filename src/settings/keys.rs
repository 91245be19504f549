//! Every setting, once: its names, its help, how it is read and shown. Flags, environment, files, `check-config` and the
//! reference in the docs all come from this table.

use std::{net::SocketAddr, time::Duration};

use ipnet::IpNet;

use super::{Settings, Tls, parse};
use crate::secret::Secret;

/// One setting.
#[derive(Debug)]
pub struct Key {
    /// Name in `logicore.toml`; with dashes the flag's.
    pub name: &'static str,
    /// Name in the environment and in `.env`.
    pub env: &'static str,
    /// Shown as `***`.
    pub secret: bool,
    /// One line for people.
    pub help: &'static str,
    pub(super) set: fn(&mut Settings, &str) -> Result<(), String>,
    pub(super) get: fn(&Settings) -> String,
}

impl Key {
    /// The flag without its dashes: `jwt-expiry`.
    #[must_use]
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// The default for a role, as people write it; empty for none.
    #[must_use]
    pub fn default(&self, role: super::Role) -> String {
        (self.get)(&Settings::defaults(role))
    }
}

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

macro_rules! key {
    (secret $name:literal, $env:literal, $help:literal, $($field:ident).+) => {
        key!(@ $name, $env, true, $help,
            |s, v| { s.$($field).+ = Some(Secret::new(v)); Ok(()) },
            |s| s.$($field).+.as_ref().map_or(String::new(), |_| "***".to_owned()))
    };
    (@ $name:literal, $env:literal, $secret:literal, $help:literal, |$s:ident, $v:ident| $set:expr, |$g:ident| $get:expr) => {
        Key {
            name: $name,
            env: $env,
            secret: $secret,
            help: $help,
            set: |$s: &mut Settings, $v: &str| -> Result<(), String> { $set },
            get: |$g: &Settings| -> String { $get },
        }
    };
    ($name:literal, $env:literal, $help:literal, |$s:ident, $v:ident| $set:expr, |$g:ident| $get:expr) => {
        key!(@ $name, $env, false, $help, |$s, $v| $set, |$g| $get)
    };
}

fn optional<T: ToString>(value: Option<&T>) -> String {
    value.map_or(String::new(), T::to_string)
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not address:port, such as 127.0.0.1:8080"))
}

fn networks(networks: &[IpNet]) -> String {
    networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn not_yet(what: &str) -> Result<(), String> {
    Err(format!("{what} is not supported by this version; leave it unset"))
}

fn tls(s: &mut Settings) -> &mut Tls {
    s.tls.get_or_insert_with(|| Tls {
        cert: "".into(),
        key: "".into(),
    })
}

fn environment(s: &mut Settings, text: &str) -> Result<(), String> {
    s.production = match text {
        "production" => true,
        "development" => false,
        _ => return Err("must be development or production".to_owned()),
    };
    Ok(())
}

fn cors(s: &mut Settings, text: &str) -> Result<(), String> {
    let origin = |o: &String| if o == "*" { Ok(o.clone()) } else { parse::origin(o) };
    s.cors.origins = parse::list(text).iter().map(origin).collect::<Result<_, _>>()?;
    Ok(())
}

fn otlp(s: &mut Settings, text: &str) -> Result<(), String> {
    let uri = text.parse::<http::Uri>().ok().filter(|u| u.host().is_some());
    uri.ok_or("must be an address such as http://localhost:4317")?;
    s.telemetry.otlp_endpoint = Some(text.to_owned());
    Ok(())
}

/// Every setting, in the order in which people read them.
#[rustfmt::skip] // a table: one setting, one block
pub const KEYS: &[Key] = &[
    key!("listen", "LOGICORE_LISTEN", "where callers are served: gRPC, gRPC-Web and REST on one port",
        |s, v| { s.listen = address(v)?; Ok(()) }, |s| s.listen.to_string()),
    key!("public_url", "PUBLIC_URL", "how callers reach it; the issuer of tokens; follows the port where unset",
        |s, v| { s.public_url = parse::origin(v)?; Ok(()) }, |s| s.public_url.clone()),
    key!("allowed_hosts", "LOGICORE_ALLOWED_HOSTS", "further Host names to serve, comma-separated",
        |s, v| { s.allowed_hosts = parse::list(v); Ok(()) }, |s| s.allowed_hosts.join(",")),
    key!("trusted_proxies", "LOGICORE_TRUSTED_PROXIES", "networks of the proxies in front, comma-separated, such as 10.0.0.0/8; their X-Forwarded-For says who calls",
        |s, v| { s.trusted_proxies = parse::networks(v)?; Ok(()) }, |s| networks(&s.trusted_proxies)),
    key!("proxy_protocol", "LOGICORE_PROXY_PROTOCOL", "networks of balancers in front that speak the PROXY protocol (v1, v2), comma-separated; from them it is required",
        |s, v| { s.proxy_protocol = parse::networks(v)?; Ok(()) }, |s| networks(&s.proxy_protocol)),
    key!("routes", "LOGICORE_ROUTES", "file that routes your own services; ./routes.toml where unset and there",
        |s, v| { s.routes = Some(v.into()); Ok(()) }, |s| optional(s.routes.as_ref().map(|r| r.display()).as_ref())),
    key!("data_dir", "LOGICORE_DATA_DIR", "folder of databases, keys and snapshots",
        |s, v| { s.data_dir = v.into(); Ok(()) }, |s| s.data_dir.display().to_string()),
    key!("env", "LOGICORE_ENV", "development or production; production has no demo accounts",
        |s, v| environment(s, v), |s| if s.production { "production" } else { "development" }.to_owned()),
    key!("demo", "DEMO", "make the demo accounts: true, false, or unset for the rule (`all`, PUBLIC_URL and port on loopback, empty data folder)",
        |s, v| { s.demo = Some(parse::flag(v)?); Ok(()) }, |s| optional(s.demo.as_ref())),
    key!(secret "jwt_secret", "JWT_SECRET", "seals the signing keys; signs itself where JWT_ALGORITHM is HS256", jwt.secret),
    key!(secret "jwt_secret_previous", "JWT_SECRET_PREVIOUS", "the secret before, while keys are sealed anew", jwt.secret_previous),
    key!(secret "jwt_refresh_secret", "JWT_REFRESH_SECRET", "keys refresh tokens; made and kept where unset", jwt.refresh_secret),
    key!(secret "jwt_refresh_secret_previous", "JWT_REFRESH_SECRET_PREVIOUS", "the one before, still accepted", jwt.refresh_secret_previous),
    key!("jwt_expiry", "JWT_EXPIRY", "life of an access token",
        |s, v| { s.jwt.expiry = parse::duration_in(v, SECOND, SECOND, DAY)?; Ok(()) }, |s| parse::show_duration(s.jwt.expiry)),
    key!("jwt_refresh_expiry", "JWT_REFRESH_EXPIRY", "life of a refresh token, from its last use",
        |s, v| { s.jwt.refresh_expiry = parse::duration_in(v, SECOND, SECOND, DAY * 365)?; Ok(()) }, |s| parse::show_duration(s.jwt.refresh_expiry)),
    key!("session_expiry", "LOGICORE_SESSION_EXPIRY", "life of a session, from its login",
        |s, v| { s.jwt.session_expiry = parse::duration_in(v, SECOND, SECOND, DAY * 365)?; Ok(()) }, |s| parse::show_duration(s.jwt.session_expiry)),
    key!("jwt_algorithm", "JWT_ALGORITHM", "ES256, EdDSA, RS256 or HS256",
        |s, v| { s.jwt.algorithm = parse::algorithm(v)?; Ok(()) }, |s| parse::show_algorithm(s.jwt.algorithm).to_owned()),
    key!("jwt_audience", "JWT_AUDIENCE", "audience of access tokens",
        |s, v| { s.jwt.audience = v.to_owned(); Ok(()) }, |s| s.jwt.audience.clone()),
    key!("rate_limit", "RATE_LIMIT", "requests a minute for each principal",
        |s, v| { s.limits.rate_per_minute = parse::number(v, 1, 10_000_000)?; Ok(()) }, |s| s.limits.rate_per_minute.to_string()),
    key!("address_rate_limit", "LOGICORE_ADDRESS_RATE_LIMIT", "requests a minute for each address without a valid token",
        |s, v| { s.limits.address_rate_per_minute = parse::number(v, 1, 10_000_000)?; Ok(()) }, |s| s.limits.address_rate_per_minute.to_string()),
    key!("max_message", "LOGICORE_MAX_MESSAGE", "largest message or body",
        |s, v| { s.limits.message_bytes = parse::bytes(v, 1 << 10, 1 << 30)?; Ok(()) }, |s| s.limits.message_bytes.to_string()),
    key!("max_headers", "LOGICORE_MAX_HEADERS", "largest header list of a request",
        |s, v| { s.limits.header_bytes = parse::bytes(v, 8 << 10, 1 << 20)?; Ok(()) }, |s| s.limits.header_bytes.to_string()),
    key!("max_connections", "LOGICORE_MAX_CONNECTIONS", "connections at once",
        |s, v| { s.limits.connections = parse::number(v, 1, 1_000_000)?; Ok(()) }, |s| s.limits.connections.to_string()),
    key!("max_connections_per_address", "LOGICORE_MAX_CONNECTIONS_PER_ADDRESS", "connections at once of one IPv4 address or IPv6 /64; those of proxies and balancers are not counted",
        |s, v| { s.limits.connections_per_address = parse::number(v, 1, 1_000_000)?; Ok(()) }, |s| s.limits.connections_per_address.to_string()),
    key!("connection_idle", "LOGICORE_CONNECTION_IDLE", "how long a connection is kept on which nobody asks anything",
        |s, v| { s.limits.connection_idle = parse::duration_in(v, SECOND, SECOND, DAY)?; Ok(()) }, |s| parse::show_duration(s.limits.connection_idle)),
    key!("connection_age", "LOGICORE_CONNECTION_AGE", "how long a connection takes new requests, give or take a tenth; then it is told to go, and what is under way finishes",
        |s, v| { s.limits.connection_age = parse::duration_in(v, SECOND, SECOND, DAY)?; Ok(()) }, |s| parse::show_duration(s.limits.connection_age)),
    key!("max_streams", "LOGICORE_MAX_STREAMS", "streams at once on one HTTP/2 connection",
        |s, v| { s.limits.streams_per_connection = parse::number(v, 1, 100_000)?; Ok(()) }, |s| s.limits.streams_per_connection.to_string()),
    key!("service_timeout", "SERVICE_TIMEOUT", "deadline of a unary call whose caller gives none; a bare number counts in ms",
        |s, v| { s.resilience.service_timeout = parse::duration_in(v, MS, MS, DAY)?; Ok(()) }, |s| parse::show_duration(s.resilience.service_timeout)),
    key!("error_threshold", "ERROR_THRESHOLD", "failures in the window, in percent, that open a breaker",
        |s, v| { s.resilience.error_threshold = parse::number(v.trim_end_matches('%').trim(), 1, 100)?; Ok(()) }, |s| s.resilience.error_threshold.to_string()),
    key!("circuit_reset_timeout", "CIRCUIT_RESET_TIMEOUT", "how long a breaker stays open; a bare number counts in ms",
        |s, v| { s.resilience.circuit_reset_timeout = parse::duration_in(v, MS, MS * 10, DAY)?; Ok(()) }, |s| parse::show_duration(s.resilience.circuit_reset_timeout)),
    key!("retry_attempts", "LOGICORE_RETRY_ATTEMPTS", "attempts of a call, the first one included",
        |s, v| { s.resilience.retry_attempts = parse::number(v, 1, 10)?; Ok(()) }, |s| s.resilience.retry_attempts.to_string()),
    key!("feed_stale_after", "LOGICORE_FEED_STALE_AFTER", "silence of the access feed after which only reading methods serve",
        |s, v| { s.resilience.feed_stale_after = parse::duration_in(v, SECOND, SECOND, DAY)?; Ok(()) }, |s| parse::show_duration(s.resilience.feed_stale_after)),
    key!("drain_delay", "LOGICORE_DRAIN_DELAY", "wait between readiness going off and connections being told to go; none on loopback, unless it is set",
        |s, v| { s.resilience.drain_delay = parse::duration(v, SECOND)?; Ok(()) }, |s| parse::show_duration(s.resilience.drain_delay)),
    key!("drain_timeout", "LOGICORE_DRAIN_TIMEOUT", "longest time from SIGTERM to exit",
        |s, v| { s.resilience.drain_timeout = parse::duration(v, SECOND)?; Ok(()) }, |s| parse::show_duration(s.resilience.drain_timeout)),
    key!("cors_origins", "LOGICORE_CORS_ORIGINS", "origins of browsers that may call, comma-separated; * for any",
        |s, v| cors(s, v), |s| s.cors.origins.join(",")),
    key!("tls_cert", "LOGICORE_TLS_CERT", "PEM file with the certificate chain of the listener",
        |s, v| { tls(s).cert = v.into(); Ok(()) }, |s| optional(s.tls.as_ref().map(|t| t.cert.display()).as_ref())),
    key!("tls_key", "LOGICORE_TLS_KEY", "PEM file with the private key of the listener",
        |s, v| { tls(s).key = v.into(); Ok(()) }, |s| optional(s.tls.as_ref().map(|t| t.key.display()).as_ref())),
    key!("auth_addr", "LOGICORE_AUTH_ADDR", "endpoints of the auth service, for roles that run apart",
        |s, v| { s.peers.auth = parse::endpoints(v)?; Ok(()) }, |s| s.peers.auth.join(",")),
    key!("user_addr", "LOGICORE_USER_ADDR", "endpoints of the user service",
        |s, v| { s.peers.user = parse::endpoints(v)?; Ok(()) }, |s| s.peers.user.join(",")),
    key!("admin_addr", "LOGICORE_ADMIN_ADDR", "endpoints of the admin service",
        |s, v| { s.peers.admin = parse::endpoints(v)?; Ok(()) }, |s| s.peers.admin.join(",")),
    key!(secret "mesh_secret", "MESH_SECRET", "proves membership between processes; derived from JWT_SECRET where unset", mesh.secret),
    key!("mesh_listen", "LOGICORE_MESH_LISTEN", "where a role that runs apart listens for its peers",
        |s, v| { s.mesh.listen = address(v)?; Ok(()) }, |s| s.mesh.listen.to_string()),
    key!("mesh_plaintext", "LOGICORE_MESH_PLAINTEXT", "allows plaintext between processes beyond loopback",
        |s, v| { s.mesh.plaintext = parse::flag(v)?; Ok(()) }, |s| s.mesh.plaintext.to_string()),
    key!("health_listen", "LOGICORE_HEALTH_LISTEN", "where a role that runs apart serves health and metrics in plaintext",
        |s, v| { s.mesh.health_listen = Some(address(v)?); Ok(()) }, |s| optional(s.mesh.health_listen.as_ref())),
    key!("log", "LOGICORE_LOG", "what is logged, such as info or warn,logicore_auth=debug",
        |s, v| { s.telemetry.log_level = v.to_owned(); Ok(()) }, |s| s.telemetry.log_level.clone()),
    key!("log_format", "LOGICORE_LOG_FORMAT", "auto (text on a terminal, else JSON), json or text",
        |s, v| { s.telemetry.log_format = parse::log_format(v)?; Ok(()) }, |s| parse::show_log_format(s.telemetry.log_format).to_owned()),
    key!("otlp_endpoint", "OTEL_EXPORTER_OTLP_ENDPOINT", "where traces go by OTLP over gRPC; none where unset",
        |s, v| otlp(s, v), |s| optional(s.telemetry.otlp_endpoint.as_ref())),
    key!("trace_ratio", "LOGICORE_TRACE_RATIO", "share of traces kept where the caller has not decided, 0 to 1",
        |s, v| { s.telemetry.trace_ratio = parse::number(v, 0.0, 1.0)?; Ok(()) }, |s| s.telemetry.trace_ratio.to_string()),
    key!(@ "database_url", "DATABASE_URL", true, "another database than SQLite: not in this version",
        |_s, _v| not_yet("another database than SQLite in the data folder"), |_s| String::new()),
    key!(@ "redis_url", "REDIS_URL", true, "a shared cache: not in this version", |_s, _v| not_yet("Redis"), |_s| String::new()),
    key!(@ "events_url", "EVENTS_URL", true, "a message broker: not in this version", |_s, _v| not_yet("a message broker"), |_s| String::new()),
];
