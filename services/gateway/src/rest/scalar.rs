//! Values that stand as text in a path or a query.

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, Value};
use serde_json::Value as Json;

use super::message;

/// Whether a field's value can stand in a path or a query.
pub(crate) fn fits_text(field: &FieldDescriptor) -> bool {
    match field.kind() {
        Kind::Message(m) => is_mask(&m) || wrapped(&m).is_some() || is_time(&m),
        _ => true,
    }
}

/// Reads one value of a field (one element, where the field is a list).
///
/// # Errors
/// A sentence that says what the text should be.
pub(super) fn parse(field: &FieldDescriptor, text: &str) -> Result<Value, String> {
    match field.kind() {
        Kind::Bool => boolean(text).map(Value::Bool),
        Kind::Enum(e) => enumeration(&e, text).map(Value::EnumNumber),
        kind @ Kind::Message(_) => {
            let Kind::Message(m) = &kind else {
                unreachable!("matched above")
            };
            // A wrapper of bool is the only one whose JSON is not a string here.
            let json = match wrapped(m) {
                Some(Kind::Bool) => Json::Bool(boolean(text)?),
                _ => Json::String(text.to_owned()),
            };
            message::value(&kind, &json)
        }
        kind => message::value(&kind, &Json::String(text.to_owned())),
    }
}

fn boolean(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "must be `true` or `false`".to_owned())
}

fn enumeration(descriptor: &EnumDescriptor, text: &str) -> Result<i32, String> {
    match text.parse() {
        Ok(number) => Ok(number),
        Err(_) => message::enum_number(descriptor, text),
    }
}

fn is_mask(m: &MessageDescriptor) -> bool {
    m.full_name() == "google.protobuf.FieldMask"
}

fn is_time(m: &MessageDescriptor) -> bool {
    matches!(m.full_name(), "google.protobuf.Timestamp" | "google.protobuf.Duration")
}

/// What a wrapper (`google.protobuf.Int64Value` ...) wraps.
fn wrapped(m: &MessageDescriptor) -> Option<Kind> {
    let name = m.full_name().strip_prefix("google.protobuf.")?;
    let scalar = name
        .strip_suffix("Value")
        .filter(|s| !matches!(*s, "" | "List" | "Null"))?;
    (!scalar.is_empty()).then(|| m.get_field(1).map(|f| f.kind()))?
}
