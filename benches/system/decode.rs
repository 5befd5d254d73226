//! Decode speed of the local engine beside onnxruntime-genai: the same model files, the same number of threads, runs
//! taken in turn. The time from an answer's first token to its last counts, as a reader of the stream sees it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use crossover::backends::local::Local;
use crossover::backends::{Backend, Call};
use crossover::chat::{ChatRequest, Event, Usage};
use crossover::config::LocalConfig;
use crossover::dialects::openai_chat::parse_request;
use crossover::metrics::Metrics;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::figures::{Report, Target, median};
use super::process::{self, Cpu};
use super::{house, machine};

/// Pairs of runs; the middle ratio counts.
const ROUNDS: usize = 15;
/// Tokens of one answer.
const TOKENS: usize = 256;
/// Answers at the same time in the last part.
const STREAMS: usize = 8;

pub(crate) fn run() -> anyhow::Result<()> {
    let mut report = Report::new("decode");
    if !house::has_local_model() {
        report.note("models/starter is not there: nothing was measured");
        return report.write();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut details = vec![];
    let mut threads = vec![1, machine::cores()];
    threads.dedup();
    for threads in threads {
        details.push(runtime.block_on(compare(&mut report, threads))?);
    }
    report.detail(details.into());
    report.write()
}

/// One answer's decoding.
#[derive(Clone, Copy, Deserialize, Serialize)]
struct Run {
    tokens: usize,
    seconds: f64,
    cpu_seconds: f64,
    /// Of it, the thread that runs the graph; ours only.
    #[serde(default)]
    engine_seconds: f64,
}

impl Run {
    fn speed(&self) -> f64 {
        self.tokens as f64 / self.seconds
    }

    fn cpu(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.tokens as f64
    }

    fn engine(&self) -> f64 {
        self.engine_seconds * 1e6 / self.tokens as f64
    }

    /// So many tokens since a moment and the CPU time used until then.
    fn since(started: Instant, before: &Cpu, tokens: usize) -> anyhow::Result<Self> {
        let seconds = started.elapsed().as_secs_f64();
        let cpu = process::cpu(std::process::id())?.since(before);
        let engine_seconds = cpu.thread("local-engine").as_secs_f64();
        Ok(Self { tokens, seconds, cpu_seconds: cpu.total.as_secs_f64(), engine_seconds })
    }
}

async fn compare(report: &mut Report, threads: usize) -> anyhow::Result<Value> {
    let folder = tempfile::tempdir()?;
    let model = endless(&machine::path("models/starter"), folder.path(), threads)?;
    let config = LocalConfig { threads, max_streams: STREAMS, ..LocalConfig::default() };
    let local: Arc<dyn Backend> = Arc::new(Local::open(&model, &config, Arc::new(Metrics::new()?))?);
    let mut peer = Peer::start(&model)?;
    let (warm, prompt) = ours(&local).await?;
    if let Some(peer) = &mut peer {
        peer.run(prompt)?;
    }
    ensure!(warm.tokens + 1 == TOKENS, "the answer ended early");
    let (mut own, mut other) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        own.push(ours(&local).await?.0);
        if let Some(peer) = &mut peer {
            other.push(peer.run(prompt)?);
        }
    }
    let eight = eight(&local).await?;
    let name = |what: &str| format!("{threads} thread(s): {what}");
    report.add(name("one stream"), middle(&own, Run::speed), "tokens/s");
    report.add(name("one stream, CPU time"), middle(&own, Run::cpu), "us/token");
    report.add(name("one stream, CPU time of the engine's thread"), middle(&own, Run::engine), "us/token");
    report.add(name("eight streams together"), eight.speed(), "tokens/s");
    report.add(name("eight streams together, CPU time"), eight.cpu(), "us/token");
    if other.is_empty() {
        report.note("onnxruntime-genai is not to be had here: no comparison");
    } else {
        report.add(name("onnxruntime-genai"), middle(&other, Run::speed), "tokens/s");
        report.add(name("onnxruntime-genai, CPU time"), middle(&other, Run::cpu), "us/token");
        let ratios: Vec<f64> =
            own.iter().zip(&other).map(|(own, other)| own.speed() / other.speed()).collect();
        report.hold(name("speed, ours / onnxruntime-genai"), median(&ratios), "x", Target::AtLeast(0.95));
    }
    Ok(json!({ "threads": threads, "prompt_tokens": prompt, "ours": own, "genai": other, "eight": eight }))
}

fn middle(runs: &[Run], what: fn(&Run) -> f64) -> f64 {
    median(&runs.iter().map(what).collect::<Vec<_>>())
}

/// A copy of a model that does not end by itself: its end token is one that it does not write.
pub(crate) fn endless(model: &Path, folder: &Path, threads: usize) -> anyhow::Result<PathBuf> {
    let copy = folder.join("starter");
    fs::create_dir(&copy)?;
    for entry in fs::read_dir(model)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), copy.join(entry.file_name()))?;
        }
    }
    let file = copy.join("genai_config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&file)?)?;
    let last = config["model"]["vocab_size"].as_u64().context("no vocab_size")? - 1;
    config["model"]["eos_token_id"] = json!([last]);
    config["model"]["decoder"]["session_options"]["intra_op_num_threads"] = json!(threads);
    fs::write(&file, config.to_string())?;
    Ok(copy)
}

fn request() -> anyhow::Result<Arc<ChatRequest>> {
    let text = "Read the sentence and say which place it is about, then say why you think so and what else it might \
                mean: The lamps along the harbour were lit early, and the last boats came in before the rain.";
    let body = json!({
        "model": "local", "messages": [{ "role": "user", "content": text }],
        "max_tokens": TOKENS, "temperature": 0, "stream": true,
    });
    Ok(Arc::new(parse_request(body.to_string().into())?))
}

/// One answer of ours; how long its prompt was.
async fn ours(local: &Arc<dyn Backend>) -> anyhow::Result<(Run, usize)> {
    let profile = local.profile();
    let mut chunks = local.answer(Call::new(request()?, &profile.model, profile.whole_timeout));
    chunks.next().await.context("no answer")??;
    let (started, before) = (Instant::now(), process::cpu(std::process::id())?);
    let mut usage = Usage::default();
    while let Some(chunk) = chunks.next().await {
        for event in chunk?.events {
            if let Event::Usage(told) = event {
                usage = told;
            }
        }
    }
    let tokens = (usage.completion as usize).saturating_sub(1);
    Ok((Run::since(started, &before, tokens)?, usage.prompt as usize))
}

/// Eight answers at the same time, prompts included.
async fn eight(local: &Arc<dyn Backend>) -> anyhow::Result<Run> {
    let (started, before) = (Instant::now(), process::cpu(std::process::id())?);
    let tasks: Vec<_> = (0..STREAMS)
        .map(|_| {
            let local = Arc::clone(local);
            tokio::spawn(async move { ours(&local).await })
        })
        .collect();
    let mut tokens = 0;
    for task in tasks {
        tokens += task.await??.0.tokens + 1;
    }
    Run::since(started, &before, tokens)
}

/// onnxruntime-genai in a Python process that answers one line with one line.
struct Peer {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Peer {
    /// `None` where `scripts/bench.sh` could not get it.
    fn start(model: &Path) -> anyhow::Result<Option<Self>> {
        let own = machine::path(".local/bench/bin/python");
        let python = std::env::var_os("CROSSOVER_BENCH_PYTHON").map_or(own, PathBuf::from);
        if !python.is_file() {
            return Ok(None);
        }
        let mut command = Command::new(python);
        command
            .arg(machine::path("benches/genai.py"))
            .arg(model)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().context("onnxruntime-genai")?;
        let (to, from) = (child.stdin.take().context("no input")?, child.stdout.take().context("no output")?);
        let mut peer = Self { child, to, from: BufReader::new(from) };
        ensure!(peer.line()?.trim() == "ready", "benches/genai.py did not start");
        Ok(Some(peer))
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        ensure!(self.from.read_line(&mut line)? > 0, "benches/genai.py ended");
        Ok(line)
    }

    fn run(&mut self, prompt: usize) -> anyhow::Result<Run> {
        writeln!(self.to, "{prompt} {TOKENS}")?;
        Ok(serde_json::from_str(&self.line()?)?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // A process that has ended already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
