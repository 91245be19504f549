//! Connections within a process: the same HTTP/2 as between processes, over a pair of buffers.

use std::io;

use tokio::{io::DuplexStream, sync::mpsc};

/// Bytes in flight each way: a few frames of HTTP/2's largest usual size (16 KiB).
const BUFFER: usize = 64 << 10;
/// Connections that wait for an accept.
const BACKLOG: usize = 128;

/// The dialling end of an in-memory listener.
#[derive(Clone, Debug)]
pub struct MemoryAddress(mpsc::Sender<DuplexStream>);

/// The accepting end of an in-memory listener.
#[derive(Debug)]
pub struct MemoryListener(mpsc::Receiver<DuplexStream>);

/// A pair of ends; connections dialled before anyone accepts wait.
#[must_use]
pub fn memory() -> (MemoryAddress, MemoryListener) {
    let (dial, accept) = mpsc::channel(BACKLOG);
    (MemoryAddress(dial), MemoryListener(accept))
}

impl MemoryAddress {
    /// Opens a connection.
    ///
    /// # Errors
    /// `ConnectionRefused` when the listener is gone.
    pub async fn connect(&self) -> io::Result<DuplexStream> {
        let (ours, theirs) = tokio::io::duplex(BUFFER);
        match self.0.send(theirs).await {
            Ok(()) => Ok(ours),
            Err(_) => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }
}

impl MemoryListener {
    /// The next connection; `None` when every address is gone.
    pub(super) async fn accept(&mut self) -> Option<DuplexStream> {
        self.0.recv().await
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_connection_dialled_early_waits_for_its_listener() {
        let (address, mut listener) = memory();
        let mut ours = address.connect().await.unwrap();
        ours.write_all(b"hello").await.unwrap();
        let mut theirs = listener.accept().await.unwrap();
        let mut got = [0; 5];
        theirs.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"hello");
    }

    #[tokio::test]
    async fn a_listener_that_is_gone_refuses() {
        let (address, listener) = memory();
        drop(listener);
        let error = address.connect().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
