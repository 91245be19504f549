//! How an operator's command on the same machine reaches a running role: a socket in the data folder, open to its owner only.
//!
//! It is a socket and not a port, so that `logicore all` opens one port alone; whoever may read the data folder owns the system
//! anyway. Elsewhere than on Unix there is none, and operators' commands work on a stopped system.

use std::{io, path::Path};

use hyper_util::rt::TokioIo;
use tonic::{
    Request, Status,
    service::Interceptor,
    transport::{Channel, Endpoint},
};

use super::{Identity, MemoryAddress, ROLE_TOKEN};

/// Name of the socket in the data folder.
pub const OPERATOR_SOCKET: &str = "operator.sock";

/// A channel to a role in this process.
///
/// # Errors
/// When nobody listens.
pub async fn operator_in_memory(address: MemoryAddress) -> Result<Channel, tonic::transport::Error> {
    let connect = tower::service_fn(move |_| {
        let address = address.clone();
        async move { address.connect().await.map(TokioIo::new) }
    });
    Endpoint::from_static("http://operator")
        .connect_with_connector(connect)
        .await
}

/// A channel to the role that runs on a data folder.
///
/// # Errors
/// When nobody listens.
#[cfg(unix)]
pub async fn operator_on_socket(data_dir: &Path) -> Result<Channel, tonic::transport::Error> {
    let path = data_dir.join(OPERATOR_SOCKET);
    let connect = tower::service_fn(move |_| {
        let path = path.clone();
        async move { tokio::net::UnixStream::connect(path).await.map(TokioIo::new) }
    });
    Endpoint::from_static("http://operator")
        .connect_with_connector(connect)
        .await
}

/// Opens the socket in a data folder that this process holds; one that a killed process left is replaced.
///
/// # Errors
/// When the folder cannot be written, or its path is too long for a socket (about 100 bytes).
#[cfg(unix)]
pub fn operator_socket(data_dir: &Path) -> io::Result<tokio::net::UnixListener> {
    use std::os::unix::fs::PermissionsExt as _;
    let path = data_dir.join(OPERATOR_SOCKET);
    match std::fs::remove_file(&path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let listener = tokio::net::UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Adds the role token to what a generated client sends.
#[derive(Clone, Debug)]
pub struct ProveRole(std::sync::Arc<Identity>);

impl ProveRole {
    /// Proves by this identity.
    #[must_use]
    pub fn new(identity: std::sync::Arc<Identity>) -> Self {
        Self(identity)
    }
}

impl Interceptor for ProveRole {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let value = self.0.header();
        let value = value
            .to_str()
            .map_err(|_| Status::internal("the role token is header text"))?;
        let value = value
            .parse()
            .map_err(|_| Status::internal("the role token is header text"))?;
        request.metadata_mut().insert(ROLE_TOKEN, value);
        Ok(request)
    }
}
