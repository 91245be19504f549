//! Messages of a body, one after the other: Connect's envelopes of a stream have the shape of gRPC's frames.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use logicore::{
    Error, Reason,
    compression::{Encoding, unnamed},
    framing::{COMPRESSED, PREFIX, Prefix},
};
use tonic::{Status, body::Body};

use crate::bodies::{Buffer, Quota};

/// Whose body it is: who is told when it is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Caller,
    Service,
}

/// Reads messages.
#[derive(Debug)]
pub(super) struct Messages {
    body: Body,
    buffer: Buffer,
    /// Length of the next message with its prefix, once that is known.
    whole: usize,
    of: Of,
    limit: usize,
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Item {
    /// A message as it came.
    Message(Message),
    /// The end, with trailers where there are some.
    End(Option<HeaderMap>),
}

/// A message as it came.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) flags: u8,
    pub(super) data: Bytes,
}

impl Messages {
    /// `limit`: longest message in bytes; a longer one is refused before it is collected.
    pub(super) fn new(body: Body, of: Of, limit: usize) -> Self {
        Self {
            body,
            buffer: Buffer::default(),
            whole: PREFIX,
            of,
            limit,
        }
    }

    /// The same, whose long messages take their memory from a quota.
    pub(super) fn within(self, quota: Quota) -> Self {
        Self {
            buffer: Buffer::within(quota),
            ..self
        }
    }

    /// The next message, or the end; there is nothing behind the end, nor behind an error.
    pub(super) async fn next(&mut self) -> Result<Item, Status> {
        loop {
            if let Some(message) = self.take()? {
                return Ok(Item::Message(message));
            }
            let frame = self.buffer.next(&mut self.body, self.whole).await.transpose()?;
            let trailers = match frame.map(http_body::Frame::into_data) {
                Some(Ok(data)) => {
                    self.buffer.put(&data, self.whole);
                    continue;
                }
                Some(Err(frame)) => frame.into_trailers().ok(),
                None => None,
            };
            return match self.buffer.bytes().is_empty() {
                true => Ok(Item::End(trailers)),
                false => Err(self.wrong("a body ends within a message").into()),
            };
        }
    }

    fn take(&mut self) -> Result<Option<Message>, Error> {
        let Some(prefix) = self.buffer.bytes().first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let Prefix { flags, length } = Prefix::read(*prefix);
        if flags & !COMPRESSED != 0 {
            return Err(self.wrong("a message has flags that do not exist"));
        }
        if length > self.limit {
            return Err(self.too_large());
        }
        self.whole = PREFIX + length;
        if self.buffer.bytes().len() < self.whole {
            return Ok(None);
        }
        let data = self.buffer.cut(self.whole).split_off(PREFIX);
        Ok(Some(Message { flags, data }))
    }

    fn wrong(&self, problem: &'static str) -> Error {
        match self.of {
            Of::Caller => Error::new(Reason::MalformedMessage, problem),
            Of::Service => Error::new(Reason::UpstreamMalformed, problem),
        }
    }

    fn too_large(&self) -> Error {
        match self.of {
            Of::Caller => Error::new(
                Reason::MessageTooLarge,
                format!("a message of the request is larger than {} bytes", self.limit),
            )
            .with("limit", self.limit.to_string()),
            Of::Service => Error::new(Reason::UpstreamMalformed, "a message of the answer is too large"),
        }
    }
}

impl Message {
    /// Whether it is compressed; what is empty never is.
    pub(super) fn compressed(&self) -> bool {
        self.flags & COMPRESSED != 0 && !self.data.is_empty()
    }

    /// The message itself, of `limit` bytes at most.
    ///
    /// # Errors
    /// What [`Encoding::decompress`] says, and `MALFORMED_MESSAGE` where no encoding is named.
    pub(super) fn plain(self, encoding: Option<Encoding>, limit: usize) -> Result<Bytes, Error> {
        match self.compressed() {
            true => encoding.ok_or_else(unnamed)?.decompress(&self.data, limit),
            false => Ok(self.data),
        }
    }
}

/// A message with what stands before it.
pub(super) fn enveloped(flags: u8, message: &[u8]) -> Bytes {
    let prefix = Prefix {
        flags,
        length: message.len(),
    };
    let mut out = BytesMut::with_capacity(PREFIX + message.len());
    out.extend_from_slice(&prefix.bytes());
    out.extend_from_slice(message);
    out.freeze()
}
