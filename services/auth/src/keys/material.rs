//! Key pairs of each algorithm: making, opening, signing, and the public half as a JSON Web Key.

use std::fmt;

use aws_lc_rs::{
    encoding::AsDer,
    hmac, rand, rsa,
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use logicore::{Error, secret::Secret, settings::Algorithm};
use serde_json::{Value, json};

/// What signs.
pub(crate) enum Material {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
    Hs256(Box<hmac::Key>),
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// JWT `alg` of an algorithm (RFC 7518, RFC 8037).
pub(crate) const fn name_of(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Es256 => "ES256",
        Algorithm::EdDsa => "EdDSA",
        Algorithm::Rs256 => "RS256",
        Algorithm::Hs256 => "HS256",
    }
}

/// Makes a key pair (PKCS #8). `None` for HS256, whose key is a setting.
pub(super) fn generate(algorithm: Algorithm) -> Result<Option<Vec<u8>>, Error> {
    let rng = rand::SystemRandom::new();
    Ok(match algorithm {
        Algorithm::Es256 => Some(
            EcdsaKeyPair::generate_pkcs8(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, &rng)
                .map_err(Error::internal)?
                .as_ref()
                .to_vec(),
        ),
        Algorithm::EdDsa => Some(
            Ed25519KeyPair::generate_pkcs8(&rng)
                .map_err(Error::internal)?
                .as_ref()
                .to_vec(),
        ),
        Algorithm::Rs256 => {
            let pair = RsaKeyPair::generate(rsa::KeySize::Rsa3072).map_err(Error::internal)?;
            let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().map_err(Error::internal)?;
            Some(der.as_ref().to_vec())
        }
        Algorithm::Hs256 => None,
    })
}

impl Material {
    /// Opens a key pair of the algorithm of this name; `None` when it is none.
    pub(super) fn open(algorithm: &str, pkcs8: &[u8]) -> Option<Self> {
        match algorithm {
            "ES256" => EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
                .ok()
                .map(Self::Es256),
            "EdDSA" => Ed25519KeyPair::from_pkcs8(pkcs8).ok().map(Self::EdDsa),
            "RS256" => RsaKeyPair::from_pkcs8(pkcs8).ok().map(Self::Rs256),
            _ => None,
        }
    }

    /// The shared secret as a key, taken as it stands.
    pub(super) fn shared(secret: &Secret) -> Self {
        Self::Hs256(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret.expose_bytes())))
    }

    /// JWT `alg`.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Es256(_) => "ES256",
            Self::EdDsa(_) => "EdDSA",
            Self::Rs256(_) => "RS256",
            Self::Hs256(_) => "HS256",
        }
    }

    /// Signs as JWS does (RFC 7515).
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let rng = rand::SystemRandom::new();
        match self {
            Self::Es256(pair) => Ok(pair.sign(&rng, message).map_err(Error::internal)?.as_ref().to_vec()),
            Self::EdDsa(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&signature::RSA_PKCS1_SHA256, &rng, message, &mut signature)
                    .map_err(Error::internal)?;
                Ok(signature)
            }
            Self::Hs256(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
        }
    }

    /// The public half as a JSON Web Key (RFC 7517); `None` for a shared secret.
    pub(crate) fn jwk(&self, kid: &str) -> Option<Value> {
        let mut jwk = match self {
            Self::Es256(pair) => {
                // An uncompressed point: 4, x, y.
                let point = pair.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..65])})
            }
            Self::EdDsa(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref())}),
            Self::Rs256(pair) => {
                let key = pair.public_key();
                let (n, e) = (key.modulus(), key.exponent());
                json!({
                    "kty": "RSA",
                    "n": encode(n.big_endian_without_leading_zero()),
                    "e": encode(e.big_endian_without_leading_zero()),
                })
            }
            Self::Hs256(_) => return None,
        };
        for (name, value) in [("kid", kid), ("alg", self.name()), ("use", "sig")] {
            jwk[name] = value.into();
        }
        Some(jwk)
    }
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
