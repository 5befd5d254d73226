//! Several local models, as copies of the shipped starter model under names of their own.

use std::collections::HashMap;
use std::sync::Weak;

use futures_util::{FutureExt, StreamExt};

use super::super::queue::Queue;
use super::super::tests::{eventually, request, starter};
use super::*;
use crate::backends::Kind;
use crate::chat::{Delta, Event, Message, Role, Sampling};

/// Copies of the starter model, called like this.
fn copies(names: &[&str]) -> (tempfile::TempDir, Vec<PathBuf>) {
    let models = tempfile::tempdir().unwrap();
    let copy = |name: &&str| {
        let folder = models.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        for file in std::fs::read_dir(starter()).unwrap().map(Result::unwrap) {
            std::fs::copy(file.path(), folder.join(file.file_name())).unwrap();
        }
        folder
    };
    let folders = names.iter().map(copy).collect();
    (models, folders)
}

fn config() -> LocalConfig {
    LocalConfig { threads: 1, prefix_cache_mib: 0, ..LocalConfig::default() }
}

/// With room for this many copies.
fn room_for(models: u64, folders: &[PathBuf]) -> LocalConfig {
    let cost = Cost::of(&Folder::read(&folders[0]).unwrap(), &config()).estimate();
    let memory_mib = usize::try_from((cost * models).div_ceil(1 << 20)).unwrap();
    LocalConfig { memory_mib, ..config() }
}

fn open(folders: &[PathBuf], config: &LocalConfig) -> (Residents, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::new().unwrap());
    let residents = Residents::open(folders, config, &metrics).unwrap_or_else(|(_, error)| panic!("{error}"));
    (residents, metrics)
}

fn call(model: &str) -> Call {
    let mut request = request(vec![Message::text(Role::User, "Say hello.")]);
    request.sampling = Sampling { n: 1, max_tokens: Some(4), ..Sampling::default() };
    Call::new(Arc::new(request), model, Duration::from_secs(60))
}

async fn ask(residents: &Residents, model: &str) -> Result<String, BackendError> {
    let mut text = String::new();
    let mut chunks = residents.answer(call(model));
    while let Some(chunk) = chunks.next().await {
        for event in chunk?.events {
            if let Event::Delta { delta: Delta::Text(more), .. } = event {
                text.push_str(&more);
            }
        }
    }
    Ok(text)
}

fn loads(metrics: &Metrics, model: &str) -> [u64; 3] {
    ["start", "request", "failed"]
        .map(|outcome| metrics.local_model_loads_total.with_label_values(&[model, outcome]).get())
}

/// The queue of a model that is here; the engine's thread lives no longer than somebody shares it.
fn queue_of(residents: &Residents, model: &str) -> Weak<Queue> {
    match residents.shared.rooms().see(residents.shared.place(model), Instant::now()) {
        Seen::Here(local) => Arc::downgrade(&local.desk.queue),
        _ => panic!("{model} is not here"),
    }
}

fn loaded(metrics: &Metrics, names: &[&'static str]) -> Vec<&'static str> {
    let here = |name: &&&str| metrics.local_model_bytes.with_label_values(&[**name]).get() > 0;
    names.iter().filter(here).copied().collect()
}

#[tokio::test]
async fn a_model_is_loaded_once_when_it_is_first_asked_for() {
    let (_models, folders) = copies(&["a", "b", "c"]);
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let config = LocalConfig { models: list(&["b", "c"]), warm: list(&["c"]), ..config() };
    let (residents, metrics) = open(&folders, &config);
    assert_eq!((residents.profile().model.as_str(), residents.profile().models.len()), ("a", 3));
    assert_eq!(loaded(&metrics, &["a", "b", "c"]), ["a", "c"]);
    assert_eq!(residents.readiness_of("b"), Readiness::Ready, "it can be had");
    let before = residents.profile_of("b").can;
    assert!(before.structured && before.logprobs && before.other_sampling, "{before:?}");
    let expected = ask(&residents, "a").await.unwrap();
    assert!(!expected.is_empty());
    let (one, other) = tokio::join!(ask(&residents, "b"), ask(&residents, "b"));
    assert_eq!((one.unwrap(), other.unwrap()), (expected.clone(), expected));
    assert_eq!((loads(&metrics, "a"), loads(&metrics, "b")), ([1, 0, 0], [0, 1, 0]));
    assert_eq!(residents.profile_of("b").can, before, "as was said before it was loaded");
    assert_eq!(residents.load().active, 0);
}

#[tokio::test]
async fn the_longest_unused_leaves_when_another_needs_the_room() {
    let (_models, folders) = copies(&["a", "b", "c"]);
    let (residents, metrics) = open(&folders, &room_for(2, &folders));
    let names = ["a", "b", "c"];
    let expected = ask(&residents, "a").await.unwrap();
    let mut queues = HashMap::from([("a", queue_of(&residents, "a"))]);
    for (model, here) in
        [("b", ["a", "b"]), ("a", ["a", "b"]), ("c", ["a", "c"]), ("b", ["b", "c"]), ("a", ["a", "b"])]
    {
        assert_eq!(ask(&residents, model).await.unwrap(), expected, "{model}");
        assert_eq!(loaded(&metrics, &names), here, "after {model}");
        queues.insert(model, queue_of(&residents, model));
        for (_, left) in queues.iter().filter(|(name, _)| !here.contains(*name)) {
            eventually(|| left.strong_count() == 0).await;
        }
    }
    let unloads = |model| metrics.local_model_unloads_total.with_label_values(&[model, "memory"]).get();
    assert_eq!(names.map(unloads), [1, 1, 1]);
    assert_eq!(metrics.local_active.get(), 0, "gauges that models share end at nothing");
    assert_eq!(metrics.local_queue_depth.get(), 0);
}

#[tokio::test]
async fn a_model_with_an_answer_under_way_stays_and_who_waits_gets_its_turn() {
    let (_models, folders) = copies(&["a", "b"]);
    let (residents, metrics) = open(&folders, &room_for(1, &folders));
    let mut under_way = residents.answer(call("a"));
    under_way.next().await.unwrap().unwrap();
    let waits = ask(&residents, "b");
    tokio::pin!(waits);
    let early = tokio::time::timeout(Duration::from_millis(50), &mut waits).await;
    assert!(early.is_err(), "the room is taken");
    assert_eq!(loaded(&metrics, &["a", "b"]), ["a"]);
    while let Some(chunk) = under_way.next().await {
        chunk.unwrap();
    }
    drop(under_way);
    assert!(!waits.await.unwrap().is_empty());
    assert_eq!(loaded(&metrics, &["a", "b"]), ["b"]);
}

#[tokio::test]
async fn a_model_that_has_just_come_stays_until_who_waits_for_it_has_used_it_or_left() {
    let (_models, folders) = copies(&["a", "b", "c"]);
    for leaves in [false, true] {
        let (residents, metrics) = open(&folders, &room_for(1, &folders));
        let mut under_way = residents.answer(call("a"));
        under_way.next().await.unwrap().unwrap();
        let (mut first, mut second) = (Box::pin(ask(&residents, "b")), Box::pin(ask(&residents, "c")));
        assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
        drop(under_way);
        let mut changes = residents.shared.changes.subscribe();
        assert!((&mut first).now_or_never().is_none(), "it is being loaded");
        changes.changed().await.unwrap();
        assert!((&mut second).now_or_never().is_none(), "the room is taken");
        assert_eq!(loaded(&metrics, &["a", "b", "c"]), ["b"], "though nobody uses it yet");
        if leaves {
            drop(first);
        } else {
            assert!(!first.await.unwrap().is_empty());
        }
        let second = tokio::time::timeout(Duration::from_secs(20), second).await;
        assert!(!second.expect("it is told that the room is free").unwrap().is_empty());
        assert_eq!(["b", "c"].map(|model| loads(&metrics, model)), [[0, 1, 0]; 2]);
    }
}

#[tokio::test]
async fn those_who_wait_are_bounded_and_leave_their_places() {
    let (_models, folders) = copies(&["a", "b"]);
    let (residents, _metrics) = open(&folders, &LocalConfig { queue: 1, ..room_for(1, &folders) });
    let mut under_way = residents.answer(call("a"));
    under_way.next().await.unwrap().unwrap();
    let mut first = Box::pin(ask(&residents, "b"));
    assert!((&mut first).now_or_never().is_none());
    assert!(matches!(residents.readiness_of("b"), Readiness::Busy { .. }));
    assert_eq!(residents.load().queued, 1);
    let second = ask(&residents, "b").await.unwrap_err();
    assert_eq!((second.kind, second.retry), (Kind::Busy, crate::backends::Retry::Elsewhere));
    drop(first);
    assert_eq!((residents.load().queued, residents.readiness_of("b")), (0, Readiness::Ready));
}

#[tokio::test]
async fn a_model_that_cannot_be_loaded_rests_and_harms_no_other() {
    let (_models, folders) = copies(&["a", "b"]);
    let tokenizer = folders[1].join("tokenizer.json");
    let good = std::fs::read(&tokenizer).unwrap();
    std::fs::write(&tokenizer, b"garbage").unwrap();
    let (residents, metrics) = open(&folders, &config());
    for _ in 0..3 {
        let error = ask(&residents, "b").await.unwrap_err();
        assert_eq!((error.kind, error.retry), (Kind::Down, crate::backends::Retry::Elsewhere));
        assert!(error.retry_after.is_some() && !error.to_string().contains("tokenizer"), "{error}");
    }
    assert_eq!(loads(&metrics, "b"), [0, 0, 1], "tried once, then left alone");
    assert!(matches!(residents.readiness_of("b"), Readiness::Down { retry_after: Some(_), .. }));
    assert_eq!(residents.readiness(), Readiness::Ready);
    assert!(!ask(&residents, "a").await.unwrap().is_empty());
    std::fs::write(&tokenizer, good).unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    tokio::time::resume();
    assert!(!ask(&residents, "b").await.unwrap().is_empty(), "after its rest it is tried again");
    assert_eq!(loads(&metrics, "b"), [0, 1, 1]);
}

#[tokio::test]
async fn a_model_whose_engine_has_ended_goes_when_it_is_looked_at_and_comes_back() {
    let (_models, folders) = copies(&["a"]);
    let (residents, metrics) = open(&folders, &config());
    let has_ended = || match residents.shared.rooms().see(0, Instant::now()) {
        Seen::Here(model) => {
            model.desk.queue.close();
            !model.is_running()
        }
        _ => panic!("nobody has looked yet"),
    };
    while !has_ended() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(matches!(residents.readiness(), Readiness::Down { retry_after: Some(_), .. }));
    assert_eq!(metrics.local_model_unloads_total.with_label_values(&["a", "stopped"]).get(), 1);
    assert_eq!(ask(&residents, "a").await.unwrap_err().kind, Kind::Down);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    tokio::time::resume();
    assert!(!ask(&residents, "a").await.unwrap().is_empty());
    assert_eq!(loads(&metrics, "a"), [1, 1, 0]);
}

#[tokio::test]
async fn a_caller_who_leaves_during_a_load_does_not_spoil_it() {
    let (_models, folders) = copies(&["a", "b"]);
    let (residents, metrics) = open(&folders, &config());
    let mut leaves = Box::pin(ask(&residents, "b"));
    assert!((&mut leaves).now_or_never().is_none());
    drop(leaves);
    assert!(!ask(&residents, "b").await.unwrap().is_empty());
    assert_eq!(loads(&metrics, "b"), [0, 1, 0]);
}

#[tokio::test]
async fn what_does_not_fit_or_is_not_there_is_said_at_start() {
    let (_models, folders) = copies(&["a", "b"]);
    let refused = |folders: &[PathBuf], config: &LocalConfig| {
        let metrics = Arc::new(Metrics::new().unwrap());
        Residents::open(folders, config, &metrics)
            .map(|_| ())
            .map_err(|(at, error)| (at, error.to_string()))
            .unwrap_err()
    };
    let (at, text) = refused(&folders, &LocalConfig { memory_mib: 1, ..config() });
    assert!(at == 0 && text.contains("local.memory-mib = 1"), "{text}");
    let second = vec!["b".to_owned()];
    let warm = LocalConfig { models: second.clone(), warm: second, ..room_for(1, &folders) };
    let (at, text) = refused(&folders, &warm);
    assert!(at == 1 && text.contains("local.memory-mib"), "{text}");
    std::fs::remove_file(folders[1].join("model.onnx")).unwrap();
    let (at, text) = refused(&folders, &config());
    assert!(at == 1 && text.contains("/b"), "{text}");
}
