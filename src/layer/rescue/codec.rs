//! What tonic's own codec says of requests that cannot be read, as errors of ours. tonic calls most of them INTERNAL, which would
//! make a caller's garbage look like our defect, open breakers and wake people.

use tonic::Status;

use crate::error::{Error, Reason};

/// Beginnings of tonic's messages. Its statuses carry no cause to tell them by, so this is all there is; the tests hold them
/// against the real codec.
const TABLE: &[(&str, Reason, &str)] = &[
    (
        "failed to decode Protobuf message",
        Reason::MalformedMessage,
        "the message is not valid protobuf of its type",
    ),
    (
        "protocol error: received message with",
        Reason::MalformedMessage,
        "the message's compression flag is wrong",
    ),
    (
        "Unexpected EOF decoding stream",
        Reason::MalformedMessage,
        "the body ends within a message",
    ),
    (
        "Missing request message",
        Reason::MessageCount,
        "the body holds no message",
    ),
    (
        // Of the request: what is called from here answers with statuses of ours.
        "h2 protocol error",
        Reason::CallerGone,
        "the request broke off",
    ),
    (
        "Error decompressing: size limit",
        Reason::MessageTooLarge,
        "the message is larger than is taken",
    ),
    (
        "Error decompressing",
        Reason::MalformedMessage,
        "the message cannot be decompressed",
    ),
    (
        "Error, decoded message length too large",
        Reason::MessageTooLarge,
        "the message is larger than is taken",
    ),
];

/// The error that a status of the codec means; `None` for every other status.
pub(super) fn error(status: &Status) -> Option<Error> {
    if !status.details().is_empty() {
        return None;
    }
    let (_, reason, message) = TABLE.iter().find(|(begin, ..)| status.message().starts_with(begin))?;
    Some(Error::new(*reason, *message).because(status.clone()))
}

#[cfg(test)]
mod tests {
    use h2::Reason as Reset;

    use super::*;

    #[test]
    fn a_request_that_was_taken_back_is_no_defect_of_ours() {
        for reset in [Reset::INTERNAL_ERROR, Reset::CANCEL, Reset::ENHANCE_YOUR_CALM] {
            let status = Status::from_error(Box::new(h2::Error::from(reset)));
            assert_eq!(error(&status).map(|e| e.reason()), Some(Reason::CallerGone), "{status}");
        }
    }
}
