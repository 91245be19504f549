//! The verifier against tokens that are signed here as auth signs them, with keys that come as auth's feed brings them.

mod attacks;
mod cached;
mod keys;
mod standing;
mod times;

use std::{error::Error as _, sync::OnceLock};

use aws_lc_rs::{
    hmac, io,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::DateTime;
use serde_json::{Value, json};

use super::*;
use crate::{
    api::mesh as pb,
    feed::{Source, resource},
    ids::{SessionId, TokenId, UserId},
};

const ISSUER: &str = "https://api.example.com";
const AUDIENCE: &str = "logicore";
const SECRET: &str = "a secret of at least thirty-two bytes";
const EPOCH: &str = "epoch-1";
/// The time at which every test begins.
const NOW: i64 = 1_800_000_000;
/// What [`World::refusal`] says of claims that are not those of an access token.
const UNREADABLE: &str = "claims cannot be read";
/// Auth's revision when the tokens of these tests were issued.
const REVISION: u64 = 10;

/// A key pair with the name and the algorithm that it is published under.
struct Signer {
    kid: &'static str,
    alg: &'static str,
    pair: Pair,
}

enum Pair {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(&'static RsaKeyPair),
    Hs256(Box<hmac::Key>),
}

impl Signer {
    fn es256(kid: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self::new(kid, "ES256", Pair::Es256(pair))
    }

    fn eddsa(kid: &'static str) -> Self {
        Self::new(kid, "EdDSA", Pair::EdDsa(Ed25519KeyPair::generate().unwrap()))
    }

    fn rs256(kid: &'static str) -> Self {
        // Slow to make, so the tests share one.
        static PAIR: OnceLock<RsaKeyPair> = OnceLock::new();
        let pair = PAIR.get_or_init(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());
        Self::new(kid, "RS256", Pair::Rs256(pair))
    }

    fn hs256(secret: &[u8]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        Self::new(key::HS256_KID, "HS256", Pair::Hs256(Box::new(key)))
    }

    fn new(kid: &'static str, alg: &'static str, pair: Pair) -> Self {
        Self { kid, alg, pair }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let rng = SystemRandom::new();
        match &self.pair {
            Pair::Es256(pair) => pair.sign(&rng, message).unwrap().as_ref().to_vec(),
            Pair::EdDsa(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&signature::RSA_PKCS1_SHA256, &rng, message, &mut signature)
                    .unwrap();
                signature
            }
            Pair::Hs256(key) => hmac::sign(key, message).as_ref().to_vec(),
        }
    }

    fn header(&self) -> Value {
        json!({ "alg": self.alg, "typ": TYP, "kid": self.kid })
    }

    /// A token with the usual header.
    fn token(&self, claims: &Value) -> String {
        self.compact(&self.header().to_string(), &claims.to_string())
    }

    /// A token of any header and payload, rightly signed.
    fn compact(&self, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", encode(header), encode(payload));
        let signature = encode(self.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    fn jwk(&self) -> Value {
        match &self.pair {
            Pair::Es256(pair) => {
                let point = pair.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..]) })
            }
            Pair::EdDsa(pair) => json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key()) }),
            Pair::Rs256(pair) => {
                let (n, e) = (pair.public_key().modulus(), pair.public_key().exponent());
                let encode = |number: io::Positive<'_>| encode(number.big_endian_without_leading_zero());
                json!({ "kty": "RSA", "n": encode(n), "e": encode(e) })
            }
            Pair::Hs256(_) => Value::Null,
        }
    }

    fn resource(&self) -> pb::Resource {
        resource::verification_key(self.published())
    }

    fn published(&self) -> pb::VerificationKey {
        pb::VerificationKey {
            kid: self.kid.to_owned(),
            alg: self.alg.to_owned(),
            jwk: self.jwk().to_string(),
        }
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A verifier whose clock stands at [`NOW`] until it is moved.
struct World {
    clock: Clock,
    access: Arc<AccessView>,
    verifier: Verifier,
}

impl World {
    /// Nothing of auth has arrived.
    fn ignorant(hs256: Option<&str>) -> Self {
        let clock = Clock::manual(DateTime::from_timestamp(NOW, 0).unwrap());
        let access = AccessView::new(None);
        let verifier = Verifier::new(
            ISSUER.to_owned(),
            AUDIENCE.to_owned(),
            hs256.map(Secret::new),
            access.clone(),
            clock.clone(),
        );
        Self {
            clock,
            access,
            verifier,
        }
    }

    /// These keys are in force.
    fn with(keys: &[&Signer]) -> Self {
        let world = Self::ignorant(None);
        world.auth_says(EPOCH, keys.iter().map(|k| k.resource()).collect());
        world
    }

    /// The keys of the feed, and the shared secret.
    fn with_secret(keys: &[&Signer]) -> Self {
        let world = Self::ignorant(Some(SECRET));
        world.auth_says(EPOCH, keys.iter().map(|k| k.resource()).collect());
        world
    }

    fn auth_says(&self, epoch: &str, resources: Vec<pb::Resource>) {
        self.access.snapshot(Source::Auth, update(epoch, resources));
    }

    fn admin_says(&self, resources: Vec<pb::Resource>) {
        self.access.snapshot(Source::Admin, update("admin-1", resources));
    }

    fn advance(&self, seconds: u64) {
        self.clock.advance(std::time::Duration::from_secs(seconds));
    }

    fn reason(&self, token: &str) -> Option<Reason> {
        self.verifier.verify(token).err().map(|e| e.reason())
    }

    /// Why the log says that a token is not valid.
    fn refusal(&self, token: &str) -> String {
        let error = self.verifier.verify(token).expect_err("refused");
        assert_eq!(error.reason(), Reason::AuthTokenInvalid, "{error}");
        assert_eq!(
            error.message(),
            "the access token is not valid",
            "callers learn no more"
        );
        let cause = error.source().expect("the log learns why");
        if cause.is::<serde_json::Error>() {
            return UNREADABLE.to_owned();
        }
        cause.to_string()
    }
}

fn update(epoch: &str, upserts: Vec<pb::Resource>) -> pb::Update {
    pb::Update {
        revision: Some(pb::Revision {
            epoch: epoch.to_owned(),
            number: 100,
        }),
        upserts,
        ..pb::Update::default()
    }
}

/// The claims of a token that was issued just now for a quarter of an hour.
fn claims() -> Value {
    json!({
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": UserId::generate(),
        "client_id": "logicore",
        "sid": SessionId::generate(),
        "tid": "acme",
        "jti": TokenId::generate(),
        "iat": NOW,
        "nbf": NOW,
        "exp": NOW + 900,
        "auth_time": NOW - 60,
        "amr": ["pwd"],
        "roles": ["user", "auditor"],
        "rev": { "e": EPOCH, "n": REVISION },
    })
}

fn with(mut claims: Value, name: &str, value: impl Into<Value>) -> Value {
    claims[name] = value.into();
    claims
}

fn principal(claims: &Value) -> Principal {
    let claims: Claims = serde_json::from_value(claims.clone()).unwrap();
    let time = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
    Principal {
        subject: claims.sub,
        tenant: claims.tid,
        session: claims.sid,
        token: claims.jti,
        client: claims.client_id.into(),
        roles: claims.roles.into(),
        issued_at: time(claims.iat),
        authenticated_at: time(claims.auth_time),
        expires_at: time(claims.exp),
        epoch: claims.rev.e.into(),
        revision: claims.rev.n,
    }
}

#[test]
fn a_good_token_of_each_algorithm_gives_its_principal() {
    let signers = [Signer::es256("k1"), Signer::eddsa("k2"), Signer::rs256("k3")];
    let world = World::with(&signers.each_ref());
    for signer in &signers {
        let claims = claims();
        let verified = world.verifier.verify(&signer.token(&claims)).unwrap();
        assert_eq!(*verified, principal(&claims), "{}", signer.alg);
    }
}

#[test]
fn ed25519_may_call_itself_by_its_newer_name() {
    let signer = Signer::eddsa("k1");
    let world = World::with(&[&signer]);
    let header = json!({ "alg": "Ed25519", "typ": TYP, "kid": "k1" });
    let token = signer.compact(&header.to_string(), &claims().to_string());
    assert_eq!(world.reason(&token), None);
}

#[test]
fn the_shared_secret_verifies_with_its_kid_and_without_one() {
    let world = World::with_secret(&[]);
    let signer = Signer::hs256(SECRET.as_bytes());
    let claims = claims();
    for header in [
        json!({ "alg": "HS256", "typ": TYP }),
        json!({ "alg": "HS256", "typ": TYP, "kid": "hs256" }),
    ] {
        let token = signer.compact(&header.to_string(), &claims.to_string());
        let verified = world.verifier.verify(&token).unwrap();
        assert_eq!(*verified, principal(&claims), "{header}");
    }
}

#[test]
fn claims_that_are_not_known_do_no_harm() {
    let signer = Signer::es256("k1");
    let world = World::with(&[&signer]);
    let token = signer.token(&with(claims(), "scope", "read write"));
    assert_eq!(world.reason(&token), None);
}

#[test]
fn nothing_is_judged_before_auth_was_heard() {
    let signer = Signer::es256("k1");
    let secret = Signer::hs256(SECRET.as_bytes());
    let world = World::ignorant(Some(SECRET));
    for token in [signer.token(&claims()), secret.token(&claims())] {
        assert_eq!(world.reason(&token), Some(Reason::NotReady));
    }
    world.auth_says(EPOCH, vec![signer.resource()]);
    assert_eq!(world.reason(&signer.token(&claims())), None);
}
