//! Messages of gRPC on the wire: a byte of flags and four of length stand before each (gRPC over HTTP/2, "Length-Prefixed-Message").

/// Bytes before each message.
pub const PREFIX: usize = 5;
/// The flag of a message that is compressed.
pub const COMPRESSED: u8 = 1;

/// What stands before a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// What the message is; see [`COMPRESSED`].
    pub flags: u8,
    /// Its length in bytes.
    pub length: usize,
}

impl Prefix {
    /// Reads it.
    #[must_use]
    pub fn read([flags, a, b, c, d]: [u8; PREFIX]) -> Self {
        Self {
            flags,
            length: u32::from_be_bytes([a, b, c, d]) as usize,
        }
    }

    /// Writes it. A length above 4 GiB, which nothing here lets come about, would be cut to it.
    #[must_use]
    pub fn bytes(self) -> [u8; PREFIX] {
        let [a, b, c, d] = u32::try_from(self.length).unwrap_or(u32::MAX).to_be_bytes();
        [self.flags, a, b, c, d]
    }
}

/// Follows messages through data that is cut anywhere, without keeping any of it.
#[derive(Debug, Default)]
pub struct Scan {
    /// What of a prefix has come.
    prefix: [u8; PREFIX],
    have: usize,
    /// What of the current message is still to come.
    left: usize,
}

/// What comes next in the data.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'d> {
    /// A message begins.
    Begin(Prefix),
    /// Some of its bytes.
    Data(&'d [u8]),
}

impl Scan {
    /// Takes the next piece off the data; `None` once there is no more.
    pub fn next<'d>(&mut self, data: &mut &'d [u8]) -> Option<Piece<'d>> {
        while !data.is_empty() {
            if self.left > 0 {
                let (piece, rest) = data.split_at(self.left.min(data.len()));
                *data = rest;
                self.left -= piece.len();
                return Some(Piece::Data(piece));
            }
            let (taken, rest) = data.split_at((PREFIX - self.have).min(data.len()));
            self.prefix[self.have..self.have + taken.len()].copy_from_slice(taken);
            *data = rest;
            self.have += taken.len();
            if self.have == PREFIX {
                self.have = 0;
                let prefix = Prefix::read(self.prefix);
                self.left = prefix.length;
                return Some(Piece::Begin(prefix));
            }
        }
        None
    }

    /// How many messages begin in the data.
    pub fn begins(&mut self, mut data: &[u8]) -> usize {
        let mut count = 0;
        while let Some(piece) = self.next(&mut data) {
            count += usize::from(matches!(piece, Piece::Begin(_)));
        }
        count
    }

    /// Whether the data so far ends within what stands before a message.
    #[must_use]
    pub fn in_prefix(&self) -> bool {
        self.have > 0
    }

    /// Whether the data so far ends with a whole message, or is none.
    #[must_use]
    pub fn between(&self) -> bool {
        self.left == 0 && self.have == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(lengths: &[usize]) -> Vec<u8> {
        let frame = |length: &usize| {
            let prefix = Prefix {
                flags: 0,
                length: *length,
            };
            [&prefix.bytes()[..], &vec![7; *length]].concat()
        };
        lengths.iter().flat_map(frame).collect()
    }

    #[test]
    fn messages_are_followed_wherever_they_are_cut() {
        let bytes = framed(&[0, 3, 300, 5]);
        for cut in 1..bytes.len() {
            let mut scan = Scan::default();
            let (mut lengths, mut data) = (Vec::new(), 0);
            for mut piece in bytes.chunks(cut) {
                while let Some(piece) = scan.next(&mut piece) {
                    match piece {
                        Piece::Begin(prefix) => lengths.push(prefix.length),
                        Piece::Data(bytes) => data += bytes.len(),
                    }
                }
            }
            assert_eq!((lengths, data), (vec![0, 3, 300, 5], 308), "cut at every {cut}");
            assert!(scan.between());
        }
    }

    #[test]
    fn a_cut_message_is_no_end() {
        let bytes = framed(&[2, 2]);
        for (cut, whole) in [
            (0, true),
            (1, false),
            (5, false),
            (6, false),
            (7, true),
            (13, false),
            (14, true),
        ] {
            let mut scan = Scan::default();
            scan.begins(&bytes[..cut]);
            assert_eq!(scan.between(), whole, "{cut}");
        }
    }
}
