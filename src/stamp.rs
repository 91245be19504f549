//! Whether files have changed.
//!
//! Files are looked at now and then instead of watched: Kubernetes swaps symbolic links, which watchers of files miss.

use std::{fs, path::Path, time::SystemTime};

/// When, how long and, where the system numbers them, which files were; a change of any means to read them.
pub type Stamp = Vec<Option<(SystemTime, u64, u64)>>;

/// The stamp of these files as they are now.
pub fn stamp<'a>(files: impl IntoIterator<Item = &'a Path>) -> Stamp {
    files.into_iter().map(of).collect()
}

fn of(path: &Path) -> Option<(SystemTime, u64, u64)> {
    let file = fs::metadata(path).ok()?;
    #[cfg(unix)]
    let number = std::os::unix::fs::MetadataExt::ino(&file);
    #[cfg(not(unix))]
    let number = 0;
    Some((file.modified().ok()?, file.len(), number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_came_changed_was_swapped_or_went_has_another_stamp() {
        let folder = tempfile::tempdir().unwrap();
        let (file, other) = (folder.path().join("a"), folder.path().join("b"));
        let now = || stamp([file.as_path()]);
        let mut seen = vec![now()];
        fs::write(&file, "one").unwrap();
        seen.push(now());
        fs::write(&file, "longer").unwrap();
        seen.push(now());
        fs::write(&other, "longer").unwrap();
        let time = fs::metadata(&file).unwrap().modified().unwrap();
        fs::File::options()
            .write(true)
            .open(&other)
            .unwrap()
            .set_modified(time)
            .unwrap();
        fs::rename(&other, &file).unwrap();
        if cfg!(unix) {
            seen.push(now());
        }
        assert!(seen.windows(2).all(|pair| pair[0] != pair[1]), "{seen:?}");
        assert_eq!(now(), now());
        fs::remove_file(&file).unwrap();
        assert_eq!(now(), seen[0]);
    }
}
