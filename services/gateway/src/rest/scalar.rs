//! Values that stand as text in a path or a query.

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, Value};
use serde_json::Value as Json;

use super::{
    value,
    wellknown::{self, Form},
};

/// Whether a field's value can stand in a path or a query.
pub(crate) fn fits_text(field: &FieldDescriptor) -> bool {
    match field.kind() {
        Kind::Message(m) => matches!(
            wellknown::form(&m),
            Some(Form::Timestamp | Form::Duration | Form::FieldMask | Form::Wrapper)
        ),
        _ => true,
    }
}

/// The message that a dotted name leads through; none for what JSON writes in a form of its own.
pub(crate) fn inside(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    match field.kind() {
        Kind::Message(m) if !field.is_list() && !field.is_map() && wellknown::form(&m).is_none() => Some(m),
        _ => None,
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
        Kind::Message(m) => {
            let form = wellknown::form(&m).ok_or("has fields and no text")?;
            // A wrapper of bool is the only one whose JSON is not a string here.
            let json = match wraps_bool(form, &m) {
                true => Json::Bool(boolean(text)?),
                false => Json::String(text.to_owned()),
            };
            wellknown::simple(form, &m, &json).map(Value::Message)
        }
        kind => value::value(&kind, &Json::String(text.to_owned())),
    }
}

fn boolean(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "must be `true` or `false`".to_owned())
}

fn enumeration(descriptor: &EnumDescriptor, text: &str) -> Result<i32, String> {
    match text.parse() {
        Ok(number) if !text.starts_with('+') => Ok(number),
        _ => value::enum_number(descriptor, text),
    }
}

fn wraps_bool(form: Form, m: &MessageDescriptor) -> bool {
    form == Form::Wrapper && m.get_field(1).is_some_and(|f| f.kind() == Kind::Bool)
}
