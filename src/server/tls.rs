//! Certificate and key of a listener, read again when their files change.
//!
//! Files are looked at every few seconds instead of watched: Kubernetes swaps symbolic links, which watchers of files miss.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::{
    error::{BoxError, Error, Reason},
    settings::Tls,
};

pub(super) const LOOK_EVERY: Duration = Duration::from_secs(2);

/// When and how long both files were; a change of any means to read them.
type Stamp = [Option<(SystemTime, u64)>; 2];

/// Certificate and key in force.
pub(super) struct Certificate {
    files: Tls,
    config: ArcSwap<ServerConfig>,
    loaded: Stamp,
}

impl Certificate {
    /// Reads both files.
    pub(super) fn load(files: &Tls) -> Result<Arc<Self>, Error> {
        let loaded = stamp(files);
        let config = read(files).map_err(|cause| {
            Error::new(
                Reason::StateForbids,
                format!("LOGICORE_TLS_CERT and LOGICORE_TLS_KEY cannot be used: {cause}"),
            )
            .because(cause)
        })?;
        Ok(Arc::new(Self {
            files: files.clone(),
            config: ArcSwap::new(config),
            loaded,
        }))
    }

    /// An acceptor of the pair in force.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.load_full())
    }

    /// Follows the files until `stop`. A pair that cannot be used leaves the old one in force.
    pub(super) async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let mut seen = self.loaded;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let this = Arc::clone(&self);
            let looked = tokio::task::spawn_blocking(move || this.look(seen)).await;
            seen = looked.unwrap_or(seen);
        }
    }

    fn look(&self, seen: Stamp) -> Stamp {
        let now = stamp(&self.files);
        if now != seen {
            match read(&self.files) {
                Ok(config) => {
                    self.config.store(config);
                    tracing::info!(certificate = %self.files.cert.display(), "certificate reloaded");
                }
                // The usual cause is that one of the two is not written yet; its change brings us back here.
                Err(error) => tracing::warn!(%error, "changed certificate cannot be used; the old one stays"),
            }
        }
        now
    }
}

fn stamp(files: &Tls) -> Stamp {
    let of = |path: &Path| {
        let meta = std::fs::metadata(path).ok()?;
        Some((meta.modified().ok()?, meta.len()))
    };
    [of(&files.cert), of(&files.key)]
}

fn read(files: &Tls) -> Result<Arc<ServerConfig>, BoxError> {
    let chain = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| format!("{}: {e}", files.cert.display()))?;
    if chain.is_empty() {
        return Err(format!("there is no certificate in {}", files.cert.display()).into());
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|e| match e {
        pem::Error::NoItemsFound => format!("there is no private key in {}", files.key.display()),
        e => format!("{}: {e}", files.key.display()),
    })?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
