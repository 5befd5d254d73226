//! The shipped classifier against the training code, and broken folders.

use std::path::Path;

use serde_json::Value;

use super::*;
use crate::routing::signals::Task;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn shipped() -> PathBuf {
    root().join("models/classifier")
}

/// A copy of the shipped folder, for breaking.
fn copy() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in [CONFIG, TOKENIZER, MODEL] {
        std::fs::copy(shipped().join(name), folder.path().join(name)).unwrap();
    }
    folder
}

fn refusal(folder: &Path) -> String {
    OnnxClassifier::load(folder).err().expect("must be refused").to_string()
}

#[test]
fn features_ngrams_and_ids_equal_the_training_code() {
    let mut classifier = OnnxClassifier::load(&shipped()).unwrap();
    let mut tokens = Tokens { tokenizer: open_tokenizer(&shipped().join(TOKENIZER)).unwrap(), ids: vec![] };
    let golden = std::fs::read_to_string(root().join("training/classifier/features_golden.jsonl")).unwrap();
    assert!(golden.lines().count() >= 40);
    for line in golden.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let text = row["text"].as_str().unwrap();
        let computed = features::compute(text, &window::cut(text), &classifier.config.code_marks);
        for (place, value) in computed.iter().enumerate() {
            let expected = row["features"][place].as_f64().unwrap();
            let name = features::NAMES[place];
            assert!(
                (f64::from(*value) - expected).abs() < 1e-5,
                "{name}: {value} is not {expected}: {text:?}"
            );
        }
        classifier.inspect(text).unwrap();
        let whole = |key: &str| -> Vec<i64> {
            row[key].as_array().unwrap().iter().map(|id| id.as_i64().unwrap()).collect()
        };
        tokens.read(&window::cut(text), (256, 256), 0).unwrap();
        assert_eq!(tokens.ids.len() as u64, row["tokens"].as_u64().unwrap(), "{text:?}");
        assert_eq!(tokens.ids[..whole("ids").len()], whole("ids"), "{text:?}");
        let Ngrams { ids, weights, .. } = classifier.ngrams.as_ref().unwrap();
        assert_eq!(ids.len() as u64, row["ngrams"].as_u64().unwrap(), "{text:?}");
        assert_eq!(ids[..whole("ngram_ids").len()], whole("ngram_ids"), "{text:?}");
        for (weight, expected) in weights.iter().zip(row["ngram_weights"].as_array().unwrap()) {
            assert!((f64::from(*weight) - expected.as_f64().unwrap()).abs() < 1e-5, "{weight}: {text:?}");
        }
    }
}

#[test]
fn tells_easy_from_hard_and_stays_in_range() {
    let mut classifier = OnnxClassifier::load(&shipped()).unwrap();
    let mut score = |text: &str| {
        let verdict = classifier.inspect(text).unwrap().verdict.checked().unwrap();
        assert!(verdict.gain.is_some() && verdict.calibrated.is_none(), "{text}");
        assert!(verdict.task.is_some_and(|task| Task::parse(&task).is_some()), "{text}");
        assert!(verdict.expected_output_tokens.is_some_and(|tokens| tokens >= 1), "{text}");
        verdict.local_ok
    };
    let easy = score(
        "Classify the message into one of these labels: refund, card.\n\nMessage: my card is gone\nLabel:",
    );
    let hard = score(
        "Prove that every compact Hausdorff space is normal, and discuss where each hypothesis is needed. \
         Then find all real x with x^7 - 3x + 1 = 0 to ten digits and justify the error bound.",
    );
    assert!(easy > hard + 0.2, "easy {easy}, hard {hard}");
    for text in ["", " ", "\0", "?", &"日本語".repeat(9_000), &"a".repeat(100_000)] {
        score(text);
    }
}

#[test]
fn the_same_text_gives_the_same_score() {
    let mut classifier = OnnxClassifier::load(&shipped()).unwrap();
    let first = classifier.inspect("Sort these words: b, a, c.").unwrap();
    classifier.inspect(&"another text ".repeat(300)).unwrap();
    assert_eq!(classifier.inspect("Sort these words: b, a, c.").unwrap(), first);
}

#[test]
fn a_fitted_head_scores_the_embedding_and_the_heads() {
    let classifier = OnnxClassifier::load(&shipped()).unwrap();
    let width = classifier.inputs;
    assert!(width > 10, "{width}");
    // All weight on the logit of `local_ok`: the head must give that back.
    let mut weights = vec![0.0; width];
    weights[width - 2] = 1.0;
    let mut fitted = classifier.with_head(Some(Head { weights, bias: 0.0 })).unwrap();
    for text in ["hello", "Prove that there are infinitely many primes."] {
        let Reading { verdict, inputs } = fitted.inspect(text).unwrap();
        assert_eq!(inputs.len(), width);
        assert!(inputs.iter().all(|input| input.is_finite() && input.abs() < 50.0), "{inputs:?}");
        assert!((verdict.calibrated.unwrap() - verdict.local_ok).abs() < 1e-4, "{verdict:?}");
        assert_eq!(verdict.gain, Some(inputs[width - 1]));
    }
    let mut bare = fitted.with_head(None).unwrap();
    assert_eq!(bare.inspect("hello").unwrap().verdict.calibrated, None);
}

#[test]
fn a_graph_of_the_older_form_reads_tokens_and_leaves_its_heads_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let old = root().join("tests/fixtures/token_classifier");
    for (from, name) in [(&old, CONFIG), (&shipped(), TOKENIZER), (&old, MODEL)] {
        std::fs::copy(from.join(name), folder.path().join(name)).unwrap();
    }
    let mut classifier = OnnxClassifier::load(folder.path()).unwrap();
    let Reading { verdict, inputs } = classifier.inspect("? ? ?").unwrap();
    let ids = &classifier.tokens.as_ref().unwrap().ids;
    assert_eq!(ids.len(), 3);
    let expected = 1.0 / (1.0 + (1.0 - ids[0] as f32 / 1000.0).exp());
    assert!((verdict.local_ok - expected).abs() < 1e-5, "{verdict:?}");
    assert!((verdict.gain.unwrap() - 6_f32.ln() / 10.0).abs() < 1e-5, "{verdict:?}");
    assert_eq!((verdict.task, verdict.expected_output_tokens, inputs.len()), (None, None, 2));
}

#[test]
fn a_head_for_another_graph_is_refused_and_one_without_a_number_is_broken() {
    let head = |weights| Some(Head { weights, bias: 0.0 });
    let refused = OnnxClassifier::load(&shipped()).unwrap().with_head(head(vec![1.0; 3])).err().unwrap();
    assert_eq!(refused.label(), "classifier_head");
    assert!(refused.to_string().contains("crossover calibrate"), "{refused}");
    let classifier = OnnxClassifier::load(&shipped()).unwrap();
    let width = classifier.inputs;
    let mut broken = classifier.with_head(head(vec![f32::NAN; width])).unwrap();
    assert!(broken.inspect("hello").unwrap_err().to_string().contains("calibration"));
}

#[test]
fn d20_a_broken_folder_is_refused_by_file_with_what_mends_it() {
    for name in [CONFIG, TOKENIZER, MODEL] {
        let folder = copy();
        std::fs::remove_file(folder.path().join(name)).unwrap();
        let missing = refusal(folder.path());
        assert!(missing.contains(name) && missing.contains("git checkout"), "{missing}");
        std::fs::write(folder.path().join(name), "{ garbage").unwrap();
        let corrupt = refusal(folder.path());
        assert!(corrupt.contains(name) && corrupt.contains("git checkout"), "{corrupt}");
    }
}

#[test]
fn a_config_of_another_form_is_refused() {
    for (from, to, word) in [
        ("\"schema\": 1", "\"schema\": 2", "schema"),
        ("\"ln_words\",", "\"words\",", "features"),
        ("\"head\": 256", "\"head\": 1", "window"),
        ("\"head_bytes\": 2048", "\"head_bytes\": 1024", "text_window"),
        ("\"buckets\": 131072", "\"buckets\": 1024", "ngrams"),
        ("\"ngrams\": {", "\"no_ngrams\": {", "ngrams"),
        ("\"summarising\"", "\"singing\"", "tasks"),
    ] {
        let folder = copy();
        let file = folder.path().join(CONFIG);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from));
        std::fs::write(&file, text.replacen(from, to, 1)).unwrap();
        let error = refusal(folder.path());
        assert!(error.contains(CONFIG) && error.contains(word), "{error}");
    }
}

#[test]
fn a_model_with_other_inputs_is_refused_at_load() {
    let folder = copy();
    // Another valid graph in its place: the file opens, and the trial question fails.
    let file = folder.path().join(MODEL);
    let bytes = std::fs::read(&file).unwrap();
    let renamed: Vec<u8> = replace_all(&bytes, b"local_ok", b"local_no");
    std::fs::write(&file, renamed).unwrap();
    let error = refusal(folder.path());
    assert!(error.contains("local_ok") && error.contains(MODEL), "{error}");
}

fn replace_all(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let places: Vec<usize> = memchr::memmem::find_iter(&bytes, from).collect();
    for place in places {
        bytes[place..place + to.len()].copy_from_slice(to);
    }
    bytes
}

/// Hand-written prompts that no model was trained or chosen on. The figure is printed; the bound is there to find breaks.
#[test]
fn the_task_head_tells_hand_written_prompts_apart() {
    let mut classifier = OnnxClassifier::load(&shipped()).unwrap();
    let suite = std::fs::read_to_string(root().join("evals/signals/task.jsonl")).unwrap();
    let mut of_task = std::collections::BTreeMap::<String, (u32, u32)>::new();
    for line in suite.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let (text, task) = (row["text"].as_str().unwrap(), row["task"].as_str().unwrap());
        assert!(Task::parse(task).is_some(), "{task}");
        let signals = Signals { text: text.to_owned(), ..Signals::default() };
        let said = classifier.classify(&signals).unwrap().task;
        let (right, all) = of_task.entry(task.to_owned()).or_default();
        (*right, *all) = (*right + u32::from(said.as_deref() == Some(task)), *all + 1);
    }
    let shares = of_task.values().map(|(right, all)| f64::from(*right) / f64::from(*all));
    let accuracy = shares.sum::<f64>() / of_task.len() as f64;
    println!("task head: macro accuracy {accuracy:.3}; {of_task:?}");
    assert_eq!((of_task.len(), suite.lines().count()), (12, 264));
    assert!(accuracy >= 0.50, "{accuracy:.3}: {of_task:?}");
}
