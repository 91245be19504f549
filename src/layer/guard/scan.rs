//! Finds one field in an encoded message (protobuf's wire format), without a descriptor and without copying.

use super::malformed;
use crate::error::Error;

/// Groups in groups that are followed, with nothing in the innermost; decoders stop at the same depth.
const MAX_DEPTH: usize = 100;

/// The last value of a top-level string field, as decoders take it; empty where it does not occur.
///
/// # Errors
/// `MALFORMED_MESSAGE` for whatever a decoder would refuse: a varint that does not end or overflows, a length beyond the
/// message, field 0, groups that do not match, the field with another wire type, text that is no UTF-8.
pub fn last_string(message: &[u8], field: u32) -> Result<&str, Error> {
    let mut wire = Wire(message);
    let mut found: &[u8] = &[];
    while let Some((number, kind)) = wire.key()? {
        if number != field {
            wire.skip(number, kind, 0)?;
            continue;
        }
        if kind != LENGTH_DELIMITED {
            return Err(malformed("a string field of another wire type"));
        }
        found = wire.delimited()?;
        // Each occurrence, since a decoder checks what a later one replaces.
        std::str::from_utf8(found).map_err(|_| malformed("text that is not UTF-8"))?;
    }
    std::str::from_utf8(found).map_err(|_| malformed("text that is not UTF-8"))
}

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const LENGTH_DELIMITED: u8 = 2;
const GROUP_START: u8 = 3;
const GROUP_END: u8 = 4;
const FIXED32: u8 = 5;

/// What is left of a message.
struct Wire<'a>(&'a [u8]);

impl<'a> Wire<'a> {
    /// Number and wire type of the next field; none at the end.
    fn key(&mut self) -> Result<Option<(u32, u8)>, Error> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = u32::try_from(self.varint()?).map_err(|_| malformed("a field number beyond the format's"))?;
        let (number, kind) = (key >> 3, (key & 7) as u8);
        if number == 0 {
            return Err(malformed("field number 0"));
        }
        Ok(Some((number, kind)))
    }

    fn varint(&mut self) -> Result<u64, Error> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = self.take(1)?[0];
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(malformed("a number beyond 64 bits"))
    }

    fn delimited(&mut self) -> Result<&'a [u8], Error> {
        let length = usize::try_from(self.varint()?).map_err(|_| malformed("a length beyond the message"))?;
        self.take(length)
    }

    fn skip(&mut self, number: u32, kind: u8, depth: usize) -> Result<(), Error> {
        if depth == MAX_DEPTH {
            return Err(malformed("groups nested too deeply"));
        }
        match kind {
            VARINT => self.varint().map(drop),
            FIXED64 => self.take(8).map(drop),
            LENGTH_DELIMITED => self.delimited().map(drop),
            FIXED32 => self.take(4).map(drop),
            GROUP_START => self.skip_group(number, depth + 1),
            _ => Err(malformed(
                "a wire type that does not exist, or a group that was not begun",
            )),
        }
    }

    fn skip_group(&mut self, group: u32, depth: usize) -> Result<(), Error> {
        while let Some((number, kind)) = self.key()? {
            if kind == GROUP_END {
                let matches = number == group;
                return if matches {
                    Ok(())
                } else {
                    Err(malformed("a group that was not begun"))
                };
            }
            self.skip(number, kind, depth)?;
        }
        Err(malformed("a group that does not end"))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self
            .0
            .split_at_checked(length)
            .ok_or_else(|| malformed("a field longer than the message"))?;
        self.0 = rest;
        Ok(taken)
    }
}
