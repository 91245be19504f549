//! How the roles of one deployment reach and trust each other: addresses, in-memory connections, role tokens.

mod health;
mod identity;
mod memory;
mod operator;
mod serve;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use health::serve_health;
pub use identity::{Identity, Peer, ROLE_TOKEN};
pub use memory::{MemoryAddress, MemoryListener, memory};
pub use operator::{OPERATOR_SOCKET, as_operator};
#[cfg(unix)]
pub use operator::{operator_on_socket, operator_socket};
pub use serve::{Listener, serve};

use crate::upstream::Credentials;

/// Where a neighbour is.
#[derive(Clone, Debug)]
pub enum Address {
    /// In this process.
    Memory(MemoryAddress),
    /// `host:port`; a DNS name stands for every address it resolves to.
    Tcp(String),
    /// The same behind TLS.
    Tls(String, Arc<Credentials>),
}
