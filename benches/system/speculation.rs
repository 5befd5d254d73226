//! Drafts by prompt lookup: the same model with and without them, in one process, answers taken in turn. CPU time of the
//! engine's thread for each token counts. Answers that copy are forced by a schema, so that any weights will do.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use crossover::backends::local::Local;
use crossover::backends::{Backend, Call};
use crossover::chat::{Delta, Event};
use crossover::config::{LocalConfig, Speculation};
use crossover::dialects::openai_chat::parse_request;
use crossover::metrics::Metrics;
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::figures::{Report, median};
use super::machine;
use super::process;

/// Rounds over all prompts; the middle ratio counts.
const ROUNDS: usize = 5;
/// Rows of the golden set.
const ROWS: usize = 24;
/// Longest answer.
const TOKENS: usize = 200;
/// Names the folder of a model with a verify form, as `training/verify/make.py` writes it.
const MODEL: &str = "CROSSOVER_BENCH_VERIFY_MODEL";

pub(crate) fn run() -> anyhow::Result<()> {
    let mut report = Report::new("speculation");
    let model = std::env::var_os(MODEL).map(PathBuf::from);
    let Some(model) = model.filter(|folder| folder.join("verify.onnx").is_file()) else {
        report.note(format!("{MODEL} names no folder with a verify form: nothing was measured"));
        return report.write();
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let sides = [Side::open(&model, Speculation::Off)?, Side::open(&model, Speculation::PromptLookup)?];
    for (name, bodies) in cases()? {
        runtime.block_on(compare(&mut report, &sides, name, &bodies))?;
    }
    report.write()
}

/// One of the two engines.
struct Side {
    local: Local,
    metrics: Arc<Metrics>,
}

impl Side {
    fn open(model: &std::path::Path, speculation: Speculation) -> anyhow::Result<Self> {
        let metrics = Arc::new(Metrics::new()?);
        let config = LocalConfig { threads: 1, speculation, ..LocalConfig::default() };
        Ok(Self { local: Local::open(model, &config, Arc::clone(&metrics))?, metrics })
    }

    /// Drafted tokens, and those of them that were said.
    fn drafts(&self) -> (u64, u64) {
        (self.metrics.local_drafted_tokens_total.get(), self.metrics.local_accepted_tokens_total.get())
    }

    /// An answer's text and tokens, and what the engine's thread took for it behind the first token.
    async fn answer(&self, body: &Value) -> anyhow::Result<(String, u64, Duration)> {
        let request = Arc::new(parse_request(body.to_string().into())?);
        let profile = self.local.profile();
        let mut chunks = self.local.answer(Call::new(request, &profile.model, profile.whole_timeout));
        let (mut text, mut tokens, mut before) = (String::new(), 0, None);
        while let Some(chunk) = chunks.next().await {
            for event in chunk?.events {
                match event {
                    Event::Delta { delta: Delta::Text(piece), .. } => text.push_str(&piece),
                    Event::Usage(usage) => tokens = usage.completion,
                    _ => {}
                }
            }
            if before.is_none() {
                before = Some(process::cpu(std::process::id())?);
            }
        }
        let cpu = process::cpu(std::process::id())?.since(&before.context("no answer")?);
        Ok((text, tokens.saturating_sub(1), cpu.thread("local-engine")))
    }
}

/// Requests by what their answers are; with a seed, so that both sides run over pairs of rows where the model needs it.
fn cases() -> anyhow::Result<Vec<(&'static str, Vec<Value>)>> {
    let suite = std::fs::read_to_string(machine::path("evals/golden/extraction/suite.jsonl"))?;
    let rows: Vec<Value> = suite.lines().take(ROWS).map(serde_json::from_str).collect::<Result<_, _>>()?;
    let base = |row: &Value| json!({ "model": "local", "messages": row["messages"], "max_tokens": TOKENS, "temperature": 0, "seed": 0, "stream": true });
    let forced = |row: &Value, answer: &Value| {
        let mut body = base(row);
        let schema = json!({ "name": "answer", "strict": true, "schema": { "const": answer } });
        body["response_format"] = json!({ "type": "json_schema", "json_schema": schema });
        body
    };
    let (mut free, mut hot) = (vec![], vec![]);
    for (row, seed) in rows.iter().zip(0..) {
        free.push(base(row));
        let mut body = base(row);
        body["temperature"] = json!(1.0);
        body["seed"] = json!(seed);
        hot.push(body);
    }
    Ok(vec![
        (
            "the prompt word for word",
            rows.iter().map(|row| forced(row, &row["messages"][0]["content"])).collect(),
        ),
        ("right extractions", rows.iter().map(|row| forced(row, &row["expected"])).collect()),
        ("its own answers, greedy", free),
        ("its own answers, temperature 1", hot),
    ])
}

async fn compare(report: &mut Report, sides: &[Side; 2], name: &str, bodies: &[Value]) -> anyhow::Result<()> {
    let [off, on] = sides;
    let (mut ratios, mut tokens, mut spent) = (vec![], 0, Duration::ZERO);
    let before = on.drafts();
    for round in 0..=ROUNDS {
        let (mut with, mut without) = (Duration::ZERO, Duration::ZERO);
        for body in bodies {
            let (plain, drafted) = (off.answer(body).await?, on.answer(body).await?);
            ensure!((&plain.0, plain.1) == (&drafted.0, drafted.1), "drafts changed an answer");
            with += drafted.2;
            without += plain.2;
            tokens += plain.1;
        }
        spent += without;
        // The first round warms up.
        if round > 0 {
            ratios.push(without.as_secs_f64() / with.as_secs_f64());
        }
    }
    let (tried, right) = on.drafts();
    let (tried, right) = ((tried - before.0) as f64, (right - before.1) as f64);
    report.add(
        format!("{name}: CPU time without drafts"),
        spent.as_secs_f64() * 1e6 / tokens as f64,
        "us/token",
    );
    report.add(format!("{name}: speed, with drafts / without"), median(&ratios), "x");
    report.add(format!("{name}: drafted tokens that were right"), 100.0 * right / tried.max(1.0), "%");
    report.add(format!("{name}: drafted for each token"), tried / tokens as f64, "");
    Ok(())
}
