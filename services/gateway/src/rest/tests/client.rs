//! The REST request that says a message by a binding, as a careful client writes it.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, ReflectMessage, Value};
use serde_json::Value as Json;

use super::arbitrary::{self, Source};
use crate::rest::{
    Binding, BodyRule, Segment,
    scalar::{fits_text, inside},
    wellknown::{Form, form},
    write,
};

/// A request.
#[derive(Debug)]
pub(super) struct Sent {
    /// Verb and target.
    pub(super) request: String,
    pub(super) body: Vec<u8>,
}

/// Changes a message to one that the binding can say: variables are set as the template asks, and what has no place is
/// taken out.
pub(super) fn fit(binding: &Binding, message: &mut DynamicMessage, source: &mut Source<'_>) {
    match &binding.body {
        BodyRule::Whole => {}
        BodyRule::None => prune(message, None),
        BodyRule::Field(body) => {
            prune(message, Some(body));
            // Absence is said by null, which a `Value` holds.
            if matches!(body.kind(), Kind::Message(m) if form(&m) == Some(Form::Value)) && !message.has_field(body) {
                let null = Value::EnumNumber(0);
                message
                    .get_field_mut(body)
                    .as_message_mut()
                    .unwrap()
                    .set_field_by_number(1, null);
            }
            // Else it would be derived from the body.
            if let Some(mask) = message.descriptor().get_field_by_name("update_mask") {
                message.get_field_mut(&mask);
            }
        }
    }
    for (variable, fields) in binding.template.variables.iter().zip(&binding.variables) {
        let last = fields.last().unwrap();
        let segments = &binding.template.segments[variable.segments.clone()];
        let value = match last.kind() {
            // A slash parts segments here, however it is written.
            Kind::String if variable.multi => Value::String(
                segments
                    .iter()
                    .flat_map(|s| fill(s, source))
                    .map(|part| part.replace('/', "%2F"))
                    .collect::<Vec<_>>()
                    .join("/"),
            ),
            Kind::String => Value::String(fill(&segments[0], source).remove(0)),
            kind => arbitrary::one(&kind, source, 0),
        };
        let leaf = leaf_mut(message, fields);
        leaf.set_field(last, value);
        // An empty segment has no route.
        if texts(leaf, last)[0].is_empty() {
            leaf.set_field(last, some(&last.kind()));
        }
    }
}

fn fill(segment: &Segment, source: &mut Source<'_>) -> Vec<String> {
    match segment {
        Segment::Literal(text) => vec![text.clone()],
        Segment::One => vec![source.segment()],
        Segment::Rest => vec![source.segment(), source.segment()],
    }
}

/// A value whose text is not empty, of a kind that has one that is.
fn some(kind: &Kind) -> Value {
    let Kind::Message(mask) = kind else {
        return Value::Bytes(vec![1].into());
    };
    let mut value = DynamicMessage::new(mask.clone());
    value.set_field_by_number(1, Value::List(vec![Value::String("text".to_owned())]));
    Value::Message(value)
}

/// Leaves what a query can tell, and one field that the body tells.
fn prune(message: &mut DynamicMessage, keep: Option<&FieldDescriptor>) {
    for field in message.descriptor().fields() {
        if Some(&field) == keep || !message.has_field(&field) {
            continue;
        }
        match inside(&field) {
            Some(_) => {
                let mut inner = message.get_field(&field).as_message().unwrap().clone();
                prune(&mut inner, None);
                // An empty message has nothing that could be named.
                let empty = inner.fields().next().is_none();
                match empty {
                    true => message.clear_field(&field),
                    false => message.set_field(&field, Value::Message(inner)),
                }
            }
            None if fits_text(&field) && !field.is_map() => {}
            None => message.clear_field(&field),
        }
    }
}

fn leaf_mut<'m>(message: &'m mut DynamicMessage, fields: &[FieldDescriptor]) -> &'m mut DynamicMessage {
    let parents = &fields[..fields.len() - 1];
    parents
        .iter()
        .fold(message, |m, f| m.get_field_mut(f).as_message_mut().unwrap())
}

/// The request that says a message which fits.
pub(super) fn request(binding: &Binding, message: &DynamicMessage) -> Sent {
    let mut rest = message.clone();
    let mut values = Vec::new();
    for fields in &binding.variables {
        let leaf = leaf_mut(&mut rest, fields);
        let last = fields.last().unwrap();
        values.push(texts(leaf, last).remove(0));
        leaf.clear_field(last);
    }
    let body = body(binding, &rest);
    if let BodyRule::Field(field) = &binding.body {
        rest.clear_field(field);
    }
    let mut query = Vec::new();
    if binding.body != BodyRule::Whole {
        parameters(&rest, "", &mut query);
    }
    let method = if binding.http.as_str() == "*" {
        "PURGE"
    } else {
        binding.http.as_str()
    };
    let request = format!("{method} {}?{}", path(binding, &values), query.join("&"));
    Sent { request, body }
}

/// The body, without what the path binds.
fn body(binding: &Binding, rest: &DynamicMessage) -> Vec<u8> {
    let mut json = Vec::new();
    let within = match &binding.body {
        BodyRule::None => return json,
        BodyRule::Whole => {
            write::message(rest, &mut json).unwrap();
            0
        }
        BodyRule::Field(field) if rest.has_field(field) || !field.supports_presence() => {
            write::field(rest, field, &mut json).unwrap();
            1
        }
        BodyRule::Field(_) => return b"null".to_vec(),
    };
    let mut json: Json = serde_json::from_slice(&json).unwrap();
    for fields in &binding.variables {
        if within == 1 && !matches!(&binding.body, BodyRule::Field(f) if *f == fields[0]) {
            continue;
        }
        let (last, parents) = fields[within..].split_last().unwrap();
        let place = parents
            .iter()
            .try_fold(&mut json, |json, f| json.get_mut(f.json_name()));
        place
            .and_then(Json::as_object_mut)
            .and_then(|o| o.remove(last.json_name()));
    }
    serde_json::to_vec(&json).unwrap()
}

fn path(binding: &Binding, values: &[String]) -> String {
    let template = &binding.template;
    let mut out = String::new();
    for (i, segment) in template.segments.iter().enumerate() {
        let variable = template.variables.iter().position(|v| v.segments.contains(&i));
        match (variable, segment) {
            (Some(v), _) if template.variables[v].multi => {
                let part = i - template.variables[v].segments.start;
                let parts = values[v].split('/');
                let parts: Vec<_> = match segment {
                    Segment::Rest => parts.skip(part).map(encoded).collect(),
                    _ => parts.skip(part).take(1).map(encoded).collect(),
                };
                out.extend(parts.iter().map(|p| format!("/{p}")));
            }
            (Some(v), _) => out += &format!("/{}", encoded(&values[v])),
            (None, Segment::Literal(text)) => out += &format!("/{text}"),
            (None, _) => out += "/any",
        }
    }
    match &template.verb {
        Some(verb) => format!("{out}:{verb}"),
        None => out,
    }
}

fn parameters(message: &DynamicMessage, prefix: &str, out: &mut Vec<String>) {
    for (field, value) in message.fields() {
        let name = format!("{prefix}{}", field.json_name());
        match inside(&field) {
            Some(_) => parameters(value.as_message().unwrap(), &format!("{name}."), out),
            None => out.extend(
                texts(message, &field)
                    .iter()
                    .map(|t| format!("{}={}", encoded(&name), encoded(t))),
            ),
        }
    }
}

/// The texts of a field's values: their JSON without the quotes.
fn texts(message: &DynamicMessage, field: &FieldDescriptor) -> Vec<String> {
    let mut json = Vec::new();
    write::field(message, field, &mut json).unwrap();
    let values = match serde_json::from_slice(&json).unwrap() {
        Json::Array(values) if field.is_list() => values,
        value => vec![value],
    };
    let text = |value| match value {
        Json::String(text) => text,
        Json::Null => "NULL_VALUE".to_owned(),
        other => other.to_string(),
    };
    values.into_iter().map(text).collect()
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
