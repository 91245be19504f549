//! Reading one message, and one value at its place in it.

use std::{collections::HashSet, fmt};

use prost::encoding::{WireType, encode_key, encode_varint};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{
    super::{
        json::MAX_DEPTH,
        shape::{Class, Field, Item, Shape, Shapes},
        wellknown::Form,
    },
    readable,
    scalar::map_key,
};

/// A message to be read into bytes.
pub(super) struct Body<'a> {
    pub(super) shapes: &'a Shapes,
    pub(super) out: &'a mut Vec<u8>,
    pub(super) shape: usize,
    /// Fields that may not stand there, by index.
    pub(super) bound: u128,
    pub(super) depth: usize,
}

/// Writes a message that stands in a field, with its length before it.
pub(super) fn nested<T, E>(
    out: &mut Vec<u8>,
    number: u32,
    write: impl FnOnce(&mut Vec<u8>) -> Result<T, E>,
) -> Result<T, E> {
    encode_key(number, WireType::LengthDelimited, out);
    let at = out.len();
    // Most lengths take one byte; a longer one moves what was written.
    out.push(0);
    let written = write(out)?;
    let length = out.len() - at - 1;
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out[at] = short,
        _ => {
            let mut varint = Vec::with_capacity(10);
            encode_varint(length as u64, &mut varint);
            out.splice(at..=at, varint);
        }
    }
    Ok(written)
}

/// What is not read here. Nobody sees it: the strict reader says what is wrong.
pub(super) fn rare<E: Error>() -> E {
    E::custom("left to the strict reader")
}

impl<'de> DeserializeSeed<'de> for Body<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Body<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let shape = &self.shapes.messages[self.shape];
        if self.depth >= MAX_DEPTH || !readable(shape) {
            return Err(rare());
        }
        let (mut seen, mut set) = (self.bound, 0u128);
        while let Some(index) = members.next_key_seed(Name(shape))? {
            let field = &shape.fields[index];
            if seen & (1 << index) != 0 || field.rivals.iter().any(|rival| set & (1 << rival) != 0) {
                return Err(rare());
            }
            seen |= 1 << index;
            let place = Place::new(self.shapes, self.out, field, How::Field, self.depth + 1);
            if members.next_value_seed(place)? {
                set |= 1 << index;
            }
        }
        Ok(())
    }
}

/// A name, as the index of its field.
struct Name<'a>(&'a Shape);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<usize, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<usize, E> {
        self.0.named(name).ok_or_else(rare)
    }
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// As a field: whole lists and maps, null as absence, and no default that its absence means.
    Field,
    /// As an element of a list, each with its tag.
    Element,
    /// As an element of a packed list, without.
    Packed,
    /// As the value of an entry.
    Value,
}

/// Where a value is to be written; tells whether one was.
pub(super) struct Place<'a> {
    pub(super) shapes: &'a Shapes,
    pub(super) out: &'a mut Vec<u8>,
    pub(super) field: &'a Field,
    pub(super) how: How,
    depth: usize,
}

impl<'a> Place<'a> {
    pub(super) fn new(shapes: &'a Shapes, out: &'a mut Vec<u8>, field: &'a Field, how: How, depth: usize) -> Self {
        Self {
            shapes,
            out,
            field,
            how,
            depth,
        }
    }

    fn entries<'de, A: MapAccess<'de>>(self, entry: usize, mut members: A) -> Result<bool, A::Error> {
        let [key, value] = &self.shapes.messages[entry].fields[..] else {
            return Err(rare());
        };
        let (shapes, depth, number) = (self.shapes, self.depth, self.field.number);
        let mut keys = HashSet::new();
        while let Some(text) = members.next_key::<String>()? {
            nested(self.out, number, |out| {
                map_key(Place::new(shapes, out, key, How::Value, depth + 1), &text)?;
                members.next_value_seed(Place::new(shapes, out, value, How::Value, depth + 1))
            })?;
            // A number is written in one way only, so what differs as text differs.
            if !keys.insert(text) {
                return Err(rare());
            }
        }
        Ok(true)
    }
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<bool, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        // Null is a value of some types.
        let valued = match self.field.item {
            Item::Null => true,
            Item::Message(index) => self.shapes.messages[index].form == Some(Form::Value),
            _ => false,
        };
        if self.how == How::Field && !valued {
            Ok(false)
        } else {
            Err(rare())
        }
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<bool, E> {
        match self.field.item {
            Item::Bool if self.single() => Ok(self.varint(flag.into())),
            Item::Message(index) if self.single() && self.wraps(index) => self.wrapped(|place| place.visit_bool(flag)),
            _ => Err(rare()),
        }
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<bool, E> {
        self.whole(number.into())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<bool, E> {
        self.whole(number.into())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<bool, E> {
        self.fraction(number)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<bool, E> {
        self.text(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<bool, A::Error> {
        if self.how != How::Field || self.field.class != Class::List || self.depth >= MAX_DEPTH {
            return Err(rare());
        }
        let (shapes, field, depth) = (self.shapes, self.field, self.depth + 1);
        let mut elements = |out: &mut Vec<u8>, how| {
            while list
                .next_element_seed(Place::new(shapes, out, field, how, depth))?
                .is_some()
            {}
            Ok(true)
        };
        if !field.packed {
            return elements(self.out, How::Element);
        }
        nested(self.out, field.number, |out| elements(out, How::Packed))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<bool, A::Error> {
        let Item::Message(index) = self.field.item else {
            return Err(rare());
        };
        if self.how == How::Field && self.field.class == Class::Map {
            return match self.depth < MAX_DEPTH {
                true => self.entries(index, members),
                false => Err(rare()),
            };
        }
        if !self.single() || self.shapes.messages[index].form.is_some() {
            return Err(rare());
        }
        let (shapes, depth) = (self.shapes, self.depth);
        nested(self.out, self.field.number, |out| {
            let body = Body {
                shapes,
                out,
                shape: index,
                bound: 0,
                depth,
            };
            body.visit_map(members).map(|()| true)
        })
    }
}
