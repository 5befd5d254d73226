//! The ledger with its file: what survives, what is dropped and counted, and what the report says of it.

use std::time::Instant;

use super::*;
use crate::backends::Kind;
use crate::chat::{BackendId, Chunk, Event, Micros, RequestId, Usage};
use crate::routing::Reason;

struct House {
    folder: tempfile::TempDir,
    metrics: Arc<Metrics>,
    ledger: Arc<Ledger>,
}

impl House {
    fn new(queue: usize, flush_ms: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let metrics = Arc::new(Metrics::new().unwrap());
        let config = LedgerConfig { queue, flush_ms, ..LedgerConfig::default() };
        let path = folder.path().join("state/ledger.sqlite");
        let ledger =
            Ledger::open(&config, &LocalConfig::default(), "gpt-4o-mini", &path, Arc::clone(&metrics))
                .unwrap();
        Self { folder, metrics, ledger: Arc::new(ledger) }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("state/ledger.sqlite")
    }

    fn fate(&self, fate: &str) -> u64 {
        self.metrics.ledger_rows_total.with_label_values(&[fate]).get()
    }

    /// One remote answer of 1,000 prompt tokens: $0.000150.
    fn answer(&self, origin: Origin) {
        let mut recorder = Recorder::open(Arc::clone(&self.ledger), RequestId::fresh(), origin);
        recorder.call(&BackendId::new("remote"), "gpt-4o-mini");
        recorder.committed();
        recorder.chunk(&Chunk::of(Event::Whole { text: String::new() }));
        recorder.chunk(&Chunk::of(Event::Usage(Usage { prompt: 1_000, ..Usage::default() })));
        recorder.status(200);
        recorder.finish(End::Completed);
    }
}

fn everything(by: By) -> Query {
    Query { since_ms: 0, by, origin: None }
}

fn requests(path: &Path) -> u64 {
    summarize(path, &everything(By::Backend)).unwrap().total.requests
}

fn wait_until(what: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !what() {
        assert!(Instant::now() < deadline, "waited in vain");
        std::thread::yield_now();
    }
}

#[test]
fn d13_a_graceful_stop_loses_nothing() {
    let house = House::new(16_384, 1_000);
    for _ in 0..5_000 {
        house.answer(Origin::Live);
    }
    let path = house.path();
    house.ledger.shutdown();
    assert_eq!(requests(&path), 5_000);
    assert_eq!((house.fate("written"), house.fate("dropped")), (5_000, 0));
    house.answer(Origin::Live);
    assert_eq!(house.fate("dropped"), 1, "after the end a row is counted as dropped");
    house.ledger.shutdown();
}

#[test]
fn d13_dropping_the_ledger_is_a_graceful_stop() {
    let house = House::new(100, 1_000);
    house.answer(Origin::Live);
    let path = house.path();
    let House { folder, ledger, .. } = house;
    drop(ledger);
    assert_eq!(requests(&path), 1);
    drop(folder);
}

#[test]
fn d14_a_killed_process_has_its_rows_after_the_flush_interval() {
    let house = House::new(16_384, 20);
    for _ in 0..50 {
        house.answer(Origin::Live);
    }
    wait_until(|| house.fate("written") == 50);
    // What a killed process leaves behind: the file and its log, never closed and never checkpointed.
    let left = house.folder.path().join("left");
    std::fs::create_dir(&left).unwrap();
    for name in ["ledger.sqlite", "ledger.sqlite-wal"] {
        std::fs::copy(house.path().with_file_name(name), left.join(name)).unwrap();
    }
    assert_eq!(requests(&left.join("ledger.sqlite")), 50);
    let whole: String = rusqlite::Connection::open(left.join("ledger.sqlite"))
        .unwrap()
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(whole, "ok");
}

#[test]
fn d14_a_restart_goes_on_in_the_same_file() {
    let house = House::new(100, 20);
    house.answer(Origin::Live);
    house.ledger.shutdown();
    let config = LedgerConfig::default();
    let again =
        Ledger::open(&config, &LocalConfig::default(), "x", &house.path(), Arc::clone(&house.metrics))
            .unwrap();
    let second = House { folder: house.folder, metrics: house.metrics, ledger: Arc::new(again) };
    second.answer(Origin::Live);
    second.ledger.flush();
    assert_eq!(requests(&second.path()), 2, "read while it is still open");
}

#[test]
fn d17_a_locked_file_drops_rows_beyond_the_queue_and_recovers() {
    let house = House::new(10, 5);
    let lock = rusqlite::Connection::open(house.path()).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    for _ in 0..25 {
        house.answer(Origin::Live);
    }
    let fates = (house.fate("written"), house.fate("dropped"));
    assert_eq!(fates, (0, 15), "all were answered while nothing could be written");
    lock.execute_batch("ROLLBACK").unwrap();
    wait_until(|| house.fate("written") == 10);
    house.answer(Origin::Live);
    house.ledger.flush();
    assert_eq!(requests(&house.path()), 11);
}

#[test]
fn d17_a_full_disk_writes_all_of_a_batch_or_none() {
    let house = House::new(5_000, 600_000);
    for _ in 0..1_000 {
        house.answer(Origin::Live);
    }
    let path = house.folder.path().join("small.sqlite");
    let mut connection = schema::open(&path).unwrap();
    connection.pragma_update_and_check(None, "max_page_count", 20, |_| Ok(())).unwrap();
    let rows: Vec<Box<Outcome>> = house.ledger.take().into_iter().map(Box::new).collect();
    let error = schema::insert(&mut connection, &rows).unwrap_err();
    assert_eq!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::DiskFull));
    assert_eq!(requests(&path), 0);
    connection.pragma_update_and_check(None, "max_page_count", 100_000, |_| Ok(())).unwrap();
    schema::insert(&mut connection, &rows).unwrap();
    assert_eq!(requests(&path), rows.len() as u64, "the same rows fit once there is room");
}

#[test]
fn an_unusable_file_is_named_with_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("text"), "this is no database, and long enough to be read as one ".repeat(40))
        .unwrap();
    let newer = rusqlite::Connection::open(path("newer")).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    drop(newer);
    let cases = [
        (folder.path().to_path_buf(), "unable to open database file"),
        (path("text/below"), "cannot be created"),
        (path("text"), "not a database"),
        (path("newer"), "has schema 99, this version reads up to 2"),
    ];
    for (path, why) in cases {
        let metrics = Arc::new(Metrics::new().unwrap());
        let result =
            Ledger::open(&LedgerConfig::default(), &LocalConfig::default(), "gpt-4o-mini", &path, metrics);
        let Err(error) = result else { panic!("{} was opened", path.display()) };
        let message = error.to_string();
        assert!(message.starts_with(&format!("{}: ledger.path: ", path.display())), "{message}");
        assert!(message.contains(why), "{message}");
    }
}

#[test]
fn a_locked_file_is_told_from_one_that_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let lock = schema::open(&path).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let message = schema::open(&path).unwrap_err().to_string();
    assert!(message.ends_with("; another process holds it locked; end that one"), "{message}");
}

#[test]
fn a_bad_price_file_refuses_to_open() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prices.toml");
    std::fs::write(
        &file,
        "schema-version = 1\nas-of = \"2026-01-01\"\n[models]\na = { input = -1, output = 1 }",
    )
    .unwrap();
    let config = LedgerConfig { prices: Some(file), ..LedgerConfig::default() };
    let metrics = Arc::new(Metrics::new().unwrap());
    let result =
        Ledger::open(&config, &LocalConfig::default(), "a", &folder.path().join("l.sqlite"), metrics);
    let Err(error) = result else { panic!("opened") };
    let message = error.to_string();
    assert!(message.contains("prices.toml: models.\"a\".input: is -1"), "{message}");
    assert!(!folder.path().join("l.sqlite").exists(), "nothing is created before the settings are right");
}

#[test]
fn the_report_sums_exactly_and_defaults_can_leave_evals_out() {
    let house = House::new(1_000, 1_000);
    for origin in [Origin::Live, Origin::Live, Origin::Eval] {
        house.answer(origin);
    }
    let mut local = Recorder::open(Arc::clone(&house.ledger), RequestId::fresh(), Origin::Live);
    local.call(&BackendId::new("local"), "starter");
    local.committed();
    local.chunk(&Chunk::of(Event::Usage(Usage { prompt: 1_000, completion: 7, ..Usage::default() })));
    local.finish(End::Completed);
    let mut refused = Recorder::open(Arc::clone(&house.ledger), RequestId::fresh(), Origin::Live);
    refused.reason(Reason::NoRemote);
    refused.finish(End::Refused(Reason::NoRemote));
    let mut unpriced = Recorder::open(Arc::clone(&house.ledger), RequestId::fresh(), Origin::Live);
    unpriced.call(&BackendId::new("remote"), "no-such-model");
    unpriced.failed(Kind::Truncated);
    unpriced.finish(End::Failed(Kind::Truncated));
    house.ledger.flush();

    let live = Query { since_ms: 0, by: By::Backend, origin: Some(Origin::Live) };
    let summary = summarize(&house.path(), &live).unwrap();
    let names: Vec<_> = summary.lines.iter().map(|line| (line.name.as_str(), line.requests)).collect();
    assert_eq!(names, [("none", 2), ("remote", 2), ("local", 1)]);
    let remote = &summary.lines[1];
    assert_eq!((remote.cost_micros, remote.saved_micros), (Micros(300), Micros::ZERO));
    let local = &summary.lines[2];
    assert_eq!(local.if_remote_micros, Micros(155), "1000 x 0.15 + 7 x 0.60 = 154.2, up");
    assert_eq!(local.saved_micros, Micros(155) - local.cost_micros);
    assert!(local.cost_micros >= Micros(1));
    assert_eq!((summary.total.errors, summary.total.unpriced, summary.total.compared), (2, 1, 3));
    assert_eq!(summary.if_remote_models, ["gpt-4o-mini"]);
    assert!(remote.total_p50_us.is_some() && remote.first_p95_us.is_some());

    let by_reason = summarize(&house.path(), &everything(By::Reason)).unwrap();
    assert_eq!(by_reason.total.requests, 6);
    assert!(by_reason.lines.iter().any(|line| line.name == "no_remote" && line.requests == 1));
    let future = Query { since_ms: i64::MAX, ..live };
    assert_eq!(summarize(&house.path(), &future).unwrap().total.requests, 0);
    assert_eq!(summarize(Path::new("/no/such/file"), &live).unwrap(), Summary::default());
}

#[test]
fn what_is_read_again_tells_the_answering_attempt_apart_and_leaves_embeddings_out() {
    let house = House::new(100, 1_000);
    let open = || Recorder::open(Arc::clone(&house.ledger), RequestId::fresh(), Origin::Live);
    let mut fallen = open();
    fallen.call(&BackendId::new("remote"), "gpt-4o-mini");
    fallen.chunk(&Chunk::of(Event::Usage(Usage { prompt: 1_000_000, ..Usage::default() })));
    fallen.failed(Kind::Truncated);
    fallen.call(&BackendId::new("other"), "gpt-4o-mini");
    fallen.committed();
    fallen.chunk(&Chunk::of(Event::Usage(Usage { prompt: 1_000, ..Usage::default() })));
    fallen.finish(End::Completed);
    let mut embedding = open();
    embedding.reason(Reason::Requested);
    embedding.call(&BackendId::new("embeddings"), "embedder");
    embedding.committed();
    embedding.finish(End::Completed);
    open().finish(End::Invalid("invalid_json"));
    house.ledger.flush();
    let rows = logged(&house.path(), 0).unwrap();
    assert_eq!(rows.len(), 2, "an embedding is no request that anybody decides");
    let answer = rows[0].answered.as_ref().unwrap();
    assert_eq!((answer.cost, answer.own_cost), (Some(Micros(150_150)), Some(Micros(150))));
    assert!(answer.own_time <= answer.total, "{answer:?}");
    assert!(rows[1].answered.is_none() && rows[1].policy.is_none());
}

#[test]
fn g6_an_unpriced_answer_that_no_client_asked_for_is_flagged_too() {
    let house = House::new(100, 1_000);
    for origin in [Origin::Shadow, Origin::Golden] {
        let mut recorder = Recorder::open(Arc::clone(&house.ledger), RequestId::fresh(), origin);
        recorder.call(&BackendId::new("remote"), "no-such-model");
        recorder.committed();
        recorder.chunk(&Chunk::of(Event::Usage(Usage { prompt: 1_000, ..Usage::default() })));
        recorder.finish(End::Completed);
    }
    house.answer(Origin::Shadow);
    let metrics = &house.metrics;
    let unpriced = |backend: &str| metrics.unpriced_requests_total.with_label_values(&[backend]).get();
    let spent = |origin: &str| metrics.background_cost_usd_total.with_label_values(&[origin, "remote"]).get();
    assert_eq!((unpriced("remote"), unpriced("local")), (2, 0));
    assert_eq!((spent("shadow"), spent("golden")), (0.00015, 0.0), "only what has a price is in the sum");
}

#[test]
fn eval_runs_inserted_beside_a_running_ledger_become_metrics_at_its_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let run = EvalRun {
        run_id: "r1".to_owned(),
        at_ms: 1,
        suite: "intent".to_owned(),
        version: "1".to_owned(),
        subject: "balanced".to_owned(),
        quality: Some(0.75),
        ci_low: None,
        ci_high: None,
        local_share: Some(1.0),
        cost: None,
        n: 3,
        hashes: std::collections::BTreeMap::new(),
    };
    insert_eval_runs(&path, &[run]).unwrap();
    let metrics = Arc::new(Metrics::new().unwrap());
    let ledger =
        Ledger::open(&LedgerConfig::default(), &LocalConfig::default(), "x", &path, Arc::clone(&metrics))
            .unwrap();
    ledger.flush();
    assert_eq!(metrics.eval_quality.with_label_values(&["intent", "balanced"]).get(), 0.75);
}

#[test]
fn a_file_of_the_first_form_is_brought_forward_and_keeps_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(schema::MIGRATIONS[0]).unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    old.execute_batch(
        "INSERT INTO outcomes (id, at_ms, origin, policy, policy_hash, served_by, first_target, local_ok,
         prompt_tokens_estimate, prompt_tokens, cached_prompt_tokens, completion_tokens, reasoning_tokens,
         tokens_estimated, cost_micros, decided_us, total_us, status, error, attempts)
         VALUES ('req_1', 5, 'live', 'balanced', 'ab', 'local', 'local', 0.5, 1, 1, 0, 1, 0, 0, 7, 1, 9, 200, 'none', '[]')",
    )
    .unwrap();
    let form = || -> i64 { old.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap() };
    let reports = [
        logged(&path, 0).err(),
        summarize(&path, &everything(By::Policy)).err(),
        recent_scores(&path, 1, 0, None).err(),
        latest_eval_runs(&path).err(),
    ];
    for error in reports {
        let Some(LedgerError::Older { message, .. }) = &error else { panic!("{error:?}") };
        assert!(message.contains("has schema 1") && message.contains("`crossover serve`"), "{message}");
    }
    assert_eq!(form(), 1, "whoever only reads leaves it as it is");
    let metrics = Arc::new(Metrics::new().unwrap());
    let ledger =
        Ledger::open(&LedgerConfig::default(), &LocalConfig::default(), "x", &path, metrics).unwrap();
    assert_eq!(form(), 2);
    drop(old);
    let rows = logged(&path, 0).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!((&rows[0].record, rows[0].propensity, rows[0].shadow_probability), (&None, 1.0, None));
    assert_eq!(rows[0].answered.as_ref().map(|answer| answer.cost), Some(Some(Micros(7))));
    let noted = ledger.feedback("req_1", 0.5).unwrap();
    assert_eq!(
        (noted.policy.as_deref(), noted.served_by.as_str(), noted.replaced),
        (Some("balanced"), "local", false)
    );
    assert!(matches!(ledger.feedback("req_2", 0.5), Err(NoteError::Unknown)));
    assert_eq!(summarize(&path, &everything(By::Policy)).unwrap().total.feedback, Some(0.5));
}
