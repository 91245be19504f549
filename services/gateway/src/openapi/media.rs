//! What bodies and answers are: JSON, streams in their forms, or bytes.

use prost_reflect::FieldDescriptor;
use serde_json::{Map, Value, json};

use super::{
    examples,
    merge::global,
    samples,
    schema::{STATUS, Schemas},
};
use crate::rest::{Binding, BodyRule, Form};

/// The request body of a binding; `None` where there is nothing to send.
pub(super) fn request_body(binding: &Binding, schemas: &mut Schemas<'_>) -> Option<Value> {
    if binding.takes_raw() {
        return Some(json!({"required": true, "content": {"*/*": {"schema": bytes()}}}));
    }
    let schema = match &binding.body {
        BodyRule::None => return None,
        BodyRule::Field(field) => schemas.field(field),
        BodyRule::Whole => {
            let bound = bound(binding);
            if bound.len() == binding.method.input().fields().len() && !binding.method.is_client_streaming() {
                return None;
            }
            schemas.rest_of(&binding.method.input(), &bound)
        }
    };
    let mut content = json!({"schema": schema});
    let example = examples::request(binding.method.full_name()).or_else(|| samples::request(binding, &bound(binding)));
    if let Some(example) = example {
        content["example"] = example;
    }
    if !binding.method.is_client_streaming() {
        return Some(json!({"required": true, "content": {"application/json": content}}));
    }
    Some(json!({
        "required": true,
        "description": "One JSON object a line, each sent on as it comes.",
        "content": {"application/x-ndjson": content},
    }))
}

/// Fields of the request that the path binds as a whole.
fn bound(binding: &Binding) -> Vec<&FieldDescriptor> {
    let single = binding.variables.iter().filter(|v| v.len() == 1);
    single.map(|v| &v[0]).collect()
}

/// The answer to what went well.
pub(super) fn answer(binding: &Binding, schemas: &mut Schemas<'_>) -> Value {
    let streams = binding.method.is_server_streaming();
    if binding.answers_raw() {
        let about = if streams { "Bytes, sent as they come." } else { "Bytes." };
        return json!({"description": about, "content": {"*/*": {"schema": bytes()}}});
    }
    let schema = match &binding.response {
        Some(field) => schemas.field(field),
        None => schemas.message(&binding.method.output()),
    };
    match streams {
        false => json!({"description": "OK", "content": {"application/json": {"schema": schema}}}),
        true => json!({
            "description": "The messages of the stream, in the form that `Accept` asks for, each as soon as it is there; the \
        last item holds an error where the stream failed.",
            "content": forms(&schema),
        }),
    }
}

fn forms(message: &Value) -> Value {
    let item = json!({
        "type": "object",
        "properties": {"result": message, "error": global(STATUS)},
    });
    let form = |(form, media_type): (Form, &str)| {
        let schema = match form {
            Form::Lines => item.clone(),
            Form::List => json!({"type": "array", "items": item}),
            Form::Events => json!({
                "type": "string",
                "description": "An event for each message, with its JSON as data; an event `error` where the stream failed, \
            `end` where it ended well.",
            }),
        };
        (media_type.to_owned(), json!({"schema": schema}))
    };
    Value::Object(Map::from_iter(Form::ALL.map(form)))
}

fn bytes() -> Value {
    json!({"type": "string", "format": "binary"})
}
