//! Trailers as a frame: the flag's highest bit is set, and lines of `name:value` follow.

use bytes::{BufMut, Bytes, BytesMut};
use http::HeaderMap;

/// Marks the frame of trailers.
pub(super) const FLAG: u8 = 0x80;
/// Flag and length.
const PREFIX: usize = 5;

/// The last frame of an answer.
pub(super) fn frame(trailers: &HeaderMap) -> Bytes {
    let lines = trailers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + ":\r\n".len());
    let length: usize = lines.sum();
    let mut frame = BytesMut::with_capacity(PREFIX + length);
    frame.put_u8(FLAG);
    // Trailers are far below 4 GiB: whoever sent them had a limit for headers.
    frame.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    for (name, value) in trailers {
        frame.put_slice(name.as_str().as_bytes());
        frame.put_u8(b':');
        frame.put_slice(value.as_bytes());
        frame.put_slice(b"\r\n");
    }
    frame.freeze()
}
