//! The one place that reads settings. Everything else takes them as values of [`Settings`].

mod check;
mod demo;
mod keys;
mod load;
mod parse;
pub mod routes;
mod sources;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;

pub use demo::{DEMO_ADMIN_ID, DEMO_USER_ID, DemoPlan};
pub use keys::{KEYS, Key};
pub use load::{Loaded, Origin, Problems, Sources};

use crate::secret::Secret;

/// Which part of the system a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Every part in one process.
    All,
    /// Accounts, sessions, tokens.
    Auth,
    /// Profiles.
    User,
    /// Roles, audit, operators' face.
    Admin,
    /// The port that callers see.
    Gateway,
    /// An operator's subcommand; may call what internal methods name `cli`.
    Cli,
}

impl Role {
    /// The role's name, as on the command line and in policies.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Auth => "auth",
            Self::User => "user",
            Self::Admin => "admin",
            Self::Gateway => "gateway",
            Self::Cli => "cli",
        }
    }

    /// Whether a process of this role hosts `part`.
    #[must_use]
    pub fn hosts(self, part: Role) -> bool {
        self == part || (self == Self::All && part != Self::Cli)
    }
}

/// How signing keys sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA on P-256: the default.
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSA-2048 (made here at 3072 bits) with SHA-256.
    Rs256,
    /// HMAC under `JWT_SECRET`: every holder of the secret can mint.
    Hs256,
}

/// What tokens are made with and how long they live.
#[derive(Clone, Debug)]
pub struct Jwt {
    /// Seals signing keys; signs where the algorithm is HS256.
    pub secret: Option<Secret>,
    /// The secret before, which old seals still open with.
    pub secret_previous: Option<Secret>,
    /// Keys refresh tokens.
    pub refresh_secret: Option<Secret>,
    /// The one before, which still verifies for the absolute life of a session.
    pub refresh_secret_previous: Option<Secret>,
    /// Life of an access token.
    pub expiry: Duration,
    /// Life of a refresh token, from its last use.
    pub refresh_expiry: Duration,
    /// Life of a session, from its login.
    pub session_expiry: Duration,
    /// How access tokens are signed.
    pub algorithm: Algorithm,
    /// Audience of access tokens.
    pub audience: String,
}

/// Where the roles are when they do not share a process.
#[derive(Clone, Debug)]
pub struct Peers {
    /// Endpoints of the auth service, `host:port` each.
    pub auth: Vec<String>,
    /// Endpoints of the user service.
    pub user: Vec<String>,
    /// Endpoints of the admin service.
    pub admin: Vec<String>,
}

/// How the parts of a deployment prove themselves to each other.
#[derive(Clone, Debug)]
pub struct Mesh {
    /// Shared secret of role tokens; derived from `JWT_SECRET` where unset.
    pub secret: Option<Secret>,
    /// Allows plaintext between processes beyond loopback.
    pub plaintext: bool,
    /// Where a role that runs on its own listens for its peers.
    pub listen: SocketAddr,
    /// Where such a role serves health and metrics in plaintext, and nothing else.
    pub health_listen: Option<SocketAddr>,
}

/// Bounds on what callers may send.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest message or body, in bytes.
    pub message_bytes: usize,
    /// Largest header list of a request, in bytes.
    pub header_bytes: usize,
    /// Connections at once.
    pub connections: usize,
    /// Connections at once of one address (IPv4) or /64 (IPv6) that is no proxy's.
    pub connections_per_address: usize,
    /// How long a connection is kept on which nobody asks anything.
    pub connection_idle: Duration,
    /// How long a connection takes new requests.
    pub connection_age: Duration,
    /// Streams at once on one HTTP/2 connection.
    pub streams_per_connection: u32,
    /// Units a minute for each principal.
    pub rate_per_minute: u32,
    /// Units a minute for each address that sends no valid token.
    pub address_rate_per_minute: u32,
}

/// Certificate and key of the listener.
#[derive(Clone, Debug)]
pub struct Tls {
    /// PEM file with the certificate chain.
    pub cert: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
}

/// How logs look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// JSON, one object a line.
    Json,
    /// For people.
    Text,
}

/// Logs and traces.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// How logs look.
    pub log_format: LogFormat,
    /// Filter directives, such as `info,logicore_gateway=debug`.
    pub log_level: String,
    /// OTLP endpoint (gRPC); no traces where unset.
    pub otlp_endpoint: Option<String>,
    /// Share of traces kept where the caller has not decided, 0 to 1.
    pub trace_ratio: f64,
}

/// Retries, breakers and timeouts towards upstreams.
#[derive(Clone, Debug)]
pub struct Resilience {
    /// Deadline of a unary call whose caller gives none.
    pub service_timeout: Duration,
    /// Failures in the window, in percent, that open a breaker.
    pub error_threshold: u8,
    /// How long a breaker stays open.
    pub circuit_reset_timeout: Duration,
    /// Attempts of a call, the first one included.
    pub retry_attempts: u32,
    /// Silence of the access feed after which only reading methods serve.
    pub feed_stale_after: Duration,
    /// Wait between readiness going off and GOAWAY.
    pub drain_delay: Duration,
    /// Longest time from SIGTERM to exit.
    pub drain_timeout: Duration,
}

/// What browsers may do from other origins.
#[derive(Clone, Debug, Default)]
pub struct Cors {
    /// Origins, such as `https://app.example.com`; empty for none, `*` for any.
    pub origins: Vec<String>,
}

/// The effective settings of a process.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Part that this process is.
    pub role: Role,
    /// `LOGICORE_ENV=production`: nothing of the demo, stricter checks.
    pub production: bool,
    /// Demo accounts: asked for, refused, or left to the rule (`all`, on loopback, in an empty data folder).
    pub demo: Option<bool>,
    /// Folder of databases, keys and snapshots.
    pub data_dir: PathBuf,
    /// Where callers are served.
    pub listen: SocketAddr,
    /// How callers reach it; issuer of tokens.
    pub public_url: String,
    /// `Host` names served beside loopback's and `public_url`'s.
    pub allowed_hosts: Vec<String>,
    /// Networks of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Networks of balancers whose connections begin with a PROXY header.
    pub proxy_protocol: Vec<IpNet>,
    /// File that says which other services are served; see [`routes`].
    pub routes: Option<PathBuf>,
    /// Tokens.
    pub jwt: Jwt,
    /// The other roles.
    pub peers: Peers,
    /// Trust between roles.
    pub mesh: Mesh,
    /// Bounds.
    pub limits: Limits,
    /// TLS of the listener.
    pub tls: Option<Tls>,
    /// Logs and traces.
    pub telemetry: Telemetry,
    /// Breakers, retries, timeouts.
    pub resilience: Resilience,
    /// Other origins.
    pub cors: Cors,
}

impl Settings {
    /// The defaults of a role.
    #[must_use]
    pub fn defaults(role: Role) -> Self {
        let mesh_port = match role {
            Role::User => 8082,
            Role::Admin => 8083,
            _ => 8081,
        };
        Self {
            role,
            production: false,
            demo: None,
            data_dir: "data".into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: "http://localhost:8080".to_owned(),
            allowed_hosts: Vec::new(),
            trusted_proxies: Vec::new(),
            proxy_protocol: Vec::new(),
            routes: None,
            jwt: Jwt {
                secret: None,
                secret_previous: None,
                refresh_secret: None,
                refresh_secret_previous: None,
                expiry: Duration::from_secs(15 * 60),
                refresh_expiry: Duration::from_secs(7 * 24 * 3600),
                session_expiry: Duration::from_secs(30 * 24 * 3600),
                algorithm: Algorithm::Es256,
                audience: "logicore".to_owned(),
            },
            peers: Peers {
                auth: vec!["127.0.0.1:8081".to_owned()],
                user: vec!["127.0.0.1:8082".to_owned()],
                admin: vec!["127.0.0.1:8083".to_owned()],
            },
            mesh: Mesh {
                secret: None,
                plaintext: false,
                listen: SocketAddr::from(([127, 0, 0, 1], mesh_port)),
                health_listen: None,
            },
            limits: Limits {
                message_bytes: 4 << 20,
                header_bytes: 16 << 10,
                connections: 10_000,
                // A quarter: no address takes all the places, and a company behind one address has enough.
                connections_per_address: 2500,
                connection_idle: Duration::from_secs(15 * 60),
                connection_age: Duration::from_secs(3600),
                streams_per_connection: 256,
                rate_per_minute: 1000,
                address_rate_per_minute: 3000,
            },
            tls: None,
            telemetry: Telemetry {
                log_format: LogFormat::Auto,
                log_level: "info".to_owned(),
                otlp_endpoint: None,
                trace_ratio: 1.0,
            },
            resilience: Resilience {
                service_timeout: Duration::from_millis(5000),
                error_threshold: 50,
                circuit_reset_timeout: Duration::from_millis(30_000),
                retry_attempts: 3,
                feed_stale_after: Duration::from_secs(60),
                drain_delay: Duration::from_secs(5),
                drain_timeout: Duration::from_secs(25),
            },
            cors: Cors::default(),
        }
    }

    /// Whether nobody but this machine can reach what this process listens on.
    #[must_use]
    pub fn on_loopback(&self) -> bool {
        let listen = match self.role {
            Role::All | Role::Gateway => self.listen,
            _ => self.mesh.listen,
        };
        listen.ip().is_loopback()
    }
}
