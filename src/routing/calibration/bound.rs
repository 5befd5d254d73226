//! What a calibration is true of: files by their SHA-256, the remote model by name. Compared with what is here now;
//! what cannot be seen from here is not compared, and a local model that is switched on and cannot be read differs.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::GOLD;
use crate::config::{Config, Paths, model_root};
use crate::hub::{Record, digests};
use crate::onnx::sha256;

/// Stands for a local model that cannot be read, and differs from any hash.
const UNREADABLE: &str = "unreadable";

/// Everything that a threshold depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Bound {
    /// The classifier's graph and settings.
    pub classifier: String,
    /// The classifier's tokenizer.
    pub tokenizer: String,
    /// The local model, by [`model_hash`]: weights, tokenizer, template, and which graph where one was named.
    pub local_model: String,
    /// The remote model's name, or [`GOLD`].
    pub remote_model: String,
    /// How answers were graded: the scorers of all rows and their settings.
    pub scorer: String,
    /// The golden set.
    pub golden: GoldenSet,
}

/// Which golden set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenSet {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its rows.
    pub hash: String,
    /// Where it lay.
    pub path: PathBuf,
}

/// The same of this house, now. `None`: cannot be seen from here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Present {
    /// As in [`Bound`].
    pub classifier: Option<String>,
    /// As in [`Bound`].
    pub tokenizer: Option<String>,
    /// As in [`Bound`]; for who binds to it, [`Self::local_hash`].
    pub local_model: Option<String>,
    /// As in [`Bound`].
    pub remote_model: Option<String>,
    /// As in [`Bound`].
    pub scorer: Option<String>,
    /// The golden set's hash.
    pub golden: Option<String>,
}

impl Present {
    /// What can be seen of the models that the settings name. Reads every file of both folders. A local model that cannot
    /// be read may be any, so it differs from all.
    pub fn look(config: &Config, paths: &Paths) -> Self {
        let classifier = paths.model(&config.classifier.model);
        let local = config.local.enabled.then(|| paths.model(&config.local.model));
        let tokenizer = classifier.join("tokenizer.json");
        // A graph that reads no tokens has none; that, too, may change.
        let tokenizer = if tokenizer.exists() { sha256(&tokenizer).ok() } else { Some("none".to_owned()) };
        Self {
            classifier: files_hash(&classifier, &["config.json", "model.onnx"]),
            tokenizer,
            local_model: local.map(|path| model_hash(&path).unwrap_or_else(|| UNREADABLE.to_owned())),
            remote_model: Some(config.remote.model.clone()),
            ..Self::default()
        }
    }

    /// The local model's hash; `None` where there is none that can be read.
    pub fn local_hash(&self) -> Option<&str> {
        self.local_model.as_deref().filter(|hash| *hash != UNREADABLE)
    }
}

/// One thing that has changed since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What.
    pub what: &'static str,
    /// What it was.
    pub was: String,
    /// What it is.
    pub is: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |text: &str| match text.len() == 64 && text.bytes().all(|it| it.is_ascii_hexdigit()) {
            true => text[..12].to_owned(),
            false => text.to_owned(),
        };
        write!(f, "the {} is {}, calibrated was {}", self.what, short(&self.is), short(&self.was))
    }
}

impl Bound {
    /// What differs. The gold answer stands above any remote model, so it differs from none.
    pub fn mismatches(&self, present: &Present) -> Vec<Mismatch> {
        let remote = present.remote_model.as_ref().filter(|_| self.remote_model != GOLD);
        let pairs = [
            ("classifier", &self.classifier, present.classifier.as_ref()),
            ("classifier's tokenizer", &self.tokenizer, present.tokenizer.as_ref()),
            ("local model", &self.local_model, present.local_model.as_ref()),
            ("remote model", &self.remote_model, remote),
            ("scorer", &self.scorer, present.scorer.as_ref()),
            ("golden set", &self.golden.hash, present.golden.as_ref()),
        ];
        pairs
            .into_iter()
            .filter_map(|(what, was, is)| {
                let is = is.filter(|is| *is != was)?;
                Some(Mismatch { what, was: was.clone(), is: is.clone() })
            })
            .collect()
    }
}

/// One hash of the model that `path` names: of its folder's files, names included, and where `path` is a graph in the
/// folder ([`model_root`]), of the graph's place too, so that two graphs of one folder differ. Cards (`*.md`), hidden
/// files and the record of a pull do not count. Files that were pulled, and large ones that were hashed before, are not
/// read again until they are touched. `None` where the folder, the graph or a file cannot be read.
pub fn model_hash(path: &Path) -> Option<String> {
    let (root, graph) = model_root(path)?;
    let folder = folder_hash(root)?;
    let Some(graph) = graph else { return Some(folder) };
    if path.is_file() { hash_of(&[graph.to_string_lossy()], |_| Some(folder.clone())) } else { None }
}

fn folder_hash(folder: &Path) -> Option<String> {
    let mut names = files_below(folder)?;
    names.retain(|name| !name.ends_with(".md") && name != Record::FILE);
    names.sort();
    let pulled = Record::read(folder).ok().flatten().filter(|_| Record::check(folder).is_ok());
    let known = |name: &str| {
        let files = pulled.as_ref().map(|record| record.files.as_slice()).unwrap_or_default();
        files.iter().find(|file| file.path == name).map(|file| file.sha256.clone())
    };
    let others =
        digests(folder, names.iter().map(String::as_str).filter(|name| known(name).is_none())).ok()?;
    hash_of(&names, |name| known(name).or_else(|| others.get(name).cloned()))
}

/// Every file that is not hidden, by its path below `folder`.
fn files_below(folder: &Path) -> Option<Vec<String>> {
    let (mut names, mut open) = (vec![], vec![String::new()]);
    while let Some(below) = open.pop() {
        for entry in std::fs::read_dir(folder.join(&below)).ok()? {
            let entry = entry.ok()?;
            let name = format!("{below}{}", entry.file_name().to_string_lossy());
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            if entry.path().is_dir() { open.push(format!("{name}/")) } else { names.push(name) }
        }
    }
    Some(names)
}

fn files_hash(folder: &Path, names: &[&str]) -> Option<String> {
    hash_of(names, |name| sha256(&folder.join(name)).ok())
}

fn hash_of<S: AsRef<str>>(names: &[S], digest: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut all = Sha256::new();
    for name in names {
        let name = name.as_ref();
        all.update(format!("{} {name}\n", digest(name)?));
    }
    (!names.is_empty()).then(|| all.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
