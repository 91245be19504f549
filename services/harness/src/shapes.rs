//! A service of other people in a test's own process: a method of each shape, which does as its messages say, and tells what it saw.

mod service;

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{net::TcpListener, task::JoinHandle};
use tonic::{codec::CompressionEncoding, metadata::MetadataMap, transport::server::TcpIncoming};

/// Messages, clients and servers.
pub mod pb {
    #![allow(missing_docs, unreachable_pub, reason = "generated from proto/")]
    #![allow(clippy::all, reason = "generated from proto/")]
    #![allow(clippy::allow_attributes_without_reason, reason = "generated")]
    tonic::include_proto!("shapes.v1");
}

/// Its descriptor set, as a team would hand it over.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/shapes.binpb"));

/// The running service; it ends with this value.
#[derive(Debug)]
pub struct Shapes {
    address: SocketAddr,
    seen: Arc<Seen>,
    server: JoinHandle<()>,
}

/// What the service saw.
#[derive(Debug, Default)]
struct Seen {
    metadata: Mutex<Vec<MetadataMap>>,
    /// Calls that wait for a caller who may leave.
    waiting: AtomicUsize,
}

impl Shapes {
    /// Starts it on a free port. It reads gzip and zstd, and answers in gzip whoever reads that.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let seen = Arc::<Seen>::default();
        let service = pb::shapes_service_server::ShapesServiceServer::new(service::Service(Arc::clone(&seen)))
            .accept_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Zstd)
            .send_compressed(CompressionEncoding::Gzip);
        let server = tonic::transport::Server::builder().add_service(service);
        let server = tokio::spawn(async move {
            // It fails where the listener does, and then every call tells.
            let _ = server.serve_with_incoming(TcpIncoming::from(listener)).await;
        });
        Ok(Self { address, seen, server })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The metadata of the last call; empty before there was one.
    #[must_use]
    pub fn last_metadata(&self) -> MetadataMap {
        self.seen.metadata().last().cloned().unwrap_or_default()
    }

    /// How many calls reached it.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.seen.metadata().len()
    }

    /// How many calls wait for a caller who may leave.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.seen.waiting.load(Ordering::SeqCst)
    }
}

impl Drop for Shapes {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Seen {
    fn metadata(&self) -> MutexGuard<'_, Vec<MetadataMap>> {
        self.metadata.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
