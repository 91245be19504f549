//! Seals: AES-256-GCM under a key that HKDF makes of a secret. What is sealed names its purpose, so that one thing cannot be
//! put in the place of another.

use aws_lc_rs::{aead, hkdf};
use logicore::{Error, Reason, secret::Secret};

const PURPOSE: &[u8] = b"logicore seal v1";

/// Opens with any of its keys, seals with the first.
#[derive(Debug)]
pub(crate) struct Sealer(Vec<aead::RandomizedNonceKey>);

/// What a seal held.
#[derive(PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) plain: Vec<u8>,
    /// Not sealed under the first key: to be sealed anew.
    pub(crate) old: bool,
}

impl Sealer {
    /// A sealer of at least one secret; the first one seals.
    pub(crate) fn new(secrets: &[Secret]) -> Self {
        assert!(!secrets.is_empty(), "a sealer has a key");
        Self(secrets.iter().map(derive).collect())
    }

    /// Seals. The output is nonce, ciphertext, tag.
    ///
    /// # Errors
    /// `INTERNAL` when the machine has no randomness.
    pub(crate) fn seal(&self, purpose: &str, plain: &[u8]) -> Result<Vec<u8>, Error> {
        let key = self.0.first().expect("a sealer has a key");
        let mut sealed = plain.to_vec();
        let nonce = key
            .seal_in_place_append_tag(aead::Aad::from(purpose.as_bytes()), &mut sealed)
            .map_err(Error::internal)?;
        let mut out = nonce.as_ref().to_vec();
        out.append(&mut sealed);
        Ok(out)
    }

    /// Opens.
    ///
    /// # Errors
    /// `STATE_FORBIDS` when no key fits, with what to do about it.
    pub(crate) fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Opened, Error> {
        self.0
            .iter()
            .enumerate()
            .find_map(|(at, key)| {
                let plain = open(key, purpose, sealed)?;
                Some(Opened { plain, old: at > 0 })
            })
            .ok_or_else(|| {
                Error::new(
                    Reason::StateForbids,
                    format!(
                        "the stored {purpose} cannot be opened: it was sealed under another secret. Set JWT_SECRET to the value \
                         of before, or JWT_SECRET_PREVIOUS to it beside the new one; where JWT_SECRET was never set, put \
                         master.key back into the data folder"
                    ),
                )
            })
    }
}

fn open(key: &aead::RandomizedNonceKey, purpose: &str, sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, rest) = sealed.split_at_checked(aead::NONCE_LEN)?;
    let nonce = aead::Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut rest = rest.to_vec();
    let plain = key
        .open_in_place(nonce, aead::Aad::from(purpose.as_bytes()), &mut rest)
        .ok()?;
    Some(plain.to_vec())
}

fn derive(secret: &Secret) -> aead::RandomizedNonceKey {
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, PURPOSE).extract(secret.expose_bytes());
    let mut bytes = [0; 32];
    prk.expand(&[b"key"], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut bytes))
        .expect("HKDF gives one block of its hash");
    aead::RandomizedNonceKey::new(&aead::AES_256_GCM, &bytes).expect("AES-256 takes 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(n: u8) -> Secret {
        Secret::new(format!("secret number {n}, of thirty-two bytes"))
    }

    #[test]
    fn a_seal_opens_under_its_key_and_purpose_alone() {
        let sealer = Sealer::new(&[secret(1)]);
        let sealed = sealer.seal("signing key a", b"plain").unwrap();
        assert_eq!(sealer.open("signing key a", &sealed).unwrap().plain, b"plain");
        assert!(sealer.open("signing key b", &sealed).is_err());
        assert!(Sealer::new(&[secret(2)]).open("signing key a", &sealed).is_err());
        let mut changed = sealed.clone();
        changed[20] ^= 1;
        assert!(sealer.open("signing key a", &changed).is_err());
        assert!(sealer.open("signing key a", &sealed[..5]).is_err());
    }

    #[test]
    fn an_older_secret_opens_and_says_that_it_is_old() {
        let sealed = Sealer::new(&[secret(1)]).seal("x", b"plain").unwrap();
        let opened = Sealer::new(&[secret(2), secret(1)]).open("x", &sealed).unwrap();
        assert!(opened.old);
        assert_eq!(opened.plain, b"plain");
    }

    #[test]
    fn the_same_plain_is_never_sealed_the_same() {
        let sealer = Sealer::new(&[secret(1)]);
        assert_ne!(sealer.seal("x", b"plain").unwrap(), sealer.seal("x", b"plain").unwrap());
    }
}
