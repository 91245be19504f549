//! Templates as OpenAPI paths.
//!
//! OpenAPI knows no variable over several segments, so each wildcard becomes a parameter of its own; and it forbids two
//! paths that differ by parameter names only, so the first template of a shape names them for all.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::rest::{Binding, Segment};

/// Paths so far.
#[derive(Debug, Default)]
pub(super) struct Paths {
    shapes: HashMap<String, Place>,
    all: Map<String, Value>,
}

/// Where a binding stands.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The path with its parameters.
    pub(super) path: String,
    /// Names of the parameters; for each, the index of the variable that it is a part of.
    pub(super) parameters: Vec<(String, Option<usize>)>,
}

impl Paths {
    pub(super) fn place(&mut self, binding: &Binding) -> Place {
        let mut place = of(binding);
        let shape = shape(binding);
        let first = self.shapes.entry(shape).or_insert_with(|| place.clone());
        place.path.clone_from(&first.path);
        for (own, first) in place.parameters.iter_mut().zip(&first.parameters) {
            own.0.clone_from(&first.0);
        }
        place
    }

    /// Adds an operation. Two that differ by `**` alone are one path here, which the first of them has.
    pub(super) fn insert(&mut self, binding: &Binding, place: &Place, operation: Value) {
        let verb = binding.http.as_str().to_ascii_lowercase();
        let item = self.all.entry(place.path.clone()).or_insert_with(|| json!({}));
        if item.get(&verb).is_none() {
            item[verb] = operation;
        }
    }

    pub(super) fn into_value(self) -> Value {
        Value::Object(self.all)
    }
}

/// Whether OpenAPI knows the binding's HTTP method; it has no place for custom kinds.
pub(super) fn can_show(binding: &Binding) -> bool {
    let known = ["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE"];
    known.contains(&binding.http.as_str())
}

fn of(binding: &Binding) -> Place {
    let template = &binding.template;
    let mut place = Place {
        path: String::new(),
        parameters: Vec::new(),
    };
    for (i, segment) in template.segments.iter().enumerate() {
        place.path.push('/');
        if let Segment::Literal(text) = segment {
            place.path.push_str(text);
            continue;
        }
        let variable = template.variables.iter().position(|v| v.segments.contains(&i));
        let name = match variable {
            Some(v) => name(binding, v, i),
            None => format!("segment{}", i + 1),
        };
        place.path.push_str(&format!("{{{name}}}"));
        place.parameters.push((name, variable));
    }
    if let Some(verb) = &template.verb {
        place.path.push_str(&format!(":{verb}"));
    }
    place
}

/// The variable's own name where it has one wildcard; else that of the collection before it with `Id`, so that
/// `{name=shelves/*/books/*}` gives `shelvesId` and `booksId`.
fn name(binding: &Binding, variable: usize, segment: usize) -> String {
    let template = &binding.template;
    let range = template.variables[variable].segments.clone();
    let wildcards = template.segments[range]
        .iter()
        .filter(|s| !matches!(s, Segment::Literal(_)))
        .count();
    let field = || {
        let names: Vec<_> = binding.variables[variable].iter().map(|f| f.json_name()).collect();
        names.join(".")
    };
    match segment.checked_sub(1).map(|before| &template.segments[before]) {
        _ if wildcards == 1 => field(),
        Some(Segment::Literal(collection)) => format!("{collection}Id"),
        _ => format!("{}{}", field(), segment + 1),
    }
}

fn shape(binding: &Binding) -> String {
    let segments = binding.template.segments.iter().map(|s| match s {
        Segment::Literal(text) => text.as_str(),
        _ => "*",
    });
    let verb = binding.template.verb.as_deref().unwrap_or_default();
    format!("{}:{verb}", segments.collect::<Vec<_>>().join("/"))
}
