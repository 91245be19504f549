//! Lines of a body that is not collected. Blank ones are passed over; the last one needs no end.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use logicore::Error;
use tonic::body::Body;

use super::decode::{broken, too_large};

/// Reads lines of at most a length.
pub(super) struct Lines {
    body: Body,
    buffer: BytesMut,
    /// How far the buffer was searched for an end.
    searched: usize,
    limit: usize,
    number: usize,
    ended: bool,
}

impl Lines {
    pub(super) fn new(body: Body, limit: usize) -> Self {
        Self {
            body,
            buffer: BytesMut::new(),
            searched: 0,
            limit,
            number: 0,
            ended: false,
        }
    }

    /// The next line that is not blank, with its number from 1 on.
    ///
    /// # Errors
    /// `MESSAGE_TOO_LARGE`, or what broke the body off.
    pub(super) async fn next(&mut self) -> Result<Option<(usize, Bytes)>, Error> {
        loop {
            let line = match self.cut() {
                Some(line) => line,
                None if self.buffer.len() > self.limit => return Err(too_large(self.limit)),
                None if self.ended && self.buffer.is_empty() => return Ok(None),
                None if self.ended => {
                    self.searched = 0;
                    self.buffer.split().freeze()
                }
                None => {
                    self.fill().await?;
                    continue;
                }
            };
            self.number += 1;
            if line.len() > self.limit {
                return Err(too_large(self.limit));
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some((self.number, line)));
            }
        }
    }

    fn cut(&mut self) -> Option<Bytes> {
        match self.buffer[self.searched..].iter().position(|b| *b == b'\n') {
            Some(at) => {
                let mut line = self.buffer.split_to(self.searched + at + 1);
                line.truncate(self.searched + at);
                self.searched = 0;
                Some(line.freeze())
            }
            None => {
                self.searched = self.buffer.len();
                None
            }
        }
    }

    async fn fill(&mut self) -> Result<(), Error> {
        match self.body.frame().await {
            Some(frame) => {
                if let Ok(data) = frame.map_err(broken)?.into_data() {
                    self.buffer.extend_from_slice(&data);
                }
            }
            None => self.ended = true,
        }
        Ok(())
    }
}
