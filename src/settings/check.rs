//! What is wrong only in combination, and what is allowed only in demo mode.

use std::{collections::BTreeMap, time::Duration};

use super::{Algorithm, DemoPlan, Origin, Role, Settings};
use crate::secret::Secret;

/// Shortest secret taken outside demo mode: 256 bits if it were random bytes.
const MIN_SECRET: usize = 32;

/// Secrets that everybody knows, from the guide's sample file.
const SAMPLES: &[&str] = &["your-super-secret-jwt-key-here", "your-refresh-secret-jwt-key-here"];

/// Looks at the settings as a whole. Adds problems, returns warnings.
pub(super) fn check(
    settings: &mut Settings,
    origins: &BTreeMap<&'static str, Origin>,
    problems: &mut Vec<String>,
) -> Vec<String> {
    let mut warnings = Vec::new();
    // The issuer follows the port, so that a second instance on the same machine needs one setting only.
    if !origins.contains_key("public_url") {
        let scheme = if settings.tls.is_some() { "https" } else { "http" };
        settings.public_url = format!("{scheme}://localhost:{}", settings.listen.port());
    }
    // No balancer watches a port that only this machine can reach, so nobody has to be waited for.
    if settings.on_loopback() && !origins.contains_key("drain_delay") {
        settings.resilience.drain_delay = Duration::ZERO;
    }
    if settings.resilience.drain_delay >= settings.resilience.drain_timeout {
        if origins.contains_key("drain_delay") {
            problems.push("LOGICORE_DRAIN_DELAY must be shorter than LOGICORE_DRAIN_TIMEOUT".to_owned());
        } else {
            // A shorter whole shortens its part.
            settings.resilience.drain_delay = settings.resilience.drain_timeout / 5;
        }
    }
    if settings.production && settings.demo == Some(true) {
        problems.push("DEMO=true and LOGICORE_ENV=production do not go together".to_owned());
    }
    secrets(settings, problems, &mut warnings);
    tokens(settings, problems, &mut warnings);
    tls(settings, problems);
    network(settings, problems, &mut warnings);
    warnings
}

fn secrets(s: &Settings, problems: &mut Vec<String>, warnings: &mut Vec<String>) {
    let demo = s.demo_plan() != DemoPlan::Disable;
    let named: [(&str, &Option<Secret>); 4] = [
        ("JWT_SECRET", &s.jwt.secret),
        ("JWT_SECRET_PREVIOUS", &s.jwt.secret_previous),
        ("JWT_REFRESH_SECRET", &s.jwt.refresh_secret),
        ("MESH_SECRET", &s.mesh.secret),
    ];
    for (name, secret) in named {
        let Some(secret) = secret else { continue };
        let sample = SAMPLES.contains(&secret.expose());
        if !sample && secret.expose().len() >= MIN_SECRET {
            continue;
        }
        let why = if sample {
            "is a published sample"
        } else {
            "is shorter than 32 bytes"
        };
        // The secret before may be a weak one: moving away from it is the point.
        if demo || name == "JWT_SECRET_PREVIOUS" {
            warnings.push(format!("{name} {why}; fine for a demo, not for anything else"));
        } else {
            problems.push(format!("{name} {why}; make one with `openssl rand -base64 32`"));
        }
    }
    let apart = !matches!(s.role, Role::All | Role::Cli);
    if apart && s.mesh.secret.is_none() && s.jwt.secret.is_none() {
        problems.push(
            "MESH_SECRET (or JWT_SECRET, which it is derived from) must be set for roles that run apart".to_owned(),
        );
    }
}

fn tokens(s: &Settings, problems: &mut Vec<String>, warnings: &mut Vec<String>) {
    match (s.jwt.algorithm, &s.jwt.secret) {
        (Algorithm::Hs256, Some(_)) => warnings.push(
            "JWT_ALGORITHM=HS256: every holder of JWT_SECRET can mint tokens, and there is no JWKS; ES256 has neither flaw"
                .to_owned(),
        ),
        (Algorithm::Hs256, None) => problems.push("JWT_ALGORITHM=HS256 needs JWT_SECRET".to_owned()),
        _ => {}
    }
    if s.jwt.refresh_expiry > s.jwt.session_expiry {
        problems.push("JWT_REFRESH_EXPIRY must not be longer than LOGICORE_SESSION_EXPIRY".to_owned());
    }
    if s.jwt.expiry > Duration::from_secs(3600) {
        warnings.push("JWT_EXPIRY is longer than an hour; 15m is the usual bound".to_owned());
    }
    if s.jwt.audience.len() > 255 {
        problems.push("JWT_AUDIENCE must have at most 255 characters".to_owned());
    }
}

fn tls(s: &Settings, problems: &mut Vec<String>) {
    let Some(tls) = &s.tls else { return };
    let (cert, key) = ("LOGICORE_TLS_CERT", "LOGICORE_TLS_KEY");
    for (name, path, other) in [(cert, &tls.cert, key), (key, &tls.key, cert)] {
        if path.as_os_str().is_empty() {
            problems.push(format!("{name} must be set where {other} is"));
        } else if let Err(e) = std::fs::metadata(path) {
            problems.push(format!("{name}: {}: {e}", path.display()));
        }
    }
}

fn network(s: &Settings, problems: &mut Vec<String>, warnings: &mut Vec<String>) {
    let serves = matches!(s.role, Role::All | Role::Gateway);
    if serves && s.tls.is_none() && !s.on_loopback() {
        warnings.push(
            "callers beyond this machine are served without TLS; put TLS in front or set LOGICORE_TLS_CERT".to_owned(),
        );
    }
    let apart = matches!(s.role, Role::Auth | Role::User | Role::Admin);
    if apart && !s.mesh.listen.ip().is_loopback() && !s.mesh.plaintext {
        problems.push(
            "LOGICORE_MESH_LISTEN is beyond loopback and peers speak plaintext: set LOGICORE_MESH_PLAINTEXT=true where the \
             network is yours"
                .to_owned(),
        );
    }
    if s.cors.origins.iter().any(|o| o == "*") && s.production {
        warnings.push("LOGICORE_CORS_ORIGINS=* lets every site call from its visitors' browsers".to_owned());
    }
}
