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
use super::{house, machine, process};

/// Rounds of each measurement; the middle counts.
const ROUNDS: usize = 3;
/// Tokens of one answer.
const TOKENS: usize = 128;

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
    let profile = local.profile();
    Ok(local.answer(Call::new(Arc::new(request), &profile.model, profile.whole_timeout)))
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

/// Tokens per second of all answers together, from the first token of all to the last, and tokens per second of the
/// machine's time, prompts included.
async fn speed(local: &Local, streams: usize) -> anyhow::Result<[f64; 2]> {
    let (started, before) = (Instant::now(), process::cpu(std::process::id())?);
    let answers = (0..streams).map(|at| async move {
        let (first, usage) = read(ask(local, at, 8, TOKENS, false)?).await?;
        anyhow::Ok((first, usage.completion))
    });
    let told = futures_util::future::try_join_all(answers).await?;
    let first = told.iter().map(|(first, _)| *first).fold(f64::INFINITY, f64::min);
    let tokens: u64 = told.iter().map(|(_, tokens)| tokens).sum();
    let cpu = process::cpu(std::process::id())?.since(&before).total.as_secs_f64();
    Ok([(tokens as f64 - 1.0) / (started.elapsed().as_secs_f64() - first), tokens as f64 / cpu])
}

async fn streams(report: &mut Report, local: &Local) -> anyhow::Result<()> {
    let counts = [1, 2, 4, 8];
    let mut speeds = vec![vec![]; counts.len()];
    for _ in 0..ROUNDS {
        for (speeds, count) in speeds.iter_mut().zip(counts) {
            speeds.push(speed(local, count).await?);
        }
    }
    let of = |at: usize, kind: usize| median(&speeds[at].iter().map(|speed| speed[kind]).collect::<Vec<_>>());
    for (at, count) in counts.iter().enumerate() {
        report.add(format!("{count} stream(s) together"), of(at, 0), "tokens/s");
        report.add(format!("{count} stream(s) together, by CPU time"), of(at, 1), "tokens/s");
    }
    report.hold("eight streams / one".to_owned(), of(3, 0) / of(0, 0), "x", Target::AtLeast(2.8));
    report.add("eight streams / one, by CPU time".to_owned(), of(3, 1) / of(0, 1), "x");
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
