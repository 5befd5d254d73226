//! The models that are here: shipped ones, pulled ones, and folders of one's own; and which settings use them.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::config::{Config, Paths, model_root};
use crate::hub::{EMBEDDING_MARKS, Record, Store, files_below};
use crate::onnx::{Listed, Manifest};

/// What [`kind_of`] calls an embedding model.
pub(super) const EMBEDDING: &str = "embedding";

/// One model that is here, or that the manifest misses.
pub(super) struct Model {
    pub(super) name: String,
    pub(super) folder: PathBuf,
    pub(super) origin: Origin,
}

/// Where a model comes from, and what vouches for its files.
pub(super) enum Origin {
    Shipped(Box<Listed>),
    Pulled(Box<Record>),
    /// A record that cannot be understood, and why.
    Broken(String),
    Own,
}

impl Model {
    pub(super) fn from(&self) -> &'static str {
        match self.origin {
            Origin::Shipped(_) => "shipped",
            Origin::Pulled(_) | Origin::Broken(_) => "pulled",
            Origin::Own => "own",
        }
    }

    pub(super) fn licence(&self) -> String {
        match &self.origin {
            Origin::Shipped(listed) => listed.licence.clone(),
            Origin::Pulled(record) => record.licence.clone().unwrap_or_else(|| "unknown".to_owned()),
            Origin::Broken(_) | Origin::Own => "unknown".to_owned(),
        }
    }

    pub(super) fn kind(&self) -> String {
        match &self.origin {
            Origin::Shipped(listed) => listed.kind.clone(),
            _ => kind_of(&self.folder).to_owned(),
        }
    }

    /// Bytes of every file in the folder.
    pub(super) fn bytes(&self) -> u64 {
        match &self.origin {
            Origin::Pulled(record) => record.size(),
            _ => files_below(&self.folder)
                .iter()
                .filter_map(|file| std::fs::metadata(file).ok())
                .map(|it| it.len())
                .sum(),
        }
    }
}

/// Everything that is here, by name; shipped models first.
pub(super) fn models(paths: &Paths) -> anyhow::Result<Vec<Model>> {
    let manifest = Manifest::read(&paths.models)?;
    let mut names: Vec<String> = std::fs::read_dir(&paths.models)
        .with_context(|| {
            let folder = paths.models.display();
            format!("{folder}: the models folder cannot be read; set `models-dir` in the configuration")
        })?
        .filter_map(|entry| entry.ok().filter(|entry| entry.path().is_dir()))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.extend(manifest.models.iter().map(|listed| listed.name.clone()));
    names.sort();
    names.dedup();
    let mut found: Vec<Model> = names
        .into_iter()
        .map(|name| {
            let folder = paths.models.join(&name);
            let listed = manifest.get(&name).cloned();
            let origin = listed.map_or_else(|| origin(&folder), |listed| Origin::Shipped(Box::new(listed)));
            Model { name, folder, origin }
        })
        .collect();
    let store = Store::new(&paths.pulled());
    found.extend(store.names().into_iter().map(|name| {
        let folder = store.path(&name);
        Model { origin: origin(&folder), folder, name }
    }));
    Ok(found)
}

fn origin(folder: &Path) -> Origin {
    match Record::read(folder) {
        Ok(Some(record)) => Origin::Pulled(Box::new(record)),
        Ok(None) => Origin::Own,
        Err(error) => Origin::Broken(error.to_string()),
    }
}

/// The settings that name this folder.
pub(super) fn used(folder: &Path, config: &Config, paths: &Paths) -> String {
    let local = config.local.all().enumerate().filter(|_| config.local.enabled);
    let local = local.map(|(at, name)| (if at == 0 { "local.model" } else { "local.models" }, name));
    let classifier =
        config.classifier.enabled.then_some(("classifier.model", config.classifier.model.as_str()));
    let embeddings =
        config.embeddings.enabled.then_some(("embeddings.model", config.embeddings.model.as_str()));
    let names_it = |name: &str| {
        let model = paths.model(name);
        model == folder || model_root(&model).is_some_and(|(root, _)| root == folder)
    };
    let uses = local.chain(classifier).chain(embeddings).filter(|(_, name)| names_it(name));
    uses.map(|(key, _)| key).collect::<Vec<_>>().join(", ")
}

/// What a folder that nobody describes looks like.
pub(super) fn kind_of(folder: &Path) -> &'static str {
    let has = |file: &str| folder.join(file).exists();
    let genai = has("genai_config.json");
    if EMBEDDING_MARKS.iter().any(|mark| has(mark)) || (!genai && gives_vectors(folder)) {
        EMBEDDING
    } else if genai || has("generation_config.json") || has("onnx") {
        "language"
    } else if has("model.onnx") {
        "classifier"
    } else {
        "unknown"
    }
}

/// Whether `config.json` names a network that gives vectors rather than the next token, by the endings that the
/// transformers library gives its classes.
fn gives_vectors(folder: &Path) -> bool {
    let text = std::fs::read(folder.join("config.json")).unwrap_or_default();
    let config: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
    let class = config["architectures"][0].as_str().unwrap_or_default();
    class.ends_with("ForMaskedLM") || (class.ends_with("Model") && !class.ends_with("LMHeadModel"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_ones_own_is_of_the_kind_that_its_files_tell() {
        let folder = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| std::fs::write(folder.path().join(file), text).unwrap();
        let class = |class: &str| write("config.json", &format!("{{\"architectures\": [\"{class}\"]}}"));
        std::fs::create_dir(folder.path().join("onnx")).unwrap();
        for (name, kind) in [
            ("BertModel", EMBEDDING),
            ("XLMRobertaForMaskedLM", EMBEDDING),
            ("LlamaForCausalLM", "language"),
            ("GPT2LMHeadModel", "language"),
        ] {
            class(name);
            assert_eq!(kind_of(folder.path()), kind, "{name}");
        }
        write("modules.json", "[]");
        assert_eq!(kind_of(folder.path()), EMBEDDING, "by the mark");
        std::fs::remove_file(folder.path().join("modules.json")).unwrap();
        class("LlamaModel");
        write("genai_config.json", "{}");
        assert_eq!(kind_of(folder.path()), "language", "its own runtime's configuration goes first");
    }
}
