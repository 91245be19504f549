//! Messages as JSON schemas, as protobuf JSON writes them.

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::{comments::Comments, merge::local};

/// Name of what every error is.
pub(super) const STATUS: &str = "google.rpc.Status";

/// Schemas of one pool that were asked for so far, by name.
#[derive(Debug)]
pub(super) struct Schemas<'c> {
    comments: &'c Comments,
    all: Map<String, Value>,
    /// Those that are named and not written yet.
    named: Vec<MessageDescriptor>,
}

impl<'c> Schemas<'c> {
    pub(super) fn new(comments: &'c Comments) -> Self {
        Self {
            comments,
            all: Map::new(),
            named: Vec::new(),
        }
    }

    pub(super) fn into_map(mut self) -> Map<String, Value> {
        // One after the other, never one within the other: how long a chain of types is, their writer alone decides.
        while let Some(descriptor) = self.named.pop() {
            let schema = self.object(&descriptor, |_| true);
            self.all.insert(descriptor.full_name().to_owned(), schema);
        }
        self.all
    }

    /// A reference to a message's schema, or the schema itself where JSON has a form of its own for it.
    pub(super) fn message(&mut self, descriptor: &MessageDescriptor) -> Value {
        if let Some(schema) = well_known(descriptor.full_name()) {
            return schema;
        }
        let name = descriptor.full_name().to_owned();
        if !self.all.contains_key(&name) {
            self.all.insert(name.clone(), Value::Null);
            self.named.push(descriptor.clone());
        }
        local(&name)
    }

    /// The request body of a binding that takes the rest of the message (`body: "*"`): without what the path binds.
    pub(super) fn rest_of(&mut self, descriptor: &MessageDescriptor, bound: &[&FieldDescriptor]) -> Value {
        if bound.is_empty() {
            return self.message(descriptor);
        }
        let name = format!("{}.Body", descriptor.full_name());
        let schema = self.object(descriptor, |f| !bound.contains(&f));
        self.all.insert(name.clone(), schema);
        local(&name)
    }

    fn object(&mut self, descriptor: &MessageDescriptor, keep: impl Fn(&FieldDescriptor) -> bool) -> Value {
        let mut properties = Map::new();
        for field in descriptor.fields().filter(|f| keep(f)) {
            let schema = self.property(&field);
            properties.insert(field.json_name().to_owned(), schema);
        }
        let mut schema = json!({"type": "object", "properties": properties});
        describe(&mut schema, self.comments.of_message(descriptor));
        schema
    }

    fn property(&mut self, field: &FieldDescriptor) -> Value {
        let mut schema = self.field(field);
        let comment = self.comments.of_field(field);
        describe(&mut schema, comment);
        if comment.contains("Output only") {
            schema["readOnly"] = true.into();
        }
        if is_sensitive(field) && field.kind() == Kind::String {
            schema["format"] = "password".into();
        }
        schema
    }

    /// The schema of a field's value.
    pub(super) fn field(&mut self, field: &FieldDescriptor) -> Value {
        match field.kind() {
            Kind::Message(entry) if field.is_map() => {
                json!({"type": "object", "additionalProperties": self.one(&entry.map_entry_value_field().kind())})
            }
            kind if field.is_list() => json!({"type": "array", "items": self.one(&kind)}),
            kind => self.one(&kind),
        }
    }

    fn one(&mut self, kind: &Kind) -> Value {
        match kind {
            Kind::Bool => json!({"type": "boolean"}),
            Kind::String => json!({"type": "string"}),
            Kind::Bytes => json!({"type": "string", "contentEncoding": "base64"}),
            Kind::Float => json!({"type": "number", "format": "float"}),
            Kind::Double => json!({"type": "number", "format": "double"}),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => json!({"type": "integer", "format": "int32"}),
            Kind::Uint32 | Kind::Fixed32 => json!({"type": "integer", "format": "uint32", "minimum": 0}),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => json!({"type": "string", "format": "int64"}),
            Kind::Uint64 | Kind::Fixed64 => json!({"type": "string", "format": "uint64"}),
            Kind::Enum(e) => self.enumeration(e),
            Kind::Message(m) => self.message(m),
        }
    }

    fn enumeration(&mut self, descriptor: &EnumDescriptor) -> Value {
        if descriptor.full_name() == "google.protobuf.NullValue" {
            return json!({"type": "null"});
        }
        let name = descriptor.full_name().to_owned();
        if !self.all.contains_key(&name) {
            let names: Vec<_> = descriptor.values().map(|v| v.name().to_owned()).collect();
            let meanings = descriptor
                .values()
                .map(|v| format!("- `{}`: {}", v.name(), self.comments.of_enum_value(&v)));
            let meanings = meanings.collect::<Vec<_>>().join("\n");
            let about = format!("{}\n\n{meanings}", self.comments.of_enum(descriptor));
            let schema = json!({"type": "string", "enum": names, "description": about});
            self.all.insert(name.clone(), schema);
        }
        local(&name)
    }
}

fn describe(schema: &mut Value, text: &str) {
    if !text.is_empty() {
        schema["description"] = text.into();
    }
}

fn is_sensitive(field: &FieldDescriptor) -> bool {
    let pool = field.parent_pool();
    let option = pool.get_extension_by_name("logicore.policy.v1.sensitive");
    option.is_some_and(|o| field.options().get_extension(&o).as_bool() == Some(true))
}

/// Types whose JSON is not that of their fields.
fn well_known(name: &str) -> Option<Value> {
    Some(match name.strip_prefix("google.protobuf.")? {
        "Timestamp" => json!({"type": "string", "format": "date-time"}),
        "Duration" => json!({"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$"}),
        "FieldMask" => json!({"type": "string"}),
        "Struct" | "Empty" => json!({"type": "object"}),
        "Value" => json!({}),
        "ListValue" => json!({"type": "array", "items": {}}),
        "Any" => json!({"type": "object", "required": ["@type"], "properties": {"@type": {"type": "string"}}}),
        "BoolValue" => json!({"type": ["boolean", "null"]}),
        "StringValue" => json!({"type": ["string", "null"]}),
        "BytesValue" => json!({"type": ["string", "null"], "contentEncoding": "base64"}),
        "Int32Value" | "UInt32Value" => json!({"type": ["integer", "null"]}),
        "Int64Value" | "UInt64Value" => json!({"type": ["string", "null"]}),
        "FloatValue" | "DoubleValue" => json!({"type": ["number", "null"]}),
        _ => return None,
    })
}

/// What every error is.
pub(super) fn status() -> Value {
    json!({
        "type": "object",
        "description": "Why a request failed.",
        "required": ["code", "status", "message", "details"],
        "properties": {
            "code": {"type": "integer", "description": "gRPC status code."},
            "status": {"type": "string", "description": "Name of the code, such as `NOT_FOUND`."},
            "message": {"type": "string", "description": "A sentence for people."},
            "details": {
                "type": "array",
                "description": "`google.rpc.ErrorInfo` with the stable reason; `BadRequest` names wrong fields, `RetryInfo` says when to try again.",
                "items": {"type": "object", "required": ["@type"], "properties": {"@type": {"type": "string"}}},
            },
        },
    })
}
