//! Telling a caller that there is no place, in the protocol that it speaks.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Refusals that are told at once; each holds a socket for a moment.
pub(super) const AT_ONCE: usize = 64;
const PATIENCE: Duration = Duration::from_secs(1);

const HTTP1: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// RFC 9113: empty SETTINGS, then GOAWAY for last stream 0 with NO_ERROR, which says that nothing was processed, so that any
/// request may be sent again elsewhere.
const HTTP2: &[u8] = &[
    0, 0, 0, 4, 0, 0, 0, 0, 0, // SETTINGS
    0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // GOAWAY
];

/// Answers and closes. Behind TLS nothing can be said before a handshake that would cost more than serving, so it only closes.
pub(super) async fn politely(mut io: TcpStream, tls: bool) {
    if tls {
        return;
    }
    let answer = async {
        let mut head = [0_u8; 3];
        io.read_exact(&mut head).await?;
        io.write_all(if &head == b"PRI" { HTTP2 } else { HTTP1 }).await?;
        io.shutdown().await?;
        // Closing with unread bytes would reset the connection and take the answer with it.
        let mut rest = [0_u8; 1024];
        while io.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    // Whatever goes wrong, the caller is refused.
    let _ = tokio::time::timeout(PATIENCE, answer).await;
}
