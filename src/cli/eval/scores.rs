//! `crossover eval scores`: the report with its rivals from recorded outcomes of real models, for judging a classifier
//! where nobody is asked.

use std::path::PathBuf;
use std::process::ExitCode;

use super::NO_DATA;
use super::files::write;
use super::output::OutputArgs;
use crate::cli::say::say;
use crate::cli::table::Table;
use crate::evals::{
    DEFAULT_MARGIN, GatewayFacts, Header, RecordedScores, Report, ScoresError, ScoresQuery, TierModels,
};

#[derive(clap::Args)]
pub(super) struct ScoresArgs {
    /// Rows {"id", "source", "task", "chars", "score", "split", "outcomes": {model: 0 to 1}}, one a line
    file: PathBuf,
    /// The model that stands for the local tier: MODEL, mean:A,B or mean:GROUP
    #[arg(long)]
    local: TierModels,
    /// The model that stands for the remote tier
    #[arg(long)]
    remote: TierModels,
    /// A tab-separated table with the columns `model` and `tier`, for mean:GROUP
    #[arg(long, value_name = "FILE")]
    models: Option<PathBuf>,
    /// Share of rows that the classifier keeps, in every source
    #[arg(long, default_value_t = 0.5, value_parser = share)]
    local_share: f64,
    /// Only rows of this split
    #[arg(long)]
    split: Option<String>,
    /// How much worse than the remote tier counts as no worse
    #[arg(long, default_value_t = DEFAULT_MARGIN)]
    margin: f64,
    /// Where the JSON reports go
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("is not a share between 0 and 1".to_owned()),
    }
}

pub(super) fn run(args: &ScoresArgs) -> anyhow::Result<ExitCode> {
    let scores = RecordedScores::read(&args.file, args.models.as_deref())?;
    let query = ScoresQuery {
        local: args.local.clone(),
        remote: args.remote.clone(),
        local_share: args.local_share,
        margin: args.margin,
        split: args.split.clone(),
    };
    let run_id = format!("scores_{}", uuid::Uuid::now_v7().simple());
    let header =
        Header { run_id, at: jiff::Timestamp::now(), facts: GatewayFacts::default(), concurrency: 1 };
    let reports = match scores.reports(&query, &header) {
        Err(error @ ScoresError::NoRows { .. }) => {
            eprintln!("no data: {error}");
            return Ok(ExitCode::from(NO_DATA));
        }
        reports => reports?,
    };
    say(&table(&reports).to_string())?;
    for finding in
        reports.iter().flat_map(|report| report.findings.iter().take(1).map(move |it| (report, it)))
    {
        say(&format!("{}: {}\n", finding.0.suite.name, finding.1.text))?;
    }
    if let Some(out) = args.out.clone().or_else(|| args.output.json()) {
        write(&out, &serde_json::to_vec_pretty(&reports)?)?;
        say(&format!("report: {}\n", out.display()))?;
    }
    args.output.write(&reports, &[])?;
    Ok(ExitCode::SUCCESS)
}

/// One line a source and ranking.
fn table(reports: &[Report]) -> Table {
    let mut table = Table::new([
        "source", "rows", "local", "remote", "ranking", "apgr", "cpt(50)", "cpt(80)", "area", "ece",
    ]);
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.3}"));
    let percent =
        |share: Option<f64>| share.map_or("-".to_owned(), |share| format!("{:.0} %", share * 100.0));
    for report in reports {
        let end = |last: bool| {
            let points = &report.curves.first()?.points;
            Some(if last { points.last()? } else { points.first()? }.quality)
        };
        for curve in &report.curves {
            let ece = report.reliability.first().filter(|_| curve.judged).map(|it| it.ece);
            table = table.row([
                report.suite.name.clone(),
                report.done.to_string(),
                number(end(false)),
                number(end(true)),
                if curve.judged { "classifier".to_owned() } else { curve.name.clone() },
                number(curve.apgr),
                percent(curve.cpt50),
                percent(curve.cpt80),
                number(Some(curve.area)),
                number(ece),
            ]);
        }
    }
    table
}
