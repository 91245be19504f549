//! Bytes as they are, for what no client library would send.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// How long the other side may take to close.
const LIMIT: Duration = Duration::from_secs(20);

/// Sends bytes and reads until the other side closes. A connection that is reset while we still write is how a server ends a flood:
/// what had come until then is the answer.
///
/// # Errors
/// When nobody listens, or the other side does not close.
pub async fn raw(address: SocketAddr, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await.context("connect")?;
    let (mut reader, mut writer) = stream.split();
    let mut answer = Vec::new();
    let both = async {
        // Both at once: a server may answer and close before all is sent.
        let _ = tokio::join!(writer.write_all(bytes), reader.read_to_end(&mut answer));
    };
    tokio::time::timeout(LIMIT, both)
        .await
        .context("the connection stays open")?;
    Ok(answer)
}

/// What an HTTP/2 client says first: the preface and empty SETTINGS (RFC 9113, 3.4).
#[must_use]
pub fn h2_preface() -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend_from_slice(&[0, 0, 0, 4, 0, 0, 0, 0, 0]);
    bytes
}
