//! `models/catalogue.toml`: models that are known to suit, where they lie, and how far that was checked.
//! Promises: what it says of checks is what was done. It is part of the program; nothing is looked up.

use serde::Deserialize;

use super::{HubError, Reference, Wanted};

const TEXT: &str = include_str!("../../models/catalogue.toml");

/// Known models, by name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Catalogue {
    /// Version of the file's form; 1.
    pub schema_version: u32,
    /// The models, in the file's order.
    #[serde(rename = "model")]
    pub entries: Vec<Entry>,
}

/// One known model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Entry {
    /// The name to pull it by.
    pub name: String,
    /// The family, as `docs/FAMILIES.md` calls it.
    pub family: String,
    /// `organisation/repository`.
    pub repository: String,
    /// A branch, or a commit where one is known; a pull pins it.
    pub revision: String,
    /// The repository's folder that is taken; empty: all of it.
    #[serde(default)]
    pub folder: String,
    /// Patterns of graphs; the weights beside them and the usual small files come along.
    pub files: Vec<String>,
    /// `genai` or `hugging-face`.
    pub layout: String,
    /// Longest prompt plus answer that the model was made for, in tokens.
    pub context: u32,
    /// SPDX identifier, or the name that its owner gave it.
    pub licence: String,
    /// Whether its licence must be accepted at the hub first.
    #[serde(default)]
    pub gated: bool,
    /// Parameters in millions, for the estimates.
    pub parameters_millions: u32,
    /// Estimated memory with one conversation of 2,048 tokens, in MiB.
    pub memory_mib: u32,
    /// How far it was checked: `architecture-only` (random weights of the same architecture) or `weights`.
    pub verified: String,
    /// Where its names were read: `documented` by the files' owner or ONNX Runtime, or `reported` by others.
    pub names: String,
}

impl Catalogue {
    /// The catalogue of this version.
    ///
    /// # Errors
    /// When the file makes no sense; a test excludes that.
    pub fn shipped() -> Result<Self, HubError> {
        toml::from_str(TEXT).map_err(|error| HubError::Choice {
            repository: "models/catalogue.toml".to_owned(),
            why: error.message().to_owned(),
        })
    }

    /// The entry of that name.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }
}

impl Entry {
    /// As something to pull.
    ///
    /// # Errors
    /// When repository or revision are none; a test excludes that.
    pub fn wanted(&self) -> Result<Wanted, HubError> {
        Ok(Wanted {
            name: self.name.clone(),
            reference: Reference::parse(&format!("{}@{}", self.repository, self.revision))?,
            folder: self.folder.clone(),
            files: self.files.clone(),
            licence: Some(self.licence.clone()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::choice::choose;
    use super::super::client::{Remote, Snapshot};
    use super::super::digest::Digest;
    use super::super::name_of;
    use super::*;

    #[test]
    fn every_entry_can_be_asked_for() {
        let catalogue = Catalogue::shipped().unwrap();
        assert_eq!(catalogue.schema_version, 1);
        for entry in &catalogue.entries {
            name_of(&entry.name).unwrap();
            let wanted = entry.wanted().unwrap();
            assert!(!wanted.files.is_empty(), "{}", entry.name);
            assert!(["genai", "hugging-face"].contains(&entry.layout.as_str()), "{}", entry.name);
            assert!(["architecture-only", "weights"].contains(&entry.verified.as_str()), "{}", entry.name);
            assert!(["documented", "reported"].contains(&entry.names.as_str()), "{}", entry.name);
            assert_eq!(catalogue.entries.iter().filter(|other| other.name == entry.name).count(), 1);
            assert!(
                entry.memory_mib > entry.parameters_millions / 2,
                "{}: int4 is half a byte each",
                entry.name
            );
        }
    }

    #[test]
    fn no_entry_asks_for_weights_that_may_lie_in_the_graph_itself() {
        for entry in Catalogue::shipped().unwrap().entries {
            let path = |pattern: &String| {
                let path = format!("{}/{}", entry.folder, pattern.replace('*', "model"));
                path.trim_start_matches('/').to_owned()
            };
            let graphs: Vec<String> = entry.files.iter().map(path).collect();
            assert!(graphs.iter().all(|graph| graph.ends_with(".onnx")), "{}", entry.name);
            let taken = |paths: &[String]| {
                let remote =
                    |path: &String| Remote { path: path.clone(), size: Some(1), digest: Digest::Unknown };
                let files = paths.iter().map(remote).collect();
                let snapshot = Snapshot { commit: String::new(), files, licence: None, embeds: false };
                choose(&entry.repository, &snapshot, &entry.folder, &entry.files).unwrap().files.len()
            };
            assert_eq!(taken(&graphs), graphs.len(), "{}: without weights beside them", entry.name);
            let data = graphs.iter().map(|graph| format!("{graph}.data"));
            let both: Vec<String> = graphs.iter().cloned().chain(data).collect();
            assert_eq!(taken(&both), both.len(), "{}: with weights beside them", entry.name);
        }
    }
}
