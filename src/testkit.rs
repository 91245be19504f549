//! What tests of every package start from. No production code may use it.
//!
//! Here is one process on its own: its context, what it is fed, and tokens for it. Several processes beside each other begin with
//! [`settings`], and find each other by [`serve`] and [`upstream`]; a [`Caller`] calls them. Where the real neighbour cannot be
//! had, its stand-in is in [`accounts`] or [`audit_log`].

pub mod accounts;
pub mod audit_log;
mod caller;
mod deployment;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use caller::{Caller, reason};
pub use deployment::{PATIENCE, serve, serve_on, settings, until, upstream};

use crate::{
    access::Principal,
    api::{mesh as pb, policy::Scope},
    clock::Clock,
    context::{Context, Neighbours},
    feed::{AccessView, Source, resource},
    ids::{SessionId, TenantId, TokenId, UserId},
    mesh::Identity,
    policy,
    secret::Secret,
    settings::{Role, Settings},
    telemetry::Metrics,
    token::{Claims, Rev, TYP, Verifier},
    upstream::Upstream,
};

/// Makes a test of every claim of a contract suite: the function of that name in the module `$suite`, run on what `$make` makes.
#[macro_export]
macro_rules! claims {
    ($suite:path, $make:path: $($claim:ident),* $(,)?) => {
        $(#[tokio::test]
        async fn $claim() {
            use $suite as suite;
            let fixture = $make().await;
            suite::$claim(&fixture).await;
        })*
    };
}

/// Epoch of both producers in [`feed`], and of the tokens in [`claims`].
pub const EPOCH: &str = "epoch-1";

/// The context of a process of this role whose neighbours are nowhere, on the machine's clock.
#[must_use]
pub fn context(role: Role) -> Context {
    context_with(Settings::defaults(role))
}

/// The same with settings of one's own.
#[must_use]
pub fn context_with(settings: Settings) -> Context {
    context_at(settings, Clock::system())
}

/// The same on a clock of one's own.
#[must_use]
pub fn context_at(settings: Settings, clock: Clock) -> Context {
    let settings = Arc::new(settings);
    let metrics = Metrics::new();
    let policies = policies();
    let identity = Identity::from_settings(&settings, clock.clone());
    let nowhere = |name| {
        let (identity, policies) = (Arc::clone(&identity), Arc::clone(&policies));
        Upstream::new(
            name,
            Vec::new(),
            identity,
            policies,
            &settings.resilience,
            Arc::clone(&metrics),
        )
    };
    let access = AccessView::new(None);
    let verifier = Verifier::from_settings(&settings, Arc::clone(&access), clock.clone());
    Context {
        neighbours: Neighbours {
            auth: nowhere("auth"),
            user: nowhere("user"),
            admin: nowhere("admin"),
        },
        clock,
        metrics,
        policies,
        identity: Arc::clone(&identity),
        access,
        verifier: Arc::new(verifier),
        lifecycle: Default::default(),
        shutdown: CancellationToken::new(),
        tasks: TaskTracker::new(),
        settings: Arc::clone(&settings),
    }
}

/// Policies of every method that is compiled in, read once for all tests of a process: reading them takes long without
/// optimization.
#[must_use]
pub fn policies() -> Arc<policy::Table> {
    static POLICIES: OnceLock<Arc<policy::Table>> = OnceLock::new();
    Arc::clone(POLICIES.get_or_init(|| Arc::new(policy::Table::compiled_in())))
}

/// Feeds a view as auth and admin do, with all that is in force at each; both are heard just now.
pub fn feed(access: &AccessView, auth: Vec<pb::Resource>, admin: Vec<pb::Resource>) {
    for (source, upserts) in [(Source::Auth, auth), (Source::Admin, admin)] {
        let revision = pb::Revision {
            epoch: EPOCH.to_owned(),
            number: 1,
        };
        let update = pb::Update {
            revision: Some(revision),
            upserts,
            ..pb::Update::default()
        };
        access.snapshot(source, update);
        access.heard(source, Duration::ZERO);
    }
}

/// The roles that every tenant has, as admin publishes them.
#[must_use]
pub fn built_in_roles() -> Vec<pb::Resource> {
    let roles = [
        ("admin", Scope::Tenant),
        ("operator", Scope::Platform),
        ("user", Scope::Unspecified),
    ];
    let role = |(name, scope): (&str, _)| {
        let name = name.parse().expect("a literal role name");
        resource::built_in_role(&name, scope)
    };
    roles.into_iter().map(role).collect()
}

/// A caller of the default tenant without a role, as a token of its own says it.
#[must_use]
pub fn principal(subject: UserId) -> Principal {
    let time = chrono::DateTime::UNIX_EPOCH;
    Principal {
        subject,
        tenant: TenantId::default(),
        session: SessionId::generate(),
        token: TokenId::generate(),
        client: Arc::from(""),
        roles: Arc::default(),
        issued_at: time,
        authenticated_at: time,
        expires_at: time,
        epoch: EPOCH.into(),
        revision: 1,
    }
}

/// The claims of an access token that was issued just now, for a quarter of an hour, by the deployment of `settings`.
#[must_use]
pub fn claims(settings: &Settings, clock: &Clock, roles: &[&str]) -> Claims {
    let now = clock.unix();
    let roles = roles.iter().map(|name| name.parse().expect("a literal role name"));
    Claims {
        iss: settings.public_url.clone(),
        aud: settings.jwt.audience.clone(),
        sub: UserId::generate(),
        client_id: "logicore".to_owned(),
        sid: SessionId::generate(),
        tid: Default::default(),
        jti: TokenId::generate(),
        iat: now,
        nbf: now,
        exp: now + 15 * 60,
        auth_time: now,
        amr: vec!["pwd".to_owned()],
        roles: roles.collect(),
        rev: Rev {
            e: EPOCH.to_owned(),
            n: 1,
        },
        act: None,
    }
}

/// The claims as a token of HS256, which a [`Verifier`] of the same secret takes.
#[must_use]
pub fn token(secret: &Secret, claims: &Claims) -> String {
    let header = serde_json::json!({ "alg": "HS256", "typ": TYP }).to_string();
    let payload = serde_json::to_string(claims).expect("claims are JSON");
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_bytes());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
    format!("{signed}.{signature}")
}
