//! `crossover eval early-gate`: asks the local model every row of a golden set, grades, and fits the early gate's judge
//! on how the answers began. Experimental. Says how the judge compares with the classifier alone.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;

use super::house::patient;
use super::progress::Meter;
use crate::app::{EvalHouse, House, Store};
use crate::cli::Context;
use crate::cli::say::say;
use crate::evals::{
    EarlyFit, EarlyRow, Gateway, GatewaySubject, Progress, Score, Scorer, Subject, Suite, fit_early_gate,
};
use crate::routing::{Confusion, EARLY_GATE_INPUTS, Present, Verdict, early_gate_inputs};

#[derive(clap::Args)]
pub(super) struct Args {
    /// The golden set's folder, with suite.toml and suite.jsonl
    suite: PathBuf,
    /// First tokens of an answer to judge by
    #[arg(long, default_value = "8", value_parser = clap::value_parser!(u16).range(1..=256))]
    tokens: u16,
    /// An answer is good enough when its score is at least this
    #[arg(long, default_value = "0.5")]
    good: f64,
    /// Where the judge goes [default: early-gate.json in the state folder]
    #[arg(long)]
    out: Option<PathBuf>,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let suite = Suite::read(&args.suite)?;
    let (mut config, paths) = context.load()?;
    config.early_gate.enabled = false;
    config.local.watched_tokens = usize::from(args.tokens);
    let out = args.out.clone().unwrap_or_else(|| paths.state.join("early-gate.json"));
    let present = Present::look(&config, &paths);
    let house = House::open(patient(config), &paths, Store::Memory)?;
    let head = house.calibration.head();
    let gateway: Arc<dyn Gateway> = Arc::new(EvalHouse::new(house, &paths));
    let subject = GatewaySubject::always_local(gateway, suite.max_tokens);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let rows = runtime.block_on(ask_all(&suite, &subject, args.good));
    let mut fit = fit_early_gate(&rows, usize::from(args.tokens))?;
    let local_model = present.local_hash().map(str::to_owned);
    fit.gate.local_model =
        local_model.context("there is no local model that can be read: is local.enabled false?")?;
    fit.gate.classifier = present.classifier.context("there is no classifier")?;
    fit.gate.head = head.as_deref().map(str::to_owned);
    say(&told(&fit, rows.len(), suite.samples.len()))?;
    let text = serde_json::to_vec_pretty(&fit.gate)?;
    super::files::write(&out, &text)?;
    say(&format!("written to {}; early-gate.enabled = true puts it in charge\n", out.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Every graded answer with its beginning. Rows without an answer or a grade are left out.
async fn ask_all(suite: &Suite, local: &GatewaySubject, good: f64) -> Vec<EarlyRow> {
    let of = suite.samples.len();
    let mut meter = Meter::new(of, "rows");
    let (mut rows, mut failed) = (vec![], 0);
    for (at, sample) in suite.samples.iter().enumerate() {
        let row = local.ask(sample).await.ok().and_then(|answer| {
            let Score::Scored { value, .. } = sample.scorer.score(sample, &answer) else { return None };
            let verdict = answer.local_ok.map(|local_ok| Verdict { local_ok, ..Verdict::default() });
            let inputs = early_gate_inputs(verdict.as_ref(), &answer.begun)?;
            Some(EarlyRow { id: sample.id.clone(), inputs, good: value >= good })
        });
        failed += usize::from(row.is_none());
        rows.extend(row);
        meter.tell(Progress { done: at + 1, of, failed });
    }
    meter.end();
    rows
}

fn told(fit: &EarlyFit, rows: usize, of: usize) -> String {
    let [fitting, tuning, testing] = fit.parts;
    let mut text = format!(
        "{rows} of {of} rows graded: {fitting} to fit, {tuning} to choose the threshold, {testing} to test\n"
    );
    for (name, weight) in EARLY_GATE_INPUTS.iter().zip(fit.gate.weights) {
        text.push_str(&format!("  {name:<36} {weight:+.3}\n"));
    }
    text.push_str("on the test rows, of answers that were          good enough         not good enough\n");
    text.push_str(
        "                                          let through  escalated  let through  escalated\n",
    );
    let line = |name: &str, it: &Confusion, auc: f64| {
        let (kept, needless, missed, caught) = (it.kept, it.needless, it.missed, it.caught);
        format!("  {name:<38}{kept:>13}{needless:>11}{missed:>13}{caught:>11}   AUC {auc:.3}\n")
    };
    text.push_str(&line("early gate", &fit.gate.confusion, fit.auc[0]));
    text.push_str(&line("classifier alone, as many let through", &fit.gate.classifier_alone, fit.auc[1]));
    let right = |it: &Confusion| it.kept + it.caught;
    let (ours, alone) = (right(&fit.gate.confusion), right(&fit.gate.classifier_alone));
    let verdict = match (ours > alone, fit.p_value < 0.05) {
        (true, true) => "it beats the classifier alone",
        (true, false) => "it does not clearly beat the classifier alone",
        (false, _) => "it does not beat the classifier alone",
    };
    text.push_str(&format!(
        "{verdict}: {ours} against {alone} of {testing} judged rightly (McNemar p = {:.3})\n",
        fit.p_value
    ));
    text
}
