//! Etags (AIP-154): opaque to callers, the revision inside.

use logicore::{Error, Reason};

use super::Profile;

impl Profile {
    pub(crate) fn etag(&self) -> String {
        format!("r{}", self.revision)
    }

    /// Refuses another etag than the profile's; the empty one is everybody's.
    pub(super) fn expect(&self, etag: &str) -> Result<(), Error> {
        if etag.is_empty() || etag == self.etag() {
            return Ok(());
        }
        Err(Error::new(
            Reason::EtagMismatch,
            "etag: the user was changed in the meantime; read it again",
        )
        .with("etag", self.etag()))
    }
}
