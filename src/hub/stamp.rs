//! Remembers which files were hashed, so that gigabytes are not read again at every start: size, times of last
//! modification and change, and inode stand for the content until one of them differs. The change time is the kernel's
//! own, so that an edit cannot hide behind a restored modification time. Where nothing can be written, nothing is kept.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::digest::sha256;

/// Hidden, so that it belongs to no hash of the folder.
const FILE: &str = ".crossover-verified.json";
/// Files of so many bytes are remembered by [`digests`]; hashing smaller ones takes less than a blink.
const LARGE: u64 = 64 << 20;

/// A file's marks when it was hashed, and its digest.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
struct Mark {
    sha256: String,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    inode: (u64, u64),
}

/// The marks of one folder's files.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub(super) struct Stamps(BTreeMap<String, Mark>);

impl Stamps {
    /// What is remembered; nothing where it is missing or makes no sense.
    pub(super) fn read(folder: &Path) -> Self {
        let text = std::fs::read(folder.join(FILE)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Whether this file was hashed to this digest, and has not been touched since.
    pub(super) fn holds(&self, folder: &Path, file: &str, sha256: &str) -> bool {
        let now = mark(folder, file, sha256);
        now.is_some() && now.as_ref() == self.0.get(file)
    }

    /// The digest of a file that has not been touched since it was hashed.
    fn known(&self, folder: &Path, file: &str) -> Option<String> {
        let digest = &self.0.get(file)?.sha256;
        self.holds(folder, file, digest).then(|| digest.clone())
    }

    /// Remembers that this file has this digest where `hash` says so, unless the file was touched while it was hashed;
    /// otherwise forgets what was known of it.
    pub(super) fn hold<E>(
        &mut self,
        folder: &Path,
        file: &str,
        sha256: &str,
        hash: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        self.0.remove(file);
        let before = mark(folder, file, sha256);
        hash()?;
        if let Some(mark) = before.filter(|before| mark(folder, file, sha256).as_ref() == Some(before)) {
            self.0.insert(file.to_owned(), mark);
        }
        Ok(())
    }

    /// Remembers that this file has this digest.
    pub(super) fn add(&mut self, folder: &Path, file: &str, sha256: &str) {
        match mark(folder, file, sha256) {
            Some(mark) => drop(self.0.insert(file.to_owned(), mark)),
            None => drop(self.0.remove(file)),
        }
    }

    /// Keeps them beside the files, if that is allowed.
    pub(super) fn write(&self, folder: &Path) {
        let Ok(text) = serde_json::to_vec(self) else { return };
        let fresh = folder.join(format!("{FILE}.{}", std::process::id()));
        if std::fs::write(&fresh, text).and_then(|()| std::fs::rename(&fresh, folder.join(FILE))).is_err() {
            let _ = std::fs::remove_file(&fresh);
        }
    }
}

/// The SHA-256 of files of a folder; large ones are remembered beside them, where that is allowed, and not read again
/// until they are touched.
///
/// # Errors
/// A file that cannot be read.
pub fn digests<'f>(
    folder: &Path,
    files: impl IntoIterator<Item = &'f str>,
) -> std::io::Result<BTreeMap<&'f str, String>> {
    let (mut stamps, mut found, mut is_new) = (Stamps::read(folder), BTreeMap::new(), false);
    for file in files {
        let digest = match stamps.known(folder, file) {
            Some(digest) => digest,
            None => {
                let before = mark(folder, file, "");
                let digest = sha256(&folder.join(file))?;
                // One that was written to meanwhile is hashed again the next time.
                if before.as_ref().is_some_and(|mark| mark.size >= LARGE) && before == mark(folder, file, "")
                {
                    stamps.add(folder, file, &digest);
                    is_new = true;
                }
                digest
            }
        };
        found.insert(file, digest);
    }
    if is_new {
        stamps.write(folder);
    }
    Ok(found)
}

fn mark(folder: &Path, file: &str, sha256: &str) -> Option<Mark> {
    let data = std::fs::metadata(folder.join(file)).ok()?;
    Some(Mark {
        sha256: sha256.to_owned(),
        size: data.len(),
        modified: (data.mtime(), data.mtime_nsec()),
        changed: (data.ctime(), data.ctime_nsec()),
        inode: (data.dev(), data.ino()),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn large_files_are_read_once_until_they_are_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("small"), "abc").unwrap();
        fs::File::create(path("large")).unwrap().set_len(LARGE).unwrap();
        let files = ["large", "small"];
        let first = digests(folder.path(), files).unwrap();
        assert_eq!(first["small"], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        // What is remembered is what is told: a wrong memory shows that the file was not read.
        let memory = fs::read_to_string(path(FILE)).unwrap();
        assert!(!memory.contains("small"), "{memory}");
        fs::write(path(FILE), memory.replace(&first["large"], &"0".repeat(64))).unwrap();
        assert_eq!(digests(folder.path(), files).unwrap()["large"], "0".repeat(64));
        let touched = fs::File::options().write(true).open(path("large")).unwrap();
        touched.set_len(LARGE + 1).unwrap();
        touched.set_len(LARGE).unwrap();
        assert_eq!(digests(folder.path(), files).unwrap(), first, "read again");
        assert!(digests(folder.path(), ["missing"]).is_err());
    }

    #[test]
    fn a_file_that_was_touched_while_it_was_hashed_is_not_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        fs::write(&file, "abc").unwrap();
        let mut stamps = Stamps::default();
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        stamps.hold(folder.path(), "a", abc, || Ok::<_, ()>(())).unwrap();
        assert!(stamps.holds(folder.path(), "a", abc));
        stamps.hold(folder.path(), "a", abc, || fs::write(&file, "abcd")).unwrap();
        assert!(!stamps.holds(folder.path(), "a", abc), "hashed before it was written to");
        stamps.add(folder.path(), "a", abc);
        stamps.hold(folder.path(), "a", abc, || Err(())).unwrap_err();
        assert!(!stamps.holds(folder.path(), "a", abc), "it has another digest");
    }
}
