//! How an operator's command on the same machine reaches a running role: a socket in the data folder, open to its owner only.
//!
//! It is a socket and not a port, so that `logicore all` opens one port alone; whoever may read the data folder owns the system
//! anyway. Elsewhere than on Unix there is none, and operators' commands work on a stopped system.

use std::{io, path::Path};

use hyper_util::rt::TokioIo;
use tonic::{
    body::Body,
    transport::{Channel, Endpoint},
};
use tower::{ServiceExt as _, util::BoxCloneSyncService};

use super::ROLE_TOKEN;
use crate::{context::Context, layer::GrpcService, settings::Role};

/// Name of the socket in the data folder.
pub const OPERATOR_SOCKET: &str = "operator.sock";

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

/// A stack as an operator on this machine meets it: whoever opens the socket, or the store itself, owns the data folder, which is
/// all the proof that there could be.
#[must_use]
pub fn as_operator(ctx: &Context, stack: GrpcService) -> GrpcService {
    let identity = ctx.identity.in_role(Role::Cli);
    BoxCloneSyncService::new(stack.map_request(move |mut request: http::Request<Body>| {
        request.headers_mut().insert(ROLE_TOKEN, identity.header());
        request
    }))
}
