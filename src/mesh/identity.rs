//! Role tokens: `lm1.<role>.<unix seconds of expiry>.<HMAC-SHA256, base64url>`, under a key derived from the shared secret.
//!
//! They prove membership of the deployment, not which role: whoever holds the secret can write any role. A check costs about a
//! microsecond, so verified tokens are not cached: a cache would be a second opinion about their expiry.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use aws_lc_rs::{hkdf, hmac, rand::SecureRandom};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderValue;

use crate::{
    clock::Clock,
    error::{Error, Reason},
    secret::Secret,
    settings::{Role, Settings},
};

/// Metadata key of the role token.
pub const ROLE_TOKEN: &str = "x-logicore-mesh";

/// Life of a token, in seconds: short, since plaintext shows it to whoever listens.
const LIFE: i64 = 60;
/// Age at which a token is made anew, so that none is sent in its last moments.
const RENEW: i64 = 30;
/// How far clocks of the deployment may differ, in seconds.
const SKEW: i64 = 10;
const VERSION: &str = "lm1";

/// Proof of membership: makes and checks short role tokens under `MESH_SECRET`.
#[derive(Debug)]
pub struct Identity {
    role: Role,
    key: hmac::Key,
    clock: Clock,
    current: ArcSwapOption<Issued>,
}

#[derive(Debug)]
struct Issued {
    value: HeaderValue,
    at: i64,
}

/// A peer that proved membership; in the request's extensions behind the mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its role, as it says: the secret proves membership, not which role.
    pub role: Role,
}

impl Peer {
    /// Whether the peer is, or hosts, the part of this name (`gateway`, `auth`, `user`, `admin`, `cli`).
    #[must_use]
    pub fn is(&self, part: &str) -> bool {
        role_of(part).is_some_and(|part| self.role.hosts(part))
    }
}

impl Identity {
    /// The identity of a process of this role, under a secret that all roles share.
    #[must_use]
    pub fn new(role: Role, secret: &Secret) -> Arc<Self> {
        Self::with_clock(role, secret, Clock::system())
    }

    /// The same by another clock.
    #[must_use]
    pub fn with_clock(role: Role, secret: &Secret, clock: Clock) -> Arc<Self> {
        Self::derived(role, secret.expose_bytes(), b"MESH_SECRET", clock)
    }

    /// The identity that the settings give: under `MESH_SECRET`, else derived from `JWT_SECRET`, else under a random secret that
    /// nobody else has, which is right for a process that holds all roles and leaves every other one alone.
    #[must_use]
    pub fn from_settings(settings: &Settings, clock: Clock) -> Arc<Self> {
        if let Some(secret) = &settings.mesh.secret {
            return Self::with_clock(settings.role, secret, clock);
        }
        if let Some(secret) = &settings.jwt.secret {
            return Self::derived(settings.role, secret.expose_bytes(), b"JWT_SECRET", clock);
        }
        let mut random = [0_u8; 32];
        aws_lc_rs::rand::SystemRandom::new()
            .fill(&mut random)
            .expect("the system gives random bytes");
        Self::derived(settings.role, &random, b"random", clock)
    }

    /// The origin of the secret is part of the derivation: the same text in two settings gives two keys.
    fn derived(role: Role, secret: &[u8], origin: &[u8], clock: Clock) -> Arc<Self> {
        let key = hkdf::Salt::new(hkdf::HKDF_SHA256, origin)
            .extract(secret)
            .expand(&[b"logicore role token 1"], hmac::HMAC_SHA256)
            .expect("one block of output is always allowed")
            .into();
        Arc::new(Self {
            role,
            key,
            clock,
            current: ArcSwapOption::empty(),
        })
    }

    /// The same secret in another role's name.
    #[must_use]
    pub fn in_role(&self, role: Role) -> Arc<Self> {
        Arc::new(Self {
            role,
            key: self.key.clone(),
            clock: self.clock.clone(),
            current: ArcSwapOption::empty(),
        })
    }

    /// The value to send as [`ROLE_TOKEN`]; made anew when half of its life is over.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        let now = self.clock.unix();
        if let Some(issued) = &*self.current.load() {
            // A clock that was set back must not keep a token that peers take as coming from the future.
            if (issued.at..issued.at + RENEW).contains(&now) {
                return issued.value.clone();
            }
        }
        let claims = format!("{VERSION}.{}.{}", self.role.as_str(), now + LIFE);
        let tag = URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, claims.as_bytes()));
        let mut value =
            HeaderValue::try_from(format!("{claims}.{tag}")).expect("names, digits and base64 are header text");
        value.set_sensitive(true);
        self.current.store(Some(Arc::new(Issued {
            value: value.clone(),
            at: now,
        })));
        value
    }

    /// Judges a role token. The tag is compared in constant time, and before anything else is believed.
    ///
    /// # Errors
    /// `PEER_NOT_TRUSTED`.
    pub fn verify(&self, token: &HeaderValue) -> Result<Peer, Error> {
        let refused = |why| Error::new(Reason::PeerNotTrusted, why);
        let text = token.to_str().map_err(|_| refused("the role token is malformed"))?;
        let (claims, tag) = text
            .rsplit_once('.')
            .ok_or_else(|| refused("the role token is malformed"))?;
        let tag = URL_SAFE_NO_PAD
            .decode(tag)
            .map_err(|_| refused("the role token is malformed"))?;
        hmac::verify(&self.key, claims.as_bytes(), &tag)
            .map_err(|_| refused("the role token is of another secret: MESH_SECRET must be the same in every role"))?;
        let mut parts = claims.split('.');
        let (Some(VERSION), Some(role), Some(expiry), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(refused("the role token is malformed"));
        };
        let expiry: i64 = expiry.parse().map_err(|_| refused("the role token is malformed"))?;
        let left = expiry - self.clock.unix();
        if left < -SKEW {
            return Err(refused(
                "the role token is expired: are the clocks of the deployment set?",
            ));
        }
        if left > LIFE + SKEW {
            return Err(refused(
                "the role token is from the future: are the clocks of the deployment set?",
            ));
        }
        let role = role_of(role).ok_or_else(|| refused("the role token names no role"))?;
        Ok(Peer { role })
    }
}

fn role_of(name: &str) -> Option<Role> {
    [Role::All, Role::Auth, Role::User, Role::Admin, Role::Gateway, Role::Cli]
        .into_iter()
        .find(|role| role.as_str() == name)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn clock() -> Clock {
        Clock::manual(chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap())
    }

    fn identity(role: Role, secret: &str, clock: &Clock) -> Arc<Identity> {
        Identity::with_clock(role, &Secret::new(secret), clock.clone())
    }

    fn reason(result: Result<Peer, Error>) -> Option<Reason> {
        result.err().map(|e| e.reason())
    }

    #[test]
    fn a_peer_of_the_same_secret_is_known_by_its_role() {
        let clock = clock();
        let token = identity(Role::Gateway, "s", &clock).header();
        let peer = identity(Role::Auth, "s", &clock).verify(&token).unwrap();
        assert!(peer.is("gateway"));
        assert!(!peer.is("auth") && !peer.is("cli") && !peer.is("all"));
    }

    #[test]
    fn a_process_of_all_roles_is_each_of_them_but_no_operator() {
        let peer = Peer { role: Role::All };
        assert!(peer.is("gateway") && peer.is("auth") && peer.is("user") && peer.is("admin"));
        assert!(!peer.is("cli"));
    }

    #[test]
    fn a_token_lives_a_minute() {
        let clock = clock();
        let (sender, receiver) = (identity(Role::User, "s", &clock), identity(Role::Auth, "s", &clock));
        let token = sender.header();
        clock.advance(Duration::from_secs(70));
        assert!(receiver.verify(&token).is_ok(), "within the skew");
        clock.advance(Duration::from_secs(1));
        assert_eq!(reason(receiver.verify(&token)), Some(Reason::PeerNotTrusted));
        assert!(receiver.verify(&sender.header()).is_ok(), "made anew");
    }

    #[test]
    fn the_header_is_kept_for_half_its_life() {
        let clock = clock();
        let sender = identity(Role::User, "s", &clock);
        let first = sender.header();
        clock.advance(Duration::from_secs(29));
        assert_eq!(sender.header(), first);
        clock.advance(Duration::from_secs(1));
        assert_ne!(sender.header(), first);
    }

    #[test]
    fn tokens_of_another_secret_or_origin_are_refused() {
        let clock = clock();
        let receiver = identity(Role::Auth, "s", &clock);
        let token = identity(Role::Gateway, "t", &clock).header();
        assert_eq!(reason(receiver.verify(&token)), Some(Reason::PeerNotTrusted));
        let token = Identity::derived(Role::Gateway, b"s", b"JWT_SECRET", clock).header();
        assert_eq!(reason(receiver.verify(&token)), Some(Reason::PeerNotTrusted));
    }

    #[test]
    fn altered_tokens_are_refused() {
        let clock = clock();
        let receiver = identity(Role::Auth, "s", &clock);
        let token = identity(Role::User, "s", &clock).header();
        let token = token.to_str().unwrap();
        let (claims, tag) = token.rsplit_once('.').unwrap();
        let attacks = [
            token.replace(".user.", ".admin."),
            token.replace(".18000", ".19000"),
            token.replace("lm1", "lm2"),
            claims.to_owned(),
            format!("{claims}."),
            format!("{claims}.{}", &tag[..tag.len() - 4]),
            format!("{claims}.{tag}="),
            format!("x.{token}"),
            String::new(),
            "...".to_owned(),
            "lm1.user".to_owned(),
        ];
        for attack in attacks {
            let value = HeaderValue::try_from(&attack).unwrap();
            assert_eq!(
                reason(receiver.verify(&value)),
                Some(Reason::PeerNotTrusted),
                "{attack}"
            );
        }
    }

    #[test]
    fn a_token_that_would_live_too_long_is_refused() {
        let clock = clock();
        let receiver = identity(Role::Auth, "s", &clock);
        let ahead = clock.clone();
        let sender = identity(Role::User, "s", &Clock::manual(ahead.now() + Duration::from_secs(3600)));
        assert_eq!(reason(receiver.verify(&sender.header())), Some(Reason::PeerNotTrusted));
    }

    #[test]
    fn a_token_is_never_printed() {
        let header = identity(Role::User, "s", &clock()).header();
        assert_eq!(format!("{header:?}"), "Sensitive");
    }

    #[test]
    fn without_any_secret_nobody_else_is_trusted() {
        let settings = Settings::defaults(Role::All);
        let (one, other) = (
            Identity::from_settings(&settings, clock()),
            Identity::from_settings(&settings, clock()),
        );
        assert!(one.verify(&one.header()).is_ok());
        assert!(other.verify(&one.header()).is_err());
    }
}
