//! Well-known types, whose JSON is not that of their fields.
//!
//! Built field by field and tried as it is done: a pool that came from elsewhere may hold types of these names and of any
//! shape.

use prost_reflect::{DynamicMessage, Kind, MapKey, MessageDescriptor, Value};
use prost_types::{Duration, Timestamp};
use serde_json::{Map, Value as Json};

use logicore::Error;

use super::{
    message::{self, At},
    value::{self, clip, expected, text},
    zero,
};

/// Levels of nested messages that decoders of protobuf take (prost, C++ and Java alike).
const MAX_LEVELS: usize = 100;

/// First and last second of a `Timestamp`: the years 1 to 9999.
pub(super) const TIMES: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// Seconds of the longest `Duration`.
pub(super) const LONGEST: i64 = 315_576_000_000;

/// How JSON writes a well-known type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// An object with `@type`.
    Any,
    /// RFC 3339.
    Timestamp,
    /// Seconds, then `s`.
    Duration,
    /// Paths, joined by commas.
    FieldMask,
    /// An object of anything.
    Struct,
    /// Anything.
    Value,
    /// A list of anything.
    List,
    /// The value that it wraps.
    Wrapper,
}

/// The form of a type; `None` for one whose JSON is that of its fields.
pub(super) fn form(descriptor: &MessageDescriptor) -> Option<Form> {
    Some(match descriptor.full_name().strip_prefix("google.protobuf.")? {
        "Any" => Form::Any,
        "Timestamp" => Form::Timestamp,
        "Duration" => Form::Duration,
        "FieldMask" => Form::FieldMask,
        "Struct" => Form::Struct,
        "Value" => Form::Value,
        "ListValue" => Form::List,
        "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value" | "UInt32Value" | "BoolValue"
        | "StringValue" | "BytesValue" => Form::Wrapper,
        _ => return None,
    })
}

/// Reads a well-known type.
///
/// # Errors
/// `INVALID_FIELD` or, within an `Any`, `UNKNOWN_FIELD`.
pub(super) fn read(
    form: Form,
    descriptor: &MessageDescriptor,
    json: &Json,
    at: &At<'_>,
) -> Result<DynamicMessage, Error> {
    let read = match (form, json) {
        (Form::Any, json) => return any(descriptor, json, at),
        (Form::Value, json) => deep(at, levels(json)).and_then(|()| anything(descriptor, json)),
        (Form::Struct, Json::Object(o)) => deep(at, levels(json) - 1).and_then(|()| object(descriptor, o)),
        (Form::List, Json::Array(l)) => deep(at, levels(json) - 1).and_then(|()| list(descriptor, l)),
        (Form::Struct, json) => Err(expected("an object", json)),
        (Form::List, json) => Err(expected("a list", json)),
        (form, json) => simple(form, descriptor, json),
    };
    read.map_err(|problem| at.wrong(problem))
}

/// Reads one that is a single value in JSON.
///
/// # Errors
/// A sentence that says what the value should be.
pub(super) fn simple(form: Form, descriptor: &MessageDescriptor, json: &Json) -> Result<DynamicMessage, String> {
    let mut out = DynamicMessage::new(descriptor.clone());
    match form {
        Form::Timestamp => {
            let (seconds, nanos) = time(text(json, "an RFC 3339 time")?)?;
            pair(&mut out, seconds, nanos)?;
        }
        Form::Duration => {
            let (seconds, nanos) = length(text(json, "a duration")?)?;
            pair(&mut out, seconds, nanos)?;
        }
        Form::FieldMask => {
            let paths = mask(text(json, "a string of field paths")?)?;
            set(&mut out, 1, Value::List(paths))?;
        }
        Form::Wrapper => {
            let kind = descriptor.get_field(1).map(|f| f.kind()).ok_or_else(misshapen)?;
            set(&mut out, 1, value::value(&kind, json)?)?;
        }
        Form::Any | Form::Struct | Form::Value | Form::List => return Err("is no single value".to_owned()),
    }
    Ok(out)
}

/// Seconds and nanoseconds of a time.
///
/// # Errors
/// A sentence that says what it should be.
pub(super) fn time(text: &str) -> Result<(i64, i32), String> {
    let time: Option<Timestamp> = is_rfc3339(text).then(|| text.parse().ok()).flatten();
    let time = time.ok_or("must be an RFC 3339 time, such as `2026-01-31T12:00:00Z`")?;
    match TIMES.contains(&time.seconds) {
        true => Ok((time.seconds, time.nanos)),
        false => Err("is out of range: years 1 to 9999".to_owned()),
    }
}

/// Seconds and nanoseconds of a duration.
///
/// # Errors
/// A sentence that says what it should be.
pub(super) fn length(text: &str) -> Result<(i64, i32), String> {
    let fits = text.split_once('.').is_none_or(|(_, fraction)| fraction.len() <= 10);
    let length: Option<Duration> = fits.then(|| text.parse().ok()).flatten();
    let length = length.ok_or("must be seconds with at most nine digits after the point, such as `1.5s`")?;
    let nanos = i128::from(length.seconds).abs() * 1_000_000_000 + i128::from(length.nanos).abs();
    match nanos <= i128::from(LONGEST) * 1_000_000_000 {
        true => Ok((length.seconds, length.nanos)),
        false => Err("is out of range: 10000 years".to_owned()),
    }
}

/// `{"@type": ..., fields}`, or `{"@type": ..., "value": ...}` where the type has a JSON form of its own.
fn any(descriptor: &MessageDescriptor, json: &Json, at: &At<'_>) -> Result<DynamicMessage, Error> {
    let mut out = DynamicMessage::new(descriptor.clone());
    let object = json.as_object().ok_or_else(|| at.wrong(expected("an object", json)))?;
    if object.is_empty() {
        return Ok(out);
    }
    let here = At::Field(at, "@type");
    let url = object.get("@type").ok_or_else(|| here.wrong("is missing"))?;
    let url = text(url, "a type's URL").map_err(|problem| here.wrong(problem))?;
    let name = url.rsplit_once('/').map(|(_, name)| name);
    let payload = name.and_then(|name| descriptor.parent_pool().get_message_by_name(name));
    let payload = payload.ok_or_else(|| here.wrong(format!("`{}` is no type that is known here", clip(url))))?;
    let mut members = object.iter().filter(|(name, _)| *name != "@type");
    let payload = match form(&payload) {
        None => message::members(&payload, members, at)?,
        Some(_) => {
            let value = object.get("value");
            let here = At::Field(at, "value");
            if let Some((name, _)) = members.find(|(name, _)| *name != "value") {
                return Err(message::unknown(&At::Field(at, name)));
            }
            message::message(&payload, value.ok_or_else(|| here.wrong("is missing"))?, &here)?
        }
    };
    let mut bytes = Vec::new();
    zero::encode(&payload, &mut bytes);
    let filled =
        set(&mut out, 1, Value::String(url.to_owned())).and_then(|()| set(&mut out, 2, Value::Bytes(bytes.into())));
    filled.map_err(|problem| at.wrong(problem))?;
    Ok(out)
}

fn anything(descriptor: &MessageDescriptor, json: &Json) -> Result<DynamicMessage, String> {
    let mut out = DynamicMessage::new(descriptor.clone());
    let (number, value) = match json {
        Json::Null => (1, Value::EnumNumber(0)),
        Json::Number(n) => (2, Value::F64(n.as_f64().ok_or("is out of range")?)),
        Json::String(s) => (3, Value::String(s.clone())),
        Json::Bool(b) => (4, Value::Bool(*b)),
        Json::Object(o) => (5, Value::Message(object(&inner(descriptor, 5)?, o)?)),
        Json::Array(l) => (6, Value::Message(list(&inner(descriptor, 6)?, l)?)),
    };
    set(&mut out, number, value)?;
    Ok(out)
}

fn object(descriptor: &MessageDescriptor, object: &Map<String, Json>) -> Result<DynamicMessage, String> {
    let entry = inner(descriptor, 1)?;
    let value = inner(&entry, 2)?;
    let fields = object
        .iter()
        .map(|(name, json)| Ok((MapKey::String(name.clone()), Value::Message(anything(&value, json)?))));
    let fields = fields.collect::<Result<_, String>>()?;
    let mut out = DynamicMessage::new(descriptor.clone());
    set(&mut out, 1, Value::Map(fields))?;
    Ok(out)
}

fn list(descriptor: &MessageDescriptor, list: &[Json]) -> Result<DynamicMessage, String> {
    let value = inner(descriptor, 1)?;
    let values = list.iter().map(|json| anything(&value, json).map(Value::Message));
    let values = values.collect::<Result<_, _>>()?;
    let mut out = DynamicMessage::new(descriptor.clone());
    set(&mut out, 1, Value::List(values))?;
    Ok(out)
}

/// Refuses what would be nested deeper than the service can decode.
fn deep(at: &At<'_>, below: usize) -> Result<(), String> {
    match at.levels() + below <= MAX_LEVELS {
        true => Ok(()),
        false => Err("is nested too deeply".to_owned()),
    }
}

/// Levels of messages below a `Value`: its `Struct`, an entry and the entry's `Value`; its `ListValue` and an element.
fn levels(json: &Json) -> usize {
    match json {
        Json::Object(o) => 1 + o.values().map(|json| 2 + levels(json)).max().unwrap_or_default(),
        Json::Array(l) => 1 + l.iter().map(|json| 1 + levels(json)).max().unwrap_or_default(),
        _ => 0,
    }
}

/// The message that a field holds.
fn inner(descriptor: &MessageDescriptor, number: u32) -> Result<MessageDescriptor, String> {
    match descriptor.get_field(number).map(|f| f.kind()) {
        Some(Kind::Message(inner)) => Ok(inner),
        _ => Err(misshapen()),
    }
}

fn pair(out: &mut DynamicMessage, seconds: i64, nanos: i32) -> Result<(), String> {
    set(out, 1, Value::I64(seconds))?;
    set(out, 2, Value::I32(nanos))
}

fn set(out: &mut DynamicMessage, number: u32, value: Value) -> Result<(), String> {
    out.try_set_field_by_number(number, value).map_err(|_| misshapen())
}

fn misshapen() -> String {
    "is of a type that is not what its name says".to_owned()
}

/// RFC 3339 in capitals, with at most nine digits of a second: the parser below takes more than that, and drops what it
/// cannot keep.
fn is_rfc3339(text: &str) -> bool {
    let shaped = |text: &str, shape: &str| {
        let like = |(b, s): (u8, u8)| if s == b'0' { b.is_ascii_digit() } else { b == s };
        text.len() == shape.len() && text.bytes().zip(shape.bytes()).all(like)
    };
    let Some((time, rest)) = text.split_at_checked("0000-00-00T00:00:00".len()) else {
        return false;
    };
    let zone = match rest.strip_prefix('.') {
        None => rest,
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            if !(1..=9).contains(&(fraction.len() - zone.len())) {
                return false;
            }
            zone
        }
    };
    shaped(time, "0000-00-00T00:00:00") && (zone == "Z" || shaped(zone, "+00:00") || shaped(zone, "-00:00"))
}

/// A field mask as text: paths joined by commas. Proto names are taken beside JSON names, since people write both. What
/// stands in backticks is a key of a map and stays as it is (AIP-161).
fn mask(text: &str) -> Result<Vec<Value>, String> {
    let mut paths = Vec::new();
    for path in text.split(',').filter(|p| !p.is_empty()) {
        let path = path.trim();
        let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '*' | '-' | '`');
        if path.is_empty() || !path.chars().all(fine) {
            return Err(format!("`{}` is not a field path", clip(path)));
        }
        let mut snake = String::with_capacity(path.len() + 4);
        let mut quoted = false;
        for c in path.chars() {
            quoted ^= c == '`';
            if c.is_ascii_uppercase() && !quoted {
                snake.push('_');
                snake.push(c.to_ascii_lowercase());
            } else {
                snake.push(c);
            }
        }
        paths.push(Value::String(snake));
    }
    Ok(paths)
}
