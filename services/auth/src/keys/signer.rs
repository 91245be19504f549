//! Makes access tokens (RFC 9068).

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use logicore::{
    Error,
    ids::TokenId,
    secret::Secret,
    settings::Settings,
    token::{Claims, Rev},
};
use serde_json::json;

use super::Key;
use crate::{accounts::Account, auth::MARGIN, sessions::Session};

/// `client_id` of those who sign in with email and password: there are no registered clients yet.
const CLIENT: &str = "logicore";

/// Signs access tokens with the key of the hour.
#[derive(Debug)]
pub(crate) struct Signer {
    issuer: String,
    audience: String,
    algorithm: &'static str,
    /// Those of `algorithm` sign; the others are only published still. Oldest first.
    keys: Vec<Key>,
}

impl Signer {
    /// A signer with at least one key.
    pub(crate) fn new(settings: &Settings, mut keys: Vec<Key>) -> Self {
        keys.sort_by_key(|k| k.active_time);
        Self {
            issuer: settings.public_url.clone(),
            audience: settings.jwt.audience.clone(),
            algorithm: super::material::name_of(settings.jwt.algorithm),
            keys,
        }
    }

    /// `iss`.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Every key, those that no longer sign too.
    pub(crate) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Makes the access token of a session. `rev` was read before the account's roles were.
    ///
    /// # Errors
    /// `INTERNAL` when the key cannot sign.
    pub(crate) fn sign(
        &self,
        account: &Account,
        session: &Session,
        rev: (&Arc<str>, u64),
        now: DateTime<Utc>,
        expires: DateTime<Utc>,
    ) -> Result<Secret, Error> {
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: account.id,
            client_id: CLIENT.to_owned(),
            sid: session.id,
            tid: account.tenant.clone(),
            jti: TokenId::generate(),
            iat: now.timestamp(),
            nbf: now.timestamp(),
            exp: expires.timestamp(),
            auth_time: session.create_time.timestamp(),
            amr: vec!["pwd".to_owned()],
            roles: account.roles.clone(),
            rev: Rev {
                e: rev.0.to_string(),
                n: rev.1,
            },
            act: None,
        };
        let payload = serde_json::to_vec(&claims).map_err(Error::internal)?;
        compact(self.key(now, expires), &payload)
    }

    /// The newest key that may sign already and stays published for as long as the token counts; while there is none of the
    /// algorithm, one that still does.
    fn key(&self, now: DateTime<Utc>, expires: DateTime<Utc>) -> &Key {
        let active = |k: &&Key| k.active_time <= now;
        let lasting = |k: &&Key| active(k) && k.retire_time.is_none_or(|retires| expires + MARGIN <= retires);
        let own = |k: &&Key| k.material.name() == self.algorithm;
        let keys = || self.keys.iter().rev();
        keys()
            .filter(lasting)
            .find(own)
            .or_else(|| keys().find(lasting))
            .or_else(|| keys().find(active))
            .or_else(|| self.keys.first())
            .expect("a signer has a key")
    }
}

/// JWS compact serialization (RFC 7515, section 7.1).
fn compact(key: &Key, payload: &[u8]) -> Result<Secret, Error> {
    let mut header = json!({"alg": key.material.name(), "typ": "at+jwt"});
    if !key.kid.is_empty() {
        header["kid"] = key.kid.as_str().into();
    }
    let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut token);
    let signature = key.material.sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(Secret::new(token))
}
