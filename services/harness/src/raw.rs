//! Bytes as they are, for what no client library would send.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use anyhow::Context as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
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

/// A frame of HTTP/2 (RFC 9113, 4.1) behind what is there already.
pub fn h2_frame(into: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap_or_default().to_be_bytes();
    into.extend_from_slice(&length[1..]);
    into.extend_from_slice(&[kind, flags]);
    into.extend_from_slice(&stream.to_be_bytes());
    into.extend_from_slice(payload);
}

/// A header field that no table holds (RFC 7541, 6.2.2); name and value are shorter than 127 bytes.
#[must_use]
pub fn h2_literal(name: &str, value: &str) -> Vec<u8> {
    let length = |text: &str| u8::try_from(text.len()).unwrap_or_default();
    let mut bytes = vec![0, length(name)];
    bytes.extend_from_slice(name.as_bytes());
    bytes.push(length(value));
    bytes.extend_from_slice(value.as_bytes());
    bytes
}

/// The head of a gRPC call, as HPACK has it.
#[must_use]
pub fn h2_call(path: &str) -> Vec<u8> {
    // POST and http, from the static table.
    let mut head = vec![0x83, 0x86];
    head.extend(h2_literal(":path", path));
    head.extend(h2_literal(":authority", "localhost"));
    head.extend(h2_literal("content-type", "application/grpc"));
    head
}

/// A connection from another address of this machine: all of 127.0.0.0/8 are.
///
/// # Errors
/// When nobody listens.
pub async fn connect_from(local: IpAddr, address: SocketAddr) -> anyhow::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(local, 0))?;
    Ok(socket.connect(address).await?)
}
