//! Golden sets that the served gateway runs by itself: over the same pipeline, of origin `golden`, one row at a time and
//! only while no client is being answered. A run that clients kept from its rows is skipped, not half counted.
//! Asks a backend that costs money only where the settings say so.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep};

use super::evaluate::EvalHouse;
use crate::config::{GoldenConfig, Problem};
use crate::evals::{
    Contest, DecisionFacts, Gateway, GatewayFacts, GatewaySubject, Header, Judges, Question, Report, Subject,
    SubjectError, Suite, Transcript,
};
use crate::ledger::{EvalRun, export_evals, insert_golden_runs};
use crate::pipeline::Pipeline;
use crate::routing::LOCAL;

/// How long a row waits until no client is being answered.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(50);

/// The golden sets that the settings name, as many rows of each as they want.
///
/// # Errors
/// Every set that cannot be used.
pub(super) fn suites(config: &GoldenConfig) -> Result<Vec<Suite>, Vec<Problem>> {
    let (mut suites, mut problems) = (vec![], vec![]);
    for folder in &config.suites {
        match Suite::read(folder) {
            Ok(mut suite) => {
                if config.limit > 0 {
                    suite.limit(config.limit);
                }
                suites.push(suite);
            }
            Err(error) => problems.push(Problem::key("golden.suites", error.to_string())),
        }
    }
    if problems.is_empty() { Ok(suites) } else { Err(problems) }
}

/// Runs golden sets again and again.
pub(super) struct Schedule {
    pub(super) config: GoldenConfig,
    pub(super) suites: Vec<Suite>,
    pub(super) house: EvalHouse,
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) ledger_file: PathBuf,
}

impl Schedule {
    /// Runs every set on every tier, waits, and begins anew, until it is dropped.
    pub(super) async fn work(self) {
        let hashing = tokio::task::spawn_blocking(move || self.house.hashed());
        let Ok(house) = hashing.await else { return };
        let polite = Polite { house, pipeline: self.pipeline, gave_way: AtomicBool::new(false) };
        let polite = Arc::new(polite);
        loop {
            for suite in &self.suites {
                for tier in &self.config.tiers {
                    let outcome = run(suite, tier, &polite, &self.ledger_file).await;
                    tracing::info!(suite = suite.name, backend = tier, outcome, "scheduled golden run");
                    polite.pipeline.metrics().golden_runs_total.with_label_values(&[outcome]).inc();
                }
            }
            sleep(self.config.every()).await;
        }
    }
}

/// One set on one tier; how it ended.
async fn run(
    suite: &Suite,
    tier: &str,
    gateway: &Arc<Polite>,
    ledger_file: &std::path::Path,
) -> &'static str {
    gateway.gave_way.store(false, Ordering::Relaxed);
    let asked: Arc<dyn Gateway> = Arc::<Polite>::clone(gateway);
    let subject: Arc<dyn Subject> = Arc::new(match tier == LOCAL {
        true => GatewaySubject::always_local(asked, suite.max_tokens),
        false => GatewaySubject::always_remote(asked, suite.max_tokens),
    });
    let contest = Contest {
        local: None,
        remote: None,
        judged: vec![subject],
        concurrency: NonZeroUsize::MIN,
        stand_in: false,
        keep_answers: false,
        judges: Judges::default(),
    };
    let finished = crate::evals::run(suite, &contest, |_| {}, std::future::pending()).await;
    let at = jiff::Timestamp::now();
    let header = Header {
        run_id: format!("golden_{}", uuid::Uuid::now_v7().simple()),
        at,
        facts: gateway.facts(),
        concurrency: 1,
    };
    let report = Report::new(suite, &finished, &header);
    if gateway.gave_way.load(Ordering::Relaxed) {
        return "skipped";
    }
    let mut runs: Vec<EvalRun> = report.eval_runs(at).into_iter().take(1).collect();
    for run in &mut runs {
        tier.clone_into(&mut run.subject);
    }
    // With more than a tenth unscored nothing can be said, as in the gates of evals.
    let judged = runs.first().is_some_and(|run| run.n * 10 >= suite.samples.len() as u64 * 9);
    if !judged {
        return "failed";
    }
    let (file, pipeline) = (ledger_file.to_path_buf(), Arc::clone(&gateway.pipeline));
    let keep = move || {
        insert_golden_runs(&file, &runs)?;
        export_evals(&file, pipeline.metrics())
    };
    match tokio::task::spawn_blocking(keep).await {
        Ok(Ok(())) => "done",
        Ok(Err(error)) => {
            tracing::warn!(%error, "a golden run was not kept");
            "failed"
        }
        Err(_) => "failed",
    }
}

/// A gateway that lets clients go first.
struct Polite {
    house: EvalHouse,
    pipeline: Arc<Pipeline>,
    /// Whether a row was given up because clients kept coming.
    gave_way: AtomicBool,
}

impl Polite {
    async fn wait(&self) -> Result<(), SubjectError> {
        let until = Instant::now() + PATIENCE;
        while !self.gave_way.load(Ordering::Relaxed) && !self.pipeline.is_idle() {
            if Instant::now() >= until {
                self.gave_way.store(true, Ordering::Relaxed);
            }
            sleep(LOOK).await;
        }
        // The rest of a run that gave way is not asked either.
        if self.gave_way.load(Ordering::Relaxed) {
            return Err(SubjectError::Refused("clients come first".to_owned()));
        }
        Ok(())
    }
}

impl Gateway for Polite {
    fn facts(&self) -> GatewayFacts {
        self.house.facts()
    }

    fn ask<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Transcript, SubjectError>> {
        Box::pin(async move {
            self.wait().await?;
            self.house.ask(question).await
        })
    }

    fn decide<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<DecisionFacts, SubjectError>> {
        self.house.decide(question)
    }
}
