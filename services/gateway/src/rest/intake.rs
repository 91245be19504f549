//! JSON bodies straight into protobuf's bytes, without a tree in between.
//!
//! Takes what is common and certainly right. Whatever is wrong, and what is rare (`Any`, `Struct`, masks, numbers in odd
//! forms), is left to the strict reader, which reads the body anew and knows what to say of it. A test compares the two.

mod place;
mod scalar;

use bytes::Bytes;
use logicore::framing::PREFIX;
use place::{Body, nested};
use serde::de::DeserializeSeed;

use super::{
    Match,
    binding::{Binding, BodyRule},
    decode::bind_bodiless,
    frames::prefix,
    shape::{Item, Shape, Shapes},
    zero,
};

/// How a binding's bodies are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Intake {
    /// The message that the body is.
    shape: usize,
    /// The number of the field that holds it; none where it is the request itself.
    field: Option<u32>,
    /// Fields of it that the path binds, by their index.
    bound: u128,
}

/// Fields that a set of fields has room for.
const ROOM: usize = u128::BITS as usize;

impl Intake {
    /// How the bodies of a binding are read, where they can be.
    pub(super) fn of(binding: &Binding, shapes: &mut Shapes) -> Option<Self> {
        let input = shapes.add(&binding.method.input());
        let request = &shapes.messages[input];
        let names = binding.variables.iter().map(|path| (path.len(), path[0].number()));
        let mut bound = 0;
        for (levels, number) in names {
            let index = request.index(number)?;
            // What lies deeper, or rules others out, is looked at by the strict reader.
            if levels > 1 || !request.fields[index].rivals.is_empty() || index >= ROOM {
                return None;
            }
            bound |= 1 << index;
        }
        let (shape, field, bound) = match &binding.body {
            BodyRule::None => return None,
            BodyRule::Whole => (input, None, bound),
            // A mask may be derived of it.
            BodyRule::Field(_) if binding.http == http::Method::PATCH => return None,
            BodyRule::Field(field) => {
                let place = &request.fields[request.index(field.number())?];
                match place.item {
                    Item::Message(shape) if !field.is_list() && !field.is_map() && place.rivals.is_empty() => {
                        (shape, Some(field.number()), 0)
                    }
                    _ => return None,
                }
            }
        };
        readable(&shapes.messages[shape]).then_some(Self { shape, field, bound })
    }
}

fn readable(shape: &Shape) -> bool {
    shape.form.is_none() && !shape.extended && shape.fields.len() <= ROOM
}

/// The message of a request, framed; `None` where the strict reader is to look at it.
pub(super) fn framed(route: &Match, query: &str, body: &[u8]) -> Option<Bytes> {
    let binding = &*route.binding;
    let intake = binding.intake?;
    let mut out = Vec::with_capacity(PREFIX + body.len());
    out.resize(PREFIX, 0);
    if !query.is_empty() || !binding.variables.is_empty() {
        zero::encode(&bind_bodiless(route, query).ok()?, &mut out);
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let mut read = |out: &mut Vec<u8>| {
        Body {
            shapes: &binding.shapes,
            out,
            shape: intake.shape,
            bound: intake.bound,
            depth: 0,
        }
        .deserialize(&mut json)
    };
    match intake.field {
        None => read(&mut out).ok()?,
        Some(number) => nested(&mut out, number, read).ok()?,
    }
    json.end().ok()?;
    let before = prefix(out.len() - PREFIX);
    out[..PREFIX].copy_from_slice(&before);
    Some(out.into())
}
