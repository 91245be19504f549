//! Compressed messages, where they must be read or counted: gzip, deflate, br and zstd.
//!
//! Whoever reads a message gets no more of it than a limit, however small it was on the wire. What follows the compressed data is
//! refused: one decoder would read on where another one stops, and the two would see different messages.

mod count;

use std::io::{self, Read, Write};

use bytes::Bytes;
use flate2::bufread::{GzDecoder, ZlibDecoder};
use http::{HeaderMap, HeaderName, HeaderValue};

pub use count::Counter;

use crate::error::{Error, Reason};

/// Header of gRPC that names the encoding of messages.
pub const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
/// Header of gRPC that names the encodings that its sender reads.
pub const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
/// What is read here, as such a header says it.
pub const ACCEPTED: HeaderValue = HeaderValue::from_static("gzip,deflate,br,zstd");

/// Largest window of zstd that is taken, as a power of two: 8 MiB, as RFC 9659 has it for HTTP.
const ZSTD_WINDOW: u32 = 23;
/// Enough to shrink text by what matters; more costs more than the bytes that it saves.
const BROTLI_QUALITY: u32 = 4;
const BROTLI_WINDOW: u32 = 20;
const ZSTD_LEVEL: i32 = 3;
const BUFFER: usize = 4 << 10;

/// How a message is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// RFC 1952.
    Gzip,
    /// RFC 1950, as HTTP and gRPC mean it.
    Deflate,
    /// RFC 7932.
    Br,
    /// RFC 8878.
    Zstd,
}

impl Encoding {
    /// Every encoding.
    pub const ALL: [Self; 4] = [Self::Gzip, Self::Deflate, Self::Br, Self::Zstd];

    /// The name in headers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Br => "br",
            Self::Zstd => "zstd",
        }
    }

    /// The encoding that a header names; `None` for `identity`, or where there is no header.
    ///
    /// # Errors
    /// `ENCODING_UNKNOWN` for every other name.
    pub fn named(value: Option<&HeaderValue>) -> Result<Option<Self>, Error> {
        let name = value.map_or(&b"identity"[..], |value| value.as_bytes().trim_ascii());
        if name.eq_ignore_ascii_case(b"identity") {
            return Ok(None);
        }
        let known = Self::ALL
            .into_iter()
            .find(|e| name.eq_ignore_ascii_case(e.as_str().as_bytes()));
        known.map(Some).ok_or_else(unknown)
    }

    /// The encoding of a gRPC call's messages; see [`Encoding::named`].
    ///
    /// # Errors
    /// `ENCODING_UNKNOWN`, also where several are named: some read the first one and some the last one, and bytes can be a message
    /// in both.
    pub fn of_call(headers: &HeaderMap) -> Result<Option<Self>, Error> {
        let mut named = headers.get_all(GRPC_ENCODING).iter();
        match (named.next(), named.next()) {
            (value, None) => Self::named(value),
            _ => Err(unknown()),
        }
    }

    /// The message.
    ///
    /// # Errors
    /// `MESSAGE_TOO_LARGE` where it is longer than `limit` bytes, `MALFORMED_MESSAGE` where it is not of this encoding.
    pub fn decompress(self, data: &[u8], limit: usize) -> Result<Bytes, Error> {
        let mut out = Vec::with_capacity((data.len() * 2).min(limit));
        let rest = match self {
            Self::Gzip => read(GzDecoder::new(data), limit, &mut out).map(GzDecoder::into_inner),
            Self::Deflate => read(ZlibDecoder::new(data), limit, &mut out).map(ZlibDecoder::into_inner),
            Self::Br => unbrotli(data, limit, &mut out),
            Self::Zstd => unzstd(data, limit, &mut out),
        };
        match rest {
            _ if out.len() > limit => Err(too_large(limit)),
            Ok([]) => Ok(out.into()),
            Ok(_) => Err(unreadable("something follows the compressed data")),
            Err(error) => Err(unreadable(error)),
        }
    }

    /// A message, compressed.
    ///
    /// # Errors
    /// An internal one, which only a lack of memory can cause.
    pub fn compress(self, data: &[u8]) -> Result<Bytes, Error> {
        let out = Vec::with_capacity(data.len() / 2);
        let level = flate2::Compression::fast();
        let written = match self {
            Self::Gzip => write(flate2::write::GzEncoder::new(out, level), data).and_then(|w| w.finish()),
            Self::Deflate => write(flate2::write::ZlibEncoder::new(out, level), data).and_then(|w| w.finish()),
            Self::Br => write(
                brotli::CompressorWriter::new(out, BUFFER, BROTLI_QUALITY, BROTLI_WINDOW),
                data,
            )
            .map(brotli::CompressorWriter::into_inner),
            Self::Zstd => zstd::bulk::compress(data, ZSTD_LEVEL),
        };
        written.map(Bytes::from).map_err(Error::internal)
    }
}

fn write<W: Write>(mut to: W, data: &[u8]) -> io::Result<W> {
    to.write_all(data).map(|()| to)
}

/// Reads one byte more than may come, so that its presence tells.
fn read<R: Read>(mut from: R, limit: usize, out: &mut Vec<u8>) -> io::Result<R> {
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    from.by_ref().take(most).read_to_end(out)?;
    Ok(from)
}

fn unbrotli<'d>(mut data: &'d [u8], limit: usize, out: &mut Vec<u8>) -> io::Result<&'d [u8]> {
    let mut decoder = read(brotli::Decompressor::new(&mut data, BUFFER), limit, out)?;
    if out.len() <= limit {
        // Asked once more at its end, it fails where it was given more than it took.
        let _ = decoder.read(&mut [0])?;
    }
    drop(decoder);
    Ok(data)
}

fn unzstd<'d>(data: &'d [u8], limit: usize, out: &mut Vec<u8>) -> io::Result<&'d [u8]> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(data)?.single_frame();
    decoder.window_log_max(ZSTD_WINDOW)?;
    read(decoder, limit, out).map(zstd::stream::read::Decoder::finish)
}

fn too_large(limit: usize) -> Error {
    Error::new(
        Reason::MessageTooLarge,
        format!("the message, decompressed, is larger than {limit} bytes"),
    )
    .with("limit", limit.to_string())
}

fn unreadable(cause: impl Into<crate::error::BoxError>) -> Error {
    Error::new(Reason::MalformedMessage, "the message cannot be decompressed").because(cause)
}

fn unknown() -> Error {
    Error::new(
        Reason::EncodingUnknown,
        "the messages are compressed in a way that is not read here: gzip, deflate, br and zstd are",
    )
}

/// The error of a message that says that it is compressed, in a call that names no encoding.
#[must_use]
pub fn unnamed() -> Error {
    Error::new(
        Reason::MalformedMessage,
        "a message is marked as compressed, and the call names no encoding",
    )
}

#[cfg(test)]
mod tests;
