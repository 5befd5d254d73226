//! Copies of the shipped local model to be broken or changed, and one that never ends its answers by itself.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// A folder of models: copies of what ships, in `folder/models`.
pub(crate) fn copies(folder: &Path, names: &[&str]) -> PathBuf {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let models = folder.join("models");
    for name in names {
        std::fs::create_dir_all(models.join(name)).unwrap();
        for file in std::fs::read_dir(shipped.join(name)).unwrap().map(Result::unwrap) {
            if file.file_type().unwrap().is_file() {
                std::fs::copy(file.path(), models.join(name).join(file.file_name())).unwrap();
            }
        }
    }
    models
}

/// A copy of the starter model without end tokens: its answers run to their `max_tokens`.
pub(crate) fn endless(folder: &Path) -> PathBuf {
    let model = copies(folder, &["starter"]).join("starter");
    let tokenizer: Value =
        serde_json::from_slice(&std::fs::read(model.join("tokenizer.json")).unwrap()).unwrap();
    // The byte 0xFF, which byte-level vocabularies have and text in UTF-8 never needs.
    let never = tokenizer["model"]["vocab"]["ÿ"].as_u64().unwrap();
    for (file, at) in
        [("genai_config.json", "/model/eos_token_id"), ("generation_config.json", "/eos_token_id")]
    {
        let path = model.join(file);
        let mut json: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        *json.pointer_mut(at).unwrap() = Value::from(vec![never]);
        std::fs::write(&path, json.to_string()).unwrap();
    }
    model
}

/// A copy of the starter model whose chat template, one of the fixtures, offers tools.
pub(crate) fn calling(folder: &Path, template: &str) -> PathBuf {
    let model = copies(folder, &["starter"]).join("starter");
    let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/templates");
    std::fs::copy(templates.join(format!("{template}.jinja")), model.join("chat_template.jinja")).unwrap();
    model
}
