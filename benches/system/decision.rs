//! A routing decision in process, classifier included, at 128, 4,096 and 65,536 tokens: alone on one core, and
//! beside a local engine that decodes eight streams on all of them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};
use crossover::backends::local::Local;
use crossover::backends::{Backend, Call};
use crossover::chat::{BackendId, BoundaryBackendId, ChatRequest, Control, Needs};
use crossover::config::{Config, Paths};
use crossover::dialects::openai_chat::parse_request;
use crossover::metrics::Metrics;
use crossover::routing::{self, Presence, Question, Router, Seat, View};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokenizers::Tokenizer;

use super::figures::{Report, Target, micros, quantile};
use super::{house, machine, process, prompts};

/// Different texts of each length, so that no cache sees the same one soon.
const TEXTS: usize = 64;
/// Decisions beside the engine: enough to see one late in a thousand.
const BESIDE: usize = 10_000;
/// Streams that the engine decodes meanwhile.
const STREAMS: usize = 8;
/// Pause between two decisions beside the engine.
const PAUSE: Duration = Duration::from_millis(1);

pub(crate) fn run() -> anyhow::Result<()> {
    let mut report = Report::new("decision");
    let output = machine::on_core(machine::last_core(), &std::env::current_exe()?)
        .arg("decision-on-one-core")
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let alone: Vec<Times> = serde_json::from_slice(&output.stdout)?;
    for times in &alone {
        let (p50, p99) = match times.tokens {
            128 => (Some(Target::AtMost(500.0)), Some(Target::AtMost(1_500.0))),
            4_096 => (None, Some(Target::AtMost(5_000.0))),
            _ => (Some(Target::AtMost(10_000.0)), None),
        };
        let name = |what: &str| format!("{} tokens, one core: {what}", times.tokens);
        for (what, value, target) in [("p50", times.p50_us, p50), ("p99", times.p99_us, p99)] {
            match target {
                Some(target) => report.hold(name(what), value, "us", target),
                None => report.add(name(what), value, "us"),
            }
        }
        report.add(name("CPU time, mean"), times.cpu_us, "us");
    }
    if house::has_local_model() {
        let beside = tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(beside())?;
        let late = Target::AtMost(0.1);
        report.hold("beside eight local streams: late answers", beside.late_percent, "%", late);
        report.add("beside eight local streams: p50 of the verdicts", beside.p50_us, "us");
        report.add("beside eight local streams: p99 of the verdicts", beside.p99_us, "us");
        report.add(
            "beside eight local streams: tokens generated meanwhile",
            beside.tokens_per_second,
            "tokens/s",
        );
        report.note(format!(
            "beside the streams: {BESIDE} decisions, 128 and 4,096 tokens in turn, deadline 20 ms"
        ));
    } else {
        report.note("models/starter is not there: not measured beside a local engine");
    }
    report.detail(serde_json::json!({ "alone": alone }));
    report.write()
}

#[derive(Deserialize, Serialize)]
struct Times {
    tokens: usize,
    decisions: usize,
    p50_us: f64,
    p99_us: f64,
    most_us: f64,
    cpu_us: f64,
    late: usize,
}

/// Prints its figures as JSON: the part that runs in a process of its own, bound to one core.
pub(crate) fn on_one_core() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let asker = Asker::open()?;
    let mut all = vec![];
    for (tokens, decisions) in [(128, 10_000), (4_096, 4_000), (65_536, 500)] {
        let requests = requests(tokens)?;
        let times = runtime.block_on(async {
            for request in &requests {
                asker.ask(request).await;
            }
            let before = process::cpu(std::process::id())?;
            let mut times = Vec::with_capacity(decisions);
            let mut late = 0;
            for at in 0..decisions {
                let (took, in_time) = asker.ask(&requests[at % requests.len()]).await;
                times.push(took);
                late += usize::from(!in_time);
            }
            let cpu = process::cpu(std::process::id())?.since(&before).total;
            anyhow::Ok(Times {
                tokens,
                decisions,
                p50_us: quantile(&times, 0.5),
                p99_us: quantile(&times, 0.99),
                most_us: quantile(&times, 1.0),
                cpu_us: micros(cpu) / decisions as f64,
                late,
            })
        })?;
        all.push(times);
    }
    println!("{}", serde_json::to_string(&all)?);
    Ok(())
}

/// The router with what ships, and backends that are ready.
struct Asker {
    router: Router,
    view: View,
    policy: String,
}

fn paths() -> Paths {
    Paths {
        state: PathBuf::from("/nowhere"),
        models: machine::path("models"),
        policies: machine::path("policies"),
    }
}

impl Asker {
    fn open() -> anyhow::Result<Self> {
        let config = Config::default();
        let router = routing::open(&config, &paths(), Arc::new(Metrics::new()?)).map_err(|problems| {
            anyhow!(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        })?;
        let view = View { seats: vec![seat("local", true, 1024), seat("remote", false, 128_000)] };
        Ok(Self { router, view, policy: config.policy })
    }

    /// How long a decision took, in microseconds, and whether its verdict came in time.
    async fn ask(&self, request: &ChatRequest) -> (f64, bool) {
        let started = Instant::now();
        let question = Question { request, policy: &self.policy, control: Control::Auto, view: &self.view };
        let decision = self.router.decide(question).await;
        (micros(started.elapsed()), decision.verdict.is_some())
    }
}

fn seat(name: &str, within_boundary: bool, context_tokens: u32) -> Seat {
    let id = BackendId::new(name);
    let boundary = BoundaryBackendId::declare(&id, within_boundary);
    Seat { id, boundary, presence: Presence::Ready, context_tokens, can: Needs::default(), queued: 0 }
}

/// Requests whose user turn has so many tokens, as the classifier's own tokenizer counts.
fn requests(tokens: usize) -> anyhow::Result<Vec<ChatRequest>> {
    let file = machine::path("models/classifier/tokenizer.json");
    let tokenizer = Tokenizer::from_file(&file).map_err(|error| anyhow!("{}: {error}", file.display()))?;
    let questions = prompts::golden()?;
    (0..TEXTS)
        .map(|at| {
            let mut text = String::new();
            for question in questions.iter().cycle().skip(at * 7) {
                text.push_str(question);
                text.push_str("\n\n");
                // Four bytes a token and more: the text is long enough before it is counted.
                if text.len() > tokens * 8 {
                    break;
                }
            }
            let encoding = tokenizer.encode(text.as_str(), false).map_err(|error| anyhow!(error))?;
            let end = encoding.get_offsets().get(tokens).context("the text is too short")?.0;
            Ok(parse_request(prompts::body("auto", &text[..text.floor_char_boundary(end)], false).into())?)
        })
        .collect()
}

struct Beside {
    late_percent: f64,
    p50_us: f64,
    p99_us: f64,
    tokens_per_second: f64,
}

async fn beside() -> anyhow::Result<Beside> {
    let config = Config::default();
    let local = Local::open(&machine::path("models/starter"), &config.local, Arc::new(Metrics::new()?))?;
    let local: Arc<dyn Backend> = Arc::new(local);
    let (stop, tokens) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let streams: Vec<_> = (0..STREAMS)
        .map(|_| tokio::spawn(decode(Arc::clone(&local), Arc::clone(&stop), Arc::clone(&tokens))))
        .collect();
    let asker = Asker::open()?;
    let mut requests_of_both = requests(128)?;
    requests_of_both.extend(requests(4_096)?);
    let (started, mut times, mut late) = (Instant::now(), vec![], 0);
    for at in 0..BESIDE {
        // Odd steps through an even number of requests meet both lengths in turn.
        let request = &requests_of_both[at * (TEXTS + 1) % requests_of_both.len()];
        match asker.ask(request).await {
            (took, true) => times.push(took),
            (_, false) => late += 1,
        }
        tokio::time::sleep(PAUSE).await;
    }
    let seconds = started.elapsed().as_secs_f64();
    stop.store(true, Relaxed);
    for stream in streams {
        stream.await??;
    }
    Ok(Beside {
        late_percent: f64::from(late) * 100.0 / BESIDE as f64,
        p50_us: quantile(&times, 0.5),
        p99_us: quantile(&times, 0.99),
        tokens_per_second: tokens.load(Relaxed) as f64 / seconds,
    })
}

/// One stream after the other, until told to stop.
async fn decode(
    local: Arc<dyn Backend>,
    stop: Arc<AtomicBool>,
    tokens: Arc<AtomicU64>,
) -> anyhow::Result<()> {
    let body = serde_json::json!({
        "model": "local", "messages": [{ "role": "user", "content": "Tell a story." }],
        "max_tokens": 512, "temperature": 1.0, "stream": true,
    });
    let request = Arc::new(parse_request(body.to_string().into())?);
    while !stop.load(Relaxed) {
        let profile = local.profile();
        let call = Call::new(Arc::clone(&request), &profile.model, profile.whole_timeout);
        let mut chunks = local.answer(call);
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk?;
            tokens.fetch_add(u64::from(chunk.commits()), Relaxed);
            if stop.load(Relaxed) {
                break;
            }
        }
    }
    Ok(())
}
