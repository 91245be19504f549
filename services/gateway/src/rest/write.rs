//! Messages as JSON, by protobuf's mapping: fields without presence are shown when empty, absent ones are not.
//!
//! Written here and not left to prost-reflect's own writer, since that one can write no single field, shows a `DoubleValue`
//! that is no number as null, and gives maps another order each time.

use std::io::Write as _;

use base64::{display::Base64Display, engine::general_purpose::STANDARD};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage, Value};
use prost_types::{Duration, Timestamp};
use serde::Serialize;

use super::wellknown::{self, Form, LONGEST, TIMES};

/// Deepest nesting of `Any`: what lies in one is decoded only here, where no decoder has counted its levels.
const MAX_ANYS: usize = 4;

/// Writes a message.
///
/// # Errors
/// A sentence that says what has no JSON form.
pub(super) fn message(message: &DynamicMessage, out: &mut Vec<u8>) -> Result<(), String> {
    Writer { out, anys: 0 }.message(message)
}

/// Writes the value of one field. An absent message is shown as its empty form, what else is absent as null.
///
/// # Errors
/// As [`message()`].
pub(super) fn field(message: &DynamicMessage, field: &FieldDescriptor, out: &mut Vec<u8>) -> Result<(), String> {
    let mut writer = Writer { out, anys: 0 };
    let plain = matches!(field.kind(), Kind::Message(m) if wellknown::form(&m).is_none());
    match field.supports_presence() && !plain && !message.has_field(field) {
        true => writer.raw("null"),
        false => writer.value(&message.get_field(field), &field.kind())?,
    }
    Ok(())
}

/// Writes a number with a fraction. `own` is the value in its own width, which has fewer digits.
///
/// # Errors
/// As [`message()`].
pub(super) fn float(value: f64, own: &impl Serialize, out: &mut Vec<u8>) -> Result<(), String> {
    let mut writer = Writer { out, anys: 0 };
    match whole(value) {
        _ if !value.is_finite() => writer.quoted(not_finite(value)),
        Some(whole) => writer.plain(&whole),
        None => writer.plain(own),
    }
}

struct Writer<'o> {
    out: &'o mut Vec<u8>,
    anys: usize,
}

impl Writer<'_> {
    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Text that needs no escapes.
    fn quoted(&mut self, text: impl std::fmt::Display) -> Result<(), String> {
        write!(self.out, "\"{text}\"").map_err(|e| e.to_string())
    }

    /// What serde_json writes as protobuf does.
    fn plain(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), String> {
        serde_json::to_writer(&mut *self.out, value).map_err(|e| e.to_string())
    }

    fn comma(&mut self, first: &mut bool) {
        if !std::mem::take(first) {
            self.out.push(b',');
        }
    }

    fn message(&mut self, message: &DynamicMessage) -> Result<(), String> {
        if let Some(form) = wellknown::form(&message.descriptor()) {
            return self.special(form, message);
        }
        self.out.push(b'{');
        self.members(message, &mut true)?;
        self.out.push(b'}');
        Ok(())
    }

    fn members(&mut self, message: &DynamicMessage, first: &mut bool) -> Result<(), String> {
        for field in message.descriptor().fields() {
            if field.supports_presence() && !message.has_field(&field) {
                continue;
            }
            self.comma(first);
            self.plain(field.json_name())?;
            self.out.push(b':');
            let written = self.value(&message.get_field(&field), &field.kind());
            written.map_err(|e| format!("{}: {e}", field.name()))?;
        }
        for (extension, value) in message.extensions() {
            self.comma(first);
            self.plain(extension.json_name())?;
            self.out.push(b':');
            self.value(value, &extension.kind())?;
        }
        Ok(())
    }

    fn value(&mut self, value: &Value, kind: &Kind) -> Result<(), String> {
        match value {
            Value::Bool(v) => self.plain(v),
            Value::I32(v) => self.plain(v),
            Value::U32(v) => self.plain(v),
            // A JavaScript number would round them.
            Value::I64(v) => self.quoted(v),
            Value::U64(v) => self.quoted(v),
            Value::F32(v) => float((*v).into(), v, self.out),
            Value::F64(v) => float(*v, v, self.out),
            Value::String(v) => self.plain(v.as_str()),
            Value::Bytes(v) => self.quoted(Base64Display::new(v, &STANDARD)),
            Value::EnumNumber(number) => self.enumeration(*number, kind),
            Value::Message(v) => self.message(v),
            Value::List(values) => self.list(values, kind),
            Value::Map(values) => self.map(values, kind),
        }
    }

    fn enumeration(&mut self, number: i32, kind: &Kind) -> Result<(), String> {
        let Kind::Enum(descriptor) = kind else {
            return self.plain(&number);
        };
        if descriptor.full_name() == "google.protobuf.NullValue" {
            return self.plain(&());
        }
        match descriptor.get_value(number) {
            Some(value) => self.quoted(value.name()),
            None => self.plain(&number),
        }
    }

    fn list(&mut self, values: &[Value], kind: &Kind) -> Result<(), String> {
        self.out.push(b'[');
        for (i, value) in values.iter().enumerate() {
            self.comma(&mut (i == 0));
            self.value(value, kind)?;
        }
        self.out.push(b']');
        Ok(())
    }

    fn map(&mut self, values: &std::collections::HashMap<MapKey, Value>, kind: &Kind) -> Result<(), String> {
        let Kind::Message(entry) = kind else {
            return Err("a map without entries".to_owned());
        };
        let kind = entry.map_entry_value_field().kind();
        let mut sorted: Vec<_> = values.iter().collect();
        sorted.sort_unstable_by_key(|(key, _)| *key);
        self.out.push(b'{');
        for (i, (key, value)) in sorted.into_iter().enumerate() {
            self.comma(&mut (i == 0));
            match key {
                MapKey::Bool(key) => self.quoted(key)?,
                MapKey::I32(key) => self.quoted(key)?,
                MapKey::I64(key) => self.quoted(key)?,
                MapKey::U32(key) => self.quoted(key)?,
                MapKey::U64(key) => self.quoted(key)?,
                MapKey::String(key) => self.plain(key.as_str())?,
            }
            self.out.push(b':');
            self.value(value, &kind)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    fn special(&mut self, form: Form, message: &DynamicMessage) -> Result<(), String> {
        match form {
            Form::Any => self.any(message),
            Form::Timestamp => {
                let (seconds, nanos) = pair(message);
                if !TIMES.contains(&seconds) || !(0..1_000_000_000).contains(&nanos) {
                    return Err(format!("{seconds} s and {nanos} ns are no time"));
                }
                self.quoted(Timestamp { seconds, nanos })
            }
            Form::Duration => {
                let (seconds, nanos) = pair(message);
                let signs = seconds.signum() * i64::from(nanos.signum());
                if seconds.unsigned_abs() > LONGEST.unsigned_abs() || nanos.unsigned_abs() > 999_999_999 || signs < 0 {
                    return Err(format!("{seconds} s and {nanos} ns are no duration"));
                }
                self.quoted(Duration { seconds, nanos })
            }
            Form::FieldMask => {
                let paths = number(message, 1);
                let paths = paths.as_ref().and_then(|v| v.as_list()).unwrap_or_default();
                let paths: Vec<_> = paths.iter().filter_map(Value::as_str).map(camel).collect();
                self.plain(&paths.join(","))
            }
            Form::Value => self.anything(message),
            Form::Struct | Form::List | Form::Wrapper => {
                let field = message.descriptor().get_field(1).ok_or("a type without fields")?;
                self.value(&message.get_field(&field), &field.kind())
            }
        }
    }

    fn any(&mut self, any: &DynamicMessage) -> Result<(), String> {
        let (url, bytes) = (number(any, 1), number(any, 2));
        let url = url.as_ref().and_then(|v| v.as_str()).unwrap_or_default();
        let bytes = bytes.as_ref().and_then(|v| v.as_bytes().cloned()).unwrap_or_default();
        if url.is_empty() && bytes.is_empty() {
            self.raw("{}");
            return Ok(());
        }
        let name = url.rsplit_once('/').map(|(_, name)| name);
        let payload = name.and_then(|name| any.descriptor().parent_pool().get_message_by_name(name));
        let payload = payload.ok_or_else(|| format!("`{url}` is no type that is known here"))?;
        if self.anys == MAX_ANYS {
            return Err(format!("more than {MAX_ANYS} Any within each other"));
        }
        let form = wellknown::form(&payload);
        let payload = DynamicMessage::decode(payload, bytes).map_err(|e| e.to_string())?;
        self.anys += 1;
        self.raw("{\"@type\":");
        self.plain(url)?;
        match form {
            None => self.members(&payload, &mut false)?,
            Some(form) => {
                self.raw(",\"value\":");
                self.special(form, &payload)?;
            }
        }
        self.out.push(b'}');
        self.anys -= 1;
        Ok(())
    }

    fn anything(&mut self, value: &DynamicMessage) -> Result<(), String> {
        // A oneof: one field at most.
        match value.fields().next() {
            None => self.plain(&()),
            Some((_, Value::F64(v))) if !v.is_finite() => Err("a Value holds no number that is none".to_owned()),
            Some((field, value)) => self.value(value, &field.kind()),
        }
    }
}

fn number(message: &DynamicMessage, number: u32) -> Option<std::borrow::Cow<'_, Value>> {
    message.get_field_by_number(number)
}

fn pair(message: &DynamicMessage) -> (i64, i32) {
    let seconds = number(message, 1).and_then(|v| v.as_i64());
    let nanos = number(message, 2).and_then(|v| v.as_i32());
    (seconds.unwrap_or_default(), nanos.unwrap_or_default())
}

/// A number without a fraction, which is written without a point: what came into a `Struct` as 5 leaves as 5.
fn whole(value: f64) -> Option<i64> {
    let fits = value.fract() == 0.0 && value.abs() < 1e15 && !(value == 0.0 && value.is_sign_negative());
    fits.then_some(value as i64)
}

fn not_finite(value: f64) -> &'static str {
    match (value.is_nan(), value > 0.0) {
        (true, _) => "NaN",
        (false, true) => "Infinity",
        (false, false) => "-Infinity",
    }
}

/// A path of a mask in JSON names. One that would not come back the same stays as it is: it is read in that form, too.
fn camel(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut up = false;
    for c in path.chars() {
        match (up, c) {
            (true, 'a'..='z') => out.push(c.to_ascii_uppercase()),
            (true, _) | (_, 'A'..='Z' | '`') => return path.to_owned(),
            (false, '_') => {}
            (false, c) => out.push(c),
        }
        up = c == '_';
    }
    if up { path.to_owned() } else { out }
}
