//! Counts what a compressed message holds while it passes by, without keeping any of it. Whether it is whole is left to whoever
//! reads it.

use std::io::{self, Write};

use flate2::write::{GzDecoder, ZlibDecoder};

use super::{BUFFER, Encoding, ZSTD_WINDOW, too_large, unreadable};
use crate::error::Error;

/// One message that is being counted.
#[derive(Debug)]
pub struct Counter {
    limit: usize,
    decoder: Decoder,
}

enum Decoder {
    Gzip(GzDecoder<Sink>),
    Deflate(ZlibDecoder<Sink>),
    Br(Box<brotli::DecompressorWriter<Sink>>),
    Zstd(zstd::stream::write::Decoder<'static, Sink>),
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Gzip(_) => "gzip",
            Self::Deflate(_) => "deflate",
            Self::Br(_) => "br",
            Self::Zstd(_) => "zstd",
        })
    }
}

impl Counter {
    /// Counts a message that may hold `limit` bytes.
    ///
    /// # Errors
    /// An internal one, which only a lack of memory can cause.
    pub fn new(encoding: Encoding, limit: usize) -> Result<Self, Error> {
        let sink = Sink {
            left: limit,
            over: false,
        };
        let decoder = match encoding {
            Encoding::Gzip => Decoder::Gzip(GzDecoder::new(sink)),
            Encoding::Deflate => Decoder::Deflate(ZlibDecoder::new(sink)),
            Encoding::Br => Decoder::Br(Box::new(brotli::DecompressorWriter::new(sink, BUFFER))),
            Encoding::Zstd => {
                let mut decoder = zstd::stream::write::Decoder::new(sink).map_err(Error::internal)?;
                decoder.window_log_max(ZSTD_WINDOW).map_err(Error::internal)?;
                Decoder::Zstd(decoder)
            }
        };
        Ok(Self { limit, decoder })
    }

    /// Counts some of the message.
    ///
    /// # Errors
    /// `MESSAGE_TOO_LARGE` once there is more than the limit, `MALFORMED_MESSAGE` where it is not of its encoding.
    pub fn feed(&mut self, data: &[u8]) -> Result<(), Error> {
        let fed = match &mut self.decoder {
            Decoder::Gzip(d) => d.write_all(data),
            Decoder::Deflate(d) => d.write_all(data),
            Decoder::Br(d) => d.write_all(data),
            Decoder::Zstd(d) => d.write_all(data),
        };
        fed.map_err(|error| match self.over() {
            true => too_large(self.limit),
            false => unreadable(error),
        })
    }

    /// Ends the message: some decoders hold the last of it until then.
    ///
    /// # Errors
    /// As [`Counter::feed`].
    pub fn end(&mut self) -> Result<(), Error> {
        let ended = match &mut self.decoder {
            Decoder::Gzip(d) => d.try_finish(),
            Decoder::Deflate(d) => d.try_finish(),
            Decoder::Br(d) => d.close(),
            Decoder::Zstd(d) => d.flush(),
        };
        ended.map_err(|error| match self.over() {
            true => too_large(self.limit),
            false => unreadable(error),
        })
    }

    fn over(&self) -> bool {
        match &self.decoder {
            Decoder::Gzip(d) => d.get_ref().over,
            Decoder::Deflate(d) => d.get_ref().over,
            Decoder::Br(d) => d.get_ref().over,
            Decoder::Zstd(d) => d.get_ref().over,
        }
    }
}

/// Takes so many bytes, and then no more.
struct Sink {
    left: usize,
    over: bool,
}

impl Write for Sink {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self.left.checked_sub(data.len()) {
            Some(left) => self.left = left,
            None => {
                self.over = true;
                return Err(io::Error::other("more than the limit"));
            }
        }
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
