//! Values that are no lists, maps or messages with fields, at their place.

use prost::encoding::{WireType, encode_key, encode_varint};
use serde::de::Error;

use super::{
    super::{
        json::MAX_DEPTH,
        shape::{Class, Item},
        value,
        wellknown::{self, Form},
    },
    place::{How, Place, nested, rare},
};

impl Place<'_> {
    /// Whether the value stands alone, not a list or map as a whole.
    pub(super) fn single(&self) -> bool {
        self.how != How::Field || self.field.class == Class::One
    }

    fn key(&mut self, wire: WireType) {
        if self.how != How::Packed {
            encode_key(self.field.number, wire, self.out);
        }
    }

    /// Absence means the default, unless it differs from it.
    fn skips<T: Default + PartialEq>(&self, value: &T) -> bool {
        self.how == How::Field && !self.field.presence && *value == T::default()
    }

    pub(super) fn varint(mut self, bits: u64) -> bool {
        if !self.skips(&bits) {
            self.key(WireType::Varint);
            encode_varint(bits, self.out);
        }
        true
    }

    fn four(mut self, bits: u32) -> bool {
        if !self.skips(&bits) {
            self.key(WireType::ThirtyTwoBit);
            self.out.extend_from_slice(&bits.to_le_bytes());
        }
        true
    }

    fn eight(mut self, bits: u64) -> bool {
        if !self.skips(&bits) {
            self.key(WireType::SixtyFourBit);
            self.out.extend_from_slice(&bits.to_le_bytes());
        }
        true
    }

    fn bytes(mut self, bytes: &[u8]) -> bool {
        if !(bytes.is_empty() && self.how == How::Field && !self.field.presence) {
            self.key(WireType::LengthDelimited);
            encode_varint(bytes.len() as u64, self.out);
            self.out.extend_from_slice(bytes);
        }
        true
    }

    pub(super) fn whole<E: Error>(self, number: i128) -> Result<bool, E> {
        fn fit<T: TryFrom<i128>, E: Error>(number: i128) -> Result<T, E> {
            T::try_from(number).map_err(|_| rare())
        }
        if !self.single() {
            return Err(rare());
        }
        Ok(match &self.field.item {
            Item::Int32 => self.varint(i64::from(fit::<i32, E>(number)?) as u64),
            Item::Enum(_) => self.varint(i64::from(fit::<i32, E>(number)?) as u64),
            Item::Int64 => self.varint(fit::<i64, E>(number)? as u64),
            Item::Uint32 => self.varint(fit::<u32, E>(number)?.into()),
            Item::Uint64 => self.varint(fit(number)?),
            Item::Sint32 => {
                let value: i32 = fit(number)?;
                self.varint(((value << 1) ^ (value >> 31)) as u32 as u64)
            }
            Item::Sint64 => {
                let value: i64 = fit(number)?;
                self.varint(((value << 1) ^ (value >> 63)) as u64)
            }
            Item::Fixed32 => self.four(fit(number)?),
            Item::Sfixed32 => self.four(fit::<i32, E>(number)? as u32),
            Item::Fixed64 => self.eight(fit(number)?),
            Item::Sfixed64 => self.eight(fit::<i64, E>(number)? as u64),
            Item::Float | Item::Double => return self.fraction(number as f64),
            Item::Message(index) if self.wraps(*index) => return self.wrapped(|place| place.whole(number)),
            _ => return Err(rare()),
        })
    }

    pub(super) fn fraction<E: Error>(self, number: f64) -> Result<bool, E> {
        if !self.single() {
            return Err(rare());
        }
        match self.field.item {
            Item::Double => Ok(self.eight(number.to_bits())),
            Item::Float if (number as f32).is_finite() => Ok(self.four((number as f32).to_bits())),
            Item::Message(index) if self.wraps(index) => self.wrapped(|place| place.fraction(number)),
            _ => Err(rare()),
        }
    }

    pub(super) fn wraps(&self, index: usize) -> bool {
        self.shapes.messages[index].form == Some(Form::Wrapper)
    }

    /// Writes a wrapper: a message whose one field is the value.
    pub(super) fn wrapped<E: Error>(self, write: impl FnOnce(Place<'_>) -> Result<bool, E>) -> Result<bool, E> {
        let Item::Message(index) = self.field.item else {
            return Err(rare());
        };
        let field = self.shapes.messages[index].fields.first().ok_or_else(rare)?;
        // A type of others may bear the name of a wrapper and hold anything, itself too.
        if field.number != 1 || field.class != Class::One || matches!(field.item, Item::Message(_)) {
            return Err(rare());
        }
        let (shapes, number) = (self.shapes, self.field.number);
        nested(self.out, number, |out| {
            write(Place::new(shapes, out, field, How::Field, MAX_DEPTH))
        })
    }

    /// Writes a time or a duration.
    fn pair<E: Error>(self, (seconds, nanos): (i64, i32)) -> Result<bool, E> {
        nested(self.out, self.field.number, |out| {
            if seconds != 0 {
                encode_key(1, WireType::Varint, out);
                encode_varint(seconds as u64, out);
            }
            if nanos != 0 {
                encode_key(2, WireType::Varint, out);
                encode_varint(i64::from(nanos) as u64, out);
            }
            Ok(true)
        })
    }

    pub(super) fn text<E: Error>(self, text: &str) -> Result<bool, E> {
        if !self.single() {
            return Err(rare());
        }
        match &self.field.item {
            Item::Text => Ok(self.bytes(text.as_bytes())),
            Item::Bytes => {
                let bytes = value::bytes(text).map_err(|_| rare())?;
                Ok(self.bytes(&bytes))
            }
            Item::Enum(names) => {
                let number = *names.by_name.get(text).ok_or_else(rare)?;
                Ok(self.varint(i64::from(number) as u64))
            }
            Item::Message(index) => match self.shapes.messages[*index].form {
                Some(Form::Timestamp) => self.pair(wellknown::time(text).map_err(|_| rare())?),
                Some(Form::Duration) => self.pair(wellknown::length(text).map_err(|_| rare())?),
                Some(Form::Wrapper) => self.wrapped(|place| place.text(text)),
                _ => Err(rare()),
            },
            Item::Bool | Item::Null | Item::Float | Item::Double => Err(rare()),
            _ => self.whole(decimal(text).ok_or_else(rare)?),
        }
    }
}

/// Writes the key of an entry.
pub(super) fn map_key<E: Error>(place: Place<'_>, text: &str) -> Result<bool, E> {
    match (&place.field.item, text) {
        (Item::Bool, "true") => Ok(place.varint(1)),
        (Item::Bool, "false") => Ok(place.varint(0)),
        (Item::Text, text) => Ok(place.bytes(text.as_bytes())),
        (Item::Bool, _) => Err(rare()),
        _ => place.whole(decimal(text).ok_or_else(rare)?),
    }
}

/// A whole number in its plain form.
fn decimal(text: &str) -> Option<i128> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty() && digits.len() <= 20 && digits.bytes().all(|b| b.is_ascii_digit());
    let first = text.starts_with("-0") || (digits.starts_with('0') && digits.len() > 1);
    (plain && !first).then(|| text.parse().ok()).flatten()
}
