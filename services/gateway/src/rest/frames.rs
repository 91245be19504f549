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
    /// The head told the status, so there need be no trailers.
    ended: bool,
    done: bool,
}

impl Frames {
    /// Reads `body`; a message above `limit` bytes is refused before it is collected. `ended`: the head had the status, OK.
    pub(super) fn new(body: Body, limit: usize, ended: bool) -> Self {
        Self {
            body,
            buffer: BytesMut::new(),
            limit,
            ended,
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
                    Err(frame) => {
                        let trailers = frame.into_trailers().unwrap_or_default();
                        return self.end(Status::from_header_map(&trailers));
                    }
                },
                Some(Err(status)) => return self.fail(status),
                None => return self.end(None),
            }
        }
        None
    }

    fn take(&mut self) -> Result<Option<Bytes>, Error> {
        let Some(prefix) = self.buffer.first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
        match prefix[0] {
            0 => {}
            1 => return Err(malformed("the answer is compressed, which was not asked for")),
            _ => return Err(malformed("the answer is not framed as gRPC frames it")),
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

    fn end(&mut self, status: Option<Status>) -> Option<Result<Bytes, Status>> {
        match status {
            Some(status) if status.code() != Code::Ok => self.fail(status),
            None if !self.ended => self.fail(no_status()),
            _ if !self.buffer.is_empty() => self.fail(malformed("the answer ends within a message").into()),
            _ => {
                self.done = true;
                None
            }
        }
    }

    fn fail(&mut self, status: Status) -> Option<Result<Bytes, Status>> {
        self.done = true;
        Some(Err(status))
    }
}

fn no_status() -> Status {
    malformed("the answer ends without a status").into()
}

/// The upstream broke the protocol.
pub(super) fn malformed(message: &'static str) -> Error {
    Error::new(Reason::UpstreamMalformed, message)
}
