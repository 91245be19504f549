//! Lines of a body that is not collected. Blank ones are passed over; the last one needs no end.

use bytes::Bytes;
use logicore::Error;
use tonic::body::Body;

use super::decode::{broken, too_large};
use crate::bodies::{Buffer, Quota};

/// Reads lines of at most a length.
pub(super) struct Lines {
    body: Body,
    buffer: Buffer,
    /// How far the buffer was searched for an end.
    searched: usize,
    limit: usize,
    number: usize,
    ended: bool,
}

impl Lines {
    /// `quota`: what long lines take their memory from.
    pub(super) fn new(body: Body, limit: usize, quota: Quota) -> Self {
        Self {
            body,
            buffer: Buffer::within(quota),
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
                None if self.buffer.bytes().len() > self.limit => return Err(too_large(self.limit)),
                None if self.ended && self.buffer.bytes().is_empty() => return Ok(None),
                None if self.ended => {
                    self.searched = 0;
                    self.buffer.cut(self.buffer.bytes().len())
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
        let bytes = self.buffer.bytes();
        match bytes[self.searched..].iter().position(|b| *b == b'\n') {
            Some(at) => {
                let mut line = self.buffer.cut(self.searched + at + 1);
                line.truncate(self.searched + at);
                self.searched = 0;
                Some(line)
            }
            None => {
                self.searched = bytes.len();
                None
            }
        }
    }

    async fn fill(&mut self) -> Result<(), Error> {
        match self.buffer.next(&mut self.body, self.limit).await {
            Some(frame) => {
                if let Ok(data) = frame.map_err(broken)?.into_data() {
                    self.buffer.put(&data, self.limit);
                }
            }
            None => self.ended = true,
        }
        Ok(())
    }
}
