//! Messages of a gRPC body: five bytes of prefix, then the message, then trailers with the status.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body_util::BodyExt;
use logicore::{
    Error, Reason,
    framing::{COMPRESSED, PREFIX, Prefix},
};
use prost_reflect::DynamicMessage;
use tonic::{Code, Status, body::Body};

use super::zero;

/// What is reserved at once for a message that comes in pieces: its announced length is not believed before it is there.
const RESERVED: usize = 64 << 10;

/// One message as a body, uncompressed.
pub(super) fn framed(message: &DynamicMessage) -> Bytes {
    let mut out = vec![0; PREFIX];
    zero::encode(message, &mut out);
    let before = prefix(out.len() - PREFIX);
    out[..PREFIX].copy_from_slice(&before);
    out.into()
}

/// What stands before an uncompressed message of this length.
pub(super) fn prefix(length: usize) -> [u8; PREFIX] {
    Prefix { flags: 0, length }.bytes()
}

/// Reads the messages of an answer. Bytes are handed on as they came; only a message that is cut is put together.
#[derive(Debug)]
pub(super) struct Frames {
    body: Body,
    /// What came and was not asked for yet.
    unread: Bytes,
    limit: usize,
    /// The head told the status, so there need be no trailers.
    ended: bool,
    done: bool,
    trailers: HeaderMap,
}

impl Frames {
    /// Reads `body`; a message above `limit` bytes is refused before it is collected. `ended`: the head had the status, OK.
    pub(super) fn new(body: Body, limit: usize, ended: bool) -> Self {
        Self {
            body,
            unread: Bytes::new(),
            limit,
            ended,
            done: false,
            trailers: HeaderMap::new(),
        }
    }

    /// The next message; an error is the last item; `None` once the status is OK.
    pub(super) async fn next(&mut self) -> Option<Result<Bytes, Status>> {
        let length = match self.length().await? {
            Ok(length) => length,
            Err(status) => return Some(Err(status)),
        };
        match self.take_bounded(length).await {
            Ok(message) => Some(Ok(message)),
            Err(status) => self.fail(status),
        }
    }

    /// The message of an answer that holds one.
    pub(super) async fn only(&mut self) -> Result<Bytes, Status> {
        let missing = || Status::from(malformed("the answer holds no message"));
        let message = self.next().await.ok_or_else(missing)??;
        match self.length().await {
            None => Ok(message),
            Some(Err(status)) => Err(status),
            Some(Ok(_)) => Err(malformed("the answer holds two messages").into()),
        }
    }

    /// The length of the next message, which is then read by [`Frames::take`] and [`Frames::some`]; else as [`Frames::next`].
    pub(super) async fn length(&mut self) -> Option<Result<usize, Status>> {
        while !self.done && self.unread.is_empty() {
            match self.fill().await {
                Ok(true) => {}
                Ok(false) => self.done = true,
                Err(status) => return self.fail(status),
            }
        }
        if self.done {
            return None;
        }
        let prefix = match self.take(PREFIX).await {
            Ok(bytes) => bytes.first_chunk().map(|bytes| Prefix::read(*bytes)),
            Err(status) => return self.fail(status),
        };
        match prefix {
            Some(Prefix { flags: 0, length }) => Some(Ok(length)),
            Some(Prefix { flags: COMPRESSED, .. }) => {
                self.fail(malformed("the answer is compressed, which was not asked for").into())
            }
            _ => self.fail(malformed("the answer is not framed as gRPC frames it").into()),
        }
    }

    /// A whole message of this length.
    pub(super) async fn take_bounded(&mut self, length: usize) -> Result<Bytes, Status> {
        match length <= self.limit {
            true => self.take(length).await,
            false => Err(malformed("the answer is too large for REST").into()),
        }
    }

    /// Exactly so many bytes.
    pub(super) async fn take(&mut self, length: usize) -> Result<Bytes, Status> {
        if self.unread.len() >= length {
            return Ok(self.unread.split_to(length));
        }
        let mut taken = BytesMut::with_capacity(length.min(RESERVED));
        while taken.len() < length {
            let some = self.some(length - taken.len()).await?;
            taken.extend_from_slice(&some);
        }
        Ok(taken.freeze())
    }

    /// What is there next, at least one byte and at most `most`.
    pub(super) async fn some(&mut self, most: usize) -> Result<Bytes, Status> {
        while self.unread.is_empty() {
            if !self.fill().await? {
                return Err(malformed("the answer ends within a message").into());
            }
        }
        Ok(self.unread.split_to(most.min(self.unread.len())))
    }

    /// What stood in the trailers, once the last message was read.
    pub(super) fn trailers(&self) -> &HeaderMap {
        &self.trailers
    }

    /// Whether data came; not where the answer ended well. To be asked when all that came was read.
    async fn fill(&mut self) -> Result<bool, Status> {
        match self.body.frame().await {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    self.unread = data;
                    Ok(true)
                }
                Err(frame) => {
                    self.trailers = frame.into_trailers().unwrap_or_default();
                    self.end(Status::from_header_map(&self.trailers))
                }
            },
            Some(Err(status)) => Err(status),
            None => self.end(None),
        }
    }

    fn end(&self, status: Option<Status>) -> Result<bool, Status> {
        match status {
            Some(status) if status.code() != Code::Ok => Err(status),
            None if !self.ended => Err(malformed("the answer ends without a status").into()),
            _ => Ok(false),
        }
    }

    fn fail<T>(&mut self, status: Status) -> Option<Result<T, Status>> {
        self.done = true;
        Some(Err(status))
    }
}

/// The upstream broke the protocol.
pub(super) fn malformed(message: &'static str) -> Error {
    Error::new(Reason::UpstreamMalformed, message)
}
