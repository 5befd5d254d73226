//! Where pulled models lie: one folder each below `models` in the state folder, with hidden helpers beside them.
//! Promises: one process at a time pulls or removes a model; a folder appears, changes and goes as a whole; a folder
//! without a record is somebody's own and is never touched.

use std::fs::{File, TryLockError};
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
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().filter_map(Result::ok);
        let mut names: Vec<String> = entries
            .filter(|entry| entry.path().is_dir())
            .filter_map(|entry| name_of(entry.file_name().to_str()?).ok())
            .collect();
        names.sort();
        names
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

    /// Removes a pulled model, and what an unfinished pull of that name has left. Bytes of the files that were recorded.
    ///
    /// # Errors
    /// When there is none, it is somebody's own folder, or the file system says no.
    pub fn remove(&self, name: &str, _lock: &Lock) -> Result<u64, HubError> {
        let (staging, place) = (self.staging(name), self.path(name));
        let has_part = staging.exists();
        let bytes = match Record::read(&place) {
            Ok(Some(record)) => record.size(),
            // A record that cannot be understood is still one.
            Err(_) => 0,
            Ok(None) if !place.exists() && has_part => 0,
            Ok(None) => {
                let why = "is no pulled model; `crossover models list` shows those that are";
                return Err(HubError::Name { name: name.to_owned(), why });
            }
        };
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
}
