//! Query parameters into fields.

use std::borrow::Cow;

use logicore::{Error, Reason};
use prost_reflect::{DynamicMessage, FieldDescriptor, Value};

use super::{
    binding::{Binding, BodyRule, FieldPath},
    json::MAX_DEPTH,
    message::{At, find, rival, unknown},
    path, scalar,
    value::clip,
};

/// Sets the fields that a query names. Neither path nor body may bind the same.
///
/// # Errors
/// `MALFORMED_PATH`, `UNKNOWN_FIELD` or `INVALID_FIELD`.
pub(super) fn bind(binding: &Binding, query: &str, into: &mut DynamicMessage) -> Result<(), Error> {
    let mut seen: Vec<FieldPath> = Vec::new();
    for pair in query.split('&').filter(|p| !p.is_empty()) {
        let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, text) = (plus_decoded(name)?, plus_decoded(text)?);
        let fields = resolve(binding, &name)?;
        let last = fields.last().expect("a path that was resolved has a field");
        let one = !last.is_list();
        if one && seen.contains(&fields) {
            return Err(Error::field(dotted(&fields), "is given twice"));
        }
        let value = scalar::parse(last, &text).map_err(|problem| Error::field(dotted(&fields), problem))?;
        set(into, &fields, value)?;
        if one {
            seen.push(fields);
        }
    }
    Ok(())
}

/// Sets a field by its path; a list grows by the value.
///
/// # Errors
/// `INVALID_FIELD` where another member of a oneof is set.
pub(super) fn set(into: &mut DynamicMessage, fields: &[FieldDescriptor], value: Value) -> Result<(), Error> {
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
    if !last.is_list() {
        at.set_field(last, value);
    } else if let Some(list) = at.get_field_mut(last).as_list_mut() {
        list.push(value);
    }
    Ok(())
}

fn refuse_rival(at: &DynamicMessage, field: &FieldDescriptor, fields: &[FieldDescriptor]) -> Result<(), Error> {
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
            format!(
                "{}: this method takes its fields from the body, not from the query",
                clip(name)
            ),
        )
        .and_field(clip(name), "not taken from the query"));
    }
    // A message may hold itself, and a name is as long as a caller likes.
    if name.split('.').nth(MAX_DEPTH).is_some() {
        return Err(Error::field(clip(name), format!("is nested deeper than {MAX_DEPTH}")));
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
        message = scalar::inside(&field).ok_or_else(|| unknown(&At::Field(&At::Body, name)))?;
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
pub(super) fn dotted(fields: &[FieldDescriptor]) -> String {
    fields.iter().map(|f| f.name()).collect::<Vec<_>>().join(".")
}

/// Decodes as forms are encoded: `+` is a space.
fn plus_decoded(raw: &str) -> Result<Cow<'_, str>, Error> {
    match raw.contains('+') {
        true => path::decode(&raw.replace('+', " ")).map(|text| Cow::Owned(text.into_owned())),
        false => path::decode(raw),
    }
}
