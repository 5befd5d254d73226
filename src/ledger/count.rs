//! Counts one priced outcome in the metrics and writes its log line. Labels are closed sets: configured names, enums,
//! status codes. Neither ever sees what a client wrote, nor a prompt or an answer.

use std::time::Duration;

use super::machine::LOCAL;
use super::{Attempt, End, Origin, Outcome};
use crate::chat::{BackendId, Micros, Usage};
use crate::metrics::Metrics;
use crate::routing::Reason;

/// The label of what is not there.
pub(crate) const NONE: &str = "none";
/// The configured name of the API backend.
const REMOTE: &str = "remote";
/// Names longer than this are not logged.
const LONGEST_NAME: usize = 128;

/// Counts everything that a finished outcome says. The only writer of the metrics that it touches.
/// What no client asked for counts as attempts, tokens and money of its own, never as a request or a saving.
pub(crate) fn count(metrics: &Metrics, outcome: &Outcome) {
    match outcome.origin {
        Origin::Live | Origin::Eval => count_request(metrics, outcome),
        Origin::Shadow | Origin::Golden => count_background(metrics, outcome),
    }
}

fn count_background(metrics: &Metrics, outcome: &Outcome) {
    for attempt in &outcome.attempts {
        count_attempt(metrics, attempt, outcome.end);
        if let Some(cost) = attempt.cost {
            let labels = [outcome.origin.label(), attempt.backend.as_str()];
            metrics.background_cost_usd_total.with_label_values(&labels).inc_by(cost.as_dollars().max(0.0));
        }
    }
    count_unpriced(metrics, outcome);
}

fn count_request(metrics: &Metrics, outcome: &Outcome) {
    let backend = name(outcome.served_by.as_ref());
    let policy = outcome.policy.as_ref().map_or(NONE, |policy| policy.name.as_str());
    let status = outcome.status.to_string();
    metrics.requests_total.with_label_values(&[policy, backend, &status, outcome.end.label()]).inc();
    metrics.request_duration_seconds.with_label_values(&[backend]).observe(outcome.total.as_secs_f64());
    if let Some(first) = outcome.first_chunk_in {
        metrics.first_chunk_seconds.with_label_values(&[backend]).observe(first.as_secs_f64());
    }
    if let (Some(_), Some(reason)) = (&outcome.policy, outcome.reason) {
        let target = name(outcome.first_target.as_ref());
        metrics.decisions_total.with_label_values(&[policy, target, reason.label()]).inc();
        metrics.decision_seconds.observe(outcome.decided_in.as_secs_f64());
    }
    for attempt in &outcome.attempts {
        count_attempt(metrics, attempt, outcome.end);
        if let Some(cost) = attempt.cost {
            let labels = [attempt.backend.as_str()];
            metrics.cost_usd_total.with_label_values(&labels).inc_by(cost.as_dollars().max(0.0));
        }
    }
    count_moves(metrics, outcome);
    count_money(metrics, outcome);
}

fn count_attempt(metrics: &Metrics, attempt: &Attempt, end: End) {
    let backend = attempt.backend.as_str();
    let how = attempt_label(attempt, end);
    metrics.attempts_total.with_label_values(&[backend, how]).inc();
    if let Some(usage) = &attempt.usage {
        count_tokens(metrics, backend, usage);
    }
}

/// How an attempt ended: `ok`, `cancelled` when the client left during it, or the kind of failure.
pub(crate) fn attempt_label(attempt: &Attempt, end: End) -> &'static str {
    match attempt.failure {
        Some(kind) => kind.label(),
        None if end == End::ClientClosed => "cancelled",
        None => "ok",
    }
}

/// `prompt` holds all prompt tokens; `cached_prompt` says how many of them came from a cache.
fn count_tokens(metrics: &Metrics, backend: &str, usage: &Usage) {
    let estimated = if usage.estimated { "true" } else { "false" };
    let counts =
        [("prompt", usage.prompt), ("cached_prompt", usage.cached_prompt), ("completion", usage.completion)];
    for (kind, count) in counts {
        if count > 0 {
            metrics.tokens_total.with_label_values(&[backend, kind, estimated]).inc_by(count);
        }
    }
}

/// Retries and fallbacks, read off the order of the attempts, and targets that were passed over without one.
fn count_moves(metrics: &Metrics, outcome: &Outcome) {
    for pair in outcome.attempts.windows(2) {
        let [before, after] = pair else { continue };
        let Some(kind) = before.failure else { continue };
        if before.backend == after.backend {
            metrics.retries_total.with_label_values(&[kind.label()]).inc();
        } else {
            let labels = [before.backend.as_str(), after.backend.as_str(), kind.label()];
            metrics.fallback_total.with_label_values(&labels).inc();
        }
    }
    let (Some(reason), Some(to)) = (outcome.reason, &outcome.served_by) else { return };
    let from = match reason {
        Reason::NoRemote => REMOTE,
        Reason::NoLocal | Reason::LocalBusy => LOCAL,
        _ => return,
    };
    if !outcome.attempts.iter().any(|attempt| attempt.backend.as_str() == from) {
        metrics.fallback_total.with_label_values(&[from, to.as_str(), reason.label()]).inc();
    }
}

/// Once an outcome, by the first backend whose price is not known.
fn count_unpriced(metrics: &Metrics, outcome: &Outcome) {
    if outcome.cost.is_none()
        && let Some(unpriced) = outcome.attempts.iter().find(|attempt| attempt.cost.is_none())
    {
        metrics.unpriced_requests_total.with_label_values(&[unpriced.backend.as_str()]).inc();
    }
}

fn count_money(metrics: &Metrics, outcome: &Outcome) {
    count_unpriced(metrics, outcome);
    if let Some(if_remote) = &outcome.cost_if_remote {
        metrics.cost_if_remote_usd_total.inc_by(if_remote.cost.as_dollars().max(0.0));
    }
    if let Some(saved) = saved(outcome) {
        metrics.saved_usd.add(saved.as_dollars());
    }
}

/// The estimated saving of one request; `None` when one of the two costs is not known. A request that nobody answered
/// saved nothing and is not held against the others: what it cost stands in the cost.
pub(crate) fn saved(outcome: &Outcome) -> Option<Micros> {
    Some(outcome.cost_if_remote.as_ref()?.cost - outcome.cost?)
}

/// One line a request.
pub(crate) fn log(outcome: &Outcome) {
    tracing::info!(
        target: "crossover::request",
        id = %outcome.id,
        origin = outcome.origin.label(),
        policy = outcome.policy.as_ref().map_or(NONE, |policy| bounded(&policy.name)),
        rule = outcome.rule.as_deref().map_or(NONE, bounded),
        reason = outcome.reason.map_or(NONE, Reason::label),
        backend = name(outcome.served_by.as_ref()),
        model = outcome.model.as_deref().map_or(NONE, bounded),
        status = outcome.status,
        end = outcome.end.label(),
        attempts = outcome.attempts.len(),
        prompt_tokens = outcome.usage.prompt,
        completion_tokens = outcome.usage.completion,
        cost_micros = outcome.cost.map(|cost| cost.0),
        ms = millis(outcome.total),
        "answered"
    );
}

fn name(backend: Option<&BackendId>) -> &str {
    backend.map_or(NONE, BackendId::as_str)
}

/// A name as it is, unless it is not one that a configuration would hold.
fn bounded(name: &str) -> &str {
    if name.len() > LONGEST_NAME || name.chars().any(char::is_control) { "other" } else { name }
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
