//! Certificates and keys in PEM files, and whether those files have changed.
//!
//! Files are looked at now and then instead of watched: Kubernetes swaps symbolic links, which watchers of files miss.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use rustls::pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};

use crate::error::BoxError;

/// How often files are looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(2);

/// When and how long files were; a change of any means to read them.
pub(crate) type Stamp = Vec<Option<(SystemTime, u64)>>;

/// The stamp of these files as they are now.
pub(crate) fn stamp<'a>(files: impl IntoIterator<Item = &'a Path>) -> Stamp {
    let of = |path: &Path| {
        let meta = std::fs::metadata(path).ok()?;
        Some((meta.modified().ok()?, meta.len()))
    };
    files.into_iter().map(of).collect()
}

/// The certificates of a file, one at least, in its order. Errors name the file.
pub(crate) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, BoxError> {
    let found = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| format!("{}: {e}", file.display()))?;
    if found.is_empty() {
        return Err(format!("there is no certificate in {}", file.display()).into());
    }
    Ok(found)
}

/// The first private key of a file. Errors name the file.
pub(crate) fn key(file: &Path) -> Result<PrivateKeyDer<'static>, BoxError> {
    PrivateKeyDer::from_pem_file(file).map_err(|e| match e {
        pem::Error::NoItemsFound => format!("there is no private key in {}", file.display()).into(),
        e => format!("{}: {e}", file.display()).into(),
    })
}
