//! Messages of a gRPC body: five bytes of prefix, then the message, then trailers with the status.

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::BodyExt;
use logicore::{Error, Reason};
use tonic::{Code, Status, body::Body};

/// Flag and length before each message.
const PREFIX: usize = 5;

/// One message as a body, uncompressed.
pub(super) fn framed(message: &impl prost::Message) -> Result<Bytes, Error> {
    let length = message.encoded_len();
    let mut buffer = BytesMut::with_capacity(PREFIX + length);
    buffer.put_u8(0);
    buffer.put_u32(u32::try_from(length).map_err(Error::internal)?);
    message.encode(&mut buffer).map_err(Error::internal)?;
    Ok(buffer.freeze())
}

/// Reads the messages of an answer.
#[derive(Debug)]
pub(super) struct Frames {
    body: Body,
    buffer: BytesMut,
    limit: usize,
    done: bool,
}

impl Frames {
    /// Reads `body`; a message above `limit` bytes is refused before it is collected.
    pub(super) fn new(body: Body, limit: usize) -> Self {
        Self {
            body,
            buffer: BytesMut::new(),
            limit,
            done: false,
        }
    }

    /// The next message; an error is the last item; `None` once the status is OK.
    pub(super) async fn next(&mut self) -> Option<Result<Bytes, Status>> {
        while !self.done {
            match self.take() {
                Ok(Some(message)) => return Some(Ok(message)),
                Ok(None) => {}
                Err(error) => return self.fail(error.into()),
            }
            match self.body.frame().await {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.buffer.extend_from_slice(&data),
                    Err(frame) => return self.end(frame.into_trailers().unwrap_or_default()),
                },
                Some(Err(status)) => return self.fail(status),
                None => return self.fail(malformed("the answer ends without a status").into()),
            }
        }
        None
    }

    fn take(&mut self) -> Result<Option<Bytes>, Error> {
        let Some(prefix) = self.buffer.first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
        if prefix[0] != 0 {
            return Err(malformed("the answer is compressed, which was not asked for"));
        }
        if length > self.limit {
            return Err(malformed("the answer is too large for REST"));
        }
        if self.buffer.len() < PREFIX + length {
            return Ok(None);
        }
        let mut frame = self.buffer.split_to(PREFIX + length);
        Ok(Some(frame.split_off(PREFIX).freeze()))
    }

    fn end(&mut self, trailers: http::HeaderMap) -> Option<Result<Bytes, Status>> {
        match Status::from_header_map(&trailers) {
            Some(status) if status.code() != Code::Ok => self.fail(status),
            Some(_) if self.buffer.is_empty() => {
                self.done = true;
                None
            }
            Some(_) => self.fail(malformed("the answer ends within a message").into()),
            None => self.fail(malformed("the answer ends without a status").into()),
        }
    }

    fn fail(&mut self, status: Status) -> Option<Result<Bytes, Status>> {
        self.done = true;
        Some(Err(status))
    }
}

/// The upstream broke the protocol.
pub(super) fn malformed(message: &'static str) -> Error {
    Error::new(Reason::UpstreamMalformed, message)
}
