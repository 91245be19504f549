//! Examples of requests to services that are not LogiCore's, made from their fields.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use crate::rest::{Binding, BodyRule};

/// Deepest message that is shown in an example.
const DEPTH: usize = 3;

/// An example of a request body, without the fields that the path binds.
pub(super) fn request(binding: &Binding, bound: &[&FieldDescriptor]) -> Option<Value> {
    // Ours are written by hand, where they say more than their types.
    if binding.method.full_name().starts_with("logicore.") {
        return None;
    }
    match &binding.body {
        BodyRule::None => None,
        BodyRule::Field(field) => Some(value(field, DEPTH)),
        BodyRule::Whole => Some(object(&binding.method.input(), bound, DEPTH)),
    }
}

fn object(message: &MessageDescriptor, bound: &[&FieldDescriptor], depth: usize) -> Value {
    let shown = message.fields().filter(|f| !bound.contains(&f) && is_shown(f));
    let members = shown.map(|f| (f.json_name().to_owned(), value(&f, depth)));
    Value::Object(members.collect::<Map<_, _>>())
}

/// Of a oneof, the first.
fn is_shown(field: &FieldDescriptor) -> bool {
    let first = |field: &FieldDescriptor| field.containing_oneof()?.fields().next();
    first(field).is_none_or(|first| first == *field)
}

fn value(field: &FieldDescriptor, depth: usize) -> Value {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => {
            let key = match entry.map_entry_key_field().kind() {
                Kind::String => "key",
                Kind::Bool => "true",
                _ => "1",
            };
            json!({ key: one(&entry.map_entry_value_field(), depth) })
        }
        _ if field.is_list() => json!([one(field, depth)]),
        _ => one(field, depth),
    }
}

fn one(field: &FieldDescriptor, depth: usize) -> Value {
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
        Kind::Message(m) => message(&m, depth),
        _ => json!(1),
    }
}

fn message(descriptor: &MessageDescriptor, depth: usize) -> Value {
    match descriptor.full_name() {
        "google.protobuf.Timestamp" => "2026-01-31T12:00:00Z".into(),
        "google.protobuf.Duration" => "1.5s".into(),
        "google.protobuf.FieldMask" => "".into(),
        "google.protobuf.Value" => "anything".into(),
        "google.protobuf.ListValue" => json!([]),
        "google.protobuf.Any" | "google.protobuf.Struct" => json!({}),
        name if is_wrapper(name) => descriptor.get_field(1).map_or(Value::Null, |f| one(&f, depth)),
        _ if depth == 0 => json!({}),
        _ => object(descriptor, &[], depth - 1),
    }
}

fn is_wrapper(name: &str) -> bool {
    name.strip_prefix("google.protobuf.")
        .is_some_and(|name| name.ends_with("Value"))
}
