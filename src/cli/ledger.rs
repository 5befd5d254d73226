//! `crossover ledger`: what requests cost and saved. Reads the ledger's file, also while serve writes it; changes nothing,
//! so a file of an older form is refused until `serve` has brought it forward.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Subcommand, ValueEnum};
use serde_json::json;

use super::Context;
use super::say::say;
use super::table::Table;
use crate::chat::Micros;
use crate::ledger::{self, Line, Query, Summary};

/// Arguments of `crossover ledger`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Sum up requests, cost, savings, latency and errors
    Summary(SummaryArgs),
}

/// Arguments of `crossover ledger summary`.
#[derive(clap::Args)]
struct SummaryArgs {
    /// How far back: 30m, 24h, 7d
    #[arg(long, default_value = "7d", value_parser = parse_span)]
    since: Span,
    /// What to group by
    #[arg(long, value_enum, default_value_t = By::Policy)]
    by: By,
    /// Which requests: those of clients, of evals, of shadow answers, of golden recordings, or all
    #[arg(long, value_enum, default_value_t = Origin::Live)]
    origin: Origin,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum By {
    Policy,
    Backend,
    Reason,
}

impl By {
    fn query(self) -> ledger::By {
        match self {
            Self::Policy => ledger::By::Policy,
            Self::Backend => ledger::By::Backend,
            Self::Reason => ledger::By::Reason,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Origin {
    Live,
    Eval,
    Shadow,
    Golden,
    All,
}

impl Origin {
    fn query(self) -> Option<ledger::Origin> {
        match self {
            Self::Live => Some(ledger::Origin::Live),
            Self::Eval => Some(ledger::Origin::Eval),
            Self::Shadow => Some(ledger::Origin::Shadow),
            Self::Golden => Some(ledger::Origin::Golden),
            Self::All => None,
        }
    }

    fn words(self) -> &'static str {
        self.query().map_or("requests of any origin", |origin| match origin {
            ledger::Origin::Live => "live requests",
            ledger::Origin::Eval => "eval requests",
            ledger::Origin::Shadow => "shadow requests",
            ledger::Origin::Golden => "golden requests",
        })
    }
}

/// A span of time as it was written, and what it means.
#[derive(Clone)]
pub(super) struct Span {
    pub(super) text: String,
    length: Duration,
}

impl Span {
    /// Its beginning, if it ends now, in milliseconds since 1970.
    pub(super) fn began_ms(&self) -> i64 {
        let since = SystemTime::now().checked_sub(self.length).unwrap_or(UNIX_EPOCH);
        since.duration_since(UNIX_EPOCH).map_or(0, |age| age.as_millis() as i64)
    }
}

pub(super) fn parse_span(text: &str) -> Result<Span, String> {
    let wrong =
        || format!("`{text}` is not a span of time: write a number and m, h or d, such as 30m, 24h, 7d");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let count: u32 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    let length = Duration::from_secs(u64::from(count) * seconds);
    if count == 0 { Err(wrong()) } else { Ok(Span { text: text.to_owned(), length }) }
}

pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let Command::Summary(args) = &args.command;
    let (config, paths) = context.load()?;
    let path = ledger::file(&config.ledger, &paths.state);
    let since_ms = args.since.began_ms();
    let query = Query { since_ms, by: args.by.query(), origin: args.origin.query() };
    let summary = ledger::summarize(&path, &query)?;
    if args.json {
        let document = json!({
            "schema": 1,
            "since_ms": since_ms,
            "by": query.by.label(),
            "origin": query.origin.map_or("all", ledger::Origin::label),
            "summary": summary,
        });
        say(&format!("{}\n", serde_json::to_string_pretty(&document)?))?;
    } else {
        say(&page(&summary, args, &path))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The report as people read it.
fn page(summary: &Summary, args: &SummaryArgs, path: &Path) -> String {
    let (what, since) = (args.origin.words(), &args.since.text);
    if summary.total.requests == 0 {
        return format!(
            "No {what} in the last {since} in {}.\n\
             Start `crossover serve` and send it a request; every answer leaves one row.\n\
             Others: --since 30d, --origin all.\n",
            path.display()
        );
    }
    let mut table = Table::new([
        args.by.query().label(),
        "requests",
        "share",
        "tokens in",
        "tokens out",
        "cost",
        "if remote*",
        "saved*",
        "unpriced",
        "p50",
        "p95",
        "first p50",
        "first p95",
        "errors",
        "left",
        "rated",
        "verdict",
    ]);
    for line in &summary.lines {
        table = table.row(cells(line, summary.total.requests));
    }
    if summary.lines.len() > 1 {
        table = table.row(cells(&summary.total, summary.total.requests));
    }
    let mut page = format!("{what} of the last {since}, from {}\n\n{table}\n", path.display());
    page.push_str(&footnotes(summary));
    page
}

fn footnotes(summary: &Summary) -> String {
    let mut notes = match summary.if_remote_models.as_slice() {
        [] => "* estimate; no price of the remote model is known\n".to_owned(),
        models => format!(
            "* estimate: the same token counts at the prices of {}; saved is negative where routing cost money\n",
            models.join(", ")
        ),
    };
    if summary.total.unpriced > 0 {
        notes.push_str(
            "unpriced requests are in no sum of money: name their model's price in the file of ledger.prices\n",
        );
    }
    if summary.total.rated > 0 {
        notes
            .push_str("verdict: the mean of what users said of rated requests, from -1 (bad) to +1 (good)\n");
    }
    notes
}

fn cells(line: &Line, all: u64) -> Vec<String> {
    let share = 100.0 * line.requests as f64 / all.max(1) as f64;
    let money = |known: u64, amount: Micros| if known == 0 { "-".to_owned() } else { amount.to_string() };
    vec![
        line.name.clone(),
        line.requests.to_string(),
        format!("{share:.1} %"),
        line.prompt_tokens.to_string(),
        line.completion_tokens.to_string(),
        money(line.requests - line.unpriced, line.cost_micros),
        money(line.compared, line.if_remote_micros),
        money(line.compared, line.saved_micros),
        line.unpriced.to_string(),
        time(line.total_p50_us),
        time(line.total_p95_us),
        time(line.first_p50_us),
        time(line.first_p95_us),
        line.errors.to_string(),
        line.client_closed.to_string(),
        line.rated.to_string(),
        line.feedback.map_or("-".to_owned(), |mean| format!("{mean:+.2}")),
    ]
}

fn time(micros: Option<u64>) -> String {
    match micros {
        None => "-".to_owned(),
        Some(micros) if micros < 10_000 => format!("{:.1} ms", micros as f64 / 1e3),
        Some(micros) if micros < 10_000_000 => format!("{} ms", micros / 1_000),
        Some(micros) => format!("{:.1} s", micros as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(by: By) -> SummaryArgs {
        SummaryArgs { since: parse_span("7d").unwrap(), by, origin: Origin::Live, json: false }
    }

    #[test]
    fn spans_are_minutes_hours_and_days() {
        let seconds = |text: &str| parse_span(text).map(|span| span.length.as_secs());
        assert_eq!(seconds("30m"), Ok(1_800));
        assert_eq!(seconds("24h"), Ok(86_400));
        assert_eq!(seconds("7d"), Ok(604_800));
        for wrong in ["", "7", "d", "-1d", "0d", "7 d", "1.5h", "9999999999d", "7é"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_empty_ledger_says_how_to_fill_it() {
        let text = page(&Summary::default(), &args(By::Policy), Path::new("/x/ledger.sqlite"));
        assert!(text.starts_with("No live requests in the last 7d in /x/ledger.sqlite."), "{text}");
        assert!(text.contains("crossover serve"));
    }

    #[test]
    fn the_report_marks_estimates_and_unpriced_requests() {
        let line = Line {
            name: "local".to_owned(),
            requests: 3,
            compared: 3,
            cost_micros: Micros(12),
            if_remote_micros: Micros(30),
            saved_micros: Micros(18),
            total_p50_us: Some(1_500),
            total_p95_us: Some(12_000_000),
            ..Line::default()
        };
        let unknown = Line { name: "remote".to_owned(), requests: 1, unpriced: 1, ..Line::default() };
        let total = Line { name: "total".to_owned(), requests: 4, unpriced: 1, ..line };
        let summary =
            Summary { lines: vec![line, unknown], total, if_remote_models: vec!["gpt-4o-mini".to_owned()] };
        let text = page(&summary, &args(By::Backend), Path::new("ledger.sqlite"));
        assert!(text.contains("75.0 %") && text.contains("1.5 ms") && text.contains("12.0 s"), "{text}");
        assert!(text.contains("* estimate: the same token counts at the prices of gpt-4o-mini"), "{text}");
        assert!(text.contains("unpriced requests are in no sum of money"), "{text}");
        let remote = text.lines().find(|line| line.starts_with("remote")).unwrap();
        assert!(remote.split_whitespace().nth(6) == Some("-"), "an unknown cost is not $0: {remote}");
    }
}
