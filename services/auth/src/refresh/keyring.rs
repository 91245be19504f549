//! The keys of refresh tokens. Each has an id that follows from it, so nothing needs to be stored to find it.

use aws_lc_rs::{digest, hkdf, hmac};
use logicore::secret::Secret;

/// Separates these keys from others under the same secret.
const PURPOSE: &[u8] = b"logicore refresh token v1";

/// Keys of refresh tokens, the newest first.
#[derive(Debug)]
pub(crate) struct Keyring(Vec<(String, hmac::Key)>);

impl Keyring {
    /// A ring of at least one secret, the newest first.
    pub(crate) fn new(secrets: &[Secret]) -> Self {
        assert!(!secrets.is_empty(), "a ring has a newest key");
        Self(secrets.iter().map(derive).collect())
    }

    pub(super) fn newest(&self) -> (&str, &hmac::Key) {
        let (kid, key) = self.0.first().expect("a ring has a newest key");
        (kid, key)
    }

    pub(super) fn find(&self, kid: &str) -> Option<&hmac::Key> {
        self.0.iter().find(|(k, _)| k == kid).map(|(_, key)| key)
    }
}

fn derive(secret: &Secret) -> (String, hmac::Key) {
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, PURPOSE).extract(secret.expose_bytes());
    let mut bytes = [0; 32];
    prk.expand(&[b"key"], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut bytes))
        .expect("HKDF gives one block of its hash");
    let id = digest::digest(&digest::SHA256, &bytes);
    let kid = id.as_ref()[..4].iter().map(|b| format!("{b:02x}")).collect();
    (kid, hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}
