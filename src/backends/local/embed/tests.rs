//! The tiny model of `tests/fixtures/embedder` against what torch made of the same texts.

use std::path::PathBuf;

use futures_util::FutureExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::config::Pooling;
use crate::hub::EMBEDDING_GRAPHS;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/embedder")
}

fn config() -> EmbeddingsConfig {
    EmbeddingsConfig { threads: 1, ..EmbeddingsConfig::default() }
}

fn open(pooling: Pooling, max_batch_tokens: usize) -> Embedder {
    Embedder::open(&fixture(), &EmbeddingsConfig { pooling, max_batch_tokens, ..config() }).unwrap()
}

/// A copy of the fixture with one file changed or, with `None`, gone.
fn changed(file: &str, content: Option<&str>) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    let files = ["onnx/model.onnx", "tokenizer.json", "config.json", "modules.json", "1_Pooling/config.json"];
    for name in files.iter().chain(&["sentence_bert_config.json"]) {
        let to = copy.path().join(name);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(fixture().join(name), to).unwrap();
    }
    let to = copy.path().join(file);
    match content {
        Some(content) => std::fs::write(to, content).unwrap(),
        None => std::fs::remove_file(to).unwrap(),
    }
    copy
}

fn reference() -> Vec<Value> {
    serde_json::from_slice(&std::fs::read(fixture().join("reference.json")).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

fn assert_close(one: &[f32], other: &[f32], what: &str) {
    assert_eq!(one.len(), other.len(), "{what}");
    let apart = one.iter().zip(other).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max);
    assert!(apart < 1e-5, "{what}: {apart} apart");
}

fn texts(rows: &[Value]) -> Vec<Passage> {
    rows.iter().map(|row| Passage::Text(row["text"].as_str().unwrap().to_owned())).collect()
}

#[tokio::test]
async fn vectors_are_those_of_the_reference_however_they_are_pooled_cut_and_batched() {
    let rows = reference();
    for (pooling, name) in [(Pooling::Auto, "mean"), (Pooling::Cls, "cls")] {
        for most in [1, 4096] {
            let embedder = open(pooling, most);
            let whole = embedder.embed(texts(&rows), None).await.unwrap();
            let eight = embedder.embed(texts(&rows), Some(8)).await.unwrap();
            for (at, row) in rows.iter().enumerate() {
                let what = format!("{name} of text {at}");
                assert_close(&whole.vectors[at], &numbers(&row[name]["unit"]), &what);
                assert_close(&eight.vectors[at], &numbers(&row[name]["eight"]), &what);
            }
            let tokens: usize = rows.iter().map(|row| row["ids"].as_array().unwrap().len()).sum();
            assert_eq!(whole.tokens, tokens as u64);
        }
    }
}

#[tokio::test]
async fn a_vector_does_not_depend_on_the_texts_beside_it_in_int8_either() {
    let (folder, rows) = (changed("onnx/model.onnx", None), reference());
    std::fs::copy(
        fixture().join("onnx/model_quantized.onnx"),
        folder.path().join("onnx/model_quantized.onnx"),
    )
    .unwrap();
    let embedder = Embedder::open(folder.path(), &config()).unwrap();
    let texts: Vec<Passage> = ["parcel", "invoice", "hello", "where"]
        .map(|word| Passage::Text(word.to_owned()))
        .into_iter()
        .chain(texts(&rows[..4]))
        .collect();
    let together = embedder.embed(texts.clone(), None).await.unwrap().vectors;
    for (text, beside) in texts.iter().zip(&together) {
        assert_eq!(&embedder.embed(vec![text.clone()], None).await.unwrap().vectors[0], beside);
    }
    for (found, row) in together[4..].iter().zip(&rows) {
        let like: f32 = found.iter().zip(numbers(&row["mean"]["unit"])).map(|(a, b)| a * b).sum();
        assert!(like > 0.95, "{like}: it is the same model");
    }
}

#[tokio::test]
async fn a_folder_without_normalising_gives_plain_vectors() {
    let modules = std::fs::read_to_string(fixture().join("modules.json")).unwrap();
    let mut modules: Vec<Value> = serde_json::from_str(&modules).unwrap();
    modules.pop();
    let folder = changed("modules.json", Some(&json!(modules).to_string()));
    let embedder = Embedder::open(folder.path(), &config()).unwrap();
    let rows = reference();
    let plain = embedder.embed(texts(&rows[..2]), None).await.unwrap();
    assert_close(&plain.vectors[1], &numbers(&rows[1]["mean"]["plain"]), "plain");
}

#[tokio::test]
async fn token_ids_are_used_as_they_are() {
    let rows = reference();
    let ids =
        rows[1]["ids"].as_array().unwrap().iter().map(|id| u32::try_from(id.as_u64().unwrap()).unwrap());
    let embedder = open(Pooling::Auto, 4096);
    let embedded = embedder.embed(vec![Passage::Tokens(ids.collect())], None).await.unwrap();
    assert_close(&embedded.vectors[0], &numbers(&rows[1]["mean"]["unit"]), "ids");
    let error = embedder.embed(vec![Passage::Tokens(vec![2, 999_999])], None).await.unwrap_err();
    assert_eq!((error.kind, error.param.as_deref()), (Kind::Rejected, Some("input")), "{error}");
}

#[tokio::test]
async fn what_is_too_long_is_refused_and_not_cut() {
    let embedder = open(Pooling::Auto, 4096);
    let fits = Passage::Text("a ".repeat(46));
    assert_eq!(embedder.embed(vec![fits.clone()], None).await.unwrap().tokens, 48);
    let long = Passage::Text("a ".repeat(47));
    let error = embedder.embed(vec![fits, long], None).await.unwrap_err();
    assert_eq!((error.kind, error.fault), (Kind::ContextLengthExceeded, Fault::Caller));
    assert!(error.message.contains("48") && error.message.contains("input[1] has 49"), "{error}");
    let many = vec![Passage::Tokens(vec![5; 48]); MOST_TOKENS / 48 + 1];
    assert!(embedder.embed(many, None).await.unwrap_err().message.contains("300000"));
    let error = embedder.embed(vec![Passage::Text("a".to_owned())], Some(33)).await.unwrap_err();
    assert!(error.message.contains("32 dimensions"), "{error}");
}

#[test]
fn a_text_that_no_context_could_hold_is_refused_before_it_is_tokenised() {
    let desk = open(Pooling::Auto, 4096).desk;
    let tokens = |text: String| desk.tokens(2, Passage::Text(text));
    let error = tokens("a ".repeat(SHORT)).unwrap_err();
    assert_eq!((error.kind, error.param.as_deref()), (Kind::ContextLengthExceeded, Some("input")));
    assert!(error.message.contains(&format!("input[2] has {} bytes", 2 * SHORT)), "{error}");
    // Shorter ones are counted in tokens, which are few where there is little but blanks.
    assert!(tokens("a ".repeat(SHORT / 2)).unwrap_err().message.contains("tokens. Please"));
    assert_eq!(tokens(" ".repeat(SHORT - 1) + "a").unwrap().len(), 3);
}

#[test]
fn texts_are_written_small_where_the_folder_says_so() {
    let mut tokenizer: Value =
        serde_json::from_slice(&std::fs::read(fixture().join("tokenizer.json")).unwrap()).unwrap();
    tokenizer["normalizer"]["lowercase"] = json!(false);
    let folder = changed("tokenizer.json", Some(&tokenizer.to_string()));
    let tokens = |text: &str| {
        let embedder = Embedder::open(folder.path(), &config()).unwrap();
        embedder.desk.tokens(0, Passage::Text(text.to_owned())).unwrap()
    };
    assert_ne!(tokens("PARCEL"), tokens("parcel"), "this tokenizer itself does not");
    let texts = r#"{"max_seq_length": 48, "do_lower_case": true}"#;
    std::fs::write(folder.path().join("sentence_bert_config.json"), texts).unwrap();
    assert_eq!(tokens("PARCEL"), tokens("parcel"));
}

#[test]
fn a_default_prompt_that_is_left_out_of_the_pooling_is_refused() {
    let pooling = r#"{"pooling_mode_mean_tokens": true, "include_prompt": false}"#;
    let folder = changed("1_Pooling/config.json", Some(pooling));
    assert_eq!(Folder::read(folder.path(), Pooling::Auto).unwrap().prompt, "");
    let prompts = r#"{"prompts": {"query": "find: "}, "default_prompt_name": "query"}"#;
    std::fs::write(folder.path().join("config_sentence_transformers.json"), prompts).unwrap();
    assert_eq!(
        Folder::read(folder.path(), Pooling::Cls).unwrap().prompt,
        "find: ",
        "the first token is the same"
    );
    for wished in [Pooling::Auto, Pooling::Max] {
        let error = Folder::read(folder.path(), wished).unwrap_err().to_string();
        assert!(error.contains("include_prompt") && error.contains("1_Pooling"), "{error}");
    }
    let pooling = r#"{"pooling_mode_mean_tokens": true, "include_prompt": true}"#;
    std::fs::write(folder.path().join("1_Pooling/config.json"), pooling).unwrap();
    assert_eq!(Folder::read(folder.path(), Pooling::Auto).unwrap().prompt, "find: ");
}

#[tokio::test]
async fn a_full_queue_refuses_and_a_dropped_request_gives_its_place_back() {
    let embedder =
        Embedder::open(&fixture(), &EmbeddingsConfig { queue: 1, max_batch_tokens: 1, ..config() }).unwrap();
    let many = vec![Passage::Tokens(vec![5; 48]); 2048];
    let mut first = Box::pin(embedder.embed(many, None));
    assert!((&mut first).now_or_never().is_none(), "it is under way");
    let one = || vec![Passage::Text("hello".to_owned())];
    let error = embedder.embed(one(), None).await.unwrap_err();
    assert_eq!(error.kind, Kind::Busy);
    drop(first);
    while embedder.places.available_permits() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(embedder.embed(one(), None).await.unwrap().vectors.len(), 1);
}

#[tokio::test]
async fn a_thread_that_has_ended_or_hangs_is_not_waited_for_without_end() {
    let mut embedder = open(Pooling::Auto, 4096);
    let one = || vec![Passage::Text("hello".to_owned())];
    let (jobs, nobody_takes) = sync_channel(1);
    embedder.jobs = jobs;
    let mut waits = Box::pin(embedder.embed(one(), None));
    let early = timeout(Duration::from_millis(50), &mut waits).await;
    assert!(early.is_err(), "it may come yet");
    tokio::time::pause();
    let error = waits.await.unwrap_err();
    tokio::time::resume();
    assert!(error.kind == Kind::Down && error.message.contains("came before"), "{error}");
    drop(nobody_takes);
    assert_eq!(embedder.embed(one(), None).await.unwrap_err().kind, Kind::Down);
    assert_eq!(embedder.places.available_permits(), config().queue);
}

#[tokio::test]
async fn a_run_that_hangs_is_told_soon_to_who_waits_and_at_once_to_who_comes() {
    let mut embedder = open(Pooling::Auto, 4096);
    let one = || vec![Passage::Text("hello".to_owned())];
    let (jobs, nobody_takes) = sync_channel(config().queue);
    let takes = std::mem::replace(&mut embedder.jobs, jobs);
    let pulse = Arc::new(Pulse::new(Duration::from_millis(20)).unwrap());
    embedder.pulse = Arc::clone(&pulse);
    let (ends, wait) = sync_channel::<()>(0);
    let hangs = std::thread::spawn(move || pulse.run(1.0, |_| wait.recv().is_ok()));
    let waits = timeout(Duration::from_secs(60), embedder.embed(one(), None)).await;
    let error = waits.expect("long before its own time is over").unwrap_err();
    assert!(error.kind == Kind::Down && error.message.contains("hangs"), "{error}");
    let comes = embedder.embed(one(), None).now_or_never().expect("at once");
    assert_eq!(comes.unwrap_err().kind, Kind::Down);
    drop((ends, nobody_takes));
    assert!(!hangs.join().unwrap());
    assert_eq!(embedder.places.available_permits(), config().queue);
    embedder.jobs = takes;
    assert_eq!(embedder.embed(one(), None).await.unwrap().vectors.len(), 1, "it has come back");
}

#[test]
fn a_run_that_hangs_is_asked_to_end_and_the_next_one_is_not() {
    let folder = Folder::read(&fixture(), Pooling::Auto).unwrap();
    let mut model = Model::open(&folder, &SessionSpec { intra_threads: 1, spin: false }).unwrap();
    let pulse = Pulse::new(Duration::ZERO).unwrap();
    assert!(!pulse.hangs(), "nothing runs");
    for times in [1.0, 4.0] {
        let ended = pulse.run(times, |options| {
            assert!(pulse.hangs());
            model.run(&[&[2, 3]], options)
        });
        assert!(ended.is_err() && !pulse.hangs(), "{times}");
        let ended = pulse.run(times, |options| model.run(&[&[2, 3]], options));
        assert!(ended.is_ok(), "{times}: the runtime takes the options of larger runs too: {ended:?}");
    }
}

#[tokio::test]
async fn a_request_whose_own_run_takes_too_long_is_not_told_of_another_one() {
    let mut embedder = open(Pooling::Auto, 4096);
    let (jobs, takes) = sync_channel::<Job>(config().queue);
    embedder.jobs = jobs;
    let pulse = Arc::new(Pulse::new(Duration::from_millis(20)).unwrap());
    embedder.pulse = Arc::clone(&pulse);
    let (ends, wait) = sync_channel::<()>(0);
    let hangs = std::thread::spawn(move || {
        let job = takes.recv().unwrap();
        job.runs.store(true, Ordering::Relaxed);
        pulse.run(1.0, |_| wait.recv().is_ok())
    });
    let waits = embedder.embed(vec![Passage::Text("hello".to_owned())], None);
    let waits = timeout(Duration::from_secs(60), waits).await;
    let error = waits.expect("long before its own time is over").unwrap_err();
    assert!(error.kind == Kind::Down && error.message.contains("shorter texts"), "{error}");
    drop(ends);
    assert!(!hangs.join().unwrap());
}

#[test]
fn e8_special_tokens_that_somebody_types_are_text() {
    let mut tokenizer: Value =
        serde_json::from_slice(&std::fs::read(fixture().join("tokenizer.json")).unwrap()).unwrap();
    let special = |id: u32, text: &str| {
        json!({ "id": id, "content": text, "special": true, "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false })
    };
    tokenizer["added_tokens"] = json!([special(2, "[CLS]"), special(3, "[SEP]")]);
    let folder = changed("tokenizer.json", Some(&tokenizer.to_string()));
    let embedder = Embedder::open(folder.path(), &config()).unwrap();
    let tokens = |text: &str| embedder.desk.tokens(0, Passage::Text(text.to_owned())).unwrap();
    assert_eq!(tokens("a b"), [2, 94, 6, 3], "the model's own stand around it");
    let typed = tokens("a [SEP] b");
    // A bracket, three pieces of a word, a bracket.
    assert_eq!(typed.len(), 4 + 5, "{typed:?}");
    assert_eq!([&typed[..2], &typed[7..]], [[2, 94], [6, 3]]);
    assert!(typed[2..7].iter().all(|id| ![2, 3].contains(id)), "{typed:?}");
}

#[test]
fn a_pulled_folder_is_held_against_its_record() {
    let record = "schema-version = 1\nhub = \"https://hub.invalid\"\nrepository = \"o/r\"\nrevision = \"main\"\ncommit = \"0\"\n\
                  pulled-at = \"2026-01-01T00:00:00Z\"\n[[file]]\npath = \"tokenizer.json\"\nsize = 3\nsha256 = \"0\"\n";
    let folder = changed(Record::FILE, Some(record));
    let error = Embedder::open(folder.path(), &config()).err().expect("must be refused").to_string();
    assert!(error.contains("tokenizer.json") && error.contains("3 were pulled"), "{error}");
}

#[test]
fn folders_that_say_too_little_or_something_unknown_are_refused_by_file() {
    let two = r#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true}"#;
    let dense = r#"[{"type": "sentence_transformers.models.Dense", "path": "2_Dense"}]"#;
    for (file, content, said) in [
        ("1_Pooling/config.json", None, "embeddings.pooling"),
        ("1_Pooling/config.json", Some(two), "one only"),
        ("1_Pooling/config.json", Some(r#"{"pooling_mode_weightedmean_tokens": true}"#), "weightedmean"),
        ("modules.json", Some(dense), "Dense"),
        ("tokenizer.json", None, "tokenizer.json"),
        ("tokenizer.json", Some("{}"), "tokenizer.json"),
        ("onnx/model.onnx", None, "onnx/model.onnx"),
        ("onnx/model.onnx", Some("garbage"), "onnx/model.onnx"),
    ] {
        let folder = changed(file, content);
        let error = Embedder::open(folder.path(), &config()).err().expect("must be refused").to_string();
        assert!(error.contains(said), "{file}: {error}");
        assert!(error.contains(folder.path().to_str().unwrap()), "{file}: {error}");
    }
}

#[test]
fn every_graph_that_a_pull_may_take_is_found_and_the_best_one_read() {
    let folder = changed("onnx/model.onnx", None);
    for name in EMBEDDING_GRAPHS.iter().rev() {
        let graph = folder.path().join(name);
        std::fs::write(&graph, "").unwrap();
        assert_eq!(Folder::read(folder.path(), Pooling::Auto).unwrap().graph, graph);
    }
}

#[test]
fn the_longest_text_is_the_least_that_any_file_allows() {
    let folder = changed("sentence_bert_config.json", None);
    assert_eq!(Folder::read(folder.path(), Pooling::Auto).unwrap().longest, 64);
    let endless = r#"{"model_max_length": 1000000000000000019884624838656}"#;
    std::fs::write(folder.path().join("tokenizer_config.json"), endless).unwrap();
    assert_eq!(Folder::read(folder.path(), Pooling::Auto).unwrap().longest, 64);
    let roberta = r#"{"model_type": "xlm-roberta", "max_position_embeddings": 514, "pad_token_id": 1}"#;
    std::fs::write(folder.path().join("config.json"), roberta).unwrap();
    assert_eq!(Folder::read(folder.path(), Pooling::Auto).unwrap().longest, 512);
}
