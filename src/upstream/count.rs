//! Holds an answer that must be one message to that (gRPC, "Status codes and their use in gRPC": a cardinality violation is
//! UNIMPLEMENTED). The messages pass while they are counted.

use crate::{
    error::{Error, Reason},
    framing::Scan,
};

/// Counts messages.
#[derive(Debug, Default)]
pub(super) struct Count {
    scan: Scan,
    seen: usize,
}

impl Count {
    /// Counts what begins in the data. Returns whether that is one too many.
    pub(super) fn exceeded_by(&mut self, data: &[u8]) -> bool {
        self.seen += self.scan.begins(data);
        self.seen > 1
    }

    /// Whether one message was there.
    pub(super) fn met(&self) -> bool {
        self.seen == 1
    }
}

/// The error of an answer that is no message, or several.
pub(super) fn message_count(service: &str) -> Error {
    Error::new(
        Reason::MessageCount,
        format!("the {service} service answered with no message, or with several, where its method gives one"),
    )
}
