//! docs/FAMILIES.md, and the tests that hold it against what really passes.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::measure::{Outcome, TOKENS, check, measure};
use super::{Capped, FAMILIES, FORMS, Family, Form, prompts, reference};

/// With this in the environment, `the_page_is_whole` measures everything and writes the page.
const WRITE: &str = "CROSSOVER_WRITE_FAMILIES";

const HEAD: &str = "# Model families

Written by the test run: each `yes` is a test that passes, and a form that does not pass is not claimed. To write this
page anew: `CROSSOVER_WRITE_FAMILIES=1 cargo nextest run -E 'test(the_page_is_whole)'`.

No real weights are in this repository. Each family is proved with a tiny model of its real architecture, with random
weights, that `training/fixtures/models/make.py` makes (`tests/fixtures/models/`): this shows that every token is
computed as the reference computes it, and says nothing of a real model's quality or speed.
";

const AFTER: &str = "
An empty cell has no fixture. The columns:

- `GenAI`: ONNX Runtime GenAI's layout (`genai_config.json`, `model.onnx`), from its model builder.
- `HF, fused attention`: Hugging Face's layout, the attention one operator (`GroupQueryAttention`) and rotary embedding
  another, positions as an input, weights in a file beside the graph.
- `HF float32`, `q4`, `int8`: Hugging Face's layout (`onnx/model.onnx`, `model_q4.onnx`, `model_quantized.onnx`) from
  Hugging Face's exporter: attention as plain operators, and a cache that grows with every token.

## What is known to limit them

- **Sliding windows.** Fused attention has the window as an attribute; where a builder left it out (Mistral v0.1, Phi-3),
  the graph is wrong past the window, so the context ends there and a warning says so. Where attention is plain
  operators, the window has to stand in the graph as a number that the mask is drawn with; if it does not, the context
  ends there, too. The window is read from `genai_config.json` or `config.json`: keep `config.json` in GenAI folders of
  older builders, which do not write it down. Windowed caches (Gemma) are given whole rows and are exact.
- **Two sets of rotary factors** (Phi-3.5, Phi-4-mini, Phi-3 128k): past the first set's length (4,096 tokens in the
  real models) what is cached would have to be computed anew, so the context ends there.
- **Soft caps** (Gemma 2): the fixture with plain operators was exported with eager attention. With the exporter's
  default the cap on attention is lost, in the exported file itself.
- **Eight-bit activations with one scale for a run** (`DynamicQuantizeLinear`, usual in `model_quantized.onnx`): what
  runs together changes each other's numbers, so every answer runs alone, and more requests make each slower.
  `model_q4.onnx` has no such limit. The reference was prefilled in the engine's chunks of 128 tokens.
- **Growing caches** are copied at every token and run one answer at a time: prefer a GenAI folder or fused attention.
- **16-bit floats** in the cache or the logits (`model_fp16.onnx`, `model_q4f16.onnx`) are refused: a CPU is slower with
  them than with float32.
- **Merged decoders** (`use_cache_branch`), graphs that take embeddings, and graphs without a cache are refused.

## Which graph of a folder

Where a Hugging Face folder has several, the first of `model_q4.onnx`, `model_int8.onnx`, `model_quantized.onnx`,
`model_uint8.onnx`, `model_bnb4.onnx`, `model.onnx` is taken, in `onnx/` before the folder itself. To choose another, name
it: `local.model = \"path/to/model/onnx/model.onnx\"`.
";

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/FAMILIES.md")
}

fn written() -> String {
    std::fs::read_to_string(path()).unwrap_or_default()
}

/// A family's row.
fn row(family: &Family, outcomes: &[Outcome]) -> String {
    let mut row = format!("| {} |", family.title);
    for outcome in outcomes {
        let cell = match outcome {
            Outcome::Equal => "yes",
            Outcome::Absent => "",
            Outcome::Fails(_) => "no",
        };
        let _ = write!(row, " {cell} |");
    }
    let past = match (family.windowed, family.capped) {
        (true, _) => "passed",
        (false, Capped::WhereFused) => "passed by plain operators, else the context ends there",
        (false, Capped::Always) => "the context ends at the first rotary factors' end",
        (false, Capped::Never) => "none",
    };
    let _ = write!(row, " {past} | {} |", family.about);
    row
}

fn render(rows: &[String]) -> String {
    let lengths: Vec<String> = prompts().iter().map(|prompt| prompt.ids.len().to_string()).collect();
    let mut page = format!(
        "{HEAD}
For each cell: greedy answers to prompts of {} tokens, {TOKENS} tokens each and the last one until the context ends, equal to
the reference alone; the same beside each other, joining and leaving in mid-answer; and the last one with a cached prefix.
The reference for float32 is transformers, for GenAI's int4 and int8 onnxruntime-genai with the same file, and for Hugging
Face's q4 and int8 ONNX Runtime alone with the same file.

| family |",
        lengths.join(", ")
    );
    for form in FORMS {
        let _ = write!(page, " {} |", form.title());
    }
    page.push_str(" windows | peculiar to it |\n|");
    page.push_str(&"---|".repeat(FORMS.len() + 3));
    page.push('\n');
    for row in rows {
        page.push_str(row);
        page.push('\n');
    }
    page.push_str(AFTER);
    page
}

/// Measures a family and compares with its row on the page.
async fn holds(folder: &str) {
    let family = FAMILIES.iter().find(|family| family.folder == folder).unwrap();
    let outcomes = measure(family).await;
    let row = row(family, &outcomes);
    let is_there = written().lines().any(|line| line == row);
    assert!(
        is_there || std::env::var_os(WRITE).is_some(),
        "docs/FAMILIES.md should have this row; {WRITE}=1 writes it\n{row}\n{outcomes:?}"
    );
}

macro_rules! families {
    ($($test:ident: $folder:literal,)*) => {
        $(
            #[tokio::test]
            async fn $test() {
                holds($folder).await;
            }
        )*

        #[test]
        fn every_family_has_its_test() {
            assert_eq!([$($folder),*], FAMILIES.map(|family| family.folder));
        }
    };
}

families! {
    llama_3_2: "llama-3.2",
    tinyllama: "tinyllama",
    smollm2: "smollm2",
    mistral: "mistral",
    mistral_0_1: "mistral-0.1",
    qwen2_5: "qwen2.5",
    qwen3: "qwen3",
    gemma_2: "gemma-2",
    gemma_3: "gemma-3",
    phi_3: "phi-3",
    phi_3_5: "phi-3.5",
    phi_4: "phi-4",
}

#[tokio::test]
async fn the_page_is_whole() {
    if std::env::var_os(WRITE).is_some() {
        let mut rows = vec![];
        for family in &FAMILIES {
            rows.push(row(family, &measure(family).await));
        }
        std::fs::write(path(), render(&rows)).unwrap();
    }
    let page = written();
    let start = |family: &Family| format!("| {} |", family.title);
    let rows = FAMILIES.iter().map(|family| {
        let row = page.lines().find(|line| line.starts_with(&start(family)));
        row.unwrap_or_else(|| panic!("docs/FAMILIES.md has no row of {}", family.title)).to_owned()
    });
    assert_eq!(page, render(&rows.collect::<Vec<_>>()), "docs/FAMILIES.md is old; {WRITE}=1 writes it anew");
}

#[tokio::test]
async fn rows_with_one_scale_for_all_do_not_change_each_other() {
    let expected = reference("llama-3.2", Form::HfGqaInt8).unwrap();
    assert_eq!(check(&FAMILIES[0], Form::HfGqaInt8, &expected).await, Ok(()));
}
