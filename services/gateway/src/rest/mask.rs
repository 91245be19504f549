//! The update mask that a PATCH means when it gives none (AIP-134): the fields that its JSON names.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use serde_json::Value as Json;

use super::{
    binding::{Binding, BodyRule},
    message::find,
    scalar::inside,
};

/// Sets `update_mask` of a PATCH whose query gave none.
pub(super) fn derive(binding: &Binding, body: &Json, into: &mut DynamicMessage) {
    let BodyRule::Field(resource) = &binding.body else {
        return;
    };
    if binding.http != http::Method::PATCH {
        return;
    }
    let Some(field) = mask_field(&binding.method.input()).filter(|f| !into.has_field(f)) else {
        return;
    };
    let (Some(resource), Kind::Message(mask)) = (inside(resource), field.kind()) else {
        return;
    };
    let mut paths = Vec::new();
    collect(&resource, body, "", &mut paths);
    // An etag is a condition of the change and no part of it (AIP-154).
    paths.retain(|path| path != "etag");
    let mut value = DynamicMessage::new(mask);
    let paths = Value::List(paths.into_iter().map(Value::String).collect());
    // Fails for a type that is not what its name says.
    if value.try_set_field_by_number(1, paths).is_ok() {
        into.set_field(&field, Value::Message(value));
    }
}

/// The request's `update_mask`, if it has one.
fn mask_field(input: &MessageDescriptor) -> Option<FieldDescriptor> {
    let field = input.get_field_by_name("update_mask")?;
    let fits = matches!(field.kind(), Kind::Message(m) if m.full_name() == "google.protobuf.FieldMask");
    (fits && !field.is_list()).then_some(field)
}

/// Paths of what the JSON names. Only a plain message is gone into: a list, a map or a well-known type is changed as a whole.
fn collect(descriptor: &MessageDescriptor, json: &Json, prefix: &str, paths: &mut Vec<String>) {
    for (name, json) in json.as_object().into_iter().flatten() {
        let Some(field) = find(descriptor, name) else { continue };
        let path = format!("{prefix}{}", field.name());
        match inside(&field).filter(|_| has_members(json)) {
            Some(m) => collect(&m, json, &format!("{path}."), paths),
            None => paths.push(path),
        }
    }
}

fn has_members(json: &Json) -> bool {
    json.as_object().is_some_and(|o| !o.is_empty())
}
