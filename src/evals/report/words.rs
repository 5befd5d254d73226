//! What the tests of a report say, in sentences: for people who want the answer before the table.

use super::figures::CurveReport;
use super::form::{Kind, Report};
use super::versus::Versus;
use crate::evals::subject::ChosenOn;

/// Below it a difference is called clear.
const CLEAR: f64 = 0.05;

/// Good news, bad news, or neither: the page marks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tone {
    /// Shown, and for the judged.
    Good,
    /// Shown, and against the judged.
    Bad,
    /// Not shown.
    Open,
}

/// What one test says.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// Which news it is.
    pub tone: Tone,
    /// One sentence or two.
    pub text: String,
}

/// First what the rows are worth as proof, then what rankings are worth, then every judged subject against tiers and rivals.
pub(super) fn findings(report: &Report, chosen_on: Option<&ChosenOn>) -> Vec<Finding> {
    let in_sample = chosen_on.and_then(|chosen_on| in_sample(report, chosen_on));
    let mut said: Vec<Finding> = in_sample.into_iter().collect();
    said.extend(report.curves.iter().filter_map(ranking));
    said.extend(report.curves.iter().filter_map(without_score));
    for subject in report.subjects.iter().filter(|subject| subject.kind == Kind::Judged) {
        let versus: Vec<&Versus> = report.versus.iter().filter(|it| it.subject == subject.name).collect();
        said.extend(versus.iter().filter_map(|versus| non_inferior(versus)));
        said.extend(overall(&subject.name, &versus));
        // Against rivals too they would fill the page; the tables have them.
        let tier = |versus: &&&Versus| !versus.rival.contains('@');
        said.extend(versus.iter().filter(tier).filter_map(|versus| tasks(versus)));
    }
    said
}

/// Whether the score that steers comes of these very rows: then it does better on them than on others.
fn in_sample(report: &Report, ChosenOn { suite, rows, of }: &ChosenOn) -> Option<Finding> {
    let text = format!(
        "{rows} of the {of} rows that the calibration in force was made of, this very set, fitted the score or chose its \
         threshold: what is said here of policies and of the score is no proof of how they do on other requests. The \
         report of `crossover calibrate` is of the rows that chose nothing."
    );
    (*suite == report.hashes.suite).then_some(Finding { tone: Tone::Open, text })
}

/// How many rows a ranking is not of.
fn without_score(curve: &CurveReport) -> Option<Finding> {
    let text = format!(
        "{} row(s) have no score of {} and are left out of its ranking: their verdict was late, or they were refused.",
        curve.without, curve.name
    );
    (curve.without > 0).then_some(Finding { tone: Tone::Open, text })
}

/// Whether the score ranks rows better than what costs nothing.
fn ranking(curve: &CurveReport) -> Option<Finding> {
    let (own, best) = (curve.apgr?, curve.best_rival.as_ref()?);
    let [lo, hi] = best.ci;
    let (tone, verdict) = match () {
        () if lo > 0.0 => (Tone::Good, "ranks better than"),
        () if hi < 0.0 => (Tone::Bad, "ranks WORSE than"),
        () => (Tone::Open, "is not shown to rank better than"),
    };
    let half = curve.cpt50.map_or(String::new(), |share| {
        format!(" Half of the gap takes {:.0} % of the calls.", share * 100.0)
    });
    let text = format!(
        "The score of {} {verdict} every trivial rival: APGR {own:.3}, {} [{lo:+.3}, {hi:+.3}] to the best of them, \
         {} with {:.3}.{half}",
        curve.name,
        signed(best.lead),
        best.name,
        best.apgr
    );
    Some(Finding { tone, text })
}

fn non_inferior(versus: &Versus) -> Option<Finding> {
    let test = versus.non_inferior.as_ref()?;
    let (subject, rival, margin) = (&versus.subject, &versus.rival, test.margin);
    Some(match test.shown {
        true => Finding {
            tone: Tone::Good,
            text: format!("{subject} is no worse than {rival} by more than {margin}, with 95 % confidence."),
        },
        false => Finding {
            tone: Tone::Open,
            text: format!(
                "It is not shown that {subject} is no worse than {rival} by more than {margin}: it may be worse by {:.3}.",
                0.0 - test.ci[0]
            ),
        },
    })
}

/// One sentence for all that it beats, one for all that beat it, one for the rest.
fn overall(subject: &str, versus: &[&Versus]) -> Vec<Finding> {
    let clear = |it: &Versus| it.p.is_some_and(|p| p <= CLEAR) && it.difference != 0.0;
    let group = |tone: Tone, verdict: &str, of: &dyn Fn(&Versus) -> bool| {
        let named: Vec<String> = versus.iter().filter(|it| of(it)).map(|it| named(it)).collect();
        let text = format!("{subject} {verdict} {}.", named.join(", "));
        (!named.is_empty()).then_some(Finding { tone, text })
    };
    [
        group(Tone::Good, "is clearly better than", &|it| clear(it) && it.difference > 0.0),
        group(Tone::Bad, "is clearly worse than", &|it| clear(it) && it.difference < 0.0),
        group(Tone::Open, "does not clearly differ from", &|it| !clear(it)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn named(versus: &Versus) -> String {
    let rival = versus.rival.strip_suffix(&format!("@{}", versus.subject)).unwrap_or(&versus.rival);
    let p = versus.p.map_or(String::new(), |p| format!(", {}", said(p)));
    match &versus.discordant {
        Some(it) if it.first + it.second == 0 => format!("{rival} (the same on every row)"),
        None if versus.ci == [0.0, 0.0] => format!("{rival} (the same on every row)"),
        Some(it) => format!(
            "{rival} ({:+.3}{p}; right alone on {} rows, wrong alone on {})",
            versus.difference, it.first, it.second
        ),
        None => format!("{rival} ({}{p})", signed(versus.difference)),
    }
}

fn tasks(versus: &Versus) -> Option<Finding> {
    let clear: Vec<String> = versus
        .tasks
        .iter()
        .filter(|task| task.p_holm <= CLEAR)
        .map(|task| format!("{} {:+.3} ({})", task.task, task.difference, said(task.p_holm)))
        .collect();
    let text = format!(
        "By task, with Holm's correction for {} of them, {} differs clearly from {} in: {}.",
        versus.tasks.len(),
        versus.subject,
        versus.rival,
        clear.join(", ")
    );
    (!clear.is_empty()).then_some(Finding { tone: Tone::Open, text })
}

fn said(p: f64) -> String {
    if p < 0.001 { "p < 0.001".to_owned() } else { format!("p = {p:.3}") }
}

/// A difference with its sign, and none where nothing of it would be seen.
fn signed(difference: f64) -> String {
    if difference.abs() < 0.0005 { "0.000".to_owned() } else { format!("{difference:+.3}") }
}
