//! `crossover-model.toml` beside a pulled model: where it came from, at which commit, and every file's size and SHA-256.
//! Promises: a file that is missing or altered is named with the command that mends it; a folder without a record is
//! somebody's own and passes. Checking at load hashes only what was touched since it was last hashed.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::digest::sha256;
use super::reference::is_confined;
use super::stamp::Stamps;

/// What a pulled model folder says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Record {
    /// Version of this file's form; 1.
    pub schema_version: u32,
    /// The hub's origin.
    pub hub: String,
    /// `organisation/repository`.
    pub repository: String,
    /// The revision that was asked for.
    pub revision: String,
    /// The commit that it was then.
    pub commit: String,
    /// The folder of the repository that was taken; empty: all of it.
    #[serde(default)]
    pub folder: String,
    /// The licence, as the repository or the catalogue calls it.
    #[serde(default)]
    pub licence: Option<String>,
    /// When it was whole, in UTC.
    pub pulled_at: String,
    /// Its files.
    #[serde(rename = "file")]
    pub files: Vec<Recorded>,
}

/// One file of a pulled model.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Recorded {
    /// Its path below the model's folder.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256 in lower-case hexadecimal digits.
    pub sha256: String,
}

/// How a file stands to the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// As recorded.
    Verified,
    /// Other content.
    Altered,
    /// Not there, or unreadable.
    Missing,
}

/// A pulled model that is not what its record says.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RecordError {
    /// The record itself cannot be understood.
    #[error("{}: {why}. Pull the model again: `crossover models rm` and `crossover models pull`", file.display())]
    Malformed {
        /// The record.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A file is missing.
    #[error(
        "{}: {why}. `crossover models verify {name}` lists all files, `crossover models pull` with the same arguments restores them",
        file.display()
    )]
    Missing {
        /// The file.
        file: PathBuf,
        /// What the file system says.
        why: String,
        /// The model.
        name: String,
    },
    /// A file has other content.
    #[error(
        "{}: {why}. `crossover models verify {name}` lists all files, `crossover models pull` with the same arguments restores them",
        file.display()
    )]
    Altered {
        /// The file.
        file: PathBuf,
        /// Size or digest: found and recorded.
        why: String,
        /// The model.
        name: String,
    },
}

impl Record {
    /// Its file name inside the model's folder.
    pub const FILE: &str = "crossover-model.toml";

    /// Reads a folder's record; `None` where it has none.
    ///
    /// # Errors
    /// When it is there and makes no sense.
    pub fn read(folder: &Path) -> Result<Option<Self>, RecordError> {
        let file = folder.join(Self::FILE);
        let malformed = |why: String| RecordError::Malformed { file: file.clone(), why };
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(malformed(format!("cannot be read: {error}"))),
        };
        let record: Self = toml::from_str(&text).map_err(|error| malformed(error.message().to_owned()))?;
        if record.schema_version != 1 {
            let found = record.schema_version;
            return Err(malformed(format!("schema-version is {found}, this version reads 1")));
        }
        match record.files.iter().find(|file| !is_confined(&file.path)) {
            Some(file) => Err(malformed(format!("lists `{}`, outside of its folder", file.path))),
            None => Ok(Some(record)),
        }
    }

    /// Writes it into the folder, and remembers its files as just hashed.
    pub(super) fn write(&self, folder: &Path) -> std::io::Result<()> {
        let text = toml::to_string(self).map_err(std::io::Error::other)?;
        let head = "# Written by `crossover models pull`; the files are held against it when the model is loaded.\n\n";
        std::fs::write(folder.join(Self::FILE), format!("{head}{text}"))
    }

    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// Checks a model's folder before it is loaded: sizes always, digests where a file was touched since it was last
    /// hashed. A folder without a record passes.
    ///
    /// # Errors
    /// The first file that is missing or altered, or a malformed record.
    pub fn check(folder: &Path) -> Result<(), RecordError> {
        let Some(record) = Self::read(folder)? else { return Ok(()) };
        let mut stamps = Stamps::read(folder);
        let touched: Vec<&Recorded> =
            record.files.iter().filter(|file| !stamps.holds(folder, &file.path, &file.sha256)).collect();
        for file in &touched {
            file.hold(folder, &mut stamps)?;
        }
        if !touched.is_empty() {
            stamps.write(folder);
        }
        Ok(())
    }

    /// Hashes every file anew.
    pub fn verify(&self, folder: &Path) -> Vec<(&Recorded, Standing)> {
        let mut stamps = Stamps::read(folder);
        let mut standing = |file: &Recorded| match file.hold(folder, &mut stamps) {
            Ok(()) => Standing::Verified,
            Err(RecordError::Missing { .. }) => Standing::Missing,
            Err(_) => Standing::Altered,
        };
        let found: Vec<_> = self.files.iter().map(|file| (file, standing(file))).collect();
        stamps.write(folder);
        found
    }

    /// Remembers every file as just hashed to its recorded digest.
    pub(super) fn stamp(&self, folder: &Path) {
        let mut stamps = Stamps::default();
        for file in &self.files {
            stamps.add(folder, &file.path, &file.sha256);
        }
        stamps.write(folder);
    }
}

impl Recorded {
    /// [`Self::check`], remembered.
    fn hold(&self, folder: &Path, stamps: &mut Stamps) -> Result<(), RecordError> {
        stamps.hold(folder, &self.path, &self.sha256, || self.check(folder))
    }

    fn check(&self, folder: &Path) -> Result<(), RecordError> {
        let file = folder.join(&self.path);
        let name = folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let missing = |error: std::io::Error| RecordError::Missing {
            file: file.clone(),
            why: format!("cannot be read: {error}"),
            name: name.clone(),
        };
        let altered = |why| RecordError::Altered { file: file.clone(), why, name: name.clone() };
        let size = std::fs::metadata(&file).map_err(&missing)?.len();
        if size != self.size {
            return Err(altered(format!("has {size} bytes, but {} were pulled", self.size)));
        }
        let found = sha256(&file).map_err(&missing)?;
        if !found.eq_ignore_ascii_case(&self.sha256) {
            return Err(altered(format!("has the SHA-256 {found}, but {} was pulled", self.sha256)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
