//! Protobuf's encoding, as far as single fields are looked for in it.

use bytes::Bytes;

/// How a field's value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    /// Seven bits a byte.
    Varint,
    /// Eight bytes.
    Eight,
    /// A length, then so many bytes.
    Length,
    /// Four bytes.
    Four,
}

/// The number and the kind that a tag tells; none for groups, which proto3 does not have.
pub(super) fn tag(tag: u64) -> Option<(u32, Wire)> {
    let tag = u32::try_from(tag).ok().filter(|tag| *tag > 7)?;
    let wire = match tag & 7 {
        0 => Wire::Varint,
        1 => Wire::Eight,
        2 => Wire::Length,
        5 => Wire::Four,
        _ => return None,
    };
    Some((tag >> 3, wire))
}

/// One field of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field<'w> {
    pub(super) number: u32,
    pub(super) wire: Wire,
    /// A number's bits; 0 for [`Wire::Length`].
    pub(super) bits: u64,
    /// The bytes of a [`Wire::Length`].
    pub(super) bytes: &'w [u8],
}

/// Takes the next field off a message; `None` for what is no protobuf.
pub(super) fn next<'w>(rest: &mut &'w [u8]) -> Option<Field<'w>> {
    let (number, wire) = tag(varint(rest)?)?;
    let (mut bits, mut bytes) = (0, &[][..]);
    match wire {
        Wire::Length => {
            let length = usize::try_from(varint(rest)?).ok()?;
            bytes = take(rest, length)?;
        }
        wire => bits = self::number(wire, rest)?,
    }
    Some(Field {
        number,
        wire,
        bits,
        bytes,
    })
}

/// Takes a number off the front; `None` for what is none.
pub(super) fn number(wire: Wire, rest: &mut &[u8]) -> Option<u64> {
    match wire {
        Wire::Varint => varint(rest),
        Wire::Eight => Some(u64::from_le_bytes(*take(rest, 8)?.first_chunk()?)),
        Wire::Four => Some(u32::from_le_bytes(*take(rest, 4)?.first_chunk()?).into()),
        Wire::Length => None,
    }
}

/// The bytes of the last field of a number, as a reader takes them; empty where there is none, `None` for what is no protobuf.
pub(super) fn last(message: &Bytes, number: u32) -> Option<Bytes> {
    let mut rest: &[u8] = message;
    let mut found = Bytes::new();
    while !rest.is_empty() {
        let field = next(&mut rest)?;
        if field.number == number && field.wire == Wire::Length {
            found = message.slice_ref(field.bytes);
        }
    }
    Some(found)
}

fn take<'w>(rest: &mut &'w [u8], length: usize) -> Option<&'w [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for (i, byte) in rest.iter().enumerate().take(10) {
        if i == 9 && *byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << (7 * i);
        if *byte < 0x80 {
            *rest = &rest[i + 1..];
            return Some(value);
        }
    }
    None
}
