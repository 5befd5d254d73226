//! `crossover eval run`: runs a golden set and reports quality, cost and latency beside the trivial rivals.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;

use super::files::{warn_of_unnamed_model, write};
use super::house::{keep_runs, open_gateway, price_of, remote_price};
use super::judge::JudgeArgs;
use super::output::OutputArgs;
use super::progress::Meter;
use super::record::key;
use super::{COULD_NOT_RUN, NO_DATA, REGRESSION, interrupted};
use crate::cli::Context;
use crate::cli::say::say;
use crate::evals::{
    ALWAYS_LOCAL, ALWAYS_REMOTE, AUTO, Baseline, Contest, DEFAULT_MARGIN, Endpoint, Finished, Frame, Gates,
    Gateway, GatewayFacts, GatewaySubject, GoldOracle, Header, Http, Judges, Kind, MinQuality, Recorded,
    RecordedLine, Report, Subject, Suite,
};

#[derive(clap::Args)]
pub(super) struct RunArgs {
    /// The golden set's folder, with suite.toml and suite.jsonl
    suite: PathBuf,
    /// A policy to judge; repeatable [default: the one in charge]
    #[arg(long)]
    policy: Vec<String>,
    /// Ask a running gateway, or any OpenAI-compatible server, up to and including /v1
    #[arg(long, conflicts_with = "recorded")]
    base_url: Option<String>,
    /// A model to ask there; repeatable [default: auto, where it is a Crossover gateway]
    #[arg(long, requires = "base_url")]
    model: Vec<String>,
    /// Name of the environment variable that holds the key for it
    #[arg(long, requires = "base_url")]
    api_key_env: Option<String>,
    /// Grade these recorded answers; with --policy they are the tiers that policies choose between
    #[arg(long)]
    recorded: Option<PathBuf>,
    /// Really ask the remote model in place of the gold answer; this costs money
    #[arg(long, conflicts_with = "recorded")]
    ask_remote: bool,
    /// Where the JSON report goes [default: evals/SUITE-TIME.json below the state folder]
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
    /// How much worse than the remote tier counts as no worse, in the report's non-inferiority test
    #[arg(long, default_value_t = DEFAULT_MARGIN)]
    margin: f64,
    /// Run only so many rows, spread over the set; such a run is not kept in the ledger
    #[arg(long)]
    limit: Option<NonZeroUsize>,
    /// Rows under way at once; more than one makes answers wait for each other
    #[arg(long, default_value = "1")]
    concurrency: NonZeroUsize,
    /// Fail when a judged subject's quality is below this: 0.8, or SUBJECT=0.8; repeatable
    #[arg(long)]
    min_quality: Vec<MinQuality>,
    /// Fail when a judged subject is clearly worse than in this earlier report
    #[arg(long)]
    baseline: Option<PathBuf>,
    /// Also write the answers beside the report, in the form that --recorded reads
    #[arg(long)]
    save_answers: bool,
    #[command(flatten)]
    judge: JudgeArgs,
}

pub(super) fn run(args: &RunArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let mut suite = Suite::read(&args.suite)?;
    let baseline = args.baseline.as_deref().map(Baseline::read).transpose()?;
    let gates = Gates { floors: args.min_quality.clone(), baseline };
    if let Some(limit) = args.limit {
        suite.limit(limit.get());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (finished, facts, local_model) = runtime.block_on(async {
        let (contest, facts, local_model) = contest(args, context, &suite).await?;
        let mut meter = Meter::new(suite.samples.len(), "rows");
        let finished =
            crate::evals::run(&suite, &contest, |progress| meter.tell(progress), interrupted()).await;
        meter.end();
        anyhow::Ok((finished, facts, local_model))
    })?;
    let at = jiff::Timestamp::now();
    let run_id = format!("eval_{}", uuid::Uuid::now_v7().simple());
    let header = Header { run_id, at, facts, concurrency: args.concurrency.get() };
    let report = Report::of(&Frame::from(&suite), &finished, &header, args.margin);
    keep(args, context, &report, at)?;
    if args.save_answers {
        let file = answers_file(&out_file(args, context, &report, at)?);
        save_answers(&file, &suite, &finished, local_model.as_deref())?;
    }
    let (code, failing) = judge(&gates, &report)?;
    args.output.write(std::slice::from_ref(&report), &failing)?;
    Ok(ExitCode::from(code))
}

/// Who takes part, what is fixed about the gateway if there is one, and the hash of the local tier's model where it is
/// known: recorded answers are of the model that their file names, whichever is installed.
async fn contest(
    args: &RunArgs,
    context: &Context,
    suite: &Suite,
) -> anyhow::Result<(Contest, GatewayFacts, Option<String>)> {
    let mut contest = Contest {
        local: None,
        remote: None,
        judged: vec![],
        concurrency: args.concurrency,
        stand_in: args.base_url.is_some() && !args.ask_remote,
        keep_answers: args.save_answers,
        judges: Judges::default(),
    };
    let answered_by = match &args.recorded {
        Some(file) => recorded(file, suite, &mut contest)?,
        None => None,
    };
    let is_recorded = contest.local.is_some();
    let facts = match (&args.base_url, &args.recorded) {
        (Some(base_url), _) => {
            contest.judges = args.judge.judges(None, context)?;
            over_http(args, base_url, context, suite, &mut contest).await?
        }
        (None, Some(_)) if args.policy.is_empty() => {
            contest.judges = args.judge.judges(None, context)?;
            GatewayFacts { price: remote_price(context)?, ..GatewayFacts::default() }
        }
        (None, _) => in_process(args, context, suite, &mut contest)?,
    };
    match (&args.recorded, &answered_by, &facts.local_model) {
        (_, Some(then), Some(now)) if then != now => {
            bail!(
                "the recorded local answers are another model's than the installed one's: record them anew"
            );
        }
        (Some(file), None, Some(_)) if is_recorded => warn_of_unnamed_model(file),
        _ => {}
    }
    if contest.remote.is_none() && contest.local.is_some() {
        contest.remote = Some(Arc::new(GoldOracle::new(facts.price.clone())));
    }
    let local_model = if is_recorded { answered_by } else { facts.local_model.clone() };
    Ok((contest, facts, local_model))
}

/// Recorded tiers stand in for the real ones; everyone else in the file is judged. Returns the hash of the local model
/// that answered, where the file says.
fn recorded(file: &Path, suite: &Suite, contest: &mut Contest) -> anyhow::Result<Option<String>> {
    let mut answered_by = None;
    for subject in Recorded::read(file, &suite.hash)? {
        match subject.name() {
            ALWAYS_LOCAL => {
                answered_by = subject.model_hash().map(str::to_owned);
                contest.local = Some(Arc::new(subject));
            }
            ALWAYS_REMOTE => contest.remote = Some(Arc::new(subject)),
            GoldOracle::NAME => {}
            _ => contest.judged.push(Arc::new(subject)),
        }
    }
    Ok(answered_by)
}

async fn over_http(
    args: &RunArgs,
    base_url: &str,
    context: &Context,
    suite: &Suite,
    contest: &mut Contest,
) -> anyhow::Result<GatewayFacts> {
    let endpoint = Endpoint::new(base_url, key(args.api_key_env.as_deref())?.as_ref())?;
    let crossover = endpoint.is_crossover().await?;
    let price = if crossover { remote_price(context)? } else { None };
    let mut models: Vec<&str> = args.policy.iter().chain(&args.model).map(String::as_str).collect();
    if models.is_empty() {
        if !crossover {
            bail!("this is not a Crossover gateway: name a model with --model");
        }
        models.push(AUTO);
    }
    for model in models {
        let own = if crossover { price.clone() } else { price_of(model, context)? };
        let subject = Http::new(endpoint.clone(), model, model, suite.max_tokens).priced(own);
        let subject = subject.of_both_tiers(crossover);
        contest.judged.push(Arc::new(subject));
    }
    if crossover {
        contest.local = Some(Arc::new(Http::always_local(endpoint.clone(), suite.max_tokens)));
        if args.ask_remote {
            let remote = Http::always_remote(endpoint, suite.max_tokens).priced(price.clone());
            contest.remote = Some(Arc::new(remote));
        }
    }
    Ok(GatewayFacts { price, ..GatewayFacts::default() })
}

fn in_process(
    args: &RunArgs,
    context: &Context,
    suite: &Suite,
    contest: &mut Contest,
) -> anyhow::Result<GatewayFacts> {
    let gateway: Arc<dyn Gateway> = open_gateway(context)?.into();
    let facts = gateway.facts();
    contest.judges = args.judge.judges(Some(&gateway), context)?;
    let in_charge = [facts.policy.clone()];
    for name in if args.policy.is_empty() { &in_charge[..] } else { &args.policy } {
        if !facts.policies.contains_key(name) {
            let known: Vec<&str> = facts.policies.keys().map(String::as_str).collect();
            bail!("there is no policy `{name}`: known are {}", known.join(", "));
        }
        contest.judged.push(Arc::new(GatewaySubject::policy(gateway.clone(), name, suite.max_tokens)));
    }
    if contest.local.is_none() {
        contest.local = Some(Arc::new(GatewaySubject::always_local(gateway.clone(), suite.max_tokens)));
    }
    if args.ask_remote {
        contest.remote = Some(Arc::new(GatewaySubject::always_remote(gateway, suite.max_tokens)));
    }
    Ok(facts)
}

/// Writes the JSON report, and the ledger's rows of a whole run.
fn keep(args: &RunArgs, context: &Context, report: &Report, at: jiff::Timestamp) -> anyhow::Result<()> {
    let file = out_file(args, context, report, at)?;
    write(&file, &serde_json::to_vec_pretty(report)?)?;
    say(&format!("{report}\nreport: {}\n", file.display()))?;
    let runs = if args.limit.is_none() { report.eval_runs(at) } else { vec![] };
    if runs.is_empty() { Ok(()) } else { keep_runs(context, &runs) }
}

fn out_file(
    args: &RunArgs,
    context: &Context,
    report: &Report,
    at: jiff::Timestamp,
) -> anyhow::Result<PathBuf> {
    if let Some(out) = args.out.clone().or_else(|| args.output.json()) {
        return Ok(out);
    }
    let (_, paths) = context.load()?;
    let name = format!("{}-{}.json", report.suite.name, at.strftime("%Y%m%dT%H%M%SZ"));
    Ok(paths.state.join("evals").join(name))
}

fn answers_file(report: &Path) -> PathBuf {
    report.with_extension("answers.jsonl")
}

/// Every measured answer, the local tier's with the hash of its model; the gold oracle's stand in the suite.
fn save_answers(
    file: &Path,
    suite: &Suite,
    finished: &Finished,
    local_model: Option<&str>,
) -> anyhow::Result<()> {
    let mut text = vec![];
    for run in finished.runs.iter().filter(|run| run.name != GoldOracle::NAME) {
        for row in &run.rows {
            let Some(answer) = &row.answer else { continue };
            let id = &suite.samples[row.sample].id;
            let model_hash = local_model.filter(|_| run.name == ALWAYS_LOCAL).map(str::to_owned);
            let line = RecordedLine { model_hash, ..RecordedLine::of(&suite.hash, id, &run.name, answer) };
            serde_json::to_writer(&mut text, &line)?;
            text.push(b'\n');
        }
    }
    write(file, &text)?;
    say(&format!("answers: {}\n", file.display()))
}

/// The exit code, and what did not hold. What cannot be judged is no error: its report is written all the same.
fn judge(gates: &Gates, report: &Report) -> anyhow::Result<(u8, Vec<String>)> {
    let asked = report.subjects.iter().filter(|it| it.kind != Kind::Rival && it.name != GoldOracle::NAME);
    if let Some(subject) =
        asked.filter(|subject| subject.n == 0).min_by_key(|subject| subject.kind == Kind::Tier)
    {
        let row = report.rows.iter().find(|row| row.subject == subject.name);
        let why = row.map_or("no rows", |row| &row.why);
        let why = format!("{}: not one answer could be judged: {why}", subject.name);
        eprintln!("error: {why}");
        return Ok((NO_DATA, vec![why]));
    }
    let failing: Vec<String> = match gates.judge(report) {
        Ok(failing) => failing.into_iter().map(|failing| failing.0).collect(),
        Err(error) if error.is_no_data() => {
            eprintln!("error: {error}");
            return Ok((NO_DATA, vec![error.to_string()]));
        }
        Err(error) => return Err(error.into()),
    };
    for failing in &failing {
        say(&format!("FAILED: {failing}\n"))?;
    }
    match (failing.is_empty(), report.done < report.of) {
        (false, _) => Ok((REGRESSION, failing)),
        (true, true) => Ok((COULD_NOT_RUN, vec![])),
        (true, false) => Ok((0, vec![])),
    }
}
