//! Query parameters into fields.

use std::borrow::Cow;

use logicore::{Error, Reason};
use prost_reflect::{DynamicMessage, Kind, Value};

use super::{
    binding::{Binding, BodyRule, FieldPath},
    message::{At, find, rival, unknown},
    path, scalar,
};

/// Sets the fields that a query names. Neither path nor body may bind the same.
///
/// # Errors
/// `MALFORMED_PATH`, `UNKNOWN_FIELD` or `INVALID_FIELD`.
pub(super) fn bind(binding: &Binding, query: &str, into: &mut DynamicMessage) -> Result<(), Error> {
    let mut seen: Vec<String> = Vec::new();
    for pair in query.split('&').filter(|p| !p.is_empty()) {
        let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, text) = (plus_decoded(name)?, plus_decoded(text)?);
        let fields = resolve(binding, &name)?;
        let proto = dotted(&fields);
        let last = fields.last().expect("a path that was resolved has a field");
        if !last.is_list() && seen.contains(&proto) {
            return Err(Error::field(proto, "is given twice"));
        }
        let value = scalar::parse(last, &text).map_err(|problem| Error::field(proto.as_str(), problem))?;
        set(into, &fields, value)?;
        seen.push(proto);
    }
    Ok(())
}

/// Sets a field by its path; a list grows by the value.
///
/// # Errors
/// `INVALID_FIELD` where another member of a oneof is set.
pub(super) fn set(
    into: &mut DynamicMessage,
    fields: &[prost_reflect::FieldDescriptor],
    value: Value,
) -> Result<(), Error> {
    let (last, parents) = fields.split_last().expect("a field path has a field");
    let mut at = into;
    for parent in parents {
        refuse_rival(at, parent, fields)?;
        at = at
            .get_field_mut(parent)
            .as_message_mut()
            .ok_or_else(|| Error::internal("a field path leads through a scalar"))?;
    }
    refuse_rival(at, last, fields)?;
    match at.get_field_mut(last).as_list_mut() {
        Some(list) if last.is_list() => list.push(value),
        _ => at.set_field(last, value),
    }
    Ok(())
}

fn refuse_rival(
    at: &DynamicMessage,
    field: &prost_reflect::FieldDescriptor,
    fields: &[prost_reflect::FieldDescriptor],
) -> Result<(), Error> {
    match rival(at, field) {
        Some(other) => Err(Error::field(dotted(fields), format!("cannot be set beside `{other}`"))),
        None => Ok(()),
    }
}

/// The fields that a parameter's name means.
fn resolve(binding: &Binding, name: &str) -> Result<FieldPath, Error> {
    if binding.body == BodyRule::Whole {
        return Err(Error::new(
            Reason::UnknownField,
            format!("{name}: this method takes its fields from the body, not from the query"),
        )
        .and_field(name, "not taken from the query"));
    }
    let mut fields = FieldPath::new();
    let mut message = binding.method.input();
    let mut parts = name.split('.').peekable();
    while let Some(part) = parts.next() {
        let field = find(&message, part).ok_or_else(|| unknown(&At::Field(&At::Body, name)))?;
        fields.push(field.clone());
        if parts.peek().is_none() {
            break;
        }
        message = match field.kind() {
            Kind::Message(m) if !field.is_list() && !field.is_map() && !scalar::fits_text(&field) => m,
            _ => return Err(unknown(&At::Field(&At::Body, name))),
        };
    }
    let last = fields.last().expect("a name has at least one part");
    let proto = dotted(&fields);
    if last.is_map() || !scalar::fits_text(last) {
        return Err(Error::field(proto, "cannot be given in the query"));
    }
    if binding.variables.contains(&fields) {
        return Err(Error::field(proto, "is bound by the path already"));
    }
    if matches!(&binding.body, BodyRule::Field(f) if fields[0] == *f) {
        return Err(Error::field(proto, "belongs to the body"));
    }
    Ok(fields)
}

/// A field path in proto names.
pub(super) fn dotted(fields: &[prost_reflect::FieldDescriptor]) -> String {
    fields.iter().map(|f| f.name()).collect::<Vec<_>>().join(".")
}

/// Decodes as forms are encoded: `+` is a space.
fn plus_decoded(raw: &str) -> Result<Cow<'_, str>, Error> {
    match raw.contains('+') {
        true => path::decode(&raw.replace('+', " ")).map(|text| Cow::Owned(text.into_owned())),
        false => path::decode(raw),
    }
}
