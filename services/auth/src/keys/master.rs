//! `master.key`: the secret that seals where `JWT_SECRET` is not set. Readable by its owner alone.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::Path,
};

use aws_lc_rs::rand;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use logicore::{Error, secret::Secret};

const NAME: &str = "master.key";

/// Reads `master.key` of a data folder. Where there is none, makes one if `make` says so.
///
/// # Errors
/// `INTERNAL` when the file cannot be read or written, or is empty.
pub(crate) fn master_key(dir: &Path, make: bool) -> Result<Option<Secret>, Error> {
    match read(dir) {
        Ok(secret) => Ok(Some(secret)),
        Err(e) if e.kind() == io::ErrorKind::NotFound && make => write(dir).map(Some).map_err(|e| broken(dir, e)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(broken(dir, e)),
    }
}

fn read(dir: &Path) -> io::Result<Secret> {
    let text = fs::read_to_string(dir.join(NAME))?;
    let text = text.trim();
    if text.len() < 32 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is shorter than 32 characters",
        ));
    }
    Ok(Secret::new(text))
}

/// Writes beside and renames, so that a crash leaves no half key; a key that is there already is never replaced.
fn write(dir: &Path) -> io::Result<Secret> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| io::Error::other("the machine has no randomness"))?;
    let text = STANDARD_NO_PAD.encode(bytes);
    let beside = dir.join(format!("{NAME}.{}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    let linked = fs::hard_link(&beside, dir.join(NAME));
    fs::remove_file(&beside)?;
    match linked {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return read(dir),
        other => other?,
    }
    #[cfg(unix)]
    File::open(dir)?.sync_all()?;
    Ok(Secret::new(text))
}

fn broken(dir: &Path, cause: io::Error) -> Error {
    let path = dir.join(NAME);
    Error::internal(io::Error::new(cause.kind(), format!("{}: {cause}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_for_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        assert!(master_key(dir.path(), false).unwrap().is_none());
        let first = master_key(dir.path(), true).unwrap().unwrap();
        assert_eq!(master_key(dir.path(), true).unwrap().unwrap(), first);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(dir.path().join(NAME)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_broken_key_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(NAME), "").unwrap();
        assert!(master_key(dir.path(), true).is_err());
    }
}
