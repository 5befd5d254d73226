//! Remembers which files were hashed, so that gigabytes are not read again at every start: size, times of last
//! modification and change, and inode stand for the content until one of them differs. The change time is the kernel's
//! own, so that an edit cannot hide behind a restored modification time. Where nothing can be written, nothing is kept.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Hidden, so that it belongs to no hash of the folder.
const FILE: &str = ".crossover-verified.json";

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
