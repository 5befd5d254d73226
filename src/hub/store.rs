//! Where pulled models lie: one folder each below `models` in the state folder, with hidden helpers beside them.
//! Promises: one process at a time pulls or removes a model; a folder appears, changes and goes as a whole; a folder
//! without a record is somebody's own and is never touched.

use std::fs::{File, TryLockError};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::reference::name_of;
use super::{HubError, Record};

/// The pulled models of one state folder.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

/// The right to change one model; ends when dropped, or with the process.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held for its lock")] File);

impl Store {
    /// Below this folder; nothing is made before it is needed.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf() }
    }

    /// A model's folder, there or not.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The folders that are there, by name.
    pub fn names(&self) -> Vec<String> {
        self.folders("", "")
    }

    /// The names of which an unfinished pull has left something.
    pub fn partial(&self) -> Vec<String> {
        self.folders(".", ".part")
    }

    /// The names between these two in the folders' own.
    fn folders(&self, start: &str, end: &str) -> Vec<String> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().filter_map(Result::ok);
        let mut names: Vec<String> = entries
            .filter(|entry| entry.path().is_dir())
            .filter_map(|entry| {
                name_of(entry.file_name().to_str()?.strip_prefix(start)?.strip_suffix(end)?).ok()
            })
            .collect();
        names.sort();
        names
    }

    /// Bytes of a model's files, and of those that an unfinished pull of that name has left.
    pub fn bytes(&self, name: &str) -> u64 {
        let data = |folder: PathBuf| files_below(&folder).into_iter().filter_map(|file| file.metadata().ok());
        let whole: u64 = data(self.path(name)).map(|data| data.len()).sum();
        // A file that a pull took over from the old folder is one file with two names.
        let part: u64 =
            data(self.staging(name)).filter(|data| data.nlink() == 1).map(|data| data.len()).sum();
        whole + part
    }

    /// Waits for nobody.
    ///
    /// # Errors
    /// When another process holds it, or the folder cannot be written.
    pub fn lock(&self, name: &str) -> Result<Lock, HubError> {
        std::fs::create_dir_all(&self.folder).map_err(|error| HubError::disk(&self.folder, &error))?;
        let path = self.folder.join(format!(".{name}.lock"));
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| HubError::disk(&path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock(file)),
            Err(TryLockError::WouldBlock) => Err(HubError::Locked { name: name.to_owned() }),
            Err(TryLockError::Error(error)) => Err(HubError::disk(&path, &error)),
        }
    }

    /// Where a model grows until it is whole.
    pub(super) fn staging(&self, name: &str) -> PathBuf {
        self.folder.join(format!(".{name}.part"))
    }

    /// Bytes that this user may still write.
    pub(super) fn free(&self) -> Result<u64, HubError> {
        let told = rustix::fs::statvfs(&self.folder)
            .map_err(|error| HubError::disk(&self.folder, &std::io::Error::from(error)))?;
        Ok(told.f_bavail.saturating_mul(told.f_frsize))
    }

    /// Puts what has grown into its place, and drops what was there.
    pub(super) fn settle(&self, name: &str, _lock: &Lock) -> Result<PathBuf, HubError> {
        let (staging, place) = (self.staging(name), self.path(name));
        let disk = |error: std::io::Error| HubError::disk(&place, &error);
        if place.exists() {
            let flags = rustix::fs::RenameFlags::EXCHANGE;
            let swapped =
                rustix::fs::renameat_with(rustix::fs::CWD, &staging, rustix::fs::CWD, &place, flags);
            if swapped.is_err() {
                // A file system that cannot exchange: for a moment there is neither.
                std::fs::remove_dir_all(&place).map_err(disk)?;
                std::fs::rename(&staging, &place).map_err(disk)?;
            }
        } else {
            std::fs::rename(&staging, &place).map_err(disk)?;
        }
        if staging.exists() {
            std::fs::remove_dir_all(&staging).map_err(|error| HubError::disk(&staging, &error))?;
        }
        Ok(place)
    }

    /// Removes a pulled model, and what an unfinished pull of that name has left. Bytes of the files that were there.
    ///
    /// # Errors
    /// When there is none, it is somebody's own folder, or the file system says no.
    pub fn remove(&self, name: &str, _lock: &Lock) -> Result<u64, HubError> {
        let (staging, place) = (self.staging(name), self.path(name));
        // A record that cannot be understood is still one.
        let has_record = !matches!(Record::read(&place), Ok(None));
        if !has_record && (place.exists() || !staging.exists()) {
            let why = "is no pulled model; `crossover models list` shows those that are";
            return Err(HubError::Name { name: name.to_owned(), why });
        }
        let bytes = self.bytes(name);
        for folder in [staging, place].iter().filter(|folder| folder.exists()) {
            std::fs::remove_dir_all(folder).map_err(|error| HubError::disk(folder, &error))?;
        }
        Ok(bytes)
    }

    /// Whether an unfinished pull has left something.
    pub fn is_partial(&self, name: &str) -> bool {
        self.staging(name).exists()
    }
}

/// Every file below a folder, sorted; links are files.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut open) = (vec![], vec![folder.to_path_buf()]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(entry.path()),
                Ok(_) => found.push(entry.path()),
                Err(_) => {}
            }
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(&folder.path().join("models"));
        let lock = store.lock("tiny").unwrap();
        assert!(matches!(store.lock("tiny"), Err(HubError::Locked { .. })));
        store.lock("other").unwrap();
        drop(lock);
        store.lock("tiny").unwrap();
        assert!(store.names().is_empty(), "helpers are no models");
        assert!(store.free().unwrap() > 0);
    }

    #[test]
    fn a_folder_of_somebodys_own_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        std::fs::create_dir(store.path("own")).unwrap();
        let lock = store.lock("own").unwrap();
        assert!(store.remove("own", &lock).is_err());
        assert_eq!(store.names(), ["own"]);
        std::fs::write(store.path("own").join(Record::FILE), "garbage").unwrap();
        store.remove("own", &lock).unwrap();
        assert!(store.names().is_empty());
    }

    #[test]
    fn a_new_version_takes_the_place_of_the_old() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let lock = store.lock("m").unwrap();
        for text in ["old", "new"] {
            std::fs::create_dir(store.staging("m")).unwrap();
            std::fs::write(store.staging("m").join("a"), text).unwrap();
            let place = store.settle("m", &lock).unwrap();
            assert_eq!(std::fs::read_to_string(place.join("a")).unwrap(), text);
            assert!(!store.is_partial("m"));
        }
    }

    #[test]
    fn an_unfinished_pull_has_a_name_and_a_size() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        std::fs::create_dir_all(store.staging("m").join("onnx")).unwrap();
        std::fs::write(store.staging("m").join("onnx/a"), "abc").unwrap();
        assert_eq!((store.partial(), store.names(), store.bytes("m")), (vec!["m".to_owned()], vec![], 3));
        std::fs::create_dir(store.path("m")).unwrap();
        std::fs::write(store.path("m").join("b"), "de").unwrap();
        std::fs::hard_link(store.path("m").join("b"), store.staging("m").join("b")).unwrap();
        assert_eq!(store.bytes("m"), 5, "a file that both have is one");
        std::fs::remove_dir_all(store.path("m")).unwrap();
        let lock = store.lock("m").unwrap();
        assert_eq!(store.remove("m", &lock).unwrap(), 5);
        assert!(store.partial().is_empty());
    }
}
