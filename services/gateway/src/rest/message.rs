//! JSON into messages, strictly: protobuf's JSON mapping, but nothing unknown is passed over, and an error names the field.
//!
//! Written here and not left to prost-reflect's own reader, since that one knows neither the path of a field nor the
//! difference between an unknown field and a wrong one.

use std::fmt;

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use logicore::{Error, Reason};
use prost_reflect::{
    DeserializeOptions, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value,
};
use serde_json::Value as Json;

/// base64 with either alphabet; padding may be left out.
const STANDARD: GeneralPurpose = engine(&alphabet::STANDARD);
const URL_SAFE: GeneralPurpose = engine(&alphabet::URL_SAFE);

const fn engine(alphabet: &alphabet::Alphabet) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(alphabet, config)
}

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
            At::Field(At::Body, name) => f.write_str(name),
            At::Field(parent, name) => write!(f, "{parent}.{name}"),
            At::Index(parent, index) => write!(f, "{parent}[{index}]"),
            At::Key(parent, key) => write!(f, "{parent}[{key:?}]"),
        }
    }
}

impl At<'_> {
    fn wrong(&self, problem: impl Into<String>) -> Error {
        match self {
            At::Body => Error::field("body", problem),
            _ => Error::field(self.to_string(), problem),
        }
    }
}

/// Reads a message.
///
/// # Errors
/// `UNKNOWN_FIELD` or `INVALID_FIELD`, with the field's path in proto names.
pub(super) fn message(descriptor: &MessageDescriptor, json: &Json, at: &At<'_>) -> Result<DynamicMessage, Error> {
    if well_known(descriptor) {
        return special(descriptor, json).map_err(|problem| at.wrong(problem));
    }
    let object = json.as_object().ok_or_else(|| at.wrong(expected("an object", json)))?;
    let mut out = DynamicMessage::new(descriptor.clone());
    let mut seen = Vec::with_capacity(object.len());
    for (name, json) in object {
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
        Kind::Enum(e) => e.full_name() == "google.protobuf.NullValue",
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

/// Reads a value that has no fields: a scalar, an enum, or a well-known type.
///
/// # Errors
/// A sentence that says what the value should be.
pub(super) fn value(kind: &Kind, json: &Json) -> Result<Value, String> {
    Ok(match kind {
        Kind::Bool => Value::Bool(json.as_bool().ok_or_else(|| expected("true or false", json))?),
        Kind::String => Value::String(text(json, "a string")?.to_owned()),
        Kind::Bytes => Value::Bytes(bytes(text(json, "a base64 string")?)?.into()),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(integer(json)?),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(integer(json)?),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(integer(json)?),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(integer(json)?),
        Kind::Float => Value::F32(float32(json)?),
        Kind::Double => Value::F64(float(json)?),
        Kind::Enum(e) => Value::EnumNumber(match json {
            Json::Null if e.full_name() == "google.protobuf.NullValue" => 0,
            Json::String(name) => enum_number(e, name)?,
            json => integer(json).map_err(|_| expected("a name or number", json))?,
        }),
        Kind::Message(m) => Value::Message(special(m, json)?),
    })
}

/// The number of an enum's value.
///
/// # Errors
/// A sentence with the names that there are.
pub(super) fn enum_number(descriptor: &EnumDescriptor, name: &str) -> Result<i32, String> {
    descriptor.get_value_by_name(name).map(|v| v.number()).ok_or_else(|| {
        let names: Vec<_> = descriptor.values().map(|v| v.name().to_owned()).collect();
        format!("must be one of {}", names.join(", "))
    })
}

/// Whether the type has a JSON form of its own.
pub(super) fn well_known(descriptor: &MessageDescriptor) -> bool {
    descriptor.parent_file().name().starts_with("google/protobuf/")
        && !descriptor.full_name().starts_with("google.protobuf.compiler.")
        && descriptor.parent_file().name() != "google/protobuf/descriptor.proto"
}

fn special(descriptor: &MessageDescriptor, json: &Json) -> Result<DynamicMessage, String> {
    if descriptor.full_name() == "google.protobuf.FieldMask" {
        return mask(descriptor, text(json, "a string of field paths")?);
    }
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    DynamicMessage::deserialize_with_options(descriptor.clone(), json, &options).map_err(|e| e.to_string())
}

/// A field mask as text: paths joined by commas. Proto names are taken beside JSON names, since people write both.
fn mask(descriptor: &MessageDescriptor, text: &str) -> Result<DynamicMessage, String> {
    let mut paths = Vec::new();
    for path in text.split(',').filter(|p| !p.is_empty()) {
        let path = path.trim();
        let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '*' | '-' | '`');
        if path.is_empty() || !path.chars().all(fine) {
            return Err(format!("`{path}` is not a field path"));
        }
        let mut snake = String::with_capacity(path.len() + 4);
        for c in path.chars() {
            if c.is_ascii_uppercase() {
                snake.push('_');
            }
            snake.push(c.to_ascii_lowercase());
        }
        paths.push(Value::String(snake));
    }
    let mut out = DynamicMessage::new(descriptor.clone());
    out.set_field_by_number(1, Value::List(paths));
    Ok(out)
}

fn text<'j>(json: &'j Json, what: &str) -> Result<&'j str, String> {
    json.as_str().ok_or_else(|| expected(what, json))
}

fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let engine = if text.contains(['-', '_']) {
        &URL_SAFE
    } else {
        &STANDARD
    };
    engine.decode(text).map_err(|_| "must be base64".to_owned())
}

/// A whole number, as JSON number or string. `1.0` and `1e3` are whole; what does not fit exactly is refused.
fn integer<T: TryFrom<i128>>(json: &Json) -> Result<T, String> {
    let wide = match json {
        Json::Number(n) => n.as_i128().or_else(|| n.as_f64().and_then(whole)),
        Json::String(s) if s.trim() == s => s.parse().ok().or_else(|| decimal(s).and_then(whole)),
        _ => None,
    };
    let wide = wide.ok_or_else(|| expected("a whole number", json))?;
    T::try_from(wide).map_err(|_| "is out of range".to_owned())
}

fn whole(number: f64) -> Option<i128> {
    // Beyond 2^53 neighbours are indistinct, so only what is exact passes.
    (number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0).then_some(number as i128)
}

/// A number as JSON writes it; Rust would also read `inf` or `+1`.
fn decimal(text: &str) -> Option<f64> {
    serde_json::from_str::<serde_json::Number>(text).ok()?.as_f64()
}

fn float(json: &Json) -> Result<f64, String> {
    match json {
        Json::Number(n) => n.as_f64(),
        Json::String(s) => match s.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            other => decimal(other),
        },
        _ => None,
    }
    .ok_or_else(|| expected("a number", json))
}

fn float32(json: &Json) -> Result<f32, String> {
    let wide = float(json)?;
    let narrow = wide as f32;
    match narrow.is_infinite() && wide.is_finite() {
        true => Err("is out of range".to_owned()),
        false => Ok(narrow),
    }
}

fn expected(what: &str, json: &Json) -> String {
    let is = match json {
        Json::Null => "null",
        Json::Bool(_) => "true or false",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    };
    match json {
        Json::Number(_) | Json::String(_) if what.contains("number") => format!("must be {what}"),
        _ => format!("must be {what}, not {is}"),
    }
}
