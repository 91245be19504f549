//! Files of descriptors as a set, raw: what a library would decode and write anew loses the options that it does not know.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use logicore::api::ALL_DESCRIPTORS;
use prost::encoding::{WireType, encode_key, encode_varint};
use prost_reflect::DescriptorPool;
use prost_types::FileDescriptorProto;

/// Files that a set may have.
const MOST_FILES: usize = 2_000;
/// Bytes of a set.
pub(super) const MOST_BYTES: usize = 16 << 20;

/// A set that grows.
#[derive(Debug, Default)]
pub(super) struct Set {
    files: BTreeMap<String, Bytes>,
    missing: Vec<String>,
    bytes: usize,
}

impl Set {
    /// Adds a serialized `FileDescriptorProto`; a file that is there stays.
    ///
    /// # Errors
    /// When it is none, or the set grows beyond what is taken.
    pub(super) fn add(&mut self, raw: Bytes) -> Result<(), String> {
        let file: FileDescriptorProto =
            prost::Message::decode(raw.clone()).map_err(|e| format!("a descriptor cannot be read: {e}"))?;
        let name = file.name.unwrap_or_default();
        if self.files.contains_key(&name) {
            return Ok(());
        }
        self.bytes += raw.len();
        self.missing.extend(file.dependency);
        self.files.insert(name, raw);
        match self.files.len() > MOST_FILES || self.bytes > MOST_BYTES {
            true => Err(format!(
                "more descriptors than {MOST_FILES} files or {MOST_BYTES} bytes"
            )),
            false => Ok(()),
        }
    }

    /// An import that is not there yet.
    pub(super) fn missing(&mut self) -> Option<String> {
        while let Some(name) = self.missing.pop() {
            if !self.files.contains_key(&name) {
                return Some(name);
            }
        }
        None
    }

    /// The serialized `FileDescriptorSet`: always the same for the same files.
    pub(super) fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.bytes + 16 * self.files.len());
        for raw in self.files.values() {
            encode_key(1, WireType::LengthDelimited, &mut out);
            encode_varint(raw.len() as u64, &mut out);
            out.put_slice(raw);
        }
        out.freeze()
    }
}

/// A well-known file as this program has it, for services that do not give it out.
pub(super) fn well_known(name: &str) -> Option<Bytes> {
    let common = ["google/protobuf/", "google/api/", "google/rpc/", "logicore/policy/"];
    if !common.iter().any(|folder| name.starts_with(folder)) {
        return None;
    }
    let pool = DescriptorPool::decode(ALL_DESCRIPTORS).ok()?;
    let file = pool.get_file_by_name(name)?;
    Some(file.encode_to_vec().into())
}
