//! Keys that verify: public ones from a JSON Web Key, and the shared secret of HS256.
//!
//! A key knows its one algorithm; the token's header only has to agree with it. So a public key can never serve as an HMAC
//! secret, whatever a token says.

use std::fmt;

use aws_lc_rs::{
    hmac,
    signature::{self, ParsedPublicKey, RsaPublicKeyComponents},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use crate::{api::mesh as pb, secret::Secret};

/// `alg` of tokens under `JWT_SECRET`.
pub(super) const HS256: &str = "HS256";

/// `kid` that such a token may carry; none does as well.
pub(super) const HS256_KID: &str = "hs256";

/// Members of a JWK that no public key has (RFC 7518, 6.2.2, 6.3.2, 6.4).
const PRIVATE: &[&str] = &["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A key that tokens are verified with.
pub struct VerifyingKey {
    kid: String,
    alg: &'static str,
    jwk: String,
    public: Value,
    material: Material,
}

enum Material {
    Public(ParsedPublicKey),
    // Boxed: twenty times the size of the other.
    Secret(Box<hmac::Key>),
}

/// Why a key is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a usable public key: {0}")]
pub struct InvalidKey(&'static str);

impl VerifyingKey {
    /// Reads a key of the feed: ES256, EdDSA or RS256, public members only.
    ///
    /// # Errors
    /// When the JWK is malformed, private, or of another kind than its `alg`.
    pub fn from_feed(key: &pb::VerificationKey) -> Result<Self, InvalidKey> {
        let mut jwk: Map<String, Value> =
            serde_json::from_str(&key.jwk).map_err(|_| InvalidKey("not a JSON object"))?;
        if PRIVATE.iter().any(|m| jwk.contains_key(*m)) {
            return Err(InvalidKey("it has private members"));
        }
        if key.kid.is_empty() || key.kid == HS256_KID {
            return Err(InvalidKey("kid"));
        }
        let (alg, public) = match key.alg.as_str() {
            "ES256" => ("ES256", p256(&jwk)?),
            "EdDSA" | "Ed25519" => ("EdDSA", ed25519(&jwk)?),
            "RS256" => ("RS256", rsa(&jwk)?),
            _ => return Err(InvalidKey("alg")),
        };
        for (member, value) in [("kid", key.kid.as_str()), ("alg", alg), ("use", "sig")] {
            jwk.insert(member.to_owned(), value.into());
        }
        Ok(Self {
            kid: key.kid.clone(),
            alg,
            jwk: key.jwk.clone(),
            public: jwk.into(),
            material: Material::Public(public),
        })
    }

    /// The shared secret of HS256.
    #[must_use]
    pub fn from_secret(secret: &Secret) -> Self {
        Self {
            kid: HS256_KID.to_owned(),
            alg: HS256,
            jwk: String::new(),
            public: Value::Null,
            material: Material::Secret(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret.expose_bytes()))),
        }
    }

    /// `kid`.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The JSON Web Key as the feed carried it.
    #[must_use]
    pub fn jwk(&self) -> &str {
        &self.jwk
    }

    /// The public key for a JWKS document: with `kid`, `alg` and `use`. Null for a shared secret.
    #[must_use]
    pub fn public(&self) -> &Value {
        &self.public
    }

    /// Whether a header's `alg` names this key's algorithm. Ed25519 has two names (RFC 8037, RFC 9864).
    #[must_use]
    pub fn allows(&self, alg: &str) -> bool {
        alg == self.alg || (self.alg == "EdDSA" && alg == "Ed25519")
    }

    /// Checks a signature.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), &'static str> {
        match &self.material {
            Material::Public(key) => key.verify_sig(message, signature),
            Material::Secret(key) => hmac::verify(key, message, signature),
        }
        .map_err(|_| "the signature does not hold")
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("kid", &self.kid)
            .field("alg", &self.alg)
            .finish_non_exhaustive()
    }
}

fn p256(jwk: &Map<String, Value>) -> Result<ParsedPublicKey, InvalidKey> {
    expect(jwk, "kty", "EC")?;
    expect(jwk, "crv", "P-256")?;
    let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
    if x.len() != 32 || y.len() != 32 {
        return Err(InvalidKey("coordinates are 32 bytes each"));
    }
    let point = [&[4_u8][..], &x, &y].concat();
    parsed(&signature::ECDSA_P256_SHA256_FIXED, &point)
}

fn ed25519(jwk: &Map<String, Value>) -> Result<ParsedPublicKey, InvalidKey> {
    expect(jwk, "kty", "OKP")?;
    expect(jwk, "crv", "Ed25519")?;
    parsed(&signature::ED25519, &bytes(jwk, "x")?)
}

fn rsa(jwk: &Map<String, Value>) -> Result<ParsedPublicKey, InvalidKey> {
    expect(jwk, "kty", "RSA")?;
    let (n, e) = (bytes(jwk, "n")?, bytes(jwk, "e")?);
    if n.len() < 256 {
        return Err(InvalidKey("RSA below 2048 bits"));
    }
    RsaPublicKeyComponents { n, e }
        .to_parsed_public_key(&signature::RSA_PKCS1_2048_8192_SHA256)
        .map_err(|_| InvalidKey("RSA numbers"))
}

fn parsed(
    algorithm: &'static dyn signature::VerificationAlgorithm,
    bytes: &[u8],
) -> Result<ParsedPublicKey, InvalidKey> {
    ParsedPublicKey::new(algorithm, bytes).map_err(|_| InvalidKey("not a point of the curve"))
}

fn expect(jwk: &Map<String, Value>, member: &'static str, value: &str) -> Result<(), InvalidKey> {
    let found = jwk.get(member).and_then(Value::as_str);
    if found == Some(value) {
        Ok(())
    } else {
        Err(InvalidKey(member))
    }
}

fn bytes(jwk: &Map<String, Value>, member: &'static str) -> Result<Vec<u8>, InvalidKey> {
    let text = jwk.get(member).and_then(Value::as_str).ok_or(InvalidKey(member))?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidKey(member))
}
