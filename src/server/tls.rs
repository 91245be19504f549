//! Certificate and key of a listener, read again when their files change.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;

use super::HEAD_TIMEOUT;
use crate::{
    error::{BoxError, Error, Reason},
    pem::{self, LOOK_EVERY},
    settings::Tls,
    stamp::{self, Stamp},
};

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

    /// Shakes hands with the pair in force; `None` when that fails or takes too long.
    pub(super) async fn accept(&self, io: TcpStream) -> Option<TlsStream<TcpStream>> {
        let acceptor = TlsAcceptor::from(self.config.load_full());
        match tokio::time::timeout(HEAD_TIMEOUT, acceptor.accept(io)).await {
            Ok(Ok(io)) => return Some(io),
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => tracing::debug!("TLS handshake took too long"),
        }
        None
    }

    /// Follows the files until `stop`. A pair that cannot be used leaves the old one in force.
    pub(super) async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let mut seen = self.loaded.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let this = Arc::clone(&self);
            let before = seen.clone();
            let looked = tokio::task::spawn_blocking(move || this.look(&before)).await;
            seen = looked.unwrap_or(seen);
        }
    }

    fn look(&self, seen: &Stamp) -> Stamp {
        let now = stamp(&self.files);
        if now != *seen {
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
    stamp::stamp([files.cert.as_path(), files.key.as_path()])
}

fn read(files: &Tls) -> Result<Arc<ServerConfig>, BoxError> {
    let chain = pem::certificates(&files.cert)?;
    let key = pem::key(&files.key)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
