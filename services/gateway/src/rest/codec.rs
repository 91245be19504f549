//! Whole messages between JSON and the wire, for protocols beside REST.

use bytes::Bytes;
use logicore::{Error, Reason};
use prost_reflect::{DynamicMessage, MessageDescriptor};

use super::{
    frames::malformed,
    json,
    message::{self, At},
    write, zero,
};

/// The bytes of the message that a JSON text means, as strict as REST is.
///
/// # Errors
/// `MISSING_BODY`, `MALFORMED_JSON`, `UNKNOWN_FIELD` or `INVALID_FIELD`.
pub(crate) fn from_json(descriptor: &MessageDescriptor, text: &[u8]) -> Result<Bytes, Error> {
    if text.is_empty() {
        return Err(Error::new(
            Reason::MissingBody,
            "send `{}` where there is nothing to say",
        ));
    }
    let message = message::message(descriptor, &json::parse(text)?, &At::Body)?;
    let mut out = Vec::new();
    zero::encode(&message, &mut out);
    Ok(out.into())
}

/// Writes the message of an answer.
///
/// # Errors
/// `UPSTREAM_MALFORMED` where it is not of its type, or has no JSON form.
pub(crate) fn to_json(descriptor: &MessageDescriptor, message: Bytes, json: &mut Vec<u8>) -> Result<(), Error> {
    let message = DynamicMessage::decode(descriptor.clone(), message)
        .map_err(|e| malformed("the answer is not the message that it should be").because(e))?;
    write::message(&message, json).map_err(|why| malformed("the answer has no JSON form").because(why))
}
