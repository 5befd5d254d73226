//! What the tests of a report say, in sentences: for people who want the answer before the table.

use super::form::{Kind, Report, SubjectReport};
use super::versus::Versus;

/// Below it a difference is called clear.
const CLEAR: f64 = 0.05;

/// One sentence or two, each about one judged subject.
pub(super) fn findings(report: &Report) -> Vec<String> {
    let mut said = vec![];
    for subject in report.subjects.iter().filter(|subject| subject.kind == Kind::Judged) {
        let versus: Vec<&Versus> = report.versus.iter().filter(|it| it.subject == subject.name).collect();
        said.extend(versus.iter().filter_map(|versus| non_inferior(versus)));
        said.extend(ranking(report, subject));
        said.extend(versus.iter().map(|versus| overall(versus)));
        said.extend(versus.iter().filter_map(|versus| tasks(versus)));
    }
    said
}

fn overall(versus: &Versus) -> String {
    let Versus { subject, rival, difference, ci: [lo, hi], .. } = versus;
    let p = versus.p.map_or(1.0, |p| p);
    let name = if versus.discordant.is_some() { "McNemar's exact test" } else { "sign-flip test" };
    let (verdict, clear) = match difference {
        it if p > CLEAR || *it == 0.0 => ("No clear difference between", false),
        it if *it > 0.0 => ("Clearly better:", true),
        _ => ("Clearly worse:", true),
    };
    let between = if clear { "against" } else { "and" };
    format!(
        "{verdict} {subject} {between} {rival}: {difference:+.3} [{lo:+.3}, {hi:+.3}] on {} rows, {} ({name}{}).",
        versus.n,
        said(p),
        match versus.discordant {
            Some(it) =>
                format!("; only the first is right on {}, only the second on {}", it.first, it.second),
            None => String::new(),
        }
    )
}

fn non_inferior(versus: &Versus) -> Option<String> {
    let test = versus.non_inferior.as_ref()?;
    let (subject, rival, margin) = (&versus.subject, &versus.rival, test.margin);
    Some(match test.shown {
        true => format!("{subject} is no worse than {rival} by more than {margin} (95 %)."),
        false => format!(
            "Not shown: that {subject} is no worse than {rival} by more than {margin}; it may be worse by {:.3}.",
            -test.ci[0]
        ),
    })
}

/// Whether the score ranks rows better than what costs nothing.
fn ranking(report: &Report, subject: &SubjectReport) -> Option<String> {
    let own = subject.apgr?;
    let rivals = report.curves.iter().filter(|curve| !curve.judged && curve.name != "oracle");
    let (best, name) = rivals
        .filter_map(|curve| Some((curve.apgr?, curve.name.as_str())))
        .max_by(|a, b| a.0.total_cmp(&b.0))?;
    let verdict = if own > best { "ranks better than" } else { "DOES NOT rank better than" };
    let half = subject.cpt50.map_or(String::new(), |share| {
        format!("; half of the gap takes {:.0} % of the calls", share * 100.0)
    });
    Some(format!(
        "The score of {} {verdict} every trivial rival: APGR {own:.3}, the best of them is {name} with {best:.3}{half}.",
        subject.name
    ))
}

fn tasks(versus: &Versus) -> Option<String> {
    let clear: Vec<String> = versus
        .tasks
        .iter()
        .filter(|task| task.p_holm <= CLEAR)
        .map(|task| format!("{} {:+.3} ({})", task.task, task.difference, said(task.p_holm)))
        .collect();
    let of = versus.tasks.len();
    (!clear.is_empty()).then(|| {
        format!(
            "Of {of} tasks, {} against {} clear after Holm's correction: {}.",
            versus.subject,
            versus.rival,
            clear.join(", ")
        )
    })
}

fn said(p: f64) -> String {
    if p < 0.001 { "p < 0.001".to_owned() } else { format!("p = {p:.3}") }
}
