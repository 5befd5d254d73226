//! `crossover calibrate`: chooses the threshold that lets the learned score steer, on a golden set that both tiers
//! answered, and writes it with what it promises and everything that it is bound to.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};

use super::Context;
use super::eval::files::warn_of_unnamed_model;
use super::eval::house::{open_tiers, remote_price};
use super::eval::interrupted;
use super::eval::judge::JudgeArgs;
use super::eval::progress::Meter;
use super::say::say;
use crate::app::{GoldenReader, bound};
use crate::config::{Config, Paths};
use crate::evals::calibrate::{Asked, Calibrated, calibrate, rows};
use crate::evals::{
    ALWAYS_LOCAL, ALWAYS_REMOTE, Contest, Gateway, GatewaySubject, GoldOracle, Recorded, Recording, Subject,
    Suite, Tier, record,
};
use crate::routing::{GOLD, Goal, Present, RiskOf};

/// What the command ends with.
pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0  a threshold was chosen and written
  1  nothing could be promised; the file says why, and the learned score does not steer
  2  it could not run, or was stopped; nothing was written";

/// Exit code of a calibration that promises nothing.
const NO_PROMISE: u8 = 1;
/// Exit code of a calibration that did not take place.
const COULD_NOT_RUN: u8 = 2;

/// What stands for the remote tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Remote {
    /// The expected answer: an upper bound on any model, asks nobody
    GoldOracle,
    /// The remote model's own answers; asking for them costs money
    Remote,
}

/// Whose share is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Of {
    /// All requests that the threshold routes
    All,
    /// Those that it keeps local: stricter
    Local,
}

/// Arguments of `crossover calibrate`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The golden set's folder, with suite.toml and suite.jsonl
    suite: PathBuf,
    /// Both tiers' answers, by `crossover eval record`; nobody is asked
    /// [default: records into answers/SUITE.jsonl below the state folder, and goes on where that ended]
    #[arg(long, value_name = "FILE")]
    recorded: Option<PathBuf>,
    /// What stands for the remote tier
    #[arg(long, value_enum, default_value = "gold-oracle")]
    remote: Remote,
    /// The most that the share of requests answered worse than remote may be
    #[arg(long, default_value = "0.05", value_parser = within)]
    alpha: f64,
    /// How often the promise may fail; 1 less the confidence
    #[arg(long, default_value = "0.05", value_parser = within)]
    delta: f64,
    /// How much worse than remote, in score, does not count
    #[arg(long, default_value = "0", value_parser = share)]
    epsilon: f64,
    /// Whose share is promised
    #[arg(long, value_enum, default_value = "all")]
    of: Of,
    /// Instead of a promise: the share to answer locally
    #[arg(long, value_parser = within, conflicts_with_all = ["spend", "alpha", "delta", "of"])]
    local_share: Option<f64>,
    /// Instead of a promise: the most to spend, as a share of sending everything out
    #[arg(long, value_parser = within, conflicts_with_all = ["alpha", "delta", "of"])]
    spend: Option<f64>,
    /// Where the calibration goes [default: classifier.calibration, else calibration.json in the state folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Show what would be written, and write nothing but recorded answers
    #[arg(long)]
    dry_run: bool,
    /// Answers under way at once while recording
    #[arg(long, default_value = "1", conflicts_with = "recorded")]
    concurrency: NonZeroUsize,
    #[command(flatten)]
    judge: JudgeArgs,
}

fn within(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "is not a number".to_owned())?;
    if value > 0.0 && value < 1.0 { Ok(value) } else { Err("must lie between 0 and 1".to_owned()) }
}

fn share(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "is not a number".to_owned())?;
    if (0.0..1.0).contains(&value) { Ok(value) } else { Err("must lie between 0 and 1".to_owned()) }
}

impl Args {
    fn goal(&self) -> Goal {
        match (self.local_share, self.spend) {
            (Some(share), _) => Goal::LocalShare { share },
            (None, Some(share)) => Goal::Spend { share },
            (None, None) => Goal::Promise {
                of: match self.of {
                    Of::All => RiskOf::All,
                    Of::Local => RiskOf::Local,
                },
                alpha: self.alpha,
                delta: self.delta,
                epsilon: self.epsilon,
            },
        }
    }
}

pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    Ok(choose(args, context).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(COULD_NOT_RUN)
    }))
}

fn choose(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let (config, paths) = context.load()?;
    ensure!(config.classifier.enabled, "classifier.enabled is false: there is no score to calibrate");
    let suite = Suite::read(&args.suite)?;
    let mut reader = GoldenReader::open(&config, &paths)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let answers = match &args.recorded {
        Some(file) => file.clone(),
        None => {
            let file = paths.state.join("answers").join(format!("{}.jsonl", suite.name));
            runtime.block_on(fill(args, context, &suite, &file))?;
            file
        }
    };
    let (local, remote) = tiers(args, &config, &paths, (&suite, &answers), context)?;
    let remote_model = remote.model;
    let contest = Contest {
        local: Some(local),
        remote: Some(remote.subject),
        judged: vec![],
        concurrency: NonZeroUsize::MIN,
        stand_in: false,
        keep_answers: false,
        judges: args.judge.judges(None, context)?,
    };
    let finished = runtime.block_on(crate::evals::run(&suite, &contest, |_| {}, interrupted()));
    ensure!(finished.done == finished.of, "stopped; nothing was written");
    let rows = rows(&suite, &args.suite.join("suite.jsonl"), &finished, &mut reader)?;
    let bound = bound(&config, &paths, (&suite, &args.suite), &remote_model).map_err(anyhow::Error::msg)?;
    let made_at = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let asked = Asked { goal: args.goal(), epsilon: args.epsilon, bound, made_at };
    let calibrated = calibrate(&rows, &asked)?;
    say(&calibrated.to_string())?;
    keep(args, &config, &paths, calibrated)
}

/// Records what is missing of both tiers, in this process.
async fn fill(args: &Args, context: &Context, suite: &Suite, file: &Path) -> anyhow::Result<()> {
    let gateway: Arc<dyn Gateway> = open_tiers(context)?.into();
    let facts = gateway.facts();
    let local = Tier {
        subject: Arc::new(GatewaySubject::always_local(gateway.clone(), suite.max_tokens)),
        model: None,
        model_hash: facts.local_model,
    };
    let remote = (args.remote == Remote::Remote).then(|| Tier {
        subject: Arc::new(GatewaySubject::always_remote(gateway, suite.max_tokens)),
        model: None,
        model_hash: None,
    });
    let tiers: Vec<Tier> = std::iter::once(local).chain(remote).collect();
    let mut meter = Meter::new(suite.samples.len() * tiers.len(), "answers");
    let recording = Recording { suite, tiers: &tiers, file, concurrency: args.concurrency };
    let end = record(&recording, |progress| meter.tell(progress), interrupted()).await;
    meter.end();
    let end = end?;
    for (why, times) in &end.failed {
        eprintln!("{times} x {why}");
    }
    let have = end.kept + end.asked;
    ensure!(
        end.is_whole(),
        "{have} of {} answers are recorded in {}: the same command goes on from here",
        end.of,
        file.display()
    );
    Ok(())
}

/// What stands for the remote tier, and the name that the calibration is bound to.
struct RemoteTier {
    subject: Arc<dyn Subject>,
    model: String,
}

/// Both tiers out of a file of answers, held to the installed models.
fn tiers(
    args: &Args,
    config: &Config,
    paths: &Paths,
    (suite, file): (&Suite, &Path),
    context: &Context,
) -> anyhow::Result<(Arc<dyn Subject>, RemoteTier)> {
    let (mut local, mut remote) = (None, None);
    for subject in Recorded::read(file, &suite.hash)? {
        match subject.name() {
            ALWAYS_LOCAL => local = Some(subject),
            ALWAYS_REMOTE => remote = Some(subject),
            _ => {}
        }
    }
    let mend = |tier: &str| {
        let suite = args.suite.display();
        format!("`crossover eval record {suite} --tier {tier} --out {}` adds them", file.display())
    };
    let Some(local) = local else {
        bail!("{}: no answers of `{ALWAYS_LOCAL}`; {}", file.display(), mend("local"));
    };
    let present = Present::look(config, paths);
    match (local.model_hash(), present.local_hash()) {
        (Some(then), Some(now)) if then != now => bail!(
            "{}: the local answers are those of another model than local.model `{}`: record them anew",
            file.display(),
            config.local.model
        ),
        (None, _) => warn_of_unnamed_model(file),
        _ => {}
    }
    let remote = match args.remote {
        Remote::GoldOracle => {
            RemoteTier { subject: Arc::new(GoldOracle::new(remote_price(context)?)), model: GOLD.to_owned() }
        }
        Remote::Remote => {
            let remote = remote.with_context(|| {
                format!("{}: no answers of `{ALWAYS_REMOTE}`; {}", file.display(), mend("remote"))
            })?;
            let model = remote.model().unwrap_or(&config.remote.model).to_owned();
            ensure!(
                model == config.remote.model,
                "{}: the remote answers are those of `{model}`, but remote.model is `{}`: set it, or record anew",
                file.display(),
                config.remote.model
            );
            RemoteTier { subject: Arc::new(remote), model }
        }
    };
    Ok((Arc::new(local), remote))
}

fn keep(args: &Args, config: &Config, paths: &Paths, mut calibrated: Calibrated) -> anyhow::Result<ExitCode> {
    let calibration = &mut calibrated.calibration;
    if args.dry_run {
        say("\nnothing was written (--dry-run)\n")?;
    } else {
        let named = args.out.clone().or_else(|| config.classifier.calibration.clone());
        let file = named.unwrap_or_else(|| paths.state.join("calibration.json"));
        calibration.write(&file)?;
        say(&format!("\ncalibration {}: {}\n", calibration.id, file.display()))?;
    }
    match calibration.threshold {
        Some(_) => Ok(ExitCode::SUCCESS),
        None => Ok(ExitCode::from(NO_PROMISE)),
    }
}
