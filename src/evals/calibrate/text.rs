//! A calibration told to a person: what was asked, what is promised and what is not, the curve, the slices, the rivals.

use std::fmt;

use super::{CALIBRATE_SHARE, Calibrated, Chosen, Point, Promise};
use crate::routing::{Figure, GOLD, Goal, Measured, RiskOf};

/// Tasks with fewer rows say next to nothing.
const FEW: usize = 30;

/// Why a promise cannot be made of a calibrate part of so many rows, and what it would take.
pub(super) fn why_none(promise: &Promise, chosen: &Chosen, calibrate: usize) -> String {
    let Promise { of, alpha, delta } = promise;
    let wanted = format!("at most {} at {} confidence", percent(*alpha), percent(1.0 - delta));
    let (at, needed) = match chosen {
        Chosen::Holds { at, .. } | Chosen::Worthless { at } => {
            return format!(
                "{wanted} would hold at {:.3}, but only because so little stays local: {} of the {} rows kept were worse, which is most of them or no clearly smaller share than by chance. The score cannot tell here which local answers are good, so it stays in shadow",
                at.threshold, at.failures, at.kept
            );
        }
        Chosen::Fails { at, needed } => (at, needed),
    };
    let Some(at) = at else {
        return format!("{wanted}: there was no row to test with");
    };
    if at.n == 0 {
        return format!(
            "{wanted}: no row of the calibrate part scores so high as the strictest threshold, {:.3}, so nothing that it would keep was tested",
            at.threshold
        );
    }
    let whose = match of {
        RiskOf::All => "rows",
        RiskOf::Local => "rows kept local",
    };
    let seen = format!(
        "{} of {} {whose} were worse at the strictest threshold, so up to {} cannot be excluded",
        at.failures,
        at.n,
        percent(at.upper())
    );
    let least = match promise.least() {
        least if at.n < least => format!(", and {least} without a failure are the least that prove it"),
        _ => String::new(),
    };
    // Of the rows that count, so many are in the calibrate part of a set of one row.
    let counted = match of {
        RiskOf::All => CALIBRATE_SHARE,
        RiskOf::Local => CALIBRATE_SHARE * at.kept as f64 / calibrate.max(1) as f64,
    };
    match needed {
        Some(needed) => format!(
            "{wanted}: {seen}{least}. At that rate {needed} {whose} would do, so a golden set of about {:.0}",
            (*needed as f64 / counted).ceil()
        ),
        None => format!(
            "{wanted}: {seen}{least}. At that rate no number of rows would do: the local model is too often worse where the classifier is surest"
        ),
    }
}

/// What a reader should know that no figure says.
pub(super) fn notes(calibrated: &Calibrated) -> Vec<String> {
    let calibration = &calibrated.calibration;
    let mut notes = vec![];
    if calibrated.copies > 0 {
        notes.push(format!("{} row(s) are copies of others and count once with them", calibrated.copies));
    }
    if calibration.bound.remote_model == GOLD {
        notes.push(
            "the remote tier is gold-oracle, the expected answer: an upper bound, so against a real model the local answer is worse no more often than promised, and the remote's quality is not measured".to_owned(),
        );
    }
    match calibration.goal {
        Goal::Promise { .. } => notes.push(
            "the promise is of requests like the golden set's that the threshold routes: not of one task alone, not of requests that another rule sends, and not after the requests have changed (see drift)".to_owned(),
        ),
        Goal::LocalShare { .. } | Goal::Spend { .. } => {
            notes.push("a target share or spend promises nothing about quality".to_owned());
        }
    }
    if let Some(Chosen::Holds { stopped_by: Some(stop), .. }) = &calibrated.chosen {
        notes.push(format!(
            "not promised: the next laxer threshold {:.3}, which keeps {} rows; {} of {} were worse, so up to {} cannot be excluded",
            stop.threshold,
            stop.kept,
            stop.failures,
            stop.n,
            percent(stop.upper())
        ));
    }
    if let (Goal::Promise { of: RiskOf::All, alpha, .. }, Some(measured)) =
        (calibration.goal, calibration.measured)
        && let Some(worse) = measured.worse_of_local.filter(|worse| worse.mean > 2.0 * alpha)
    {
        notes.push(format!(
            "{} of the answers kept local were worse on the test part: the promise is of all requests and holds because few stay local; `--of local` promises of those alone",
            percent(worse.mean)
        ));
    }
    let few: Vec<&str> =
        calibrated.slices.iter().filter(|slice| slice.n < FEW).map(|slice| slice.task.as_str()).collect();
    if !few.is_empty() {
        notes.push(format!("fewer than {FEW} rows of the test part, too few to tell: {}", few.join(", ")));
    }
    let losing = calibrated.rivals.iter().filter(|rival| {
        let beatable = rival.name.starts_with("random") || rival.name.starts_with("length");
        beatable && rival.gained.is_some_and(|gained| gained.lo <= 0.0)
    });
    notes.extend(losing.map(|rival| {
        format!(
            "not clearly better than `{}`: on these rows the learned score may be worth nothing more",
            rival.name
        )
    }));
    if calibrated.apgr.is_none() {
        notes.push(
            "the remote tier is not better here, so how well the score ranks cannot be said".to_owned(),
        );
    }
    notes
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn interval(figure: &Figure) -> String {
    format!("{:.3} [{:.3}, {:.3}]", figure.mean, figure.lo, figure.hi)
}

fn maybe(figure: Option<&Figure>) -> String {
    figure.map_or_else(|| "not known".to_owned(), interval)
}

fn goal(goal: &Goal) -> String {
    match goal {
        Goal::Promise { of, alpha, delta, epsilon } => {
            let of = match of {
                RiskOf::All => "all requests that the threshold routes are",
                RiskOf::Local => "the answers kept local are",
            };
            let by = if *epsilon > 0.0 { format!(" by more than {epsilon}") } else { String::new() };
            format!(
                "at most {} of {of} worse than remote{by}, with confidence {}",
                percent(*alpha),
                percent(1.0 - delta)
            )
        }
        Goal::LocalShare { share } => format!("{} answered locally (no promise)", percent(*share)),
        Goal::Spend { share } => {
            format!("at most {} of the cost of sending everything out (no promise)", percent(*share))
        }
    }
}

const HEAD: &str =
    "  threshold  local share             quality                 worse than remote       cost of all-remote";

fn line(f: &mut fmt::Formatter<'_>, point: &Point) -> fmt::Result {
    writeln!(
        f,
        "  {:<9.4}  {:<22}  {:<22}  {:<22}  {}",
        point.threshold,
        interval(&point.local_share),
        interval(&point.quality),
        interval(&point.worse),
        point.spend.map_or_else(|| "not known".to_owned(), |spend| format!("{spend:.3}"))
    )
}

impl fmt::Display for Calibrated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let it = &self.calibration;
        let golden = &it.bound.golden;
        writeln!(f, "golden set   {} {} ({})", golden.name, golden.version, short(&golden.hash))?;
        writeln!(f, "remote tier  {}", it.bound.remote_model)?;
        writeln!(f, "asked        {}", goal(&it.goal))?;
        let rows = it.rows;
        writeln!(f, "rows         fit {}, calibrate {}, test {}", rows.fit, rows.calibrate, rows.test)?;
        writeln!(f, "score        {}: {}", it.head_choice.kept, it.head_choice.why)?;
        match (&it.threshold, &it.why_none) {
            (Some(threshold), _) => writeln!(f, "threshold    {threshold:.4}")?,
            (None, why) => writeln!(f, "threshold    none: {}", why.as_deref().unwrap_or_default())?,
        }
        if let (Some(Chosen::Holds { at, .. }), Some(_)) = (&self.chosen, it.threshold) {
            writeln!(
                f,
                "proved by    {} of {} calibrate rows worse, upper bound {}",
                at.failures,
                at.n,
                percent(at.upper())
            )?;
        }
        if let Some(measured) = &it.measured {
            test_part(f, measured, it.rows.test)?;
        }
        let held_back = rows.calibrate + rows.test;
        writeln!(
            f,
            "\ncost-quality curve on the {held_back} rows of the calibrate and test parts; 95 % intervals"
        )?;
        writeln!(f, "{HEAD}")?;
        for point in &self.curve {
            line(f, point)?;
        }
        match self.apgr {
            Some(apgr) => writeln!(f, "  APGR of the score {apgr:.3} (random 0.5)")?,
            None => writeln!(f, "  APGR not known: the remote tier is not better")?,
        }
        rivals(f, self)?;
        slices(f, self)?;
        writeln!(f)?;
        self.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}

fn test_part(f: &mut fmt::Formatter<'_>, measured: &Measured, n: usize) -> fmt::Result {
    writeln!(f, "\non the {n} rows of the test part, which no choice has seen; 95 % intervals")?;
    let lines = [
        ("quality", interval(&measured.quality)),
        ("always-local", interval(&measured.quality_local)),
        ("always-remote", interval(&measured.quality_remote)),
        ("local share", interval(&measured.local_share)),
        ("worse, of all", interval(&measured.worse)),
        ("worse, of local", maybe(measured.worse_of_local.as_ref())),
        ("cost of all-remote", maybe(measured.spend.as_ref())),
    ];
    lines.iter().try_for_each(|(name, text)| writeln!(f, "  {name:<19} {text}"))
}

fn rivals(f: &mut fmt::Formatter<'_>, calibrated: &Calibrated) -> fmt::Result {
    if calibrated.rivals.is_empty() {
        return Ok(());
    }
    writeln!(f, "\nrivals on the test part\n  {:<22} quality  gained over it", "")?;
    calibrated.rivals.iter().try_for_each(|rival| {
        writeln!(f, "  {:<22} {:.3}    {}", rival.name, rival.quality, maybe(rival.gained.as_ref()))
    })
}

fn slices(f: &mut fmt::Formatter<'_>, calibrated: &Calibrated) -> fmt::Result {
    if calibrated.slices.is_empty() {
        return Ok(());
    }
    writeln!(f, "\nby task on the test part; no promise holds for a task alone")?;
    writeln!(f, "  {:<22} rows  local  quality (local, remote)  worse than remote", "")?;
    calibrated.slices.iter().try_for_each(|slice| {
        let it = &slice.measured;
        let (home, out) = (it.quality_local.mean, it.quality_remote.mean);
        writeln!(
            f,
            "  {:<22} {:>4}  {:>5.2}  {:.3}   ({home:.3}, {out:.3})   {}",
            slice.task,
            slice.n,
            it.local_share.mean,
            it.quality.mean,
            interval(&it.worse)
        )
    })
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}
