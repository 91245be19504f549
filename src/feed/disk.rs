//! The last snapshot of each producer on disk, so that a process whose neighbours are away can start.
//!
//! A file holds public keys, revocations and roles: nothing secret, but what it says is believed, so only the owner may write
//! or read it, it is replaced whole or not at all, and a damaged one counts as none.

use std::{
    fs,
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{self, SHA256, SHA256_OUTPUT_LEN, digest};
use prost::Message;

use super::resources::{Gathering, PART, Snapshot};
use crate::api::mesh as pb;

/// First bytes of a file; behind them the format's version, the digest of all that follows it, and the time.
const MAGIC: &[u8; 8] = b"LCaccess";
/// 2: the snapshot in parts, each behind its length. 1 had it in one piece.
const VERSION: u8 = 2;

/// A snapshot as it was when its producer was last heard.
#[derive(Debug, PartialEq)]
pub(super) struct Saved {
    /// When that was, in milliseconds since 1970.
    pub(super) heard: i64,
    pub(super) snapshot: Snapshot,
}

/// Where the snapshot of a producer is kept for a role.
pub(super) fn path(dir: &Path, role: &str, producer: &str) -> PathBuf {
    dir.join(format!("access-{role}-{producer}.snapshot"))
}

/// Replaces the file: written beside it, synced, renamed.
pub(super) fn save(path: &Path, saved: &Saved) -> io::Result<()> {
    let beside = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut file = owner_only().write(true).create(true).truncate(true).open(&beside)?;
    let written = write(&mut file, saved)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // The first error is the one to tell of.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Holds no more than a part in memory.
fn write(file: &mut fs::File, saved: &Saved) -> io::Result<()> {
    let mut sum = digest::Context::new(&SHA256);
    let mut piece = MAGIC.to_vec();
    piece.push(VERSION);
    let place = piece.len();
    // Known at the end.
    piece.resize(place + SHA256_OUTPUT_LEN, 0);
    file.write_all(&piece)?;
    piece.clear();
    piece.extend_from_slice(&saved.heard.to_be_bytes());
    for part in saved.snapshot.parts(PART) {
        part.encode_length_delimited(&mut piece)?;
        sum.update(&piece);
        file.write_all(&piece)?;
        piece.clear();
    }
    file.seek(SeekFrom::Start(place as u64))?;
    file.write_all(sum.finish().as_ref())
}

/// Reads the file; `None` where it is not there, damaged, or of another version.
pub(super) fn load(path: &Path) -> Option<Saved> {
    let bytes = fs::read(path).ok()?;
    let body = bytes.strip_prefix(MAGIC)?.strip_prefix(&[VERSION])?;
    let (sum, body) = body.split_at_checked(SHA256_OUTPUT_LEN)?;
    if digest(&SHA256, body).as_ref() != sum {
        return None;
    }
    let (heard, mut parts) = body.split_first_chunk()?;
    let first = pb::Update::decode_length_delimited(&mut parts).ok()?;
    let mut gathering = Gathering::new(first.revision);
    gathering.extend(first.upserts);
    let mut more = first.more;
    while more {
        let part = pb::Update::decode_length_delimited(&mut parts).ok()?;
        gathering.extend(part.upserts);
        more = part.more;
    }
    parts.is_empty().then(|| Saved {
        heard: i64::from_be_bytes(*heard),
        snapshot: gathering.finish(),
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
