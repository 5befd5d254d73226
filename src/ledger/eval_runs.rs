//! Results of eval runs, one row a subject, in the same SQLite file: evals insert them, serve exports the newest as
//! metrics. Holds summaries only; samples and scores stay in the run's own JSON.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Row, named_params};

use super::{LedgerError, Origin, schema};
use crate::chat::Micros;
use crate::metrics::{Metrics, Series, show_only};

/// Most subjects that become metric series, over all suites.
const MOST_SERIES: usize = 200;

/// Newest is what came last: a clock that was ahead once would keep its run in front. No row is ever deleted.
const LATEST: &str = "
SELECT run_id, at_ms, suite, version, subject, quality, ci_low, ci_high, local_share, cost_micros, n, hashes
FROM eval_runs
WHERE origin = ?1 AND (suite, run_id) IN (
    SELECT suite, run_id FROM eval_runs
    WHERE rowid IN (SELECT max(rowid) FROM eval_runs WHERE origin = ?1 GROUP BY suite)
)
ORDER BY suite, rowid";

/// Each tier is asked in a run of its own.
const LATEST_GOLDEN: &str = "
SELECT run_id, at_ms, suite, version, subject, quality, ci_low, ci_high, local_share, cost_micros, n, hashes
FROM eval_runs
WHERE rowid IN (SELECT max(rowid) FROM eval_runs WHERE origin = ?1 GROUP BY suite, subject)
ORDER BY suite, rowid";

/// What one subject (a policy, or a trivial rival such as always-local) reached in one run of one suite.
#[derive(Clone, Debug, PartialEq)]
pub struct EvalRun {
    /// The run; the same for all its subjects.
    pub run_id: String,
    /// When it ended, in milliseconds since 1970.
    pub at_ms: i64,
    /// The golden set's name.
    pub suite: String,
    /// The golden set's version.
    pub version: String,
    /// Who was tried.
    pub subject: String,
    /// Mean score in `[0, 1]`; `None` when nothing could be scored, which is not 0.
    pub quality: Option<f64>,
    /// Lower end of the quality's interval.
    pub ci_low: Option<f64>,
    /// Upper end of the quality's interval.
    pub ci_high: Option<f64>,
    /// Share of samples answered locally, in `[0, 1]`.
    pub local_share: Option<f64>,
    /// What the answers cost; `None` when a price is not known.
    pub cost: Option<Micros>,
    /// Samples scored.
    pub n: u64,
    /// Hashes of what was tried: suite, policy, classifier, model.
    pub hashes: BTreeMap<String, String>,
}

/// Writes the subjects of one eval run, all or none, creating the file where there is none. Blocks.
///
/// # Errors
/// When the file cannot be opened or written.
pub fn insert_eval_runs(path: &Path, runs: &[EvalRun]) -> Result<(), LedgerError> {
    insert(path, runs, Origin::Eval)
}

/// The same for a scheduled run inside the gateway, which must not hide the newest eval run of its suite. Blocks.
///
/// # Errors
/// When the file cannot be opened or written.
pub fn insert_golden_runs(path: &Path, runs: &[EvalRun]) -> Result<(), LedgerError> {
    insert(path, runs, Origin::Golden)
}

fn insert(path: &Path, runs: &[EvalRun], origin: Origin) -> Result<(), LedgerError> {
    let blame =
        |error: rusqlite::Error| LedgerError::file(path, format!("eval runs cannot be written: {error}"));
    let mut connection = schema::open(path)?;
    let transaction = connection.transaction().map_err(blame)?;
    for run in runs {
        let hashes = serde_json::json!(run.hashes).to_string();
        transaction
            .execute(
                "INSERT INTO eval_runs VALUES (:run_id, :at_ms, :suite, :version, :subject, :quality, :ci_low, :ci_high,
                 :local_share, :cost_micros, :n, :hashes, :origin)",
                named_params! {
                    ":run_id": run.run_id,
                    ":at_ms": run.at_ms,
                    ":suite": run.suite,
                    ":version": run.version,
                    ":subject": run.subject,
                    ":quality": run.quality,
                    ":ci_low": run.ci_low,
                    ":ci_high": run.ci_high,
                    ":local_share": run.local_share,
                    ":cost_micros": run.cost.map(|cost| cost.0),
                    ":n": run.n as i64,
                    ":hashes": hashes,
                    ":origin": origin.label(),
                },
            )
            .map_err(blame)?;
    }
    transaction.commit().map_err(blame)
}

/// The newest run of every suite, all its subjects; nothing where there is no file yet. Blocks.
///
/// # Errors
/// When the file cannot be read.
pub fn latest_eval_runs(path: &Path) -> Result<Vec<EvalRun>, LedgerError> {
    latest(path, LATEST, Origin::Eval)
}

fn latest(path: &Path, query: &str, origin: Origin) -> Result<Vec<EvalRun>, LedgerError> {
    let blame =
        |error: rusqlite::Error| LedgerError::file(path, format!("eval runs cannot be read: {error}"));
    let Some(connection) = schema::open_to_read(path)? else { return Ok(vec![]) };
    let mut statement = connection.prepare(query).map_err(blame)?;
    let rows = statement.query_map([origin.label()], read).map_err(blame)?;
    rows.collect::<rusqlite::Result<_>>().map_err(blame)
}

fn read(row: &Row<'_>) -> rusqlite::Result<EvalRun> {
    let hashes: String = row.get("hashes")?;
    Ok(EvalRun {
        run_id: row.get("run_id")?,
        at_ms: row.get("at_ms")?,
        suite: row.get("suite")?,
        version: row.get("version")?,
        subject: row.get("subject")?,
        quality: row.get("quality")?,
        ci_low: row.get("ci_low")?,
        ci_high: row.get("ci_high")?,
        local_share: row.get("local_share")?,
        cost: row.get::<_, Option<i64>>("cost_micros")?.map(Micros),
        n: row.get::<_, i64>("n")?.unsigned_abs(),
        hashes: serde_json::from_str(&hashes).unwrap_or_default(),
    })
}

/// Sets the eval gauges from the newest run of every suite. The ledger's writer calls it at start and every ten seconds.
///
/// # Errors
/// When the file cannot be read.
pub fn export_evals(path: &Path, metrics: &Metrics) -> Result<(), LedgerError> {
    let runs = latest_eval_runs(path)?;
    let of = |value: fn(&EvalRun) -> Option<f64>| {
        let known = |run| Some((series("suite", run, "subject"), value(run)?));
        runs.iter().take(MOST_SERIES).filter_map(known).collect()
    };
    show_only(&metrics.eval_quality, &of(|run| run.quality));
    show_only(&metrics.eval_local_share, &of(|run| run.local_share));
    show_only(&metrics.eval_cost_usd, &of(|run| run.cost.map(Micros::as_dollars)));

    let runs = latest(path, LATEST_GOLDEN, Origin::Golden)?;
    let known = |run| Some((series("suite", run, "backend"), run.quality?));
    show_only(&metrics.backend_quality, &runs.iter().take(MOST_SERIES).filter_map(known).collect());
    Ok(())
}

fn series<'a>(suite: &'a str, run: &'a EvalRun, subject: &'a str) -> Series<'a> {
    Series::from([(suite, run.suite.as_str()), (subject, run.subject.as_str())])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(run_id: &str, at_ms: i64, suite: &str, subject: &str, quality: Option<f64>) -> EvalRun {
        EvalRun {
            run_id: run_id.to_owned(),
            at_ms,
            suite: suite.to_owned(),
            version: "1".to_owned(),
            subject: subject.to_owned(),
            quality,
            ci_low: quality.map(|q| q - 0.1),
            ci_high: quality.map(|q| q + 0.1),
            local_share: Some(0.5),
            cost: Some(Micros(1_250)),
            n: 60,
            hashes: BTreeMap::from([("suite".to_owned(), "abc".to_owned())]),
        }
    }

    #[test]
    fn the_newest_run_of_each_suite_becomes_gauges() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite");
        assert_eq!(latest_eval_runs(&path).unwrap(), []);
        insert_eval_runs(&path, &[run("a", 1, "intent", "balanced", Some(0.7))]).unwrap();
        let newest =
            [run("b", 2, "intent", "balanced", Some(0.8)), run("b", 2, "intent", "always-local", None)];
        insert_eval_runs(&path, &newest).unwrap();
        let other = run("c", 1, "slots", "balanced", Some(0.6));
        insert_eval_runs(&path, std::slice::from_ref(&other)).unwrap();
        let latest = latest_eval_runs(&path).unwrap();
        assert_eq!(latest, [newest[0].clone(), newest[1].clone(), other]);

        let metrics = Metrics::new().unwrap();
        export_evals(&path, &metrics).unwrap();
        let text = String::from_utf8(metrics.render().unwrap()).unwrap();
        assert!(text.contains("crossover_eval_quality{subject=\"balanced\",suite=\"intent\"} 0.8"), "{text}");
        assert!(!text.contains("crossover_eval_quality{subject=\"always-local\""), "unscored is not 0");
        assert!(text.contains("crossover_eval_cost_usd{subject=\"always-local\",suite=\"intent\"} 0.00125"));
    }

    #[test]
    fn what_the_newest_run_does_not_tell_is_no_longer_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite");
        let metrics = Metrics::new().unwrap();
        let both = [run("a", 1, "intent", "balanced", Some(0.7)), run("a", 1, "intent", "old", Some(0.6))];
        insert_eval_runs(&path, &both).unwrap();
        export_evals(&path, &metrics).unwrap();
        insert_eval_runs(&path, &[run("b", 2, "intent", "balanced", None)]).unwrap();
        export_evals(&path, &metrics).unwrap();
        let text = String::from_utf8(metrics.render().unwrap()).unwrap();
        assert!(!text.contains("crossover_eval_quality{"), "{text}");
        assert!(
            text.contains("crossover_eval_local_share{subject=\"balanced\",suite=\"intent\"} 0.5"),
            "{text}"
        );
        assert!(!text.contains("subject=\"old\""), "{text}");
    }

    #[test]
    fn the_newest_run_is_what_came_last_whatever_the_clock_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite");
        for (id, at, quality) in [("a", 9, 0.3), ("b", 2, 0.8)] {
            insert_eval_runs(&path, &[run(id, at, "intent", "balanced", Some(quality))]).unwrap();
            insert_golden_runs(&path, &[run(id, at, "intent", "local", Some(quality))]).unwrap();
        }
        let metrics = Metrics::new().unwrap();
        export_evals(&path, &metrics).unwrap();
        let text = String::from_utf8(metrics.render().unwrap()).unwrap();
        assert!(text.contains("crossover_eval_quality{subject=\"balanced\",suite=\"intent\"} 0.8"), "{text}");
        assert!(text.contains("crossover_backend_quality{backend=\"local\",suite=\"intent\"} 0.8"), "{text}");
    }

    #[test]
    fn each_tier_shows_its_own_newest_golden_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite");
        for (id, at, tier, quality) in
            [("g1", 1, "local", 0.3), ("g2", 2, "local", 0.4), ("g3", 3, "remote", 0.9)]
        {
            insert_golden_runs(&path, &[run(id, at, "intent", tier, Some(quality))]).unwrap();
        }
        let metrics = Metrics::new().unwrap();
        export_evals(&path, &metrics).unwrap();
        let text = String::from_utf8(metrics.render().unwrap()).unwrap();
        for (tier, quality) in [("local", 0.4), ("remote", 0.9)] {
            let line = format!("crossover_backend_quality{{backend=\"{tier}\",suite=\"intent\"}} {quality}");
            assert!(text.contains(&line), "{text}");
        }
    }
}
