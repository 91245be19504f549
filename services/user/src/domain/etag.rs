//! Etags (AIP-154): opaque to callers, the revision inside.

use logicore::{Error, Reason};

use super::Profile;

impl Profile {
    pub(crate) fn etag(&self) -> String {
        etag(self.revision)
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

    /// As [`Profile::expect`], but takes the etag from before the last change too: a call that is repeated because its answer
    /// was lost brings that one, and what it asks for is done.
    pub(super) fn expect_or_before(&self, before: &str) -> Result<(), Error> {
        if before == etag(self.revision - 1) {
            return Ok(());
        }
        self.expect(before)
    }
}

fn etag(revision: i64) -> String {
    format!("r{revision}")
}
