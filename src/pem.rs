//! Certificates and keys in PEM files.

use std::{path::Path, time::Duration};

use rustls::pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};

use crate::error::BoxError;

/// How often files are looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(2);

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
