//! Values without fields, scalars and enums, from JSON. Everything that does not fit exactly is refused.

use std::borrow::Cow;

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use prost_reflect::{EnumDescriptor, Kind, Value};
use serde_json::Value as Json;

/// base64 with either alphabet; padding may be left out, and bits that no byte needs may be anything, as protobuf's
/// conformance suite asks.
const STANDARD: GeneralPurpose = engine(&alphabet::STANDARD);
const URL_SAFE: GeneralPurpose = engine(&alphabet::URL_SAFE);

/// Doubles hold every whole number up to here; beyond it neighbours are indistinct.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// How much of a caller's text an error repeats.
const CLIP: usize = 100;

const fn engine(alphabet: &alphabet::Alphabet) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(alphabet, config)
}

/// Reads a scalar or an enum.
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
            Json::Number(_) => integer(json)?,
            json => return Err(expected("a name or number", json)),
        }),
        Kind::Message(m) => return Err(format!("is a {}, which has fields", m.full_name())),
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

/// The text of a JSON string.
///
/// # Errors
/// A sentence that says what it should be.
pub(super) fn text<'j>(json: &'j Json, what: &str) -> Result<&'j str, String> {
    json.as_str().ok_or_else(|| expected(what, json))
}

/// The beginning of a caller's text, for errors: they travel in headers, where a long one would not pass.
pub(super) fn clip(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(CLIP) {
        Some((end, _)) => Cow::Owned(format!("{}...", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// A sentence for a value of the wrong type.
pub(super) fn expected(what: &str, json: &Json) -> String {
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

/// Bytes of base64.
///
/// # Errors
/// A sentence that says what it should be.
pub(super) fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let engine = if text.contains(['-', '_']) {
        &URL_SAFE
    } else {
        &STANDARD
    };
    engine.decode(text).map_err(|_| "must be base64".to_owned())
}

/// A whole number, as JSON number or string. `1.0` and `1e3` are whole.
fn integer<T: TryFrom<i128>>(json: &Json) -> Result<T, String> {
    let whole = || expected("a whole number", json);
    let wide = match json {
        Json::Number(n) => from_number(n),
        Json::String(s) => match s.parse::<i128>() {
            Ok(wide) if !s.starts_with('+') => Some(wide),
            _ => from_number(&number(s).ok_or_else(whole)?),
        },
        _ => return Err(whole()),
    };
    match wide {
        Some(wide) => T::try_from(wide).map_err(|_| "is out of range".to_owned()),
        None => Err(whole()),
    }
}

/// `None` for a fraction. What is too large to be exact is too large for every type, too.
fn from_number(number: &serde_json::Number) -> Option<i128> {
    match (number.as_i128(), number.as_f64()) {
        (Some(wide), _) => Some(wide),
        (None, Some(wide)) if wide.abs() > EXACT => Some(i128::MAX),
        (None, Some(wide)) if wide.fract() == 0.0 => Some(wide as i128),
        _ => None,
    }
}

/// A number as JSON writes it; Rust would also read `inf` or `+1`.
fn number(text: &str) -> Option<serde_json::Number> {
    let trimmed = text.trim() == text;
    serde_json::from_str(text).ok().filter(|_| trimmed)
}

fn float(json: &Json) -> Result<f64, String> {
    match json {
        Json::Number(n) => n.as_f64(),
        Json::String(s) => match s.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            other => number(other).and_then(|n| n.as_f64()),
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
