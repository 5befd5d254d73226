//! `crossover eval gate`: holds golden sets against their baselines, on recorded answers in milliseconds or by asking
//! the local model again. Prints one line a subject; the exit code tells a regression from a run that was none.

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::files::{warn_of_unnamed_model, write};
use super::house::open_gateway;
use super::{NO_DATA, REGRESSION, interrupted};
use crate::cli::Context;
use crate::cli::say::say;
use crate::cli::table::Table;
use crate::evals::{
    ALWAYS_LOCAL, ALWAYS_REMOTE, BASELINE_MARGIN, Baseline, Compared, Contest, DEFAULT_MARGIN, Frame,
    GateError, Gateway, GatewayFacts, GatewaySubject, GoldOracle, Header, Judges, Recorded, RecordedError,
    Report, SHARE_MARGIN, Subject, Suite, page,
};

#[derive(clap::Args)]
pub(super) struct GateArgs {
    /// Golden sets' folders [default: every one that has a baseline]
    suites: Vec<PathBuf>,
    /// The folder of baselines, SUITE.json each
    #[arg(long, default_value = "evals/baselines")]
    baselines: PathBuf,
    /// The folder of recorded answers, SUITE.jsonl each; `crossover eval record` writes them
    #[arg(long, default_value = "evals/answers")]
    answers: PathBuf,
    /// Ask the local model again, in place of reading its recorded answers
    #[arg(long)]
    ask: bool,
    /// Demand proof that nothing is worse by more than the margin; without, only a loss fails
    #[arg(long)]
    strict: bool,
    /// Write the baselines anew from this run, in place of judging it
    #[arg(long, requires = "suites")]
    update: bool,
    /// A policy to put into the new baseline; repeatable [default: the one in charge]
    #[arg(long, requires = "update")]
    policy: Vec<String>,
    /// How much worse counts as no worse, for the new baseline
    #[arg(long, requires = "update", default_value_t = BASELINE_MARGIN)]
    margin: f64,
    /// By how much the share answered locally may fall, for the new baseline; never by more than half of it
    #[arg(long, requires = "update", default_value_t = SHARE_MARGIN)]
    share_margin: f64,
    /// Also write SUITE.html, .xml (JUnit) and .json of every set into this folder
    #[arg(long, value_name = "FOLDER")]
    out_dir: Option<PathBuf>,
}

/// How one golden set came out; the worst of all is the exit code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Holds,
    Regressed,
    NoData,
}

pub(super) fn run(args: &GateArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let suites = suites(args)?;
    if suites.is_empty() {
        eprintln!("no data: there are no baselines in {}", args.baselines.display());
        return Ok(ExitCode::from(NO_DATA));
    }
    let gateway: Arc<dyn Gateway> = open_gateway(context)?.into();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut table =
        Table::new(["set", "subject", "quality", "then", "difference", "95 %", "n", "local", "then", ""]);
    let mut worst = Outcome::Holds;
    let (started, judging) = (Instant::now(), Cell::new(Duration::ZERO));
    for folder in &suites {
        let one = Gate { args, gateway: &gateway, folder, judging: &judging };
        let outcome;
        (outcome, table) = runtime.block_on(one.held(table))?;
        worst = worst.max(outcome);
    }
    if !args.update {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let (judging, all) = (ms(judging.get()), ms(started.elapsed()));
        let sets = suites.len();
        say(&format!(
            "{table}{sets} sets: decided and graded in {judging:.0} ms, with reports in {all:.0} ms\n"
        ))?;
    }
    Ok(match worst {
        Outcome::Holds => ExitCode::SUCCESS,
        Outcome::Regressed => ExitCode::from(REGRESSION),
        Outcome::NoData => ExitCode::from(NO_DATA),
    })
}

/// Those that were named, or the folders that the baselines name.
fn suites(args: &GateArgs) -> anyhow::Result<Vec<PathBuf>> {
    if !args.suites.is_empty() || !args.baselines.is_dir() {
        return Ok(args.suites.clone());
    }
    let blame = || format!("cannot read {}", args.baselines.display());
    let mut files = vec![];
    for entry in std::fs::read_dir(&args.baselines).with_context(blame)? {
        files.push(entry.with_context(blame)?.path());
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files.iter().map(|file| Ok(Baseline::read(file)?.folder.into())).collect()
}

fn no_data(suite: &str, why: &str) -> Outcome {
    eprintln!("no data: {suite}: {why}");
    Outcome::NoData
}

/// What was recorded of the local and of the remote tier.
type Tiers = (Option<Recorded>, Option<Recorded>);

/// One golden set and its baseline.
struct Gate<'a> {
    args: &'a GateArgs,
    gateway: &'a Arc<dyn Gateway>,
    folder: &'a Path,
    /// Time spent deciding and grading, over all sets.
    judging: &'a Cell<Duration>,
}

impl Gate<'_> {
    async fn held(&self, table: Table) -> anyhow::Result<(Outcome, Table)> {
        let suite = Suite::read(self.folder)?;
        let file = self.args.baselines.join(format!("{}.json", suite.name));
        let before = match (self.args.update, file.exists()) {
            (true, _) => None,
            (false, true) => Some(Baseline::read(&file)?),
            (false, false) => {
                let command = format!("crossover eval gate --update {}", self.folder.display());
                let why = format!("there is no {}; `{command}` makes it", file.display());
                return Ok((no_data(&suite.name, &why), table));
            }
        };
        let facts = self.gateway.facts();
        let contest = match self.contest(&suite, before.as_ref(), &facts)? {
            Ok(contest) => contest,
            Err(why) => return Ok((no_data(&suite.name, &why), table)),
        };
        let started = Instant::now();
        let finished = crate::evals::run(&suite, &contest, |_| {}, interrupted()).await;
        self.judging.set(self.judging.get() + started.elapsed());
        if finished.done < finished.of {
            anyhow::bail!("stopped after {} of {} rows of {}", finished.done, finished.of, suite.name);
        }
        let run_id = format!("gate_{}", uuid::Uuid::now_v7().simple());
        let header = Header { run_id, at: jiff::Timestamp::now(), facts, concurrency: 1 };
        let report = Report::of(&Frame::from(&suite), &finished, &header, DEFAULT_MARGIN);
        let Some(before) = before else {
            let outcome = match self.made(&report) {
                Ok(made) => self.update(&file, &report, &made),
                Err(error) => self.unjudged(&report, error),
            };
            return outcome.map(|outcome| (outcome, table));
        };
        match before.compare(&report, false) {
            Ok(compared) => self.judged(&report, &before, &compared, table),
            Err(error) => self.unjudged(&report, error).map(|outcome| (outcome, table)),
        }
    }

    fn unjudged(&self, report: &Report, error: GateError) -> anyhow::Result<Outcome> {
        if !error.is_no_data() {
            return Err(error.into());
        }
        self.keep(report, &[error.to_string()])?;
        Ok(no_data(&report.suite.name, &error.to_string()))
    }

    fn judged(
        &self,
        report: &Report,
        before: &Baseline,
        compared: &[Compared],
        mut table: Table,
    ) -> anyhow::Result<(Outcome, Table)> {
        let mut failing = vec![];
        for it in compared {
            let own = it.failing(self.args.strict);
            let difference = &it.quality.difference;
            let share =
                |share: Option<f64>| share.map_or("-".to_owned(), |it| format!("{:.0} %", it * 100.0));
            let quality = |quality: Option<f64>| quality.map_or("-".to_owned(), |it| format!("{it:.3}"));
            let now = report.subjects.iter().find(|subject| subject.name == it.subject);
            table = table.row([
                report.suite.name.clone(),
                it.subject.clone(),
                quality(now.and_then(|now| now.quality)),
                quality(before.subjects.get(&it.subject).and_then(|then| then.quality)),
                format!("{:+.3}", difference.mean),
                format!("[{:+.3}, {:+.3}]", difference.lo, difference.hi),
                difference.n.to_string(),
                share(it.local_share.1),
                share(it.local_share.0),
                if own.is_empty() { "holds" } else { "REGRESSED" }.to_owned(),
            ]);
            failing.extend(own);
        }
        for failing in &failing {
            say(&format!("FAILED: {}: {failing}\n", report.suite.name))?;
        }
        self.keep(report, &failing)?;
        let outcome = if failing.is_empty() { Outcome::Holds } else { Outcome::Regressed };
        Ok((outcome, table))
    }

    /// The tiers and policies of the baseline; `Err` says what is missing.
    fn contest(
        &self,
        suite: &Suite,
        before: Option<&Baseline>,
        facts: &GatewayFacts,
    ) -> anyhow::Result<Result<Contest, String>> {
        let policies: Vec<String> = match before {
            Some(before) => before.subjects.keys().filter(|name| *name != ALWAYS_LOCAL).cloned().collect(),
            None if self.args.policy.is_empty() => vec![facts.policy.clone()],
            None => self.args.policy.clone(),
        };
        if let Some(gone) = policies.iter().find(|name| !facts.policies.contains_key(*name)) {
            return Ok(Err(format!("there is no policy `{gone}` any more")));
        }
        let asked = || GatewaySubject::always_local(self.gateway.clone(), suite.max_tokens);
        // A new baseline takes the real model's answers where they were recorded; an old one the tier that it was made with.
        let wanted = before.is_none_or(|before| before.remote.as_deref() == Some(ALWAYS_REMOTE));
        let (local, remote): (Arc<dyn Subject>, Option<Recorded>) = if self.args.ask {
            let recorded = if wanted { self.recorded(suite)?.ok() } else { None };
            (Arc::new(asked()), recorded.and_then(|(_, remote)| remote))
        } else {
            let found = self.recorded(suite)?.and_then(|(local, remote)| {
                Ok((Arc::new(self.installed(local, suite, facts)?) as Arc<dyn Subject>, remote))
            });
            match found {
                Ok(found) => found,
                Err(why) => return Ok(Err(why)),
            }
        };
        let remote = remote.filter(|_| wanted).map(|it| Arc::new(it) as Arc<dyn Subject>);
        let oracle = || Arc::new(GoldOracle::new(facts.price.clone())) as Arc<dyn Subject>;
        let judged = policies.iter().map(|name| {
            Arc::new(GatewaySubject::policy(self.gateway.clone(), name, suite.max_tokens)) as Arc<dyn Subject>
        });
        Ok(Ok(Contest {
            local: Some(local),
            remote: Some(remote.unwrap_or_else(oracle)),
            judged: judged.collect(),
            concurrency: NonZeroUsize::MIN,
            stand_in: false,
            keep_answers: false,
            judges: Judges::default(),
        }))
    }

    fn answers(&self, suite: &Suite) -> (PathBuf, String) {
        let file = self.args.answers.join(format!("{}.jsonl", suite.name));
        let command = format!("crossover eval record {} --out {}", self.folder.display(), file.display());
        (file, command)
    }

    /// Both tiers' recorded answers, if they are of this suite.
    fn recorded(&self, suite: &Suite) -> anyhow::Result<Result<Tiers, String>> {
        let (file, command) = self.answers(suite);
        if !file.exists() {
            return Ok(Err(format!("no recorded answers; `{command}` makes them")));
        }
        let (mut local, mut remote) = (None, None);
        let subjects = match Recorded::read(&file, &suite.hash) {
            Err(RecordedError::OtherSuite(_)) => {
                let file = file.display();
                return Ok(Err(format!(
                    "{file} is of another version of the set: move it away, then `{command}`"
                )));
            }
            read => read?,
        };
        for subject in subjects {
            match subject.name() {
                ALWAYS_LOCAL => local = Some(subject),
                ALWAYS_REMOTE => remote = Some(subject),
                _ => {}
            }
        }
        Ok(Ok((local, remote)))
    }

    /// The recorded local answers, if they are of the model that is installed.
    fn installed(
        &self,
        local: Option<Recorded>,
        suite: &Suite,
        facts: &GatewayFacts,
    ) -> Result<Recorded, String> {
        let (file, command) = self.answers(suite);
        let Some(local) = local else {
            return Err(format!(
                "{} has no answers of {ALWAYS_LOCAL}; `{command}` adds them",
                file.display()
            ));
        };
        match (local.model_hash(), facts.local_model.as_deref()) {
            (Some(then), Some(now)) if then != now => {
                let file = file.display();
                return Err(format!("{file} is of another local model: move it away, then `{command}`"));
            }
            (None, Some(_)) => warn_of_unnamed_model(&file),
            _ => {}
        }
        Ok(local)
    }

    fn made(&self, report: &Report) -> Result<Baseline, GateError> {
        let folder = self.folder.to_string_lossy();
        Baseline::of(report, folder.trim_end_matches('/'), self.args.margin, self.args.share_margin)
    }

    fn update(&self, file: &Path, report: &Report, made: &Baseline) -> anyhow::Result<Outcome> {
        write(file, made.to_json().as_bytes())?;
        say(&format!("{}: {} subjects, {} rows\n", file.display(), made.subjects.len(), made.rows.len()))?;
        self.keep(report, &[])?;
        Ok(Outcome::Holds)
    }

    fn keep(&self, report: &Report, failing: &[String]) -> anyhow::Result<()> {
        let Some(folder) = &self.args.out_dir else { return Ok(()) };
        let name = &report.suite.name;
        let title = format!("{name}: gate");
        write(&folder.join(format!("{name}.json")), &serde_json::to_vec_pretty(report)?)?;
        write(&folder.join(format!("{name}.xml")), report.junit(failing).as_bytes())?;
        write(&folder.join(format!("{name}.html")), page(&title, std::slice::from_ref(report)).as_bytes())
    }
}
