//! Which model families run: tiny models with random weights and everything that is peculiar to the real ones, against
//! the tokens of reference implementations. Promises: a form is claimed in docs/FAMILIES.md exactly where it passes.
//! `training/fixtures/models/make.py` writes what is read here.

mod measure;
mod page;

use std::path::{Path, PathBuf};

use serde::Deserialize;
use tempfile::TempDir;

use super::folder::Folder;

/// One family: the fixture's folder, what the page calls it, and what is peculiar to it.
pub(super) struct Family {
    pub(super) folder: &'static str,
    pub(super) title: &'static str,
    pub(super) about: &'static str,
    /// In which forms the engine uses less than the model's context.
    pub(super) capped: Capped,
    /// Whether attention of some layers has a window that the longer prompts pass.
    pub(super) windowed: bool,
}

/// Where a graph is wrong past some length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Capped {
    Never,
    /// Fused attention was exported without the model's window.
    WhereFused,
    Always,
}

impl Family {
    /// The context that the engine must find.
    pub(super) fn context(&self, form: Form) -> u32 {
        let fused = !matches!(form, Form::HfF32 | Form::HfQ4 | Form::HfInt8);
        match self.capped {
            Capped::Always => CAP,
            Capped::WhereFused if fused => CAP,
            _ => CONTEXT,
        }
    }
}

/// The context of every fixture.
pub(super) const CONTEXT: u32 = 384;
/// Where uniform windows and longer rotary factors begin.
const CAP: u32 = 352;

const fn family(folder: &'static str, title: &'static str, about: &'static str) -> Family {
    Family { folder, title, about, capped: Capped::Never, windowed: false }
}

/// All families, in the order of the page.
pub(super) const FAMILIES: [Family; 12] = [
    family("llama-3.2", "Llama 3.2 (1B, 3B)", "grouped heads, scaled rotary frequencies, tied embeddings"),
    family("tinyllama", "TinyLlama", "grouped heads, an output layer of its own"),
    family("smollm2", "SmolLM2", "three heads for one, tied embeddings"),
    family("mistral", "Mistral 7B (v0.2, v0.3)", "grouped heads, no window"),
    Family {
        capped: Capped::WhereFused,
        ..family("mistral-0.1", "Mistral 7B (v0.1)", "a sliding window in every layer")
    },
    family("qwen2.5", "Qwen2.5", "biases in attention, tied embeddings"),
    family("qwen3", "Qwen3", "normalised queries and keys, heads wider than their share"),
    Family {
        windowed: true,
        ..family(
            "gemma-2",
            "Gemma 2",
            "windowed layers between whole ones, soft caps, norms before and after, scaled embeddings",
        )
    },
    Family {
        windowed: true,
        ..family(
            "gemma-3",
            "Gemma 3 (1B text)",
            "windowed layers with rotary frequencies of their own, normalised queries and keys",
        )
    },
    Family {
        capped: Capped::WhereFused,
        ..family("phi-3", "Phi-3-mini (4k)", "joined projections, a sliding window in every layer")
    },
    Family {
        capped: Capped::Always,
        ..family("phi-3.5", "Phi-3.5-mini, Phi-3-mini (128k)", "two sets of rotary factors")
    },
    Family {
        capped: Capped::Always,
        ..family(
            "phi-4",
            "Phi-4-mini",
            "partial rotary embedding, two sets of factors, grouped heads, tied embeddings",
        )
    },
];

/// In which form a model comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    GenAiF32,
    GenAiInt4,
    GenAiInt8,
    /// Hugging Face's layout, attention as one operator, positions as an input.
    HfGqa,
    /// Hugging Face's layout, attention as plain operators, a cache that grows.
    HfF32,
    HfQ4,
    HfInt8,
    /// One operator, and eight-bit activations with one scale for a run; of one family only.
    HfGqaInt8,
}

/// All forms, in the order of the page's columns.
pub(super) const FORMS: [Form; 7] =
    [Form::GenAiF32, Form::GenAiInt4, Form::GenAiInt8, Form::HfGqa, Form::HfF32, Form::HfQ4, Form::HfInt8];

impl Form {
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::GenAiF32 => "GenAI float32",
            Self::GenAiInt4 => "GenAI int4",
            Self::GenAiInt8 => "GenAI int8",
            Self::HfGqa => "HF, fused attention",
            Self::HfF32 => "HF float32",
            Self::HfQ4 => "HF q4",
            Self::HfInt8 => "HF int8",
            Self::HfGqaInt8 => "HF int8, fused attention",
        }
    }

    /// The fixture's files and where they belong in a model folder.
    fn files(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::GenAiF32 => &[
                ("genai-f32/genai_config.json", "genai_config.json"),
                ("genai-f32/model.onnx", "model.onnx"),
                ("genai-f32/model.onnx.data", "model.onnx.data"),
            ],
            Self::GenAiInt4 => &[
                ("genai-int4/genai_config.json", "genai_config.json"),
                ("genai-int4/model.onnx", "model.onnx"),
                ("genai-int4/model.onnx.data", "model.onnx.data"),
            ],
            Self::GenAiInt8 => &[
                ("genai-int8/genai_config.json", "genai_config.json"),
                ("genai-int8/model.onnx", "model.onnx"),
                ("genai-int8/model.onnx.data", "model.onnx.data"),
            ],
            // The two forms of the builder have the same weights.
            Self::HfGqa => &[
                ("hf-gqa-f32/model.onnx", "onnx/model.onnx"),
                ("genai-f32/model.onnx.data", "onnx/model.onnx.data"),
            ],
            Self::HfF32 => &[("hf/model.onnx", "onnx/model.onnx")],
            Self::HfQ4 => &[("hf/model_q4.onnx", "onnx/model_q4.onnx")],
            Self::HfInt8 => &[("hf/model_quantized.onnx", "onnx/model_quantized.onnx")],
            Self::HfGqaInt8 => &[("hf-gqa-f32/model_quantized.onnx", "onnx/model_quantized.onnx")],
        }
    }

    /// Whether the fixture has this form.
    pub(super) fn is_there(self, family: &str) -> bool {
        self.files().iter().all(|(from, _)| fixtures().join(family).join(from).exists())
    }
}

pub(super) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models")
}

/// A model folder as it would be pulled, named after the family, in a folder of its own.
pub(super) fn assemble(family: &str, form: Form) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let (to, from) = (home.path().join(family), fixtures());
    std::fs::create_dir_all(to.join("onnx")).unwrap();
    for (file, at) in form.files() {
        std::fs::copy(from.join(family).join(file), to.join(at)).unwrap();
    }
    // A few families tell their window in config.json only; people keep it beside GenAI's files, too.
    std::fs::copy(from.join(family).join("config.json"), to.join("config.json")).unwrap();
    for file in ["tokenizer.json", "tokenizer_config.json"] {
        std::fs::copy(from.join("tokenizer").join(file), to.join(file)).unwrap();
    }
    home
}

/// A text and its tokens.
#[derive(Deserialize)]
pub(super) struct Prompt {
    pub(super) text: String,
    pub(super) ids: Vec<u32>,
}

pub(super) fn prompts() -> Vec<Prompt> {
    let text = std::fs::read(fixtures().join("prompts.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// The reference's tokens for each prompt, where there are any.
pub(super) fn reference(family: &str, form: Form) -> Option<Vec<Vec<u32>>> {
    let text = std::fs::read(fixtures().join(family).join("reference.json")).unwrap();
    let all: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let said = match form {
        Form::GenAiF32 | Form::HfGqa | Form::HfF32 => &all["f32"],
        Form::GenAiInt4 => &all["genai-int4"],
        Form::GenAiInt8 => &all["genai-int8"],
        // One scale for all activations of a run: the reference prefilled in the engine's chunks.
        Form::HfQ4 => &all["hf-q4"][super::engine::PREFILL_CHUNK.to_string()],
        Form::HfInt8 => &all["hf-int8"][super::engine::PREFILL_CHUNK.to_string()],
        Form::HfGqaInt8 => &all["hf-gqa-int8"][super::engine::PREFILL_CHUNK.to_string()],
    };
    serde_json::from_value(said.clone()).ok()
}

/// What the folder reader says of a fixture.
pub(super) fn read(family: &str, form: Form) -> (TempDir, Folder) {
    let home = assemble(family, form);
    let folder = Folder::read(&home.path().join(family)).unwrap_or_else(|error| panic!("{error}"));
    (home, folder)
}

/// A model in blocks of 32, whose rows have the same numbers in any company, or of 128, where only paired ones have; beside
/// its verify form, which `training/verify/make.py` made. And what the folder reader says of it.
pub(super) fn verifying(blocks: usize) -> (TempDir, Folder) {
    let form = if blocks == 128 { "llama-3.2/genai-int4-b128" } else { "llama-3.2/genai-int4" };
    let home = assemble("llama-3.2", Form::GenAiInt4);
    let folder = home.path().join("llama-3.2");
    for file in ["model.onnx", "model.onnx.data", "verify.onnx"] {
        std::fs::copy(fixtures().join(form).join(file), folder.join(file)).unwrap();
    }
    let folder = Folder::read(&folder).unwrap_or_else(|error| panic!("{error}"));
    (home, folder)
}
