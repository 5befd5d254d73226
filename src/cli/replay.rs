//! `crossover replay`: what another policy, threshold or calibration would have done with the requests in the ledger.
//! Asks nobody and changes nothing.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde_json::json;

use super::Context;
use super::ledger::{Span, parse_span};
use super::say::say;
use super::table::Table;
use crate::config::ConfigError;
use crate::evals::{Bar, Interval, Otherwise, Replay, Shift, Worth, replay};
use crate::ledger;
use crate::routing::{Calibration, Policy};

/// Arguments of `crossover replay`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How far back: 30m, 24h, 7d
    #[arg(long, default_value = "7d", value_parser = parse_span)]
    since: Span,
    /// A policy's name, or a policy file (*.toml), for all requests [default: each keeps its own, as it is now]
    #[arg(long, value_name = "NAME|FILE")]
    policy: Option<String>,
    /// A calibration file, in place of what was in force
    #[arg(long, value_name = "FILE", conflicts_with = "threshold")]
    calibration: Option<PathBuf>,
    /// A threshold between 0 and 1, in place of the calibrated one that was in force
    #[arg(long, value_name = "X", value_parser = parse_threshold)]
    threshold: Option<f32>,
    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
}

fn parse_threshold(text: &str) -> Result<f32, String> {
    let wrong = || format!("`{text}` is no number between 0 and 1");
    text.parse().ok().filter(|number| (0.0..=1.0).contains(number)).ok_or_else(wrong)
}

pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let (config, paths) = context.load()?;
    let policies = Policy::load_folder(&paths.policies).map_err(|problems| ConfigError { problems })?;
    let named = args.policy.as_deref().map(from_file).transpose()?.flatten();
    let policy = match (&named, &args.policy) {
        (Some(policy), _) => Some(policy),
        (None, Some(name)) => Some(find(&policies, name)?),
        (None, None) => None,
    };
    let calibration = args.calibration.as_deref().map(Calibration::read).transpose()?;
    let bar = match (&calibration, args.threshold) {
        (Some(calibration), _) => Bar::Calibration(calibration),
        (None, Some(number)) => Bar::Number(number),
        (None, None) => Bar::AsLogged,
    };
    let file = ledger::file(&config.ledger, &paths.state);
    let rows = ledger::logged(&file, args.since.began_ms())?;
    let own = |name: &str| policies.iter().find(|policy| policy.name() == name);
    let told = replay(&rows, &Otherwise { own: &own, policy, bar });
    if args.json {
        let document = json!({ "schema": 1, "replay": told });
        say(&format!("{}\n", serde_json::to_string_pretty(&document)?))?;
    } else {
        let under = match (policy, bar) {
            (None, Bar::AsLogged) => "each under its own policy, as it is now".to_owned(),
            (policy, bar) => format!("{}{}", policy.map_or("own policies", Policy::name), with(bar)),
        };
        say(&page(&told, &under, &args.since.text, &file))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn with(bar: Bar<'_>) -> String {
    match bar {
        Bar::AsLogged => String::new(),
        Bar::Number(number) => format!(", threshold {number}"),
        Bar::Calibration(calibration) => match calibration.threshold {
            Some(threshold) => format!(", calibration {} (threshold {threshold:.3})", calibration.id),
            None => format!(", calibration {} (which promises nothing: no threshold)", calibration.id),
        },
    }
}

/// The policy in a file, where the argument names one.
fn from_file(named: &str) -> anyhow::Result<Option<Policy>> {
    let file = Path::new(named);
    if file.extension().is_none_or(|extension| extension != "toml") {
        return Ok(None);
    }
    let text = std::fs::read_to_string(file).with_context(|| format!("{named} cannot be read"))?;
    Ok(Some(Policy::parse(&text, file).map_err(|problems| ConfigError { problems })?))
}

fn find<'a>(policies: &'a [Policy], name: &str) -> anyhow::Result<&'a Policy> {
    let found = policies.iter().find(|policy| policy.name() == name);
    let Some(policy) = found else {
        let known: Vec<&str> = policies.iter().map(Policy::name).collect();
        bail!("there is no policy `{name}`; known: {}, or name a file (*.toml)", known.join(", "));
    };
    Ok(policy)
}

/// The replay as people read it.
fn page(told: &Replay, under: &str, since: &str, file: &Path) -> String {
    if told.rows == 0 {
        let file = file.display();
        return format!("No live requests in the last {since} in {file}. Others: --since 30d.\n");
    }
    let mut page = format!(
        "{} of {} live requests of the last {since}, decided again: {under}\n",
        told.decided, told.rows
    );
    for (why, count) in &told.undecided {
        page.push_str(&format!("  {count} left out: {why}\n"));
    }
    if told.comparable > 0 {
        page.push_str(&format!(
            "  {} of {} under the very policy and threshold of their time came out exactly as logged\n",
            told.reproduced, told.comparable
        ));
    }
    if told.explored > 0 {
        page.push_str(&format!("  {} had been sent elsewhere by chance ([explore])\n", told.explored));
    }
    if told.decided == 0 {
        return page;
    }
    page.push_str(&format!("\n{}\n", routes(told)));
    let figures = figures(told);
    page.push_str(&format!("{figures}\n"));
    page.push_str("Intervals are 95 %. Cost and time of requests that move are estimates: the same request's shadow answer\n");
    page.push_str(
        "where there is one, else the remote model's prices, else the mean of the backend's answers.\n",
    );
    for worth in &told.worth {
        page.push_str(&format!("{}: {}.\n", worth.measure, worth.about));
    }
    if told.worth.iter().all(|worth| worth.measure.starts_with("good enough")) {
        page.push_str(
            "No answers were compared yet: give a policy [shadow], or send verdicts to /v1/feedback.\n",
        );
    }
    page
}

fn routes(told: &Replay) -> Table {
    let mut table = Table::new(["first target", "logged", "share", "replayed", "share"]);
    let share = |count: usize| format!("{:.1} %", 100.0 * count as f64 / told.decided.max(1) as f64);
    for (name, moved) in &told.routes {
        table = table.row([
            name.clone(),
            moved.logged.to_string(),
            share(moved.logged),
            moved.replayed.to_string(),
            share(moved.replayed),
        ]);
    }
    for (way, count) in &told.moves {
        table = table.row([way.clone(), String::new(), String::new(), count.to_string(), share(*count)]);
    }
    table
}

fn figures(told: &Replay) -> Table {
    let mut table = Table::new(["", "logged", "replayed", "difference", "interval", "rows", "estimated"]);
    let changes = [("cost, $", &told.cost, 6), ("mean time, s", &told.seconds, 3)];
    for (name, change, digits) in changes {
        if let Some(Shift { logged, replayed, difference, n, estimated }) = change {
            table = table.row([
                name.to_owned(),
                format!("{logged:.digits$}"),
                format!("{replayed:.digits$}"),
                format!("{:+.digits$}", difference.mean),
                interval(difference, digits),
                n.to_string(),
                estimated.to_string(),
            ]);
        }
    }
    for worth in &told.worth {
        let Worth { measure, logged, replayed, difference, seen, .. } = worth;
        let number = |it: &Option<Interval>| it.map_or("-".to_owned(), |it| format!("{:.3}", it.mean));
        let spread = match (difference, replayed) {
            (Some(difference), _) => interval(difference, 3),
            (None, Some(replayed)) => format!("replayed: {}", interval(replayed, 3)),
            (None, None) => "-".to_owned(),
        };
        table = table.row([
            measure.clone(),
            number(logged),
            number(replayed),
            difference.map_or("-".to_owned(), |it| format!("{:+.3}", it.mean)),
            spread,
            seen.to_string(),
            if worth.uncovered > 0 { format!("({} unseen)", worth.uncovered) } else { String::new() },
        ]);
    }
    table
}

fn interval(it: &Interval, digits: usize) -> String {
    if !(it.lo.is_finite() && it.hi.is_finite()) {
        return "too few".to_owned();
    }
    format!("{:+.digits$} to {:+.digits$}", it.lo, it.hi)
}
