//! Examples of requests to services that are not LogiCore's, made from their fields.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use crate::rest::{Binding, BodyRule};

/// Deepest message that is shown in an example.
const DEPTH: usize = 3;
/// Most fields of an example, in all depths: messages that hold each other many times over would make it as large as they like.
const MOST_FIELDS: usize = 1_000;

/// An example of a request body, without the fields that the path binds.
pub(super) fn request(binding: &Binding, bound: &[&FieldDescriptor]) -> Option<Value> {
    // Ours are written by hand, where they say more than their types.
    if binding.method.full_name().starts_with("logicore.") {
        return None;
    }
    match &binding.body {
        BodyRule::None => None,
        BodyRule::Field(field) => Some(value(field, DEPTH, &mut { MOST_FIELDS })),
        BodyRule::Whole => Some(object(&binding.method.input(), bound, DEPTH, &mut { MOST_FIELDS })),
    }
}

fn object(message: &MessageDescriptor, bound: &[&FieldDescriptor], depth: usize, left: &mut usize) -> Value {
    let mut members = Map::new();
    for field in message.fields().filter(|f| !bound.contains(&f) && is_shown(f)) {
        let Some(fewer) = left.checked_sub(1) else { break };
        *left = fewer;
        members.insert(field.json_name().to_owned(), value(&field, depth, left));
    }
    Value::Object(members)
}

/// Of a oneof, the first.
fn is_shown(field: &FieldDescriptor) -> bool {
    let first = |field: &FieldDescriptor| field.containing_oneof()?.fields().next();
    first(field).is_none_or(|first| first == *field)
}

fn value(field: &FieldDescriptor, depth: usize, left: &mut usize) -> Value {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => {
            let key = match entry.map_entry_key_field().kind() {
                Kind::String => "key",
                Kind::Bool => "true",
                _ => "1",
            };
            json!({ key: one(&entry.map_entry_value_field(), depth, left) })
        }
        _ if field.is_list() => json!([one(field, depth, left)]),
        _ => one(field, depth, left),
    }
}

fn one(field: &FieldDescriptor, depth: usize, left: &mut usize) -> Value {
    match field.kind() {
        Kind::String => field.name().replace('_', " ").into(),
        Kind::Bytes => "AAEC".into(),
        Kind::Bool => true.into(),
        Kind::Float | Kind::Double => json!(1.5),
        Kind::Int64 | Kind::Uint64 | Kind::Sint64 | Kind::Fixed64 | Kind::Sfixed64 => "1".into(),
        Kind::Enum(e) if e.full_name() == "google.protobuf.NullValue" => Value::Null,
        Kind::Enum(e) => {
            let named = e.values().find(|v| v.number() != 0).or_else(|| e.values().next());
            named.map_or(Value::Null, |v| v.name().into())
        }
        Kind::Message(m) => message(&m, depth, left),
        _ => json!(1),
    }
}

fn message(descriptor: &MessageDescriptor, depth: usize, left: &mut usize) -> Value {
    match descriptor.full_name() {
        "google.protobuf.Timestamp" => "2026-01-31T12:00:00Z".into(),
        "google.protobuf.Duration" => "1.5s".into(),
        "google.protobuf.FieldMask" => "".into(),
        "google.protobuf.Value" => "anything".into(),
        "google.protobuf.ListValue" => json!([]),
        "google.protobuf.Any" | "google.protobuf.Struct" => json!({}),
        _ if depth == 0 => json!({}),
        // Descriptors of others may call anything a wrapper, what holds itself included.
        name if is_wrapper(name) => {
            let field = descriptor.get_field(1);
            field.map_or(Value::Null, |f| one(&f, depth - 1, left))
        }
        _ => object(descriptor, &[], depth - 1, left),
    }
}

fn is_wrapper(name: &str) -> bool {
    name.strip_prefix("google.protobuf.")
        .is_some_and(|name| name.ends_with("Value"))
}
