//! What folders say in both layouts, and every way in which they are refused.

use std::fs;

use super::*;
use crate::backends::local::families::{Form, assemble, read};
use crate::backends::local::layout;
use crate::onnx::{self, SessionSpec};

fn refusal(path: &Path) -> String {
    Folder::read(path).expect_err("must be refused").to_string()
}

/// Changes a JSON file.
fn edit(file: &Path, change: impl FnOnce(&mut Value)) {
    let mut value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    change(&mut value);
    fs::write(file, value.to_string()).unwrap();
}

/// Replaces bytes of a file by as many others, wherever they stand.
fn patch(file: &Path, from: &[u8], to: &[u8]) {
    assert_eq!(from.len(), to.len());
    let mut bytes = fs::read(file).unwrap();
    let places: Vec<usize> =
        bytes.windows(from.len()).enumerate().filter(|(_, at)| *at == from).map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    fs::write(file, bytes).unwrap();
}

/// What opening the graph says.
fn opened(folder: &Folder) -> Result<layout::Layout, LocalError> {
    let session = onnx::open(&folder.graph, &SessionSpec { intra_threads: 1, spin: false })?;
    layout::read(folder, &session)
}

#[test]
fn a_hub_folder_is_read_from_its_own_files() {
    let (_home, folder) = read("qwen3", Form::HfF32);
    assert_eq!((folder.name.as_str(), folder.context, folder.eos.as_slice()), ("qwen3", 384, &[1][..]));
    assert_eq!((folder.layers, folder.kv_heads, folder.head_size), (Some(2), Some(1), Some(32)));
    assert_eq!(folder.attention, Attention { shares: false, mixes: false });
    assert_eq!((folder.bos_token.as_str(), folder.eos_token.as_str()), ("<|bos|>", "<|eos|>"));
    let layout = opened(&folder).unwrap();
    assert!(layout.growing && layout.position_ids && !layout.mixes);
    let (_home, folder) = read("llama-3.2", Form::HfGqa);
    let layout = opened(&folder).unwrap();
    assert!(!layout.growing && layout.position_ids && !layout.mixes);
    let (_home, folder) = read("llama-3.2", Form::HfInt8);
    assert!(opened(&folder).unwrap().mixes);
    let (_home, folder) = read("llama-3.2", Form::GenAiInt4);
    let layout = opened(&folder).unwrap();
    assert!(!layout.growing && !layout.position_ids && !layout.mixes && layout.pruned);
}

#[test]
fn the_smallest_usual_graph_is_chosen_unless_another_is_named() {
    let home = assemble("llama-3.2", Form::HfQ4);
    let root = home.path().join("llama-3.2");
    let inner = root.join("onnx");
    for name in ["model.onnx", "model_fp16.onnx", "model_quantized.onnx"] {
        fs::copy(inner.join("model_q4.onnx"), inner.join(name)).unwrap();
    }
    let chosen = |path: &Path| Folder::read(path).unwrap().graph;
    assert_eq!(chosen(&root), inner.join("model_q4.onnx"));
    let named = Folder::read(&inner.join("model_fp16.onnx")).unwrap();
    assert_eq!(
        (named.graph, named.root, named.name.as_str()),
        (inner.join("model_fp16.onnx"), root.clone(), "llama-3.2")
    );
    fs::remove_file(inner.join("model_q4.onnx")).unwrap();
    assert_eq!(chosen(&root), inner.join("model_quantized.onnx"));
    // An exporter that writes beside the configuration.
    fs::rename(inner.join("model.onnx"), root.join("model.onnx")).unwrap();
    fs::remove_dir_all(&inner).unwrap();
    assert_eq!(chosen(&root), root.join("model.onnx"));
    fs::remove_file(root.join("model.onnx")).unwrap();
    let text = refusal(&root);
    assert!(text.contains("model_q4.onnx") && text.contains("`onnx/`"), "{text}");
    assert!(!text.contains("name a graph"), "{text}");
    assert!(refusal(&root.join("onnx/other.onnx")).contains("other.onnx: there is no such file"));
    fs::remove_file(root.join("config.json")).unwrap();
    let text = refusal(&root);
    assert!(text.contains("genai_config.json") && text.contains("config.json"), "{text}");
}

#[test]
fn a_graph_of_another_name_is_taken_where_it_is_the_only_one() {
    let home = assemble("llama-3.2", Form::HfF32);
    let root = home.path().join("llama-3.2");
    let inner = root.join("onnx");
    fs::rename(inner.join("model.onnx"), inner.join("model_fp32.onnx")).unwrap();
    fs::write(inner.join("verify.onnx"), "another form").unwrap();
    assert_eq!(Folder::read(&root).unwrap().graph, inner.join("model_fp32.onnx"));
    fs::copy(inner.join("model_fp32.onnx"), root.join("model_int4.onnx")).unwrap();
    let text = refusal(&root);
    let named = format!("local.model = \"{}\"", inner.join("model_fp32.onnx").display());
    assert!(text.contains("model_q4.onnx") && text.contains(&named), "{text}");
}

#[test]
fn end_tokens_come_from_the_generation_settings_first() {
    let home = assemble("llama-3.2", Form::HfF32);
    let root = home.path().join("llama-3.2");
    let eos = || Folder::read(&root).unwrap().eos;
    assert_eq!(eos(), [1, 2]);
    fs::write(root.join("generation_config.json"), r#"{"temperature": 0.5}"#).unwrap();
    assert_eq!(eos(), [1, 2]);
    fs::write(root.join("generation_config.json"), r#"{"eos_token_id": 7, "do_sample": true}"#).unwrap();
    assert_eq!(eos(), [7]);
    assert_eq!(
        Folder::read(&root).unwrap().defaults,
        Defaults {
            temperature: 1.0,
            top_p: 1.0,
            top_k: 0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            max_tokens: None
        }
    );
    fs::remove_file(root.join("generation_config.json")).unwrap();
    edit(&root.join("config.json"), |config| config["eos_token_id"] = Value::Null);
    let text = refusal(&root);
    assert!(text.contains("config.json") && text.contains("`eos_token_id`"), "{text}");
}

#[test]
fn the_penalty_and_the_least_share_are_the_folders_own() {
    let home = assemble("llama-3.2", Form::GenAiF32);
    let root = home.path().join("llama-3.2");
    let declared = || {
        let defaults = Folder::read(&root).unwrap().defaults;
        (defaults.temperature, defaults.repetition_penalty, defaults.min_p)
    };
    assert_eq!(declared(), (0.0, 1.0, 0.0), "the builder writes a penalty of 1");
    edit(&root.join("genai_config.json"), |genai| {
        genai["search"]["repetition_penalty"] = serde_json::json!(1.5);
        genai["search"]["min_p"] = serde_json::json!(0.25);
    });
    // As with the other cuts, a greedy model's share is none.
    assert_eq!(declared(), (0.0, 1.5, 0.0));
    let file = root.join("generation_config.json");
    fs::write(&file, r#"{"do_sample": true, "repetition_penalty": 1.125}"#).unwrap();
    assert_eq!(declared(), (1.0, 1.125, 0.25));
    for (field, value) in [("repetition_penalty", "0"), ("repetition_penalty", "-1.5"), ("min_p", "-0.5")] {
        fs::write(&file, format!(r#"{{"{field}": {value}}}"#)).unwrap();
        let text = refusal(&root);
        assert!(text.contains("generation_config.json") && text.contains(field), "{text}");
    }
    fs::remove_file(&file).unwrap();
    edit(&root.join("genai_config.json"), |genai| genai["search"]["min_p"] = 2.into());
    let text = refusal(&root);
    assert!(text.contains("genai_config.json") && text.contains("`min_p`"), "{text}");
}

#[test]
fn a_template_for_tools_may_be_a_file_of_its_own() {
    let home = assemble("llama-3.2", Form::HfF32);
    let root = home.path().join("llama-3.2");
    let listed = ["default", "tool_use"].map(|name| serde_json::json!({ "name": name, "template": name }));
    edit(&root.join("tokenizer_config.json"), |config| config["chat_template"] = serde_json::json!(listed));
    assert_eq!(Folder::read(&root).unwrap().tool_template.as_deref(), Some("tool_use"));
    fs::create_dir(root.join("additional_chat_templates")).unwrap();
    fs::write(root.join("additional_chat_templates/tool_use.jinja"), "own").unwrap();
    assert_eq!(Folder::read(&root).unwrap().tool_template.as_deref(), Some("own"));
}

#[test]
fn fields_that_are_missing_are_named() {
    for field in ["max_position_embeddings", "eos_token_id"] {
        let home = assemble("tinyllama", Form::HfF32);
        let root = home.path().join("tinyllama");
        edit(&root.join("config.json"), |config| drop(config.as_object_mut().unwrap().remove(field)));
        let text = refusal(&root);
        assert!(text.contains("config.json") && text.contains(field), "{text}");
    }
    // What the graph tells need not stand in the configuration, and must agree with it.
    let home = assemble("tinyllama", Form::HfF32);
    let root = home.path().join("tinyllama");
    let file = root.join("config.json");
    for field in ["num_hidden_layers", "num_key_value_heads", "num_attention_heads", "hidden_size"] {
        edit(&file, |config| drop(config.as_object_mut().unwrap().remove(field)));
    }
    let layout = opened(&Folder::read(&root).unwrap()).unwrap();
    assert_eq!((layout.layers, layout.kv_heads, layout.head_size), (2, 1, 16));
    edit(&file, |config| config["num_key_value_heads"] = 4.into());
    let text = opened(&Folder::read(&root).unwrap()).unwrap_err().to_string();
    assert!(text.contains("`past_key_values.0.key`") && text.contains("number of heads 1"), "{text}");
    edit(&file, |config| config["num_hidden_layers"] = 3.into());
    let text = opened(&Folder::read(&root).unwrap()).unwrap_err().to_string();
    assert!(text.contains("`past_key_values.2.key`"), "{text}");
}

#[test]
fn the_language_part_of_a_larger_configuration_is_read() {
    let home = assemble("gemma-3", Form::HfF32);
    let file = home.path().join("gemma-3/config.json");
    edit(&file, |config| {
        let text = config.take();
        *config =
            serde_json::json!({ "model_type": "gemma3", "eos_token_id": [1, 106], "text_config": text });
        drop(config["text_config"].as_object_mut().unwrap().remove("eos_token_id"));
    });
    let folder = Folder::read(&home.path().join("gemma-3")).unwrap();
    assert_eq!((folder.context, folder.eos.as_slice(), folder.layers), (384, &[1, 106][..], Some(3)));
}

#[test]
fn weights_beside_the_graph_are_counted_and_missed_by_name() {
    let (_home, whole) = read("llama-3.2", Form::HfF32);
    assert_eq!(whole.weights(), fs::metadata(&whole.graph).unwrap().len());
    let (_home, folder) = read("llama-3.2", Form::HfGqa);
    let data = folder.graph.with_file_name("model.onnx.data");
    assert_eq!(
        folder.weights(),
        fs::metadata(&folder.graph).unwrap().len() + fs::metadata(&data).unwrap().len()
    );
    fs::remove_file(&data).unwrap();
    let text = refusal(&folder.root);
    assert!(
        text.contains("onnx/model.onnx.data: the weights that `model.onnx` keeps in this file"),
        "{text}"
    );
}

#[test]
fn inputs_and_operators_that_are_unknown_are_named() {
    let cases: [(&[u8], &[u8], &[&str]); 5] = [
        (b"position_ids", b"cache_offset", &["`cache_offset`", "does not feed"]),
        (b"position_ids", b"inputs_embed", &["`inputs_embed`"]),
        (b"past_key_values.1.value", b"past_key_values.1.guess", &["`past_key_values.1.guess`"]),
        (b"logits", b"scores", &["`logits`"]),
        (b"Transpose", b"Transport", &["model.onnx", "Transport"]),
    ];
    for (from, to, expected) in cases {
        let (_home, folder) = read("llama-3.2", Form::HfF32);
        patch(&folder.graph, from, to);
        let text = opened(&folder).unwrap_err().to_string();
        assert!(expected.iter().all(|word| text.contains(word)), "{text}");
        assert!(text.contains(folder.graph.to_str().unwrap()), "{text}");
    }
}

#[test]
fn a_window_shortens_the_context_unless_the_graph_keeps_it() {
    let limit = |family: &str, form: Form| {
        let (_home, folder) = read(family, form);
        (folder.context, folder.shortened)
    };
    for form in [Form::GenAiF32, Form::HfGqa] {
        let (context, why) = limit("mistral-0.1", form);
        assert_eq!(context, 352);
        assert!(why.unwrap().contains("352 tokens instead of 384: the model attends to a sliding window"));
        assert_eq!(limit("mistral", form), (384, None));
        assert_eq!(limit("gemma-2", form), (384, None));
        assert_eq!(limit("gemma-3", form), (384, None));
    }
    assert_eq!(limit("gemma-2", Form::HfF32), (384, None));
    // A window that is declared and not used.
    assert_eq!(limit("qwen2.5", Form::GenAiF32), (384, None));
    let home = assemble("qwen2.5", Form::HfGqa);
    edit(&home.path().join("qwen2.5/config.json"), |config| {
        config["use_sliding_window"] = true.into();
        config["sliding_window"] = 100.into();
    });
    assert_eq!(Folder::read(&home.path().join("qwen2.5")).unwrap().context, 100);
}

#[test]
fn a_second_set_of_rotary_factors_shortens_the_context() {
    for form in [Form::GenAiInt4, Form::HfGqa, Form::HfF32] {
        let (_home, folder) = read("phi-4", form);
        assert_eq!(folder.context, 352, "{form:?}");
        assert!(folder.shortened.unwrap().contains("rotary factors"));
    }
    // The builder writes no config.json; its graph tells.
    let home = assemble("phi-3.5", Form::GenAiF32);
    let root = home.path().join("phi-3.5");
    fs::remove_file(root.join("config.json")).unwrap();
    assert_eq!(Folder::read(&root).unwrap().context, 352);
}

#[test]
fn the_rotary_form_may_stand_under_both_of_its_names() {
    for form in [Form::GenAiF32, Form::HfF32] {
        let home = assemble("phi-3.5", form);
        let root = home.path().join("phi-3.5");
        let rope = |change: fn(&mut Value)| {
            edit(&root.join("config.json"), |all| change(&mut all["rope_scaling"]));
        };
        rope(|rope| rope["rope_type"] = "longrope".into());
        assert_eq!(Folder::read(&root).unwrap().context, 352, "{form:?}");
        rope(|rope| drop(rope.as_object_mut().unwrap().remove("type")));
        assert_eq!(Folder::read(&root).unwrap().context, 352, "{form:?}");
    }
}
