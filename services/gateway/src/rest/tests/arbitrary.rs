//! Messages made of arbitrary bytes, which shrink as bytes do.
//!
//! Only what has a JSON form: no time out of range, no `Value` without a kind. Maps have one entry, so that equal messages
//! have equal bytes.

use prost::Message;
use prost_reflect::{DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};

use super::pool;
use crate::rest::wellknown::{Form, LONGEST, TIMES, form};

/// How deep a message is filled.
const DEPTH: usize = 4;

/// Characters that somebody gives a meaning to.
const TEXT: &[&str] = &[
    "a", "Z", "0", "_", "-", ".", "..", "~", " ", "+", "%", "%2F", "%00", "/", "\\", "\"", "'", ":", "*", "{", "}",
    "&", "=", "#", "?", ",", "@", "\n", "\u{0}", "\u{7f}", "é", "€", "😀", "\u{feff}", "\u{2028}", "null", "true",
];

/// Bytes to decide by. Zeros when they are used up.
pub(super) struct Source<'b>(pub(super) &'b [u8]);

impl Source<'_> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    fn number(&mut self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    pub(super) fn text(&mut self) -> String {
        (0..self.below(6)).map(|_| TEXT[self.below(TEXT.len())]).collect()
    }

    /// A segment of a path: neither empty nor dots.
    pub(super) fn segment(&mut self) -> String {
        format!("s{}", self.text())
    }

    fn whole(&mut self, range: std::ops::RangeInclusive<i64>) -> i64 {
        let width = i128::from(*range.end()) - i128::from(*range.start()) + 1;
        let at = i128::from(*range.start()) + i128::from(self.number()) % width;
        i64::try_from(at).unwrap()
    }

    /// A number whose sixteen bits at either end are the likely ones.
    fn integer(&mut self) -> u64 {
        match self.below(4) {
            0 => u64::from(self.byte()),
            1 => u64::MAX - u64::from(self.byte()),
            _ => self.number(),
        }
    }

    fn double(&mut self) -> f64 {
        let double = f64::from_bits(self.integer());
        // There is one NaN in JSON.
        if double.is_nan() { f64::NAN } else { double }
    }

    fn single(&mut self) -> f32 {
        let single = f32::from_bits(self.integer() as u32);
        if single.is_nan() { f32::NAN } else { single }
    }
}

/// A message with some of its fields set.
pub(super) fn message(descriptor: &MessageDescriptor, source: &mut Source<'_>) -> DynamicMessage {
    filled(descriptor, source, DEPTH)
}

fn filled(descriptor: &MessageDescriptor, source: &mut Source<'_>, depth: usize) -> DynamicMessage {
    if let Some(form) = form(descriptor) {
        return special(form, descriptor, source, depth);
    }
    let mut out = DynamicMessage::new(descriptor.clone());
    let fields: Vec<_> = descriptor.fields().collect();
    let most = if depth == 0 || fields.is_empty() { 1 } else { 12 };
    for _ in 0..source.below(most) {
        let field = &fields[source.below(fields.len())];
        let value = of_field(field, source, depth - 1);
        out.set_field(field, value);
    }
    out
}

fn of_field(field: &FieldDescriptor, source: &mut Source<'_>, depth: usize) -> Value {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => {
            let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
            let pairs = (0..source.below(2)).map(|_| (key_of(&key.kind(), source), one(&value.kind(), source, depth)));
            Value::Map(pairs.collect())
        }
        kind if field.is_list() => Value::List((0..source.below(4)).map(|_| one(&kind, source, depth)).collect()),
        kind => one(&kind, source, depth),
    }
}

fn key_of(kind: &Kind, source: &mut Source<'_>) -> MapKey {
    one(kind, source, 0).into_map_key().unwrap()
}

/// One value of a kind.
pub(super) fn one(kind: &Kind, source: &mut Source<'_>, depth: usize) -> Value {
    match kind {
        Kind::Bool => Value::Bool(source.below(2) == 1),
        Kind::String => Value::String(source.text()),
        Kind::Bytes => Value::Bytes((0..source.below(9)).map(|_| source.byte()).collect()),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(source.integer() as i32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(source.integer() as i64),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(source.integer() as u32),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(source.integer()),
        Kind::Float => Value::F32(source.single()),
        Kind::Double => Value::F64(source.double()),
        Kind::Enum(e) => Value::EnumNumber(enumeration(e, source)),
        Kind::Message(m) => Value::Message(filled(m, source, depth)),
    }
}

fn enumeration(descriptor: &EnumDescriptor, source: &mut Source<'_>) -> i32 {
    let names: Vec<_> = descriptor.values().map(|v| v.number()).collect();
    match source.below(4) {
        0 if descriptor.full_name() != "google.protobuf.NullValue" => source.integer() as i32,
        _ => names[source.below(names.len())],
    }
}

fn special(form: Form, descriptor: &MessageDescriptor, source: &mut Source<'_>, depth: usize) -> DynamicMessage {
    let mut out = DynamicMessage::new(descriptor.clone());
    let mut set = |number, value| out.set_field_by_number(number, value);
    match form {
        Form::Timestamp => {
            set(1, Value::I64(source.whole(TIMES)));
            set(2, Value::I32(source.whole(0..=999_999_999) as i32));
        }
        Form::Duration => {
            let sign = if source.below(2) == 0 { 1 } else { -1 };
            set(1, Value::I64(sign * source.whole(0..=LONGEST - 1)));
            set(2, Value::I32(sign as i32 * source.whole(0..=999_999_999) as i32));
        }
        Form::FieldMask => {
            const PATHS: &[&str] = &[
                "text",
                "maybe_text",
                "inner.by_name",
                "*",
                "a_1",
                "a__b",
                "_a",
                "a_",
                "labels.`aB_c`",
            ];
            let paths = (0..source.below(4)).map(|_| Value::String(PATHS[source.below(PATHS.len())].to_owned()));
            set(1, Value::List(paths.collect()));
        }
        Form::Any => {
            const TYPES: &[&str] = &[
                "google.protobuf.Any",
                "google.protobuf.Duration",
                "google.protobuf.BoolValue",
            ];
            let pool = pool();
            let other = pool.get_message_by_name(TYPES[source.below(TYPES.len())]);
            // A pool of another schema has no types of this one.
            let type_of = match source.below(2) == 0 || depth == 0 {
                true => pool.get_message_by_name("google.protobuf.Timestamp"),
                false => other,
            };
            let type_of = type_of.unwrap();
            let payload = filled(&type_of, source, depth.saturating_sub(1)).encode_to_vec();
            set(1, Value::String(format!("type.googleapis.com/{}", type_of.full_name())));
            set(2, Value::Bytes(payload.into()));
        }
        Form::Wrapper => {
            let kind = descriptor.get_field(1).unwrap().kind();
            set(1, one(&kind, source, 0));
        }
        Form::Struct | Form::List => {
            let field = descriptor.get_field(1).unwrap();
            let value = match depth {
                0 => Value::default_value_for_field(&field),
                depth => of_field(&field, source, depth - 1),
            };
            set(1, value);
        }
        Form::Value => {
            let kinds = if depth == 0 { 4 } else { 6 };
            let number = source.below(kinds) as u32 + 1;
            let kind = descriptor.get_field(number).unwrap().kind();
            let value = match one(&kind, source, depth.saturating_sub(1)) {
                Value::F64(v) if !v.is_finite() => Value::F64(0.5),
                value => value,
            };
            set(number, value);
        }
    }
    out
}
