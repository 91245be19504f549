//! The last snapshot of each producer on disk, so that a process whose neighbours are away can start.
//!
//! A file holds public keys, revocations and roles: nothing secret, but what it says is believed, so only the owner may write
//! or read it, it is replaced whole or not at all, and a damaged one counts as none.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{SHA256, digest};
use prost::Message;

use crate::api::mesh as pb;

/// First bytes of a file; the last one is the format's version.
const MAGIC: &[u8; 8] = b"LCaccess";
const VERSION: u8 = 1;
const HEAD: usize = MAGIC.len() + 1 + 8 + 32;

/// A snapshot as it was when its producer was last heard.
#[derive(Debug, PartialEq)]
pub(super) struct Saved {
    /// When that was, in milliseconds since 1970.
    pub(super) heard: i64,
    pub(super) update: pb::Update,
}

/// Where the snapshot of a producer is kept for a role.
pub(super) fn path(dir: &Path, role: &str, producer: &str) -> PathBuf {
    dir.join(format!("access-{role}-{producer}.snapshot"))
}

/// Replaces the file: written beside it, synced, renamed.
pub(super) fn save(path: &Path, saved: &Saved) -> io::Result<()> {
    let message = saved.update.encode_to_vec();
    let mut body = saved.heard.to_be_bytes().to_vec();
    body.extend_from_slice(&message);
    let beside = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut file = owner_only().write(true).create(true).truncate(true).open(&beside)?;
    let written = file
        .write_all(MAGIC)
        .and_then(|()| file.write_all(&[VERSION]))
        .and_then(|()| file.write_all(digest(&SHA256, &body).as_ref()))
        .and_then(|()| file.write_all(&body))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // The first error is the one to tell of.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Reads the file; `None` where it is not there, damaged, or of another version.
pub(super) fn load(path: &Path) -> Option<Saved> {
    let bytes = fs::read(path).ok()?;
    let body = bytes.strip_prefix(MAGIC)?.strip_prefix(&[VERSION])?;
    if bytes.len() < HEAD {
        return None;
    }
    let (sum, body) = body.split_at(32);
    if digest(&SHA256, body).as_ref() != sum {
        return None;
    }
    let (heard, message) = body.split_at(8);
    Some(Saved {
        heard: i64::from_be_bytes(heard.try_into().ok()?),
        update: pb::Update::decode(message).ok()?,
    })
}

#[cfg(unix)]
fn owner_only() -> fs::OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = fs::OpenOptions::new();
    options.mode(0o600);
    options
}

#[cfg(not(unix))]
fn owner_only() -> fs::OpenOptions {
    fs::OpenOptions::new()
}
