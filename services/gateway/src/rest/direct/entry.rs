//! Entries of maps, and how values stand on the wire.

use super::{
    super::{
        shape::{Field, Item},
        wire::{self, Wire},
    },
    Rare,
};

/// An entry of a map.
pub(super) struct Entry<'w> {
    pub(super) key: Key<'w>,
    pub(super) bits: u64,
    pub(super) value: &'w [u8],
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key<'w> {
    Signed(i64),
    Unsigned(u64),
    Text(&'w [u8]),
}

impl<'w> Entry<'w> {
    pub(super) fn read(key: &Field, value: &Field, bytes: &'w [u8]) -> Result<Self, Rare> {
        let mut entry = Self {
            key: Key::of(&key.item, 0, &[])?,
            bits: 0,
            value: &[],
        };
        let mut rest = bytes;
        let mut values = 0;
        while !rest.is_empty() {
            let found = wire::next(&mut rest).ok_or(Rare)?;
            let field = match found.number {
                1 => key,
                2 => value,
                _ => continue,
            };
            if found.wire != wire_of(&field.item) {
                return Err(Rare);
            }
            if found.number == 1 {
                entry.key = Key::of(&key.item, found.bits, found.bytes)?;
                continue;
            }
            values += 1;
            if values > 1 {
                return Err(Rare);
            }
            (entry.bits, entry.value) = (found.bits, found.bytes);
        }
        Ok(entry)
    }
}

impl<'w> Key<'w> {
    fn of(item: &Item, bits: u64, bytes: &'w [u8]) -> Result<Self, Rare> {
        Ok(match item {
            Item::Bool => Self::Signed((bits != 0).into()),
            Item::Int32 | Item::Sfixed32 => Self::Signed((bits as i32).into()),
            Item::Int64 | Item::Sfixed64 => Self::Signed(bits as i64),
            Item::Sint32 => Self::Signed(zigzag32(bits).into()),
            Item::Sint64 => Self::Signed(zigzag64(bits)),
            Item::Uint32 | Item::Fixed32 => Self::Unsigned((bits as u32).into()),
            Item::Uint64 | Item::Fixed64 => Self::Unsigned(bits),
            Item::Text => Self::Text(bytes),
            _ => return Err(Rare),
        })
    }
}

/// How a value of a kind is written.
pub(super) fn wire_of(item: &Item) -> Wire {
    match item {
        Item::Fixed32 | Item::Sfixed32 | Item::Float => Wire::Four,
        Item::Fixed64 | Item::Sfixed64 | Item::Double => Wire::Eight,
        Item::Text | Item::Bytes | Item::Message(_) => Wire::Length,
        _ => Wire::Varint,
    }
}

pub(super) fn zigzag32(bits: u64) -> i32 {
    let bits = bits as u32;
    (bits >> 1) as i32 ^ -((bits & 1) as i32)
}

pub(super) fn zigzag64(bits: u64) -> i64 {
    (bits >> 1) as i64 ^ -((bits & 1) as i64)
}
