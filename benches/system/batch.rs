//! Many answers at the same time: decode speed by number of streams, the first token of a short request behind a long
//! prompt, and of a prompt whose beginning was computed before. Any model folder: `CROSSOVER_BENCH_MODEL`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use crossover::backends::local::Local;
use crossover::backends::{Backend, Call, ChunkStream};
use crossover::chat::{Event, Usage};
use crossover::config::LocalConfig;
use crossover::dialects::openai_chat::parse_request;
use crossover::metrics::Metrics;
use futures_util::StreamExt;
use serde_json::json;

use super::decode::endless;
use super::figures::{Report, Target, median};
use super::{house, machine};

/// Rounds of each measurement; the middle counts.
const ROUNDS: usize = 5;
/// Tokens of one answer.
const TOKENS: usize = 64;

pub(crate) fn run() -> anyhow::Result<()> {
    let mut report = Report::new("batch");
    let model = std::env::var_os("CROSSOVER_BENCH_MODEL").map(PathBuf::from);
    if model.is_none() && !house::has_local_model() {
        report.note("models/starter is not there: nothing was measured");
        return report.write();
    }
    let folder = tempfile::tempdir()?;
    let threads = machine::cores();
    let model = endless(&model.unwrap_or_else(|| machine::path("models/starter")), folder.path(), threads)?;
    let config = LocalConfig { threads, prefix_cache_shared: false, ..LocalConfig::default() };
    let local = Local::open(&model, &config, Arc::new(Metrics::new()?))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        streams(&mut report, &local).await?;
        behind_a_long_prompt(&mut report, &local).await?;
        known_beginning(&mut report, &local).await
    })?;
    report.write()
}

/// An answer under way to about `words` words; its prompt begins like no other where `salt` is new.
fn ask(local: &Local, salt: usize, words: usize, tokens: usize, key: bool) -> anyhow::Result<ChunkStream> {
    let body = json!({
        "model": "local", "max_tokens": tokens, "temperature": 0, "stream": true,
        "messages": [{ "role": "user", "content": format!("{salt} {}", "seven ".repeat(words)) }],
    });
    let mut request = parse_request(body.to_string().into())?;
    request.controls.key = key.then(|| "bench".into());
    Ok(local.answer(Call { request: Arc::new(request), model: local.profile().model.clone() }))
}

/// Reads to the end; seconds to the first chunk, and the usage.
async fn read(mut chunks: ChunkStream) -> anyhow::Result<(f64, Usage)> {
    let (started, mut first, mut usage) = (Instant::now(), None, Usage::default());
    while let Some(chunk) = chunks.next().await {
        for event in chunk?.events {
            if let Event::Usage(told) = event {
                usage = told;
            }
        }
        first.get_or_insert_with(|| started.elapsed().as_secs_f64());
    }
    Ok((first.context("no answer")?, usage))
}

/// Tokens per second of all answers together, from the moment when each has its first.
async fn speed(local: &Local, streams: usize) -> anyhow::Result<f64> {
    let mut answers = vec![];
    for at in 0..streams {
        let mut chunks = ask(local, at, 8, TOKENS + 8 * streams, false)?;
        chunks.next().await.context("no answer")??;
        answers.push(chunks);
    }
    let started = Instant::now();
    let rest = answers.iter_mut().map(|chunks| async move {
        for _ in 0..TOKENS {
            chunks.next().await.context("ended early")??;
        }
        anyhow::Ok(())
    });
    futures_util::future::try_join_all(rest).await?;
    Ok((streams * TOKENS) as f64 / started.elapsed().as_secs_f64())
}

async fn streams(report: &mut Report, local: &Local) -> anyhow::Result<()> {
    let counts = [1, 2, 4, 8];
    let mut speeds = vec![vec![]; counts.len()];
    for _ in 0..ROUNDS {
        for (speeds, count) in speeds.iter_mut().zip(counts) {
            speeds.push(speed(local, count).await?);
        }
    }
    for (speeds, count) in speeds.iter().zip(counts) {
        report.add(format!("{count} stream(s) together"), median(speeds), "tokens/s");
    }
    let ratios: Vec<f64> = speeds[3].iter().zip(&speeds[0]).map(|(eight, one)| eight / one).collect();
    report.hold("eight streams / one".to_owned(), median(&ratios), "x", Target::AtLeast(2.8));
    Ok(())
}

/// Words that fill most of the context, up to 2,048 tokens.
fn long(local: &Local) -> usize {
    (local.profile().context_tokens as usize).min(2048) * 3 / 4 / 2
}

async fn behind_a_long_prompt(report: &mut Report, local: &Local) -> anyhow::Result<()> {
    let (mut chunk, mut alone, mut behind) = (vec![], vec![], vec![]);
    for round in 0..ROUNDS {
        let (first, usage) = read(ask(local, 100 + round, long(local), 1, false)?).await?;
        chunk.push(first * 128.0 / usage.prompt as f64);
        alone.push(read(ask(local, 200 + round, 4, 1, false)?).await?.0);
        let slow = tokio::spawn(read(ask(local, 300 + round, long(local), 1, false)?));
        tokio::time::sleep(std::time::Duration::from_secs_f64(first * 0.3)).await;
        behind.push(read(ask(local, 400 + round, 4, 1, false)?).await?.0);
        ensure!(!slow.is_finished(), "the long prompt was over too early to be in the way");
        slow.await??;
    }
    report.add("one chunk of a long prompt".to_owned(), median(&chunk) * 1e3, "ms");
    report.add("first token of a short prompt, alone".to_owned(), median(&alone) * 1e3, "ms");
    report.add("the same behind a long prompt".to_owned(), median(&behind) * 1e3, "ms");
    let ratio = median(&behind) / median(&chunk);
    report.hold("of one chunk".to_owned(), ratio, "x", Target::AtMost(1.5));
    Ok(())
}

async fn known_beginning(report: &mut Report, local: &Local) -> anyhow::Result<()> {
    let (mut miss, mut hit, mut cached) = (vec![], vec![], 0);
    for round in 0..ROUNDS {
        miss.push(read(ask(local, 500 + round, long(local), 1, true)?).await?.0);
        let (first, usage) = read(ask(local, 500 + round, long(local), 1, true)?).await?;
        hit.push(first);
        cached = usage.cached_prompt;
    }
    report.add("prompt tokens known from before".to_owned(), cached as f64, "tokens");
    report.add("first token, nothing known".to_owned(), median(&miss) * 1e3, "ms");
    report.add("first token, beginning known".to_owned(), median(&hit) * 1e3, "ms");
    report.hold("of it".to_owned(), median(&hit) / median(&miss), "x", Target::AtMost(0.15));
    Ok(())
}
