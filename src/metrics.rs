//! Every metric, declared once. Labels are closed sets: backend names from the configuration, enums, status codes.
//! Series are seeded at start, so that a dashboard shows 0 instead of nothing.

mod engine;
mod log;
mod process;
mod seed;
mod series;

use std::cell::RefCell;
use std::sync::atomic::AtomicU64;

use prometheus::{Counter, CounterVec, Gauge};
use prometheus::{
    Encoder, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder, core::Collector,
};

pub use engine::{EngineFigures, GaugePart};
pub use log::{line_lost, lost_lines};
pub use process::resident;
pub use seed::ClosedSets;
pub use series::{Series, show_only};

use crate::chat::SCORE_BINS;

/// Seconds, from a millisecond to two minutes: whole answers.
const LONG: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];
/// Seconds, from ten microseconds to a fifth of a second: decisions.
const SHORT: &[f64] =
    &[0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.2];

/// All metrics of one gateway, with the registry that exposes them.
pub struct Metrics {
    registry: Registry,
    families: Vec<Family>,
    lines_told: AtomicU64,
    /// Requests answered, by policy, answering backend, HTTP status and error (`none` when there was none).
    pub requests_total: IntCounterVec,
    /// Requests that are being answered now.
    pub requests_in_flight: IntGauge,
    /// Memory of this process that is in RAM, in bytes; a worker process has its own.
    pub resident_bytes: IntGauge,
    /// Routing decisions, by policy, first target and reason.
    pub decisions_total: IntCounterVec,
    /// Time from a request's first byte to its answer's last, in seconds.
    pub request_duration_seconds: HistogramVec,
    /// Time from a request's first byte to its answer's first content, in seconds.
    pub first_chunk_seconds: HistogramVec,
    /// Time to decide where a request goes, classifier included, in seconds.
    pub decision_seconds: Histogram,
    /// Tokens, by backend, kind (`prompt`, `cached_prompt`, `completion`) and whether we counted them ourselves.
    pub tokens_total: IntCounterVec,
    /// Cost of answers, in dollars.
    pub cost_usd_total: CounterVec,
    /// Estimated cost had the remote model answered, in dollars: of answered requests whose price there is known. Local answers
    /// that broke off and embeddings are not among them.
    pub cost_if_remote_usd_total: Counter,
    /// What the remote model would have cost, by estimate, less what was paid, since start, in dollars: of answered requests
    /// of which both are known. Negative when routing cost money.
    pub saved_usd: Gauge,
    /// Requests, and answers that no client asked for, whose model has no known price; their cost is missing from the sums.
    pub unpriced_requests_total: IntCounterVec,
    /// Time the classifier took, queueing included, in seconds.
    pub classifier_seconds: Histogram,
    /// Probability that the local answer is good enough, as the classifier put it.
    pub classifier_score: Histogram,
    /// Classifier calls, by outcome: `ok`, `late`, `broken`, `off`.
    pub classifier_outcomes_total: IntCounterVec,
    /// 1 for how the calibration stands: `valid` (its threshold steers), `missing`, `mismatch`, `no_promise`.
    pub calibration_state: IntGaugeVec,
    /// Population stability index of the last 4,096 steering scores against calibration's; absent without a valid
    /// calibration and before 500 decisions.
    pub classifier_score_psi: GaugeVec,
    /// Requests that wait for the local engine, of all loaded models together.
    pub local_queue_depth: IntGauge,
    /// Answers that the local engine generates now, of all loaded models together; at most `local.max-streams` each.
    pub local_active: IntGauge,
    /// Bytes of the local engine's KV cache that are promised to answers under way, of all loaded models together; at most
    /// `local.kv-cache-mib` each.
    pub local_kv_bytes: IntGauge,
    /// Answers that gave their place in the KV cache to an older one and were computed again later.
    pub local_preempted_total: IntCounter,
    /// Prompt tokens that the local engine computed; those that it had in its prefix cache are not among them.
    pub local_prefill_tokens_total: IntCounter,
    /// Tokens that were drafted for local answers and tried.
    pub local_drafted_tokens_total: IntCounter,
    /// Drafted tokens that the answer said; over `local_drafted_tokens_total`: the acceptance rate.
    pub local_accepted_tokens_total: IntCounter,
    /// Prompt tokens that were looked up in the local prefix cache.
    pub local_prefix_lookup_tokens_total: IntCounter,
    /// Prompt tokens that the local prefix cache had; over `local_prefix_lookup_tokens_total`: the hit ratio.
    pub local_prefix_hit_tokens_total: IntCounter,
    /// Bytes that the local prefix cache holds, of all loaded models together; at most `local.prefix-cache-mib` each.
    pub local_prefix_bytes: IntGauge,
    /// Tokens generated in the last second by the local engine.
    pub local_tokens_per_second: Gauge,
    /// Memory of the local models that are loaded, in bytes, by model: weights, and the most that their caches may take; 0
    /// for one that is not loaded.
    pub local_model_bytes: IntGaugeVec,
    /// Loads of local models, by model and outcome: `start` and `request` say what it was loaded for, `failed` that it was not.
    pub local_model_loads_total: IntCounterVec,
    /// Unloads of local models, by model and reason: `memory` (another one needed the room), `stopped` (its engine did).
    pub local_model_unloads_total: IntCounterVec,
    /// Time to load a local model, checks of its files included, in seconds.
    pub local_model_load_seconds: Histogram,
    /// Times that the local engine stopped working, by kind: `hung` (a step passed its deadline), `failing` (its steps failed
    /// one after the other), `died` (the worker process ended), `refused` (a new worker process did not come up).
    pub local_faults_total: IntCounterVec,
    /// Failed attempts at a remote, by backend and kind of failure.
    pub upstream_failures_total: IntCounterVec,
    /// Retries at the same backend, by reason.
    pub retries_total: IntCounterVec,
    /// Requests that moved on to another backend, by reason.
    pub fallback_total: IntCounterVec,
    /// Attempts, by backend and outcome (`ok` or the kind of failure).
    pub attempts_total: IntCounterVec,
    /// 1 while the backend's circuit breaker is open.
    pub breaker_open: IntGaugeVec,
    /// 1 while the backend takes requests.
    pub backend_ready: IntGaugeVec,
    /// Ledger rows, by fate: `written`, `dropped`.
    pub ledger_rows_total: IntCounterVec,
    /// Log lines that were dropped because standard error took them too slowly or not at all; a worker process's own are
    /// not among them.
    pub log_lines_lost_total: IntCounter,
    /// Quality of the last eval run, 0 to 1, by suite and subject.
    pub eval_quality: GaugeVec,
    /// Share answered locally in the last eval run, by suite and subject.
    pub eval_local_share: GaugeVec,
    /// Cost of the last eval run in dollars, by suite and subject.
    pub eval_cost_usd: GaugeVec,
    /// Quality of the last scheduled golden run, 0 to 1, by backend and suite.
    pub backend_quality: GaugeVec,
    /// Scheduled golden runs, by how they ended: `done`, `skipped` (live requests came first), `failed`.
    pub golden_runs_total: IntCounterVec,
    /// Users' verdicts, by the policy and backend of the request and whether it was `good`, `neutral` or `bad`.
    pub feedback_total: IntCounterVec,
    /// Requests drawn for a shadow answer, by policy and outcome: `answered`, `failed`, `dropped` (nobody was free, or too
    /// many this minute), `void` (the live answer did not come from the first target).
    pub shadow_samples_total: IntCounterVec,
    /// Grades of shadow samples in [0, 1], by kind: `agreement` is the share of words that both answers have in
    /// common, `preference` a judge's: 1 for the local answer, 0.5 for a tie, 0 for the remote one.
    pub shadow_grade: HistogramVec,
    /// Cost of answers that no client asked for, in dollars, by origin (`shadow`, `golden`) and backend.
    pub background_cost_usd_total: CounterVec,
    /// 1, with the version as a label.
    pub build_info: IntGaugeVec,
}

/// What one metric is, as declared; for the docs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// Its whole name.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// Its labels' names, in order of declaration.
    pub labels: Vec<String>,
    /// Its help text.
    pub help: String,
}

/// Registers a metric; a name declared twice is a bug that the first test finds.
struct Registrar(Registry, RefCell<Vec<Family>>);

impl Registrar {
    fn add<C: Collector + Clone + 'static>(&self, collector: prometheus::Result<C>) -> prometheus::Result<C> {
        let collector = collector?;
        self.0.register(Box::new(collector.clone()))?;
        let labels = collector.desc().first().map(|desc| desc.variable_labels.clone()).unwrap_or_default();
        self.1.borrow_mut().extend(collector.collect().iter().map(|family| Family {
            name: family.name().to_owned(),
            kind: format!("{:?}", family.get_field_type()).to_lowercase(),
            labels: labels.clone(),
            help: family.help().to_owned(),
        }));
        Ok(collector)
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
        self.add(IntCounterVec::new(opts(name, help), labels))
    }

    fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        self.add(IntCounter::with_opts(opts(name, help)))
    }

    fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        self.add(IntGauge::with_opts(opts(name, help)))
    }

    fn float_gauge(&self, name: &str, help: &str) -> prometheus::Result<Gauge> {
        self.add(Gauge::with_opts(opts(name, help)))
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
        self.add(IntGaugeVec::new(opts(name, help), labels))
    }

    fn float_gauges(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<GaugeVec> {
        self.add(GaugeVec::new(opts(name, help), labels))
    }

    fn histogram(&self, name: &str, help: &str, buckets: Vec<f64>) -> prometheus::Result<Histogram> {
        self.add(Histogram::with_opts(HistogramOpts::from(opts(name, help)).buckets(buckets)))
    }

    fn histograms(&self, name: &str, help: &str) -> prometheus::Result<HistogramVec> {
        let opts = HistogramOpts::from(opts(name, help)).buckets(LONG.to_vec());
        self.add(HistogramVec::new(opts, &["backend"]))
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("crossover")
}

impl Metrics {
    /// Declares and seeds everything.
    ///
    /// # Errors
    /// Only when two metrics share a name, which a test excludes.
    #[expect(clippy::too_many_lines, reason = "one line a metric: the list is the point")]
    pub fn new() -> prometheus::Result<Self> {
        let r = Registrar(Registry::new(), RefCell::default());
        let bins = (1..SCORE_BINS).map(|bin| bin as f64 / SCORE_BINS as f64).chain([1.0]).collect();
        let metrics = Self {
            requests_total: r.counters(
                "requests_total",
                "Requests answered, by policy, answering backend, HTTP status and error (none when there was none).",
                &["policy", "backend", "status", "error"],
            )?,
            requests_in_flight: r.gauge("requests_in_flight", "Requests that are being answered now.")?,
            resident_bytes: r.gauge(
                "resident_bytes",
                "Memory of this process that is in RAM, in bytes; a worker process has its own.",
            )?,
            decisions_total: r.counters(
                "decisions_total",
                "Routing decisions, by policy, first target and reason.",
                &["policy", "target", "reason"],
            )?,
            request_duration_seconds: r.histograms(
                "request_duration_seconds",
                "Time from a request's first byte to its answer's last, in seconds.",
            )?,
            first_chunk_seconds: r.histograms(
                "first_chunk_seconds",
                "Time from a request's first byte to its answer's first content, in seconds.",
            )?,
            decision_seconds: r.histogram(
                "decision_seconds",
                "Time to decide where a request goes, classifier included, in seconds.",
                SHORT.to_vec(),
            )?,
            tokens_total: r.counters(
                "tokens_total",
                "Tokens, by backend, kind (prompt, cached_prompt, completion) and whether we counted them ourselves.",
                &["backend", "kind", "estimated"],
            )?,
            cost_usd_total: r
                .add(CounterVec::new(opts("cost_usd_total", "Cost of answers, in dollars."), &["backend"]))?,
            cost_if_remote_usd_total: r.add(Counter::with_opts(opts(
                "cost_if_remote_usd_total",
                "Estimated cost had the remote model answered, in dollars: of answered requests whose price there is known. Local answers that broke off and embeddings are not among them.",
            )))?,
            saved_usd: r.float_gauge(
                "saved_usd",
                "What the remote model would have cost, by estimate, less what was paid, since start, in dollars: of answered requests of which both are known. Negative when routing cost money.",
            )?,
            unpriced_requests_total: r.counters(
                "unpriced_requests_total",
                "Requests, and answers that no client asked for, whose model has no known price; their cost is missing from the sums.",
                &["backend"],
            )?,
            classifier_seconds: r.histogram(
                "classifier_seconds",
                "Time the classifier took, queueing included, in seconds.",
                SHORT.to_vec(),
            )?,
            classifier_score: r.histogram(
                "classifier_score",
                "Probability that the local answer is good enough, as the classifier put it.",
                bins,
            )?,
            classifier_outcomes_total: r.counters(
                "classifier_outcomes_total",
                "Classifier calls, by outcome: ok, late, broken, off.",
                &["outcome"],
            )?,
            calibration_state: r.gauges(
                "calibration_state",
                "1 for how the calibration stands: valid (its threshold steers), missing, mismatch, no_promise.",
                &["state"],
            )?,
            classifier_score_psi: r.float_gauges(
                "classifier_score_psi",
                "Population stability index of the last 4,096 steering scores against calibration's; absent without a valid calibration and before 500 decisions.",
                &[],
            )?,
            local_queue_depth: r.gauge(
                "local_queue_depth",
                "Requests that wait for the local engine, of all loaded models together.",
            )?,
            local_active: r.gauge(
                "local_active",
                "Answers that the local engine generates now, of all loaded models together; at most local.max-streams each.",
            )?,
            local_kv_bytes: r.gauge(
                "local_kv_bytes",
                "Bytes of the local engine's KV cache that are promised to answers under way, of all loaded models together; at most local.kv-cache-mib each.",
            )?,
            local_preempted_total: r.counter(
                "local_preempted_total",
                "Answers that gave their place in the KV cache to an older one and were computed again later.",
            )?,
            local_prefill_tokens_total: r.counter(
                "local_prefill_tokens_total",
                "Prompt tokens that the local engine computed; those that it had in its prefix cache are not among them.",
            )?,
            local_drafted_tokens_total: r.counter(
                "local_drafted_tokens_total",
                "Tokens that were drafted for local answers and tried.",
            )?,
            local_accepted_tokens_total: r.counter(
                "local_accepted_tokens_total",
                "Drafted tokens that the answer said; over local_drafted_tokens_total: the acceptance rate.",
            )?,
            local_prefix_lookup_tokens_total: r.counter(
                "local_prefix_lookup_tokens_total",
                "Prompt tokens that were looked up in the local prefix cache.",
            )?,
            local_prefix_hit_tokens_total: r.counter(
                "local_prefix_hit_tokens_total",
                "Prompt tokens that the local prefix cache had; over local_prefix_lookup_tokens_total: the hit ratio.",
            )?,
            local_prefix_bytes: r.gauge(
                "local_prefix_bytes",
                "Bytes that the local prefix cache holds, of all loaded models together; at most local.prefix-cache-mib each.",
            )?,
            local_tokens_per_second: r.float_gauge(
                "local_tokens_per_second",
                "Tokens generated in the last second by the local engine.",
            )?,
            local_model_bytes: r.gauges(
                "local_model_bytes",
                "Memory of the local models that are loaded, in bytes, by model: weights, and the most that their caches may \
                 take; 0 for one that is not loaded.",
                &["model"],
            )?,
            local_model_loads_total: r.counters(
                "local_model_loads_total",
                "Loads of local models, by model and outcome: start and request say what it was loaded for, failed that it was \
                 not.",
                &["model", "outcome"],
            )?,
            local_model_unloads_total: r.counters(
                "local_model_unloads_total",
                "Unloads of local models, by model and reason: memory (another one needed the room), stopped (its engine did).",
                &["model", "reason"],
            )?,
            local_model_load_seconds: r.histogram(
                "local_model_load_seconds",
                "Time to load a local model, checks of its files included, in seconds.",
                LONG.to_vec(),
            )?,
            local_faults_total: r.counters(
                "local_faults_total",
                "Times that the local engine stopped working, by kind: hung (a step passed its deadline), failing (its steps failed one after the other), died (the worker process ended), refused (a new worker process did not come up).",
                &["kind"],
            )?,
            upstream_failures_total: r.counters(
                "upstream_failures_total",
                "Failed attempts at a remote, by backend and kind of failure.",
                &["backend", "kind"],
            )?,
            retries_total: r.counters("retries_total", "Retries at the same backend, by reason.", &["reason"])?,
            fallback_total: r.counters(
                "fallback_total",
                "Requests that moved on to another backend, by reason.",
                &["from", "to", "reason"],
            )?,
            attempts_total: r.counters(
                "attempts_total",
                "Attempts, by backend and outcome (ok or the kind of failure).",
                &["backend", "outcome"],
            )?,
            breaker_open: r.gauges("breaker_open", "1 while the backend's circuit breaker is open.", &["backend"])?,
            backend_ready: r.gauges("backend_ready", "1 while the backend takes requests.", &["backend"])?,
            ledger_rows_total: r.counters("ledger_rows_total", "Ledger rows, by fate: written, dropped.", &["state"])?,
            log_lines_lost_total: r.counter(
                "log_lines_lost_total",
                "Log lines that were dropped because standard error took them too slowly or not at all; a worker process's own are not among them.",
            )?,
            eval_quality: r.float_gauges(
                "eval_quality",
                "Quality of the last eval run, 0 to 1, by suite and subject.",
                &["suite", "subject"],
            )?,
            eval_local_share: r.float_gauges(
                "eval_local_share",
                "Share answered locally in the last eval run, by suite and subject.",
                &["suite", "subject"],
            )?,
            eval_cost_usd: r.float_gauges(
                "eval_cost_usd",
                "Cost of the last eval run in dollars, by suite and subject.",
                &["suite", "subject"],
            )?,
            backend_quality: r.float_gauges(
                "backend_quality",
                "Quality of the last scheduled golden run, 0 to 1, by backend and suite.",
                &["backend", "suite"],
            )?,
            golden_runs_total: r.counters(
                "golden_runs_total",
                "Scheduled golden runs, by how they ended: done, skipped (live requests came first), failed.",
                &["outcome"],
            )?,
            feedback_total: r.counters(
                "feedback_total",
                "Users' verdicts, by the policy and backend of the request and whether it was good, neutral or bad.",
                &["policy", "served_by", "verdict"],
            )?,
            shadow_samples_total: r.counters(
                "shadow_samples_total",
                "Requests drawn for a shadow answer, by policy and outcome: answered, failed, dropped (nobody was free, or \
                 too many this minute), void (the live answer did not come from the first target).",
                &["policy", "outcome"],
            )?,
            shadow_grade: r.add(HistogramVec::new(
                HistogramOpts::from(opts(
                    "shadow_grade",
                    "Grades of shadow samples in [0, 1], by kind: agreement is the share of words that both answers have in \
                     common, preference a judge's: 1 for the local answer, 0.5 for a tie, 0 for the remote one.",
                ))
                .buckets((1..=SCORE_BINS).map(|bin| bin as f64 / SCORE_BINS as f64).collect()),
                &["kind"],
            ))?,
            background_cost_usd_total: r.add(CounterVec::new(
                opts(
                    "background_cost_usd_total",
                    "Cost of answers that no client asked for, in dollars, by origin (shadow, golden) and backend.",
                ),
                &["origin", "backend"],
            ))?,
            build_info: r.gauges("build_info", "1, with the version as a label.", &["version"])?,
            registry: r.0,
            families: r.1.into_inner(),
            lines_told: AtomicU64::new(0),
        };
        metrics.seed_fixed();
        Ok(metrics)
    }

    /// Every metric that is declared, in order of declaration.
    pub fn families(&self) -> &[Family] {
        &self.families
    }

    /// Everything in Prometheus' text form.
    ///
    /// # Errors
    /// When a collector hands out inconsistent data; never seen.
    pub fn render(&self) -> prometheus::Result<Vec<u8>> {
        self.follow_log();
        let mut text = Vec::with_capacity(32 * 1024);
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declares_every_metric_once_and_seeds_it() {
        let text = String::from_utf8(Metrics::new().unwrap().render().unwrap()).unwrap();
        assert!(text.contains("crossover_cost_usd_total{backend=\"local\"} 0"));
        assert!(text.contains("crossover_classifier_score_bucket{le=\"0.05\"} 0"));
    }

    #[test]
    fn a_family_says_what_it_is() {
        let metrics = Metrics::new().unwrap();
        let family = |name: &str| metrics.families().iter().find(|family| family.name == name).unwrap();
        let requests = family("crossover_requests_total");
        assert_eq!(requests.kind, "counter");
        assert_eq!(requests.labels, ["policy", "backend", "status", "error"]);
        assert_eq!(family("crossover_eval_quality").kind, "gauge");
        assert_eq!(family("crossover_first_chunk_seconds").kind, "histogram");
    }
}
