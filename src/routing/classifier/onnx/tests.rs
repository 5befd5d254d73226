//! The shipped classifier against the training code, and broken folders.

use std::path::Path;

use serde_json::Value;

use super::*;

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
fn features_and_ids_equal_the_training_code() {
    let mut classifier = OnnxClassifier::load(&shipped()).unwrap();
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
        classifier.judge(text).unwrap();
        assert_eq!(classifier.ids.len() as u64, row["tokens"].as_u64().unwrap(), "{text:?}");
        let ids: Vec<i64> = row["ids"].as_array().unwrap().iter().map(|id| id.as_i64().unwrap()).collect();
        assert_eq!(classifier.ids[..ids.len()], ids, "{text:?}");
    }
}

#[test]
fn tells_easy_from_hard_and_stays_in_range() {
    let mut classifier = OnnxClassifier::load(&shipped()).unwrap();
    let mut score = |text: &str| {
        let verdict = classifier.judge(text).and_then(Verdict::checked).unwrap();
        assert!(verdict.gain.is_some() && verdict.task.is_none(), "{text}");
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
    let first = classifier.judge("Sort these words: b, a, c.").unwrap();
    classifier.judge(&"another text ".repeat(300)).unwrap();
    assert_eq!(classifier.judge("Sort these words: b, a, c.").unwrap(), first);
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
