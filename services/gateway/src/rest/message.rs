//! JSON into messages, strictly: protobuf's JSON mapping, but nothing unknown is passed over, and an error names the field.
//!
//! Written here and not left to prost-reflect's own reader, since that one knows neither the path of a field nor the
//! difference between an unknown field and a wrong one.

use std::fmt;

use logicore::{Error, Reason};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};
use serde_json::Value as Json;

use super::{
    value::{clip, expected, value},
    wellknown,
};

/// Where a value stands, for errors: written out only when there is one.
#[derive(Clone, Copy)]
pub(super) enum At<'a> {
    /// The body itself.
    Body,
    /// A field of a message.
    Field(&'a At<'a>, &'a str),
    /// An element of a list.
    Index(&'a At<'a>, usize),
    /// A value of a map.
    Key(&'a At<'a>, &'a str),
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Body => Ok(()),
            At::Field(At::Body, name) => f.write_str(&clip(name)),
            At::Field(parent, name) => write!(f, "{parent}.{}", clip(name)),
            At::Index(parent, index) => write!(f, "{parent}[{index}]"),
            At::Key(parent, key) => write!(f, "{parent}[{:?}]", clip(key)),
        }
    }
}

impl At<'_> {
    /// The error for a value that does not fit here.
    pub(super) fn wrong(&self, problem: impl Into<String>) -> Error {
        match self {
            At::Body => Error::field("body", problem),
            _ => Error::field(self.to_string(), problem),
        }
    }

    /// How many messages stand around a message here: a map's entries are messages too.
    pub(super) fn levels(&self) -> usize {
        match self {
            At::Body => 0,
            At::Index(parent, _) => parent.levels(),
            At::Field(parent, _) | At::Key(parent, _) => parent.levels() + 1,
        }
    }
}

/// Reads a message.
///
/// # Errors
/// `UNKNOWN_FIELD` or `INVALID_FIELD`, with the field's path in proto names.
pub(super) fn message(descriptor: &MessageDescriptor, json: &Json, at: &At<'_>) -> Result<DynamicMessage, Error> {
    match wellknown::form(descriptor) {
        Some(form) => wellknown::read(form, descriptor, json, at),
        None => {
            let object = json.as_object().ok_or_else(|| at.wrong(expected("an object", json)))?;
            members(descriptor, object, at)
        }
    }
}

/// Reads the fields of a message.
///
/// # Errors
/// As [`message`].
pub(super) fn members<'j>(
    descriptor: &MessageDescriptor,
    members: impl IntoIterator<Item = (&'j String, &'j Json)>,
    at: &At<'_>,
) -> Result<DynamicMessage, Error> {
    let mut out = DynamicMessage::new(descriptor.clone());
    let mut seen = Vec::new();
    for (name, json) in members {
        let field = find(descriptor, name).ok_or_else(|| unknown(&At::Field(at, name)))?;
        let here = At::Field(at, field.name());
        if seen.contains(&field.number()) {
            return Err(here.wrong("stands twice, under both its names"));
        }
        seen.push(field.number());
        let Some(value) = of_field(&field, json, &here)? else {
            continue;
        };
        if let Some(other) = rival(&out, &field) {
            return Err(here.wrong(format!("cannot be set beside `{other}`")));
        }
        out.set_field(&field, value);
    }
    Ok(out)
}

/// Reads a field; `None` for null, which means absent.
pub(super) fn of_field(field: &FieldDescriptor, json: &Json, at: &At<'_>) -> Result<Option<Value>, Error> {
    if json.is_null() && !takes_null(field) {
        return Ok(None);
    }
    if field.is_map() {
        return map(field, json, at).map(Some);
    }
    if !field.is_list() {
        return one(&field.kind(), json, at).map(Some);
    }
    let list = json.as_array().ok_or_else(|| at.wrong(expected("a list", json)))?;
    let values = list
        .iter()
        .enumerate()
        .map(|(i, json)| one(&field.kind(), json, &At::Index(at, i)));
    values.collect::<Result<_, _>>().map(|v| Some(Value::List(v)))
}

/// A field by its JSON name or its proto name.
pub(super) fn find(descriptor: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    descriptor
        .get_field_by_json_name(name)
        .or_else(|| descriptor.get_field_by_name(name))
}

/// The error for a name that the message does not have.
pub(super) fn unknown(at: &At<'_>) -> Error {
    let path = at.to_string();
    Error::new(Reason::UnknownField, format!("{path}: no such field")).and_field(path, "no such field")
}

/// Another member of the field's oneof that is set already.
pub(super) fn rival(message: &DynamicMessage, field: &FieldDescriptor) -> Option<String> {
    let oneof = field.containing_oneof()?;
    let other = oneof.fields().find(|f| f != field && message.has_field(f))?;
    Some(other.name().to_owned())
}

/// Whether null is a value of the field and not its absence.
fn takes_null(field: &FieldDescriptor) -> bool {
    match field.kind() {
        Kind::Message(m) => m.full_name() == "google.protobuf.Value" && !field.is_list(),
        Kind::Enum(e) => e.full_name() == "google.protobuf.NullValue" && !field.is_list(),
        _ => false,
    }
}

fn map(field: &FieldDescriptor, json: &Json, at: &At<'_>) -> Result<Value, Error> {
    let object = json.as_object().ok_or_else(|| at.wrong(expected("an object", json)))?;
    let Kind::Message(entry) = field.kind() else {
        return Err(Error::internal(format!(
            "{} is a map without entries",
            field.full_name()
        )));
    };
    let (key_kind, value_kind) = (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
    let mut out = std::collections::HashMap::with_capacity(object.len());
    for (key, json) in object {
        let here = At::Key(at, key);
        let value = one(&value_kind, json, &here)?;
        let key = map_key(&key_kind, key).map_err(|problem| here.wrong(problem))?;
        if out.insert(key, value).is_some() {
            return Err(here.wrong("stands twice"));
        }
    }
    Ok(Value::Map(out))
}

fn map_key(kind: &Kind, text: &str) -> Result<MapKey, String> {
    let value = match kind {
        Kind::Bool => Value::Bool(
            text.parse()
                .map_err(|_| "the key must be `true` or `false`".to_owned())?,
        ),
        kind => value(kind, &Json::String(text.to_owned()))?,
    };
    value.into_map_key().ok_or_else(|| "cannot be a key".to_owned())
}

fn one(kind: &Kind, json: &Json, at: &At<'_>) -> Result<Value, Error> {
    match kind {
        Kind::Message(m) => message(m, json, at).map(Value::Message),
        kind => value(kind, json).map_err(|problem| at.wrong(problem)),
    }
}
