//! What relaying costs: CPU time of the gateway per request and per streamed chunk, with routing, classifier, ledger,
//! metrics and log on, beside nginx as a plain reverse proxy and the direct connection. Gateway and nginx keep to one
//! core, load and upstream to another. The time until all ledger rows are on disk counts.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use serde_json::{Value, json};

use super::figures::{self, Report, Target, median, micros, quantile};
use super::house::{self, House};
use super::load::{self, Plan};
use super::proxy::{self, Proxy};
use super::upstream::{CHUNKS, Upstream};
use super::{machine, process, prompts};

/// Times that each case runs; the middle one counts.
const ROUNDS: usize = 3;
/// Set in the copy of this process that is bound to its core.
const PINNED: &str = "CROSSOVER_BENCH_PINNED";
/// The gateway's and nginx's core; the load's is the last one.
const CORE: usize = 0;

pub(crate) fn run() -> anyhow::Result<()> {
    if machine::can_pin() && std::env::var_os(PINNED).is_none() {
        let mut command = machine::on_core(machine::last_core(), &std::env::current_exe()?);
        let status = command.arg("relay").env(PINNED, "1").status()?;
        ensure!(status.success(), "see above");
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure())
}

/// One thing to measure.
struct Case {
    name: &'static str,
    text: String,
    stream: bool,
    pace: Duration,
    connections: usize,
    count: usize,
}

fn cases() -> Vec<Case> {
    let case = |name, connections, count| Case {
        name,
        text: prompts::short(),
        stream: false,
        pace: Duration::ZERO,
        connections,
        count,
    };
    vec![
        case("short, 32 at once", 32, 20_000),
        Case { text: prompts::long(64 * 1024), ..case("64 KB prompt, 32 at once", 32, 4_000) },
        Case { stream: true, ..case("stream at full speed, 32 at once", 32, 480) },
        Case {
            stream: true,
            pace: Duration::from_millis(10),
            ..case("stream, a chunk per 10 ms, 32 at once", 32, 64)
        },
        case("short, one at a time", 1, 4_000),
    ]
}

/// Who is measured.
struct Subject {
    name: &'static str,
    address: SocketAddr,
    model: &'static str,
    /// `None`: the upstream itself, in this process.
    pid: Option<u32>,
    is_gateway: bool,
}

/// One run, in microseconds.
#[derive(Clone, Default)]
struct Run {
    /// CPU time per request.
    cpu: f64,
    /// Of it, the classifier's thread.
    classifier: f64,
    threads: BTreeMap<String, f64>,
    per_second: f64,
    p50: f64,
    p99: f64,
}

async fn measure() -> anyhow::Result<()> {
    let upstream = Upstream::start().await?;
    let nginx = match proxy::find() {
        Some(nginx) => Some(Proxy::start(&nginx, upstream.address, CORE).await?),
        None => None,
    };
    let house = House::start(upstream.address, Some(CORE)).await?;
    house.ready().await?;
    let mut report = Report::new("relay");
    let subjects = subjects(&upstream, nginx.as_ref(), &house);
    let mut bench = Bench { upstream: &upstream, house: &house, sent: 0 };
    bench.try_out(&subjects).await?;
    let mut details = vec![];
    for case in cases() {
        let mut runs: BTreeMap<&str, Vec<Run>> = BTreeMap::new();
        for round in 0..ROUNDS {
            for subject in turns(&subjects, round) {
                runs.entry(subject.name).or_default().push(bench.once(&case, subject).await?);
            }
        }
        details.push(tell(&mut report, &case, &runs));
    }
    notes(&mut report, &house, nginx.is_some()).await?;
    report.detail(details.into());
    house.stop().await?;
    report.write()
}

fn subjects(upstream: &Upstream, nginx: Option<&Proxy>, house: &House) -> Vec<Subject> {
    let gateway =
        |name, model| Subject { name, address: house.api, model, pid: Some(house.pid), is_gateway: true };
    let plain = |name, address, pid| Subject { name, address, model: "gpt-4o-mini", pid, is_gateway: false };
    let mut subjects = vec![plain("direct", upstream.address, None)];
    subjects.extend(nginx.map(|nginx| plain("nginx", nginx.address, Some(nginx.pid))));
    subjects.push(gateway("gateway, model remote", "remote"));
    subjects.push(gateway("gateway, model auto", "auto"));
    subjects
}

/// In every round another one begins.
fn turns(subjects: &[Subject], round: usize) -> impl Iterator<Item = &Subject> {
    (0..subjects.len()).map(move |at| &subjects[(at + round) % subjects.len()])
}

struct Bench<'a> {
    upstream: &'a Upstream,
    house: &'a House,
    /// Requests that the gateway has had.
    sent: u64,
}

impl Bench<'_> {
    /// A few requests of each kind, so that a wrong answer ends the benchmark before it begins, and pools are warm.
    async fn try_out(&mut self, subjects: &[Subject]) -> anyhow::Result<()> {
        for subject in subjects {
            for stream in [false, true] {
                let request = request(&prompts::short(), stream, subject);
                let answer = load::fetch(subject.address, &request).await.context(subject.name)?;
                let wanted = if stream { CHUNKS } else { 1 };
                let found = answer.matches(if stream { "\" word\"" } else { "Short waves" }).count();
                ensure!(found == wanted, "{}: {found} of {wanted} pieces of the answer came", subject.name);
                self.sent += u64::from(subject.is_gateway);
            }
            let plan = Plan {
                address: subject.address,
                request: request(&prompts::short(), false, subject),
                connections: 32,
                count: 1_000,
            };
            load::run(&plan).await.context(subject.name)?;
            self.sent += if subject.is_gateway { 1_000 } else { 0 };
        }
        self.house.written(self.sent).await
    }

    async fn once(&mut self, case: &Case, subject: &Subject) -> anyhow::Result<Run> {
        self.upstream.pace(case.pace);
        let request = request(&case.text, case.stream, subject);
        let plan =
            Plan { address: subject.address, request, connections: case.connections, count: case.count };
        let pid = subject.pid.unwrap_or_else(std::process::id);
        let before = process::cpu(pid)?;
        let outcome = load::run(&plan).await.with_context(|| format!("{}: {}", case.name, subject.name))?;
        if subject.is_gateway {
            self.sent += case.count as u64;
            self.house.written(self.sent).await?;
        }
        let used = process::cpu(pid)?.since(&before);
        let each = |time: Duration| micros(time) / case.count as f64;
        let run = Run {
            cpu: each(used.total),
            classifier: each(used.thread("classifier")),
            threads: used.threads.iter().map(|(name, time)| (name.clone(), each(*time))).collect(),
            per_second: case.count as f64 / outcome.wall.as_secs_f64(),
            p50: quantile(&outcome.latencies, 0.5),
            p99: quantile(&outcome.latencies, 0.99),
        };
        eprintln!(
            "  {:<40} {:<22} {:>8.1} us ({:.1} classifier)",
            case.name, subject.name, run.cpu, run.classifier
        );
        Ok(run)
    }
}

fn request(text: &str, stream: bool, subject: &Subject) -> Bytes {
    load::request(&prompts::body(subject.model, text, stream), stream)
}

/// Puts a case's figures into the report; returns its single runs.
fn tell(report: &mut Report, case: &Case, runs: &BTreeMap<&str, Vec<Run>>) -> Value {
    let middle = |name: &str, what: fn(&Run) -> f64| {
        runs.get(name).map(|runs| median(&runs.iter().map(what).collect::<Vec<_>>()))
    };
    let beyond = |run: &Run| run.cpu - run.classifier;
    let (per, unit) = if case.stream { (CHUNKS as f64, "us/chunk") } else { (1.0, "us/request") };
    for name in runs.keys().filter(|name| name.starts_with("gateway")) {
        let label = format!("{}: {name}, beyond the classifier", case.name);
        let value = middle(name, beyond).unwrap_or_default() / per;
        match case.name {
            "short, 32 at once" => report.hold(label, value, unit, Target::AtMost(90.0)),
            "stream at full speed, 32 at once" => report.hold(label, value, unit, Target::AtMost(8.0)),
            _ => report.add(label, value, unit),
        }
        if !case.stream {
            let classifier = middle(name, |run| run.classifier).unwrap_or_default();
            report.add(format!("{}: {name}, classifier's thread", case.name), classifier, unit);
        }
    }
    if let Some(nginx) = middle("nginx", |run| run.cpu) {
        report.add(format!("{}: nginx", case.name), nginx / per, unit);
        let ratio = middle("gateway, model auto", beyond).unwrap_or_default() / nginx;
        report.add(format!("{}: gateway / nginx", case.name), ratio, "x");
    }
    if case.connections == 1 {
        for name in runs.keys() {
            for (what, value) in [("p50", middle(name, |run| run.p50)), ("p99", middle(name, |run| run.p99))]
            {
                report.add(format!("{}: {name}, {what}", case.name), value.unwrap_or_default(), "us");
            }
        }
    }
    let all =
        runs.iter().map(|(name, runs)| ((*name).to_owned(), runs.iter().map(detail).collect::<Value>()));
    json!({ "case": case.name, "requests": case.count, "runs": all.collect::<serde_json::Map<_, _>>() })
}

fn detail(run: &Run) -> Value {
    json!({
        "cpu_us": run.cpu, "threads_us": run.threads, "per_second": run.per_second, "p50_us": run.p50, "p99_us": run.p99,
    })
}

async fn notes(report: &mut Report, house: &House, has_nginx: bool) -> anyhow::Result<()> {
    let metrics = house.metrics().await?;
    let series = |name: &str| house::value_of(&metrics, name);
    let (sum, count) =
        (series("crossover_classifier_seconds_sum")?, series("crossover_classifier_seconds_count")?);
    report.add("classifier, asked to answered, mean under this load", sum / count * 1e6, "us");
    report.add(
        "classifier, late answers",
        series(r#"crossover_classifier_outcomes_total{outcome="late"}"#)?,
        "",
    );
    let (now, most) = process::memory(house.pid)?;
    report.add("gateway memory after this load", now, "MB");
    report.add("gateway memory at most", most, "MB");
    if !has_nginx {
        report.note("nginx is not to be had here (neither on the PATH nor from apt-get): no figures of it");
    }
    if !machine::can_pin() {
        report.note("no taskset or one core only: gateway, load and upstream shared their cores");
    }
    if !house::has_local_model() {
        report.note("models/starter is not there: the gateway ran without a local model");
    }
    report.note("includes routing, classifier hop, SQLite ledger, metrics and the info log (to /dev/null)");
    report.note("`direct` in the JSON is load generator plus upstream: what they cost themselves");
    figures::folder().map(drop)
}
