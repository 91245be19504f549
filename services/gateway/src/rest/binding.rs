//! One REST binding of a method: its template, and which fields path, query and body fill.

use std::{fmt, ops::Range, sync::Arc};

use http::{Method, Uri};
use logicore::Error;
use prost_reflect::{
    DescriptorPool, DynamicMessage, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor,
    Value,
};

use super::{
    intake::Intake,
    path::{self, Piece},
    scalar,
    shape::Shapes,
    template::Template,
};

/// What the HTTP body fills.
#[derive(Clone, PartialEq)]
pub enum BodyRule {
    /// Nothing: a body is refused.
    None,
    /// `*`: every field that the path does not bind.
    Whole,
    /// One field.
    Field(FieldDescriptor),
}

/// A field path of the request message, from its first field on.
pub(super) type FieldPath = Vec<FieldDescriptor>;

/// One binding.
pub struct Binding {
    /// The method.
    pub method: MethodDescriptor,
    /// Place among the bindings of the method: 0 for the rule itself, then `additional_bindings`.
    pub index: usize,
    /// Path of the gRPC method.
    pub method_path: Arc<str>,
    /// The same as the target of a request.
    pub(super) uri: Uri,
    /// HTTP method; `*` takes any.
    pub http: Method,
    /// Template as it was written.
    pub text: String,
    /// Template.
    pub template: Template,
    /// Fields that the template's variables bind, in its order.
    pub variables: Vec<FieldPath>,
    /// What the body fills.
    pub body: BodyRule,
    /// Field of the response that becomes the body; the whole message where absent.
    pub response: Option<FieldDescriptor>,
    /// The response's shape, among those of the pool.
    pub(super) shape: usize,
    pub(super) shapes: Arc<Shapes>,
    /// How bodies are read without a tree, where they can be.
    pub(super) intake: Option<Intake>,
}

impl Binding {
    /// Every binding of the methods of a pool that are `served`, in the order of the descriptors.
    ///
    /// # Errors
    /// A sentence that names the first binding that cannot be served.
    pub fn all(pool: &DescriptorPool, served: impl Fn(&MethodDescriptor) -> bool) -> Result<Vec<Self>, String> {
        let Some(http) = pool.get_extension_by_name("google.api.http") else {
            return Ok(Vec::new());
        };
        let mut bindings: Vec<Self> = Vec::new();
        let mut shapes = Shapes::default();
        for service in pool.services() {
            for method in service.methods().filter(&served) {
                of_method(&method, &http, &mut bindings).map_err(|why| format!("{}: {why}", method.full_name()))?;
            }
        }
        for binding in &mut bindings {
            binding.shape = shapes.add(&binding.method.output());
            binding.intake = Intake::of(binding, &mut shapes);
        }
        let shapes = Arc::new(shapes);
        for binding in &mut bindings {
            binding.shapes = Arc::clone(&shapes);
        }
        Ok(bindings)
    }

    /// Whether what the caller gets is no JSON but the bytes of a `google.api.HttpBody`.
    #[must_use]
    pub fn answers_raw(&self) -> bool {
        match &self.response {
            None => is_raw(&self.method.output()),
            Some(field) => holds_raw(field),
        }
    }

    /// Whether the body is no JSON but the bytes of a `google.api.HttpBody`.
    #[must_use]
    pub fn takes_raw(&self) -> bool {
        match &self.body {
            BodyRule::None => false,
            BodyRule::Whole => is_raw(&self.method.input()),
            BodyRule::Field(field) => holds_raw(field),
        }
    }

    /// Whether the body is sent on as it comes, not collected.
    #[must_use]
    pub fn takes_stream(&self) -> bool {
        self.method.is_client_streaming() || self.takes_raw()
    }

    /// Values of the variables in a path that matched.
    ///
    /// # Errors
    /// `MALFORMED_PATH`, though not for pieces that could be split.
    pub(super) fn values(&self, mut pieces: Vec<Piece<'_>>) -> Result<Vec<String>, Error> {
        if self.template.verb.is_some()
            && let Some(last) = pieces.last_mut()
            && let Some((stem, _)) = path::verb(last)
        {
            *last = stem;
        }
        let mut value = |range: Range<usize>, multi: bool| match multi {
            true => path::join(&pieces[range.start..self.end(range.end, pieces.len())]),
            false => Ok(std::mem::take(&mut pieces[range.start].text).into_owned()),
        };
        self.template
            .variables
            .iter()
            .map(|v| value(v.segments.clone(), v.multi))
            .collect()
    }

    /// Where a range of template segments ends in the path: `**` reaches to the path's end.
    fn end(&self, end: usize, pieces: usize) -> usize {
        if end == self.template.segments.len() {
            pieces
        } else {
            end
        }
    }
}

/// Whether a field is one `google.api.HttpBody`.
fn holds_raw(field: &FieldDescriptor) -> bool {
    !field.is_list() && matches!(field.kind(), Kind::Message(m) if is_raw(&m))
}

/// By its name alone: a pool brings its own.
fn is_raw(descriptor: &MessageDescriptor) -> bool {
    descriptor.full_name() == "google.api.HttpBody"
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} of {}", self.http, self.text, self.method.full_name())
    }
}

/// By its name: a descriptor's own `Debug` follows every type that it meets, and does not end where one holds itself.
impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for BodyRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BodyRule::None => "",
            BodyRule::Whole => "*",
            BodyRule::Field(field) => field.name(),
        })
    }
}

fn of_method(method: &MethodDescriptor, http: &ExtensionDescriptor, bindings: &mut Vec<Binding>) -> Result<(), String> {
    let options = method.options();
    if !options.has_extension(http) {
        return Ok(());
    }
    let value = options.get_extension(http);
    let rule = value.as_message().ok_or("google.api.http is no message")?;
    bindings.push(of_rule(method, rule, 0)?);
    let more = rule.get_field_by_name("additional_bindings");
    let more = more.iter().filter_map(|v| v.as_list()).flatten();
    for (i, rule) in more.filter_map(Value::as_message).enumerate() {
        if rule.has_field_by_name("additional_bindings") {
            return Err("additional_bindings are nested".to_owned());
        }
        bindings.push(of_rule(method, rule, i + 1)?);
    }
    Ok(())
}

fn of_rule(method: &MethodDescriptor, rule: &DynamicMessage, index: usize) -> Result<Binding, String> {
    let (http, text) = pattern(rule)?;
    let template = Template::parse(&text)?;
    let input = method.input();
    let variables = template
        .variables
        .iter()
        .map(|v| variable(&input, &v.field))
        .collect::<Result<Vec<_>, _>>()?;
    let body = match string(rule, "body").as_str() {
        "" => BodyRule::None,
        "*" => BodyRule::Whole,
        name => BodyRule::Field(field(&input, name)?),
    };
    if let BodyRule::Field(f) = &body
        && variables.iter().any(|v| v.len() == 1 && v[0] == *f)
    {
        return Err(format!("`{}` is bound by path and body", f.name()));
    }
    if body == BodyRule::None && method.is_client_streaming() {
        return Err("a stream of the caller is a body, and the rule takes none".to_owned());
    }
    let response = match string(rule, "response_body").as_str() {
        "" => None,
        name => Some(field(&method.output(), name)?),
    };
    let method_path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    Ok(Binding {
        index,
        uri: method_path.parse().map_err(|_| "the name is no path".to_owned())?,
        method_path: method_path.into(),
        method: method.clone(),
        http,
        text,
        template,
        variables,
        body,
        response,
        shape: 0,
        shapes: Arc::default(),
        intake: None,
    })
}

fn pattern(rule: &DynamicMessage) -> Result<(Method, String), String> {
    for (name, method) in [
        ("get", Method::GET),
        ("put", Method::PUT),
        ("post", Method::POST),
        ("delete", Method::DELETE),
        ("patch", Method::PATCH),
    ] {
        if rule.has_field_by_name(name) {
            return Ok((method, string(rule, name)));
        }
    }
    if !rule.has_field_by_name("custom") {
        return Err("the rule has no pattern".to_owned());
    }
    let custom = rule.get_field_by_name("custom").ok_or("the rule has no pattern")?;
    let custom = custom.as_message().ok_or("`custom` is no message")?;
    let kind = string(custom, "kind");
    let method = Method::from_bytes(kind.as_bytes()).map_err(|_| format!("`{kind}` is no HTTP method"))?;
    Ok((method, string(custom, "path")))
}

/// A variable binds one value: no list, no map, and no message but one that JSON writes as a string or number.
fn variable(input: &MessageDescriptor, path: &str) -> Result<FieldPath, String> {
    let mut fields = FieldPath::new();
    let mut at = Some(input.clone());
    for name in path.split('.') {
        let message = at.ok_or_else(|| format!("`{path}` leads through something that is no message"))?;
        let next = field(&message, name)?;
        if next.is_list() || next.is_map() {
            return Err(format!("`{path}` is repeated and cannot be bound by the path"));
        }
        at = scalar::inside(&next);
        fields.push(next);
    }
    match fields.last().is_some_and(scalar::fits_text) {
        true => Ok(fields),
        false => Err(format!("`{path}` is a message and cannot be bound by the path")),
    }
}

fn field(message: &MessageDescriptor, name: &str) -> Result<FieldDescriptor, String> {
    message
        .get_field_by_name(name)
        .ok_or_else(|| format!("{} has no field `{name}`", message.full_name()))
}

fn string(message: &DynamicMessage, field: &str) -> String {
    message
        .get_field_by_name(field)
        .and_then(|v| v.as_str().map(str::to_owned))
        .unwrap_or_default()
}
