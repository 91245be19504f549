//! Messages into protobuf's bytes, with the sign of a zero.
//!
//! To protobuf -0.0 is not the default of a field without presence and is written. prost-reflect compares it with 0.0 and leaves it out,
//! so a message that holds one is written here. It comes of JSON, which sets neither extensions nor unknown fields.

use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint},
};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, ReflectMessage, Value};

/// Writes a message.
pub(super) fn encode(message: &DynamicMessage, out: &mut Vec<u8>) {
    match loses(message) {
        true => fields(message, out),
        false => message.encode_raw(out),
    }
}

/// Whether prost-reflect would lose a sign of it.
fn loses(message: &DynamicMessage) -> bool {
    message.descriptor().fields().any(|field| match field.kind() {
        Kind::Float | Kind::Double => lost(message, &field).is_some(),
        Kind::Message(_) if message.has_field(&field) => within(&message.get_field(&field)),
        _ => false,
    })
}

fn within(value: &Value) -> bool {
    match value {
        Value::Message(message) => loses(message),
        Value::List(values) => values.iter().any(within),
        Value::Map(entries) => entries.values().any(|value| negative(value) || within(value)),
        _ => false,
    }
}

/// The value of a field, where it is one that would be lost.
fn lost(message: &DynamicMessage, field: &FieldDescriptor) -> Option<Value> {
    if field.is_list() || field.supports_presence() {
        return None;
    }
    Some(message.get_field(field).into_owned()).filter(negative)
}

fn negative(value: &Value) -> bool {
    match value {
        Value::F32(number) => *number == 0.0 && number.is_sign_negative(),
        Value::F64(number) => *number == 0.0 && number.is_sign_negative(),
        _ => false,
    }
}

fn fields(message: &DynamicMessage, out: &mut Vec<u8>) {
    for field in message.descriptor().fields() {
        match lost(message, &field) {
            Some(Value::F32(zero)) => prost::encoding::float::encode(field.number(), &zero, out),
            Some(Value::F64(zero)) => prost::encoding::double::encode(field.number(), &zero, out),
            _ if message.has_field(&field) => whole(message, &field, out),
            _ => {}
        }
    }
}

fn whole(message: &DynamicMessage, field: &FieldDescriptor, out: &mut Vec<u8>) {
    let value = message.get_field(field);
    match (&*value, field.kind()) {
        (Value::Message(inner), _) if !field.is_group() => nested(field, inner, out),
        (Value::Map(entries), Kind::Message(entry)) => {
            for (key, value) in entries {
                let mut one = DynamicMessage::new(entry.clone());
                one.set_field(&entry.map_entry_key_field(), key.clone().into());
                one.set_field(&entry.map_entry_value_field(), value.clone());
                nested(field, &one, out);
            }
        }
        (Value::List(values), Kind::Message(_)) if !field.is_group() => {
            for inner in values.iter().filter_map(Value::as_message) {
                nested(field, inner, out);
            }
        }
        // Nothing of it would be lost.
        (value, _) => {
            let mut alone = DynamicMessage::new(message.descriptor());
            alone.set_field(field, value.clone());
            alone.encode_raw(out);
        }
    }
}

fn nested(field: &FieldDescriptor, message: &DynamicMessage, out: &mut Vec<u8>) {
    let mut inner = Vec::new();
    fields(message, &mut inner);
    encode_key(field.number(), WireType::LengthDelimited, out);
    encode_varint(inner.len() as u64, out);
    out.append(&mut inner);
}
