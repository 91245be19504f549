//! TLS towards upstreams: whom we trust, and by what certificate they know us.
//!
//! The decision to question: files are looked at when a connection is made, and not by a task of their own. Nothing else needs
//! them, and a pair that cannot be used leaves the old one in force.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{net::TcpStream, time::Instant};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    error::{BoxError, Error, Reason},
    pem::{self, LOOK_EVERY},
    stamp::{self, Stamp},
};

/// The files that TLS towards an upstream needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// PEM file with the certificates of the authorities that the upstream's own is trusted by; no others are.
    pub ca: PathBuf,
    /// PEM file with our certificate chain, where the upstream wants to know us (mTLS).
    pub cert: Option<PathBuf>,
    /// PEM file with the key of it.
    pub key: Option<PathBuf>,
    /// Name that the upstream's certificate must bear, and that requests carry as `:authority`; the endpoint's host where unset.
    pub server_name: Option<String>,
}

/// What an upstream is trusted by, as it is in the files now.
#[derive(Debug)]
pub struct Credentials {
    files: Tls,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    config: Arc<ClientConfig>,
    seen: Stamp,
    looked: Instant,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// `STATE_FORBIDS` with what is wrong with which file.
    pub fn load(self) -> Result<Arc<Credentials>, Error> {
        let unusable = |cause: BoxError| {
            Error::new(
                Reason::StateForbids,
                format!("TLS of the upstream cannot be used: {cause}"),
            )
            .because(cause)
        };
        if let Some(name) = &self.server_name {
            server_name(name).map_err(unusable)?;
        }
        let seen = self.stamp();
        let config = self.read().map_err(unusable)?;
        let looked = Instant::now();
        let state = Mutex::new(State { config, seen, looked });
        Ok(Arc::new(Credentials { files: self, state }))
    }

    fn stamp(&self) -> Stamp {
        let all = [Some(&self.ca), self.cert.as_ref(), self.key.as_ref()];
        stamp::stamp(all.into_iter().flatten().map(PathBuf::as_path))
    }

    fn pair(&self) -> Result<Option<(&Path, &Path)>, BoxError> {
        match (&self.cert, &self.key) {
            (None, None) => Ok(None),
            (Some(cert), Some(key)) => Ok(Some((cert, key))),
            (Some(_), None) => Err("there is a cert without a key".into()),
            (None, Some(_)) => Err("there is a key without a cert".into()),
        }
    }

    fn read(&self) -> Result<Arc<ClientConfig>, BoxError> {
        let mut roots = RootCertStore::empty();
        for authority in pem::certificates(&self.ca)? {
            roots
                .add(authority)
                .map_err(|e| format!("{}: {e}", self.ca.display()))?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let mut config = match self.pair()? {
            None => builder.with_no_client_auth(),
            Some((cert, key)) => builder
                .with_client_auth_cert(pem::certificates(cert)?, pem::key(key)?)
                .map_err(|e| format!("{} and {}: {e}", cert.display(), key.display()))?,
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Arc::new(config))
    }
}

impl Credentials {
    /// The name that the certificate must bear, where it is not the endpoint's host.
    pub(super) fn server_name(&self) -> Option<&str> {
        self.files.server_name.as_deref()
    }

    /// Speaks TLS to whom `io` leads to, as to `host`.
    pub(super) async fn connect(self: &Arc<Self>, io: TcpStream, host: &str) -> Result<TlsStream<TcpStream>, BoxError> {
        let name = server_name(self.server_name().unwrap_or(host))?;
        let stream = TlsConnector::from(self.current().await).connect(name, io).await?;
        // gRPC over HTTP/2, "Security": both sides negotiate h2.
        match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Ok(stream),
            _ => Err("the server does not offer HTTP/2 (ALPN h2)".into()),
        }
    }

    /// What is in the files; they are looked at again when that is not just past.
    async fn current(self: &Arc<Self>) -> Arc<ClientConfig> {
        if self.lock().looked.elapsed() >= LOOK_EVERY {
            let this = Arc::clone(self);
            // A look that panicked, which none does, would leave the old ones in force.
            let _ = tokio::task::spawn_blocking(move || this.look()).await;
        }
        Arc::clone(&self.lock().config)
    }

    fn look(&self) {
        let now = self.files.stamp();
        let changed = {
            let mut state = self.lock();
            state.looked = Instant::now();
            state.seen != now
        };
        if !changed {
            return;
        }
        let read = self.files.read();
        let mut state = self.lock();
        state.seen = now;
        match read {
            Ok(config) => {
                state.config = config;
                tracing::info!(ca = %self.files.ca.display(), "certificates of an upstream reloaded");
            }
            // The usual cause is that one of them is not written yet; its change brings us back here.
            Err(error) => {
                tracing::warn!(%error, "changed certificates of an upstream cannot be used; the old ones stay")
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn server_name(host: &str) -> Result<ServerName<'static>, BoxError> {
    // An authority puts IPv6 addresses into brackets, a certificate does not.
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(bare.to_owned()).map_err(|_| format!("{host} is no name that a certificate could bear").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(ca: &Path) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        // Another length, since a clock of files may be coarse.
        let padding = "\n".repeat(1 + usize::from(ca.exists()));
        std::fs::write(ca, made.cert.pem() + &padding).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn changed_files_are_followed_and_broken_ones_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let ca = dir.path().join("ca.pem");
        write(&ca);
        let tls = Tls {
            ca: ca.clone(),
            cert: None,
            key: None,
            server_name: None,
        };
        let credentials = tls.load().unwrap();
        let first = credentials.current().await;
        tokio::time::advance(LOOK_EVERY).await;
        assert!(Arc::ptr_eq(&first, &credentials.current().await), "nothing changed");

        std::fs::write(&ca, "half of a certif").unwrap();
        tokio::time::advance(LOOK_EVERY).await;
        assert!(Arc::ptr_eq(&first, &credentials.current().await), "the old ones stay");

        write(&ca);
        assert!(
            Arc::ptr_eq(&first, &credentials.current().await),
            "not looked at again yet"
        );
        tokio::time::advance(LOOK_EVERY).await;
        assert!(!Arc::ptr_eq(&first, &credentials.current().await));
    }
}
