//! What the messages of a request must be.

use logicore::{
    Error, Reason,
    compression::{Counter, Encoding, unnamed},
    framing::{COMPRESSED, Piece, Prefix, Scan},
};

/// The rules of one request, and how far it has come.
#[derive(Debug)]
pub(in crate::forward) struct Rules {
    limit: usize,
    /// The method takes one message.
    one: bool,
    encoding: Option<Encoding>,
    scan: Scan,
    seen: usize,
    /// Of the message that comes, where it is compressed.
    counter: Option<Box<Counter>>,
}

impl Rules {
    /// `limit`: longest message in bytes, inflated. `one`: whether the method takes one message. `encoding`: what the call names.
    pub(in crate::forward) fn new(limit: usize, one: bool, encoding: Option<Encoding>) -> Self {
        Self {
            limit,
            one,
            encoding,
            scan: Scan::default(),
            seen: 0,
            counter: None,
        }
    }

    /// Whether the one message that the method takes is there.
    pub(super) fn complete(&self) -> bool {
        self.one && self.seen == 1 && self.scan.between()
    }

    /// Follows the messages through some of the body.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn data(&mut self, mut data: &[u8]) -> Result<(), Error> {
        while let Some(piece) = self.scan.next(&mut data) {
            match piece {
                Piece::Begin(prefix) => self.begin(prefix)?,
                Piece::Data(data) => self.count(data)?,
            }
        }
        match self.one && self.seen == 1 && self.scan.in_prefix() {
            true => Err(several()),
            false => Ok(()),
        }
    }

    /// The body has ended.
    ///
    /// # Errors
    /// What is missing.
    pub(super) fn end(&self) -> Result<(), Error> {
        if !self.scan.between() {
            return Err(malformed("the body ends within a message"));
        }
        if self.one && self.seen == 0 {
            return Err(Error::new(Reason::MessageCount, "the call carries no message"));
        }
        Ok(())
    }

    fn begin(&mut self, prefix: Prefix) -> Result<(), Error> {
        self.seen += 1;
        if self.one && self.seen > 1 {
            return Err(several());
        }
        if prefix.length > self.limit {
            return Err(too_large(self.limit));
        }
        match prefix.flags {
            0 => Ok(()),
            COMPRESSED => {
                let encoding = self.encoding.ok_or_else(unnamed)?;
                // What is empty is no compressed data of any kind, and the service says so.
                if prefix.length > 0 {
                    self.counter = Some(Box::new(Counter::new(encoding, self.limit)?));
                }
                Ok(())
            }
            _ => Err(malformed("a message has flags that do not exist")),
        }
    }

    fn count(&mut self, data: &[u8]) -> Result<(), Error> {
        let Some(counter) = &mut self.counter else {
            return Ok(());
        };
        counter.feed(data)?;
        if self.scan.between() {
            counter.end()?;
            self.counter = None;
        }
        Ok(())
    }
}

fn several() -> Error {
    Error::new(
        Reason::MessageCount,
        "the call carries several messages, and its method takes one",
    )
}

fn malformed(problem: &'static str) -> Error {
    Error::new(Reason::MalformedMessage, problem)
}

fn too_large(limit: usize) -> Error {
    Error::new(
        Reason::MessageTooLarge,
        format!("a message of the request is larger than {limit} bytes"),
    )
    .with("limit", limit.to_string())
}
