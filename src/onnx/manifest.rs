//! `models/manifest.toml`: which model files ship, where they come from, under which licence, and their SHA-256.
//! Promises: a listed file that is missing or altered is named. Does not fetch anything.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

/// File name of the manifest inside the models folder.
const FILE: &str = "manifest.toml";

/// One model that ships.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Listed {
    /// Its folder's name.
    pub name: String,
    /// What it is: `language` or `classifier`.
    pub kind: String,
    /// Where it comes from.
    pub source: String,
    /// SPDX expression.
    pub licence: String,
    /// SHA-256 in lower-case hexadecimal digits, by file name.
    pub files: BTreeMap<String, String>,
    /// What it was trained on.
    #[serde(default)]
    pub data: Vec<DataSet>,
}

/// A data set that a model was trained on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DataSet {
    /// Its name.
    pub name: String,
    /// Its licence.
    pub licence: String,
    /// Whom to credit.
    pub attribution: String,
}

/// All models that ship.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Manifest {
    /// Version of this file's form; 1.
    pub schema_version: u32,
    /// The models.
    #[serde(default, rename = "model")]
    pub models: Vec<Listed>,
}

/// A manifest that cannot be read, or a model that is not what the manifest says.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ManifestError {
    /// The manifest itself is unreadable or malformed.
    #[error("{}: {why}. Run `git checkout models/manifest.toml` or mend it", file.display())]
    Malformed {
        /// The manifest.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A listed file is missing or unreadable.
    #[error("{}: {why}. Run `git checkout models/` to restore the shipped model", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A listed file has other content.
    #[error(
        "{}: has the SHA-256 {found}, but models/manifest.toml lists {listed}. Run `git checkout models/` to restore the shipped model, or list the new file",
        file.display()
    )]
    Altered {
        /// The file.
        file: PathBuf,
        /// Its digest.
        found: String,
        /// The manifest's digest.
        listed: String,
    },
}

impl Manifest {
    /// Reads the manifest of a models folder; a folder without one lists nothing.
    ///
    /// # Errors
    /// `Malformed` when the file is there and cannot be understood.
    pub fn read(models: &Path) -> Result<Self, ManifestError> {
        let file = models.join(FILE);
        if !file.exists() {
            return Ok(Self { schema_version: 1, models: vec![] });
        }
        let malformed = |why: String| ManifestError::Malformed { file: file.clone(), why };
        let text = std::fs::read_to_string(&file).map_err(|error| malformed(error.to_string()))?;
        let manifest: Self = toml::from_str(&text).map_err(|error| malformed(error.message().to_owned()))?;
        if manifest.schema_version != 1 {
            return Err(malformed(format!(
                "schema-version is {}, this version reads 1",
                manifest.schema_version
            )));
        }
        Ok(manifest)
    }

    /// The model of a folder, if it is listed.
    pub fn get(&self, name: &str) -> Option<&Listed> {
        self.models.iter().find(|model| model.name == name)
    }

    /// Checks a model folder against the manifest beside it; a folder that is not listed passes.
    ///
    /// # Errors
    /// The first listed file that is missing or altered, or a malformed manifest.
    pub fn check(folder: &Path) -> Result<(), ManifestError> {
        let (Some(models), Some(name)) = (folder.parent(), folder.file_name().and_then(|name| name.to_str()))
        else {
            return Ok(());
        };
        let manifest = Self::read(models)?;
        manifest.get(name).map_or(Ok(()), |listed| listed.check(folder))
    }
}

impl Listed {
    /// Compares every listed file of this model with its digest.
    ///
    /// # Errors
    /// The first file that is missing or altered.
    pub fn check(&self, folder: &Path) -> Result<(), ManifestError> {
        for (name, listed) in &self.files {
            let file = folder.join(name);
            let found = sha256(&file).map_err(|error| ManifestError::Unreadable {
                file: file.clone(),
                why: format!("cannot be read: {error}"),
            })?;
            if !found.eq_ignore_ascii_case(listed) {
                return Err(ManifestError::Altered { file, found, listed: listed.clone() });
            }
        }
        Ok(())
    }
}

/// A file's SHA-256 in lower-case hexadecimal digits; reads it in pieces.
///
/// # Errors
/// What the file system says.
pub fn sha256(file: &Path) -> std::io::Result<String> {
    let mut source = std::fs::File::open(file)?;
    let mut digest = Sha256::new();
    let mut piece = vec![0; 1 << 18];
    loop {
        match source.read(&mut piece)? {
            0 => break,
            read => digest.update(&piece[..read]),
        }
    }
    Ok(digest.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
        hex.extend([byte >> 4, byte & 15].map(|half| char::from(b"0123456789abcdef"[usize::from(half)])));
        hex
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(sha: &str) -> (tempfile::TempDir, PathBuf) {
        let models = tempfile::tempdir().unwrap();
        let model = models.path().join("tiny");
        std::fs::create_dir(&model).unwrap();
        std::fs::write(model.join("model.onnx"), b"abc").unwrap();
        let text = format!(
            "schema-version = 1\n[[model]]\nname = \"tiny\"\nkind = \"language\"\nsource = \"here\"\nlicence = \"Apache-2.0\"\n[model.files]\n\"model.onnx\" = \"{sha}\"\n"
        );
        std::fs::write(models.path().join(FILE), text).unwrap();
        (models, model)
    }

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_listed_model_with_the_right_digest_passes() {
        let (_models, model) = folder(ABC);
        Manifest::check(&model).unwrap();
    }

    #[test]
    fn d20_an_altered_file_is_named_with_the_command_that_mends_it() {
        let (_models, model) = folder(&"0".repeat(64));
        let text = Manifest::check(&model).unwrap_err().to_string();
        assert!(text.contains("model.onnx") && text.contains("git checkout models/"), "{text}");
        assert!(text.contains(ABC), "{text}");
    }

    #[test]
    fn d20_a_missing_file_is_named() {
        let (_models, model) = folder(ABC);
        std::fs::remove_file(model.join("model.onnx")).unwrap();
        let text = Manifest::check(&model).unwrap_err().to_string();
        assert!(text.contains("model.onnx") && text.contains("cannot be read"), "{text}");
    }

    #[test]
    fn unlisted_models_and_folders_without_a_manifest_pass() {
        let (models, _model) = folder(ABC);
        Manifest::check(&models.path().join("other")).unwrap();
        Manifest::check(&tempfile::tempdir().unwrap().path().join("x")).unwrap();
    }

    #[test]
    fn unknown_keys_are_refused() {
        let (models, model) = folder(ABC);
        std::fs::write(models.path().join(FILE), "schema-version = 1\nmodles = 3\n").unwrap();
        assert!(Manifest::check(&model).unwrap_err().to_string().contains("modles"));
    }
}
