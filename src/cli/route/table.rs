//! An explanation for a person to read.

use std::fmt::Write as _;

use crate::chat::BackendId;
use crate::ledger::Estimate;
use crate::routing::{Explanation, Pii, Reason};

/// A few lines: where, why, score, facts, cost.
pub(super) fn of(told: &Explanation, costs: &[Estimate]) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{label:<10}{value}");
    };
    line("goes to", places(told));
    line("because", format!("{}: {}", told.reason, sentence(told.reason)));
    line("rule", format!("`{}` of policy {} ({})", told.rule, told.policy.name, told.policy.hash));
    for lost in &told.not_available {
        line("not", format!("{}: {}", lost.target, sentence(lost.reason)));
    }
    line("score", score(told));
    line("prompt", facts(told));
    for cost in costs {
        let price = cost.cost_micros.map_or_else(|| "price not known".to_owned(), |price| price.to_string());
        line("cost", format!("{} with {}: {price}, for {}", cost.target, cost.model, cost.assumes));
    }
    line("decided", format!("in {} us", told.decided_in_us));
    text
}

fn places(told: &Explanation) -> String {
    let names: Vec<&str> = told.targets.iter().map(BackendId::as_str).collect();
    match (names.as_slice(), told.within_boundary) {
        ([], _) => "nowhere: it is refused".to_owned(),
        (names, true) => format!("{}, within the boundary only", names.join(", then ")),
        (names, false) => names.join(", then "),
    }
}

fn score(told: &Explanation) -> String {
    let Some(verdict) = &told.verdict else {
        return format!("none: {}", told.no_verdict.as_deref().unwrap_or("not asked"));
    };
    let mut text = format!("{:.3} that the local answer is good enough", verdict.local_ok);
    if let Some(gain) = verdict.gain {
        let _ = write!(text, ", gain of a strong model {gain:+.3}");
    }
    if let Some(calibrated) = verdict.calibrated {
        let _ = write!(text, "; {calibrated:.3} by the head fitted for the installed model");
    }
    match (told.score, told.threshold) {
        (Some(score), Some(threshold)) => {
            let _ = write!(text, "; {score:.3} was held against the threshold {threshold:.3}");
        }
        _ => text.push_str(" (recorded only: no threshold applies)"),
    }
    let note = &told.calibration;
    match &note.id {
        Some(id) => {
            let _ = write!(text, ", calibration {id} ({})", note.state);
        }
        None => text.push_str(", no calibration"),
    }
    text
}

fn facts(told: &Explanation) -> String {
    let signals = &told.signals;
    let mut facts = vec![format!("at most {} tokens", signals.prompt_tokens)];
    facts.extend(signals.task.map(|task| format!("task {task} (guessed)")));
    facts.extend(signals.language.is_known().then(|| format!("language {} (guessed)", signals.language)));
    facts.extend(signals.needs_fresh_knowledge.then(|| "asks for fresh knowledge (guessed)".to_owned()));
    facts.extend(signals.code.then(|| "holds code".to_owned()));
    facts.extend(match signals.pii {
        Pii::Absent => None,
        Pii::Unknown => Some("could not be searched for personal data".to_owned()),
        Pii::Email => Some("holds an e-mail address".to_owned()),
        Pii::Phone => Some("holds a phone number".to_owned()),
        Pii::PaymentCard => Some("holds a payment card's number".to_owned()),
        Pii::Iban => Some("holds an IBAN".to_owned()),
        Pii::SocialSecurity => Some("holds a social security number".to_owned()),
    });
    if !signals.needs.is_empty() {
        facts.push(format!("needs {}", signals.needs.join(", ")));
    }
    if !signals.tags.is_empty() {
        facts.push(format!("tags {}", signals.tags.join(", ")));
    }
    facts.join("; ")
}

fn sentence(reason: Reason) -> &'static str {
    match reason {
        Reason::Requested => "the caller asked for it",
        Reason::Private => "a rule keeps it within the boundary",
        Reason::Capability => "it needs something that the local model cannot do",
        Reason::Length => "its length decided",
        Reason::GoodEnough => "the classifier expects the local answer to be good enough",
        Reason::Default => "no earlier rule matched",
        Reason::Task => "the kind of task decided",
        Reason::Rule => "a rule on a plain signal decided",
        Reason::Unknown => "the classifier gave no verdict",
        Reason::NoRemote => "the remote backend is not ready",
        Reason::NoLocal => "the local backend is not ready",
        Reason::LocalBusy => "the local queue is full",
        Reason::Fallback => "the preferred target failed",
        Reason::Explored => "chance sent it to the other target, as the policy's [explore] says",
        Reason::Escalated => "the local answer began unsurely",
        Reason::NotPermitted => "the policy does not permit what was asked for",
    }
}
