//! The promise of `local.isolation = "process"`: native code that dies or hangs takes its answers with it, no more, and
//! never silently. The children here are real worker processes, killed and stopped by signals.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crossover::backends::local::Residents;
use crossover::backends::{Backend, Call, ChunkStream};
use crossover::chat::Event;
use crossover::config::{Isolation, LocalConfig, WorkerConfig};
use crossover::metrics::Metrics;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::support::gateway::Gateway;
use crate::support::process::{Process, Setup};
use crate::support::remote_house::request;
use crate::support::reply::{Reply, text};
use crate::support::scripted_upstream::ScriptedUpstream;
use crate::support::small_model::endless;

const PATIENCE: Duration = Duration::from_secs(30);

/// A gateway as a process, whose engine is another one.
struct Isolated {
    setup: Setup,
    model: PathBuf,
    _models: tempfile::TempDir,
}

impl Isolated {
    fn new(upstream: &ScriptedUpstream) -> Self {
        let models = tempfile::tempdir().unwrap();
        let model = endless(models.path());
        let sections = format!(
            "policy = \"local-first\"\n[classifier]\nenabled = false\n\
             [local]\nmodel = {model:?}\nthreads = 1\nisolation = \"process\"\nstep-deadline-seconds = 1\n"
        );
        let setup = Setup::new(&upstream.base_url(), &sections).env("OPENAI_API_KEY", "sk-secret");
        Self { setup, model, _models: models }
    }
}

/// Processes whose parent this one is, with their state.
fn children(of: u32) -> Vec<(u32, String)> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let stat = processes.filter_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let mut fields = stat.rsplit_once(") ")?.1.split(' ');
        let (state, parent) = (fields.next()?.to_owned(), fields.next()?.parse::<u32>().ok()?);
        (parent == of).then_some((pid, state))
    });
    stat.collect()
}

/// The worker's process id, when there is exactly one and it is not `before`.
async fn worker(gateway: &Process, before: Option<u32>) -> u32 {
    let one = async {
        loop {
            match children(gateway.pid()).as_slice() {
                [(pid, _)] if Some(*pid) != before => return *pid,
                _ => sleep(Duration::from_millis(5)).await,
            }
        }
    };
    timeout(PATIENCE, one).await.expect("there is one worker")
}

fn signal(pid: u32, name: &str) {
    let done = std::process::Command::new("kill").args(["-s", name, &pid.to_string()]).status();
    assert!(done.unwrap().success(), "{name} to {pid}");
}

/// Whether the process is gone, and not even a zombie.
async fn is_gone(pid: u32) {
    let gone = async {
        while Path::new(&format!("/proc/{pid}")).exists() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("it is gone and reaped");
}

/// Waits until local answers are to be had again.
async fn is_ready(gateway: &Process) {
    let ready = async {
        while gateway.admin("/health/ready").await.json()["backends"]["local"] != "ready" {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, ready).await.expect("the worker is replaced");
}

async fn is_active(gateway: &Process) {
    let active = async {
        while gateway.metrics().await.sum("local_active", &[]) < 1.0 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, active).await.expect("the request is under way");
}

async fn faults(gateway: &Process, kind: &str) -> f64 {
    gateway.metrics().await.sum("local_faults_total", &[("kind", kind)])
}

/// Waits until a new worker was refused; what is said of the local engine then.
async fn is_refused(gateway: &Process) -> String {
    let refused = async { while faults(gateway, "refused").await < 1.0 {} };
    timeout(PATIENCE, refused).await.expect("the new worker is refused");
    let ready = gateway.admin("/health/ready").await;
    assert_eq!(ready.status, 200, "the remote is ready");
    ready.json()["backends"]["local"].as_str().unwrap().to_owned()
}

fn ask(model: &str, tokens: u32, stream: bool) -> Value {
    json!({ "model": model, "max_tokens": tokens, "stream": stream, "temperature": 0.8, "seed": 7,
        "messages": [{ "role": "user", "content": "hi" }] })
}

fn assert_served(reply: &Reply, route: &str, reason: &str) {
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!((reply.header("x-crossover-route"), reply.header("x-crossover-reason")), (route, reason));
}

#[tokio::test]
async fn a_worker_killed_in_mid_stream_ends_it_with_an_error_and_is_replaced() {
    let upstream = ScriptedUpstream::start().await;
    let isolated = Isolated::new(&upstream);
    let gateway = isolated.setup.serve().await;
    let first = worker(&gateway, None).await;
    let environment = std::fs::read_to_string(format!("/proc/{first}/environ")).unwrap();
    assert!(!environment.contains("sk-secret") && environment.contains("PATH="), "{environment}");
    let mut stream = gateway.open(&[], &ask("auto", 900, true)).await.unwrap();
    assert_eq!(stream.headers()["x-crossover-route"], "local");
    let mut body = stream.chunk().await.unwrap().unwrap().to_vec();
    signal(first, "KILL");
    while let Some(more) = stream.chunk().await.unwrap() {
        body.extend_from_slice(&more);
    }
    let body = String::from_utf8(body).unwrap();
    assert!(!body.contains("[DONE]") && body.contains("backend_down"), "{body}");
    let second = worker(&gateway, Some(first)).await;
    is_gone(first).await;
    is_ready(&gateway).await;
    assert_served(&gateway.post(&[], &ask("auto", 4, true)).await, "local", "default");
    assert_eq!((faults(&gateway, "died").await, faults(&gateway, "hung").await), (1.0, 0.0));
    gateway.signal("TERM");
    let ended = gateway.ended().await;
    assert!(ended.status.success() && ended.stderr.contains("killed"), "{ended:?}");
    is_gone(second).await;
}

#[tokio::test]
async fn a_worker_that_dies_before_the_first_token_costs_its_client_nothing() {
    let upstream = ScriptedUpstream::start().await;
    let isolated = Isolated::new(&upstream);
    let gateway = isolated.setup.serve().await;
    let first = worker(&gateway, None).await;
    // Stopped, so that no token can come before the end does.
    signal(first, "STOP");
    let body = ask("auto", 8, true);
    let (reply, ()) = tokio::join!(gateway.post(&[], &body), async {
        is_active(&gateway).await;
        signal(first, "KILL");
    });
    assert_served(&reply, "remote", "fallback");
    reply.chunks();
    let moved = [("from", "local"), ("to", "remote"), ("reason", "backend_down")];
    assert_eq!(gateway.metrics().await.sum("fallback_total", &moved), 1.0);
    is_ready(&gateway).await;
}

#[tokio::test]
async fn a_worker_that_hangs_is_ended_and_replaced_and_its_request_goes_elsewhere() {
    let upstream = ScriptedUpstream::start().await;
    let isolated = Isolated::new(&upstream);
    let gateway = isolated.setup.serve().await;
    let first = worker(&gateway, None).await;
    signal(first, "STOP");
    let reply = gateway.post(&[], &ask("auto", 8, false)).await;
    assert_served(&reply, "remote", "fallback");
    is_gone(first).await;
    is_ready(&gateway).await;
    assert_eq!((faults(&gateway, "hung").await, faults(&gateway, "died").await), (1.0, 0.0));
    assert_served(&gateway.post(&[], &ask("auto", 4, false)).await, "local", "default");
}

#[tokio::test]
async fn a_worker_that_cannot_come_back_is_tried_at_a_bounded_rate_and_said_to_be_down() {
    let upstream = ScriptedUpstream::start().await;
    let isolated = Isolated::new(&upstream);
    let gateway = isolated.setup.serve().await;
    let first = worker(&gateway, None).await;
    let (file, away) = (isolated.model.join("model.onnx.data"), isolated.model.join("away"));
    std::fs::rename(&file, &away).unwrap();
    signal(first, "KILL");
    let said = is_refused(&gateway).await;
    assert!(said.starts_with("down: ") && said.contains("model.onnx"), "{said}");
    assert_served(&gateway.post(&[], &ask("auto", 4, false)).await, "remote", "no_local");
    let only = gateway.post(&[("x-crossover-route", "only-local")], &ask("auto", 4, false)).await;
    assert_eq!(only.code(503), "no_local");
    assert!(only.retry_after().is_some_and(|seconds| (1..=2).contains(&seconds)), "{only:?}");
    std::fs::rename(&away, &file).unwrap();
    is_ready(&gateway).await;
    // At once, after one second, after two more: no more attempts than that.
    assert!(faults(&gateway, "refused").await <= 2.0);
    assert_served(&gateway.post(&[], &ask("auto", 4, false)).await, "local", "default");
}

#[tokio::test]
async fn a_worker_is_not_replaced_by_one_with_other_files_than_the_gateway_has_read() {
    let upstream = ScriptedUpstream::start().await;
    let isolated = Isolated::new(&upstream);
    let gateway = isolated.setup.serve().await;
    let first = worker(&gateway, None).await;
    let file = isolated.model.join("genai_config.json");
    let away = isolated.model.with_file_name("genai_config.json");
    let mut config: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    config["model"]["context_length"] = json!(512);
    std::fs::rename(&file, &away).unwrap();
    std::fs::write(&file, config.to_string()).unwrap();
    signal(first, "KILL");
    let said = is_refused(&gateway).await;
    assert!(said.starts_with("down: ") && said.contains("have changed"), "{said}");
    assert!(said.contains("`genai_config.json`") && said.contains("restart the gateway"), "{said}");
    assert!(children(gateway.pid()).is_empty(), "none is started in vain");
    assert_served(&gateway.post(&[], &ask("auto", 4, false)).await, "remote", "no_local");
    std::fs::rename(&away, &file).unwrap();
    is_ready(&gateway).await;
    assert_served(&gateway.post(&[], &ask("auto", 4, false)).await, "local", "default");
}

#[tokio::test]
async fn a_stop_lets_streams_of_the_worker_end_even_when_everyone_is_told_to() {
    let upstream = ScriptedUpstream::start().await;
    let isolated = Isolated::new(&upstream);
    let gateway = isolated.setup.serve().await;
    let child = worker(&gateway, None).await;
    let mut streams = vec![];
    for _ in 0..4 {
        streams.push(gateway.open(&[], &ask("auto", 120, true)).await.unwrap());
    }
    for name in ["INT", "TERM", "HUP"] {
        signal(child, name);
    }
    gateway.signal("INT");
    for stream in streams {
        let chunks = Reply::read(stream).await.chunks();
        assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "length");
    }
    assert!(gateway.ended().await.status.success());
    is_gone(child).await;
}

#[tokio::test]
async fn a_worker_does_not_outlive_a_gateway_that_was_killed() {
    let upstream = ScriptedUpstream::start().await;
    let isolated = Isolated::new(&upstream);
    let gateway = isolated.setup.serve().await;
    let child = worker(&gateway, None).await;
    let _stream = gateway.open(&[], &ask("auto", 900, true)).await.unwrap();
    gateway.signal("KILL");
    gateway.ended().await;
    is_gone(child).await;
}

#[tokio::test]
async fn what_keeps_the_first_worker_from_loading_is_said_at_start() {
    let upstream = ScriptedUpstream::start().await;
    let isolated = Isolated::new(&upstream);
    // Only the worker needs the library: without a classifier the gateway loads none.
    let setup = isolated.setup.env("ORT_DYLIB_PATH", "/nowhere/libonnxruntime.so");
    let said = setup.refuses().await;
    assert!(said.contains("local.model") && said.contains("worker process"), "{said}");
    assert!(said.contains("/nowhere/libonnxruntime.so") && said.contains("make setup"), "{said}");
}

/// A gateway in this process, its engine on a thread or in a process.
async fn gateway(upstream: &ScriptedUpstream, model: &Path, isolation: Isolation) -> Gateway {
    Gateway::with(&upstream.base_url(), |config| {
        config.local.enabled = true;
        config.local.model = model.display().to_string();
        config.local.isolation = isolation;
        config.local.worker.program = Some(env!("CARGO_BIN_EXE_crossover").into());
    })
    .await
}

#[tokio::test]
async fn answers_are_the_same_wherever_the_engine_runs() {
    let upstream = ScriptedUpstream::start().await;
    let models = tempfile::tempdir().unwrap();
    let model = endless(models.path());
    let thread = gateway(&upstream, &model, Isolation::Thread).await;
    let process = gateway(&upstream, &model, Isolation::Process).await;
    let mut several = ask("local", 90, false);
    several["n"] = json!(3);
    let whole = thread.post(&several).await.json();
    assert_eq!(process.post(&several).await.json()["choices"], whole["choices"]);
    let said = whole["choices"][0]["message"]["content"].as_str().unwrap();
    let letters: Vec<char> = said.chars().collect();
    let stop: String = letters[letters.len() / 2..letters.len() / 2 + 2].iter().collect();
    let mut stopped = ask("local", 900, true);
    stopped["stop"] = json!(stop);
    assert_eq!(text(&process.post(&stopped).await.chunks()), said[..said.find(&stop).unwrap()]);
    process.until("local_active", &[], 0.0).await;
}

#[tokio::test]
async fn a_reader_that_leaves_or_lags_holds_up_nobody_else() {
    let upstream = ScriptedUpstream::start().await;
    let models = tempfile::tempdir().unwrap();
    let process = gateway(&upstream, &endless(models.path()), Isolation::Process).await;
    let body = ask("local", 900, true).to_string();
    let mut lags = process.open(&[], body.clone()).await;
    lags.chunk().await.unwrap();
    let left = process.open(&[], body).await;
    drop(left);
    // The one that lags is stopped or has all its tokens in the sockets' buffers; nobody waits for it.
    for _ in 0..3 {
        assert_eq!(process.post(&ask("local", 12, false)).await.json()["usage"]["completion_tokens"], 12);
    }
    let rest = timeout(PATIENCE, lags.bytes()).await.expect("it goes on").unwrap();
    assert!(String::from_utf8(rest.to_vec()).unwrap().ends_with("[DONE]\n\n"));
    process.until("local_active", &[], 0.0).await;
}

#[tokio::test]
async fn many_answers_to_one_request_take_no_place_in_the_queue() {
    let upstream = ScriptedUpstream::start().await;
    let models = tempfile::tempdir().unwrap();
    let model = endless(models.path());
    let process = Gateway::with(&upstream.base_url(), |config| {
        config.local.enabled = true;
        config.local.model = model.display().to_string();
        config.local.isolation = Isolation::Process;
        config.local.worker.program = Some(env!("CARGO_BIN_EXE_crossover").into());
        (config.local.max_streams, config.local.queue) = (1, 2);
    })
    .await;
    let mut several = ask("local", 900, true);
    several["n"] = json!(4);
    let mut first = process.open(&[], several.to_string()).await;
    first.chunk().await.unwrap();
    assert_eq!(process.sum("local_active", &[]).await, 1.0);
    let body = ask("local", 4, false);
    let (second, ()) = tokio::join!(process.post(&body), async {
        process.until("local_queue_depth", &[], 1.0).await;
        drop(first);
    });
    assert_eq!((second.status, second.header("x-crossover-route")), (200, "local"), "{second:?}");
    process.until("local_active", &[], 0.0).await;
}

/// How many tokens an answer had, once it has ended.
async fn tokens_of(chunks: ChunkStream) -> u64 {
    let events = chunks.map(|chunk| chunk.unwrap().events).collect::<Vec<_>>();
    let events = timeout(PATIENCE, events).await.expect("it goes on").concat();
    let usage = |event: &Event| if let Event::Usage(usage) = event { Some(usage.completion) } else { None };
    events.iter().find_map(usage).expect("a report")
}

#[tokio::test]
async fn a_reader_that_looks_no_more_is_sent_what_it_has_room_for_and_then_the_rest() {
    let models = tempfile::tempdir().unwrap();
    let program = Some(env!("CARGO_BIN_EXE_crossover").into());
    let config = LocalConfig {
        threads: 1,
        isolation: Isolation::Process,
        worker: WorkerConfig { program, ..WorkerConfig::default() },
        ..LocalConfig::default()
    };
    let metrics = Arc::new(Metrics::new().unwrap());
    let local = Residents::open(&[endless(models.path())], &config, &metrics).ok().unwrap();
    let open = |tokens| {
        let request = Arc::new(request(ask("starter", tokens, true), true));
        local.answer(Call::new(request, "starter", PATIENCE))
    };
    let mut lags = open(900);
    lags.next().await.unwrap().unwrap();
    // Nobody between: what the worker sends beyond the room there is would end it.
    for _ in 0..3 {
        assert_eq!(tokens_of(open(12)).await, 12);
    }
    assert_eq!(tokens_of(lags).await, 900);
    assert_eq!(metrics.local_faults_total.with_label_values(&["died"]).get(), 0);
}
