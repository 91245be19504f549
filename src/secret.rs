//! A string that cannot be printed.

use std::fmt;

/// A password, a key or a token. Neither `Debug` nor `Display` shows it; [`Secret::expose`] is the one way in, so that a
/// reviewer can search for it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps a string.
    pub fn new(value: impl Into<Box<str>>) -> Self {
        Self(value.into())
    }

    /// A new one of 256 random bits, in letters that fit anywhere.
    #[must_use]
    pub fn random() -> Self {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        let mut bytes = [0_u8; 32];
        aws_lc_rs::rand::fill(&mut bytes).expect("the system gives random bytes");
        Self::new(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Shows the string.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Shows the string as bytes.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
