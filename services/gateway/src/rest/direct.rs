//! Messages as JSON straight from their bytes: two passes over each message, the first to see where its fields are.
//!
//! Writes what `write` writes, and leaves to it what is rare: a message that came in two parts, extensions, what is no
//! protobuf. That is told by [`Rare`], and the answer is written anew. A test compares the two on any message.

mod entry;

use std::io::Write as _;

use base64::{Engine, engine::general_purpose::STANDARD};
use prost_reflect::DynamicMessage;
use prost_types::{Duration, Timestamp};

use entry::{Entry, Key, wire_of, zigzag32, zigzag64};

use super::{
    shape::{Class, Field, Item, Shape, Shapes},
    wellknown::{Form, LONGEST, TIMES},
    wire::{self, Wire},
    write,
};

/// Levels of messages that the general reader takes.
const DEEPEST: usize = 100;

/// What is left to the general writer.
#[derive(Debug)]
pub(super) struct Rare;

/// Writes a message by its shape.
///
/// # Errors
/// What the general writer has to look at; what was written by then is to be taken back.
pub(super) fn message(shapes: &Shapes, root: usize, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Rare> {
    let mut writer = Writer {
        shapes,
        out,
        slots: Vec::with_capacity(32),
        depth: 0,
    };
    writer.message(root, bytes)
}

/// Writes the value of one field of a message, if it is there.
///
/// # Errors
/// As [`message()`]; also where the field is absent.
pub(super) fn field(shapes: &Shapes, root: usize, number: u32, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Rare> {
    let mut writer = Writer {
        shapes,
        out,
        slots: Vec::new(),
        depth: 0,
    };
    let shape = &shapes.messages[root];
    let index = shape.index(number).ok_or(Rare)?;
    writer.scan(shape, bytes)?;
    match writer.is_shown(&shape.fields[index], index, 0) && writer.slots[index].count > 0 {
        true => writer.field(&shape.fields[index], writer.slots[index], bytes),
        false => Err(Rare),
    }
}

/// Where a field stands in its message.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    count: u32,
    /// The tag of the first.
    first: usize,
    /// Behind the last.
    end: usize,
    /// Of the last: its bits, or where its bytes begin (they end at `end`).
    bits: u64,
}

struct Writer<'w> {
    shapes: &'w Shapes,
    out: &'w mut Vec<u8>,
    slots: Vec<Slot>,
    depth: usize,
}

impl Writer<'_> {
    fn message(&mut self, index: usize, bytes: &[u8]) -> Result<(), Rare> {
        let shape = &self.shapes.messages[index];
        if self.depth > DEEPEST || shape.extended {
            return Err(Rare);
        }
        if let Some(form) = shape.form {
            return self.special(form, shape, bytes);
        }
        let base = self.slots.len();
        self.scan(shape, bytes)?;
        self.out.push(b'{');
        let mut first = true;
        for (i, field) in shape.fields.iter().enumerate() {
            if self.is_shown(field, i, base) {
                self.comma(&mut first);
                self.out.extend_from_slice(&field.key);
                self.field(field, self.slots[base + i], bytes)?;
            }
        }
        self.out.push(b'}');
        self.slots.truncate(base);
        Ok(())
    }

    /// Notes where each field stands.
    fn scan(&mut self, shape: &Shape, bytes: &[u8]) -> Result<(), Rare> {
        let base = self.slots.len();
        self.slots.resize(base + shape.fields.len(), Slot::default());
        let mut rest = bytes;
        while !rest.is_empty() {
            let start = bytes.len() - rest.len();
            let found = wire::next(&mut rest).ok_or(Rare)?;
            let Some(index) = shape.index(found.number) else {
                continue;
            };
            let field = &shape.fields[index];
            let packed = field.class == Class::List && found.wire == Wire::Length;
            if found.wire != wire_of(&field.item) && !packed {
                return Err(Rare);
            }
            let end = bytes.len() - rest.len();
            let slot = &mut self.slots[base + index];
            if slot.count == 0 {
                slot.first = start;
            }
            slot.count += 1;
            slot.end = end;
            slot.bits = match found.wire {
                Wire::Length => (end - found.bytes.len()) as u64,
                _ => found.bits,
            };
        }
        Ok(())
    }

    fn is_shown(&self, field: &Field, index: usize, base: usize) -> bool {
        let slot = self.slots[base + index];
        let overruled = field
            .rivals
            .iter()
            .any(|rival| self.slots[base + usize::from(*rival)].end > slot.end);
        !field.presence || (slot.count > 0 && !overruled)
    }

    fn field(&mut self, field: &Field, slot: Slot, bytes: &[u8]) -> Result<(), Rare> {
        match (field.class, &field.item) {
            (Class::One, Item::Message(_)) if slot.count > 1 => Err(Rare),
            (Class::One, item) => self.value(item, slot.bits, of_slot(item, slot, bytes)),
            (Class::List, _) => self.list(field, slot, bytes),
            (Class::Map, _) => self.map(field, slot, bytes),
        }
    }

    fn list(&mut self, field: &Field, slot: Slot, bytes: &[u8]) -> Result<(), Rare> {
        self.out.push(b'[');
        let mut first = true;
        let mut rest = &bytes[slot.first..slot.end];
        while !rest.is_empty() {
            let found = wire::next(&mut rest).ok_or(Rare)?;
            if found.number != field.number {
                continue;
            }
            let wire = wire_of(&field.item);
            if found.wire == wire {
                self.comma(&mut first);
                self.value(&field.item, found.bits, found.bytes)?;
                continue;
            }
            let mut packed = found.bytes;
            while !packed.is_empty() {
                let bits = wire::number(wire, &mut packed).ok_or(Rare)?;
                self.comma(&mut first);
                self.value(&field.item, bits, &[])?;
            }
        }
        self.out.push(b']');
        Ok(())
    }

    /// Sorted by key, each key once, as it stood last.
    fn map(&mut self, field: &Field, slot: Slot, bytes: &[u8]) -> Result<(), Rare> {
        let Item::Message(entry) = field.item else {
            return Err(Rare);
        };
        let [key, value] = &self.shapes.messages[entry].fields[..] else {
            return Err(Rare);
        };
        let mut entries = Vec::new();
        let mut rest = &bytes[slot.first..slot.end];
        while !rest.is_empty() {
            let found = wire::next(&mut rest).ok_or(Rare)?;
            if found.number == field.number {
                entries.push(Entry::read(key, value, found.bytes)?);
            }
        }
        // Stable: of equal keys the last one stays last.
        entries.sort_by_key(|entry| entry.key);
        self.out.push(b'{');
        let mut first = true;
        for (i, entry) in entries.iter().enumerate() {
            if entries.get(i + 1).is_some_and(|next| next.key == entry.key) {
                continue;
            }
            self.comma(&mut first);
            self.key(&key.item, entry.key)?;
            self.out.push(b':');
            self.value(&value.item, entry.bits, entry.value)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    fn key(&mut self, item: &Item, key: Key<'_>) -> Result<(), Rare> {
        match (item, key) {
            (Item::Text, Key::Text(text)) => self.text(text),
            (Item::Bool, Key::Signed(flag)) => self.quoted(flag != 0),
            (_, Key::Signed(number)) => self.quoted(number),
            (_, Key::Unsigned(number)) => self.quoted(number),
            _ => Err(Rare),
        }
    }

    fn value(&mut self, item: &Item, bits: u64, bytes: &[u8]) -> Result<(), Rare> {
        match item {
            Item::Bool => self.raw(if bits == 0 { b"false" } else { b"true" }),
            Item::Int32 | Item::Sfixed32 => self.plain(&(bits as i32)),
            Item::Sint32 => self.plain(&zigzag32(bits)),
            Item::Uint32 | Item::Fixed32 => self.plain(&(bits as u32)),
            Item::Int64 | Item::Sfixed64 => self.wide(&(bits as i64)),
            Item::Sint64 => self.wide(&zigzag64(bits)),
            Item::Uint64 | Item::Fixed64 => self.wide(&bits),
            Item::Float => write::float(
                f32::from_bits(bits as u32).into(),
                &f32::from_bits(bits as u32),
                self.out,
            )
            .map_err(rare),
            Item::Double => write::float(f64::from_bits(bits), &f64::from_bits(bits), self.out).map_err(rare),
            Item::Text => self.text(bytes),
            Item::Bytes => self.base64(bytes),
            Item::Null => self.raw(b"null"),
            Item::Enum(names) => match names.by_number.get(&(bits as i32)) {
                Some(name) => self.raw(name),
                None => self.plain(&(bits as i32)),
            },
            Item::Message(index) => {
                self.depth += 1;
                self.message(*index, bytes)?;
                self.depth -= 1;
                Ok(())
            }
        }
    }

    fn special(&mut self, form: Form, shape: &Shape, bytes: &[u8]) -> Result<(), Rare> {
        match form {
            Form::Timestamp => {
                let (seconds, nanos) = pair(bytes)?;
                let fits = TIMES.contains(&seconds) && (0..1_000_000_000).contains(&nanos);
                if fits {
                    self.quoted(Timestamp { seconds, nanos })
                } else {
                    Err(Rare)
                }
            }
            Form::Duration => {
                let (seconds, nanos) = pair(bytes)?;
                let one_sign = seconds.signum() * i64::from(nanos.signum()) >= 0;
                let fits = seconds.unsigned_abs() <= LONGEST.unsigned_abs() && nanos.unsigned_abs() < 1_000_000_000;
                if fits && one_sign {
                    self.quoted(Duration { seconds, nanos })
                } else {
                    Err(Rare)
                }
            }
            Form::Wrapper => {
                let base = self.slots.len();
                self.scan(shape, bytes)?;
                let (Some(field), Some(slot)) = (shape.fields.first(), self.slots.get(base).copied()) else {
                    return Err(Rare);
                };
                self.slots.truncate(base);
                match field.number {
                    1 => self.field(field, slot, bytes),
                    _ => Err(Rare),
                }
            }
            Form::Any | Form::FieldMask | Form::Struct | Form::Value | Form::List => {
                let message = DynamicMessage::decode(shape.descriptor.clone(), bytes).map_err(rare)?;
                write::message(&message, self.out).map_err(rare)
            }
        }
    }

    fn comma(&mut self, first: &mut bool) {
        if !std::mem::take(first) {
            self.out.push(b',');
        }
    }

    fn raw(&mut self, text: &[u8]) -> Result<(), Rare> {
        self.out.extend_from_slice(text);
        Ok(())
    }

    fn plain(&mut self, value: &impl serde::Serialize) -> Result<(), Rare> {
        serde_json::to_writer(&mut *self.out, value).map_err(rare)
    }

    /// A JavaScript number would round it.
    fn wide(&mut self, value: &impl serde::Serialize) -> Result<(), Rare> {
        self.out.push(b'"');
        self.plain(value)?;
        self.out.push(b'"');
        Ok(())
    }

    fn quoted(&mut self, value: impl std::fmt::Display) -> Result<(), Rare> {
        write!(self.out, "\"{value}\"").map_err(rare)
    }

    fn text(&mut self, bytes: &[u8]) -> Result<(), Rare> {
        self.plain(&std::str::from_utf8(bytes).map_err(rare)?)
    }

    fn base64(&mut self, bytes: &[u8]) -> Result<(), Rare> {
        self.out.push(b'"');
        let start = self.out.len();
        self.out.resize(start + bytes.len().div_ceil(3) * 4, 0);
        STANDARD.encode_slice(bytes, &mut self.out[start..]).map_err(rare)?;
        self.out.push(b'"');
        Ok(())
    }
}

fn of_slot<'w>(item: &Item, slot: Slot, bytes: &'w [u8]) -> &'w [u8] {
    match wire_of(item) {
        Wire::Length if slot.count > 0 => &bytes[slot.bits as usize..slot.end],
        _ => &[],
    }
}

/// Seconds and nanoseconds of a time or a duration.
fn pair(bytes: &[u8]) -> Result<(i64, i32), Rare> {
    let (mut seconds, mut nanos) = (0, 0);
    let mut rest = bytes;
    while !rest.is_empty() {
        let found = wire::next(&mut rest).ok_or(Rare)?;
        match (found.number, found.wire) {
            (1, Wire::Varint) => seconds = found.bits as i64,
            (2, Wire::Varint) => nanos = found.bits as i32,
            (1 | 2, _) => return Err(Rare),
            _ => {}
        }
    }
    Ok((seconds, nanos))
}

fn rare<E>(_: E) -> Rare {
    Rare
}
