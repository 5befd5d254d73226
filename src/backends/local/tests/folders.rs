//! Model folders that are not whole: each is refused by file, with the command that mends it.

use super::*;
use crate::config::WorkerConfig;

fn refusal_of(folder: &Path) -> String {
    let metrics = Arc::new(Metrics::new().unwrap());
    Local::open(folder, &config(), metrics).err().expect("must be refused").to_string()
}

#[test]
fn d20_every_missing_or_broken_file_is_named_with_the_command_that_mends_it() {
    let files: [(&str, Option<&[u8]>); 8] = [
        ("genai_config.json", Some(b"{")),
        ("tokenizer.json", None),
        ("tokenizer.json", Some(b"{}")),
        ("tokenizer_config.json", None),
        ("model.onnx", None),
        ("model.onnx", Some(b"garbage")),
        ("chat_template.jinja", Some(b"{% for %}")),
        ("generation_config.json", Some(b"[")),
    ];
    for (file, content) in files {
        let (_models, folder) = damaged(file, content);
        let text = refusal_of(&folder);
        assert!(text.contains(file) && text.contains("git checkout models/"), "{file}: {text}");
    }
    let text = refusal_of(Path::new("/nowhere/model"));
    assert!(text.contains("/nowhere/model") && text.contains("local.model"), "{text}");
}

#[test]
fn d20_missing_weights_are_named() {
    let weights = std::fs::read_dir(starter()).unwrap().flatten().map(|entry| entry.file_name());
    for file in weights.filter(|name| name.to_string_lossy().ends_with(".data")) {
        let (_models, folder) = damaged(file.to_str().unwrap(), None);
        let text = refusal_of(&folder);
        assert!(text.contains("model.onnx") && text.contains("git checkout models/"), "{text}");
    }
}

#[test]
fn d20_a_file_with_another_hash_than_the_manifests_is_refused() {
    let (models, folder) = damaged("generation_config.json", Some(b"{}"));
    let manifest = "schema-version = 1\n[[model]]\nname = \"starter\"\nkind = \"language\"\nsource = \"here\"\nlicence = \"Apache-2.0\"\n[model.files]\n\"generation_config.json\" = \"00\"\n";
    std::fs::write(models.path().join("manifest.toml"), manifest).unwrap();
    let text = refusal_of(&folder);
    assert!(text.contains("generation_config.json") && text.contains("SHA-256"), "{text}");
}

#[test]
fn d20_a_graph_with_an_unknown_input_is_refused() {
    let genai = std::fs::read_to_string(starter().join("genai_config.json")).unwrap();
    let renamed = genai.replace("\"attention_mask\": \"attention_mask\"", "\"attention_mask\": \"mask\"");
    let (_models, folder) = damaged("genai_config.json", Some(renamed.as_bytes()));
    let text = refusal_of(&folder);
    assert!(text.contains("`attention_mask`"), "{text}");
}

#[test]
fn d21_a_worker_ends_where_the_gateway_cannot_use_the_model_itself() {
    use std::os::unix::fs::PermissionsExt as _;
    let (models, folder) = damaged("tokenizer.json", Some(b"{}"));
    let (program, ended) = (models.path().join("worker"), models.path().join("worker.ended"));
    // It says at once that it is ready, with a vocabulary and a context of 100, and ends with its socket.
    let script =
        "#!/bin/sh\nprintf '\\003\\000\\000\\000\\000\\144\\144' >&0\ncat > /dev/null\n: > \"$0.ended\"\n";
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let worker = WorkerConfig { program: Some(program), ..WorkerConfig::default() };
    let config = LocalConfig { isolation: Isolation::Process, worker, ..config() };
    let metrics = Arc::new(Metrics::new().unwrap());
    let error = Local::open(&folder, &config, metrics).err().expect("must be refused").to_string();
    assert!(error.contains("tokenizer.json"), "{error}");
    for _ in 0..10_000 {
        if ended.exists() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
    panic!("it is still there");
}
