//! The promise that every panel shows something: mixed traffic, a real Prometheus, every query of the dashboard.
//! Looks at values too: a share lies between 0 and 1, what happened is counted, nothing is infinite.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crossover::metrics::Metrics;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::Instant;

use crate::support::prometheus::{PATIENCE, Prometheus, client};
use crate::support::scripted_upstream::ScriptedUpstream;
use crate::support::tools::{Served, crossover, finish, folder, root, said, skip, tool};

/// Rounds of traffic, a scrape interval apart.
const ROUNDS: usize = 6;

/// What the gateway of this test answers with. The remote's own model fails at first, so that one request falls back.
const CONFIG: &str = r#"
schema-version = 1
[remote]
model = "fault:500:2"
models = ["gpt-4o-mini", "ok", "slowstream", "fault:500", "fault:cut", "fault:429:1"]
backoff-ms = 50
breaker-failures = 1000
[local]
max-streams = 2
[ledger]
prices = "PRICES"
[golden]
suites = ["STATE/suite"]
every = "1s"
limit = 2
"#;

/// A policy that has every request answered twice.
const SAMPLED: &str = r#"
schema-version = 1
name = "sampled"
[shadow]
share = 1
[[rule]]
to = ["remote", "local"]
"#;

const PRICES: &str = r#"
schema-version = 1
as-of = "2026-01-01"
source = "made up"
[models]
"fault:500:2" = { input = 150000, output = 600000 }
"#;

/// What one panel must show at least once: so many series, and values for which the test holds.
type Expected = (&'static str, usize, fn(f64) -> bool);

const SHARE: fn(f64) -> bool = |value| (0.0..=1.0).contains(&value);
const COUNT: fn(f64) -> bool = |value| value >= 0.0;
const ANY: fn(f64) -> bool = f64::is_finite;
const SECONDS: fn(f64) -> bool = |value| value > 0.0 && value < 120.0;

/// Every panel of the dashboard, by its title.
const PANELS: &[Expected] = &[
    ("Answered locally", 1, |value| value > 0.0 && value < 1.0),
    ("Cost", 1, |value| value > 0.0 && value < 1.0),
    ("Saved against all-remote", 1, ANY),
    ("Requests", 1, |value| value > 20.0),
    ("Failed", 1, |value| value > 0.0 && value < 1.0),
    ("Backends", 2, |value| value == 1.0),
    ("Quality, last eval run", 3, SHARE),
    ("Last eval run", 3, SHARE),
    ("Quality by backend", 1, SHARE),
    ("Background cost per hour", 4, COUNT),
    ("Calibration", 4, |value| value == 0.0 || value == 1.0),
    ("Score drift", 1, |value| value == -1.0 || value >= 0.0),
    ("Shadow samples per minute", 4, COUNT),
    ("Agreement and preference", 1, SHARE),
    ("Users' verdicts per hour", 6, COUNT),
    ("Golden runs", 3, COUNT),
    ("Cost per hour", 3, COUNT),
    ("Saved since start", 1, ANY),
    ("Unpriced requests", 2, COUNT),
    ("Requests per second", 3, COUNT),
    ("Share answered locally", 1, SHARE),
    ("Decisions by reason", 4, COUNT),
    ("Tokens per second", 6, COUNT),
    ("Requests in flight", 1, COUNT),
    ("Ledger rows and lost log lines", 3, COUNT),
    ("Latency", 4, SECONDS),
    ("Time to first chunk", 4, SECONDS),
    ("Routing decision", 2, SECONDS),
    ("Errors by status", 4, COUNT),
    ("Failed attempts, retries, fallbacks", 14, COUNT),
    ("Attempts and open breakers", 6, COUNT),
    ("Local queue", 2, COUNT),
    ("Local tokens per second", 1, COUNT),
    ("Classifier latency", 2, SECONDS),
    ("Classifier outcomes", 4, SHARE),
    ("Classifier score", 20, COUNT),
];

/// Panels where these labels must rise above 0 at least once, since it happened.
const HAPPENED: &[(&str, &[(&str, &str)])] = &[
    ("Background cost per hour", &[("origin", "golden"), ("backend", "local")]),
    ("Background cost per hour", &[("origin", "shadow"), ("backend", "local")]),
    ("Calibration", &[]),
    ("Shadow samples per minute", &[("outcome", "answered")]),
    ("Users' verdicts per hour", &[("served_by", "remote"), ("verdict", "good")]),
    ("Golden runs", &[("outcome", "done")]),
    ("Unpriced requests", &[("backend", "remote")]),
    ("Requests per second", &[("backend", "none")]),
    ("Decisions by reason", &[("reason", "private"), ("target", "local")]),
    ("Decisions by reason", &[("reason", "fallback")]),
    ("Decisions by reason", &[("reason", "requested"), ("target", "remote")]),
    ("Tokens per second", &[("backend", "local"), ("kind", "completion")]),
    ("Tokens per second", &[("backend", "remote"), ("kind", "cached_prompt")]),
    ("Ledger rows and lost log lines", &[("state", "written")]),
    ("Errors by status", &[("status", "200"), ("error", "upstream_truncated")]),
    ("Errors by status", &[("status", "400")]),
    ("Errors by status", &[("status", "404"), ("error", "model_not_found")]),
    ("Errors by status", &[("status", "499"), ("error", "client_closed")]),
    ("Errors by status", &[("status", "502"), ("error", "upstream_error")]),
    ("Failed attempts, retries, fallbacks", &[("backend", "remote"), ("kind", "upstream_error")]),
    ("Failed attempts, retries, fallbacks", &[("backend", "remote"), ("kind", "rate_limit_exceeded")]),
    ("Failed attempts, retries, fallbacks", &[("reason", "rate_limit_exceeded")]),
    (
        "Failed attempts, retries, fallbacks",
        &[("from", "remote"), ("to", "local"), ("reason", "upstream_error")],
    ),
    ("Attempts and open breakers", &[("backend", "remote"), ("outcome", "ok")]),
    ("Attempts and open breakers", &[("backend", "remote"), ("outcome", "cancelled")]),
    ("Local tokens per second", &[]),
    ("Classifier outcomes", &[("outcome", "ok")]),
];

/// Metrics that no panel shows: what the process is made of, and the local engine's room and models from within.
const NOT_SHOWN: &[&str] = &[
    "crossover_build_info",
    "crossover_local_accepted_tokens_total",
    "crossover_local_drafted_tokens_total",
    "crossover_local_kv_bytes",
    "crossover_local_model_bytes",
    "crossover_local_model_load_seconds",
    "crossover_local_model_loads_total",
    "crossover_local_model_unloads_total",
    "crossover_local_preempted_total",
    "crossover_local_prefill_tokens_total",
    "crossover_local_prefix_bytes",
    "crossover_local_prefix_hit_tokens_total",
    "crossover_local_prefix_lookup_tokens_total",
    "crossover_resident_bytes",
];

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// One client of the gateway.
struct Caller {
    client: reqwest::Client,
    url: String,
}

impl Caller {
    async fn send(&self, body: &Value, headers: &[(&str, &str)]) -> reqwest::Response {
        let mut request = self.client.post(&self.url).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(body.to_string()).send().await.unwrap()
    }

    /// Sends and reads to the end; the status must be this.
    async fn expect(&self, status: u16, body: Value, headers: &[(&str, &str)]) {
        let response = self.send(&body, headers).await;
        let got = response.status().as_u16();
        let text = response.text().await.unwrap();
        assert_eq!(got, status, "{body}: {text}");
    }

    /// One round of everything that a dashboard should show.
    async fn round(&self) {
        let ask = |model: &str| json!({ "model": model, "messages": [{ "role": "user", "content": "Say hi." }], "max_tokens": 8 });
        let streamed = |model: &str| {
            let mut body = ask(model);
            body["stream"] = json!(true);
            body
        };
        self.expect(200, ask("auto"), &[]).await;
        self.expect(200, ask("auto"), &[("x-crossover-tags", "private")]).await;
        self.expect(200, ask("remote-first"), &[]).await;
        self.expect(200, ask("local"), &[]).await;
        self.expect(200, streamed("local"), &[]).await;
        self.expect(200, streamed("gpt-4o-mini"), &[]).await;
        self.expect(200, ask("gpt-4o-mini"), &[]).await;
        self.expect(200, ask("ok"), &[]).await;
        self.expect(400, json!({ "model": "auto", "messages": [] }), &[]).await;
        self.expect(404, ask("no-such-model"), &[]).await;
        self.expect(502, ask("fault:500"), &[]).await;
        // A stream that breaks keeps the status that it began with.
        self.expect(200, streamed("fault:cut"), &[]).await;
        let sampled = self.send(&ask("sampled"), &[]).await;
        let id = sampled.headers()["x-request-id"].to_str().unwrap().to_owned();
        drop(sampled.bytes().await.unwrap());
        let verdict = json!({ "request_id": id, "verdict": "good" }).to_string();
        let url = self.url.replace("/chat/completions", "/feedback");
        let request = self.client.post(url).header("content-type", "application/json").body(verdict);
        assert_eq!(request.send().await.unwrap().status(), 200);
        let left = self.send(&streamed("slowstream"), &[]).await;
        left.bytes_stream().next().await.unwrap().unwrap();
    }
}

/// Grafana's variables, as it would fill them in for the last minutes.
fn filled_in(query: &str) -> String {
    query.replace("$__rate_interval", "8s").replace("$__range", "5m")
}

fn dashboard() -> String {
    std::fs::read_to_string(root().join("deploy/grafana/dashboards/overview.json")).unwrap()
}

/// Whether a query asks for this metric, or for a part of it where it is a histogram.
fn asks_for(queries: &str, name: &str) -> bool {
    queries.match_indices(name).any(|(at, _)| {
        let rest = &queries[at + name.len()..];
        let part = ["_bucket", "_count", "_sum"].iter().find_map(|part| rest.strip_prefix(*part));
        !part.unwrap_or(rest).starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_')
    })
}

/// Runs one panel's queries; what is wrong, if anything.
async fn look_at(prometheus: &Prometheus, panel: &Value, began: f64) -> Result<(), String> {
    let title = panel["title"].as_str().unwrap();
    let expected = PANELS.iter().find(|(name, ..)| *name == title);
    let (_, least, test) = expected.ok_or(format!("{title}: say in PANELS what it must show"))?;
    let mut all = vec![];
    for target in panel["targets"].as_array().unwrap() {
        let query = filled_in(target["expr"].as_str().unwrap());
        let found = if target["instant"] == true {
            prometheus.ask("query", &[("query", query.clone())]).await
        } else {
            let range = [("query", query.clone()), ("start", began.to_string()), ("end", now().to_string())];
            let step = [("step", "1".to_owned())];
            prometheus.ask("query_range", &[&range[..], &step[..]].concat()).await
        };
        if !found.iter().any(|(_, values)| !values.is_empty()) {
            return Err(format!("{title}: nothing for {query}"));
        }
        let wild =
            found.iter().flat_map(|(_, values)| values).find(|value| !value.is_finite() || !test(**value));
        if let Some(value) = wild {
            return Err(format!("{title}: {value} makes no sense for {query}"));
        }
        all.extend(found);
    }
    let shown = all.iter().filter(|(_, values)| !values.is_empty()).count();
    if shown < *least {
        return Err(format!("{title}: {shown} series, at least {least} expected"));
    }
    for (_, labels) in HAPPENED.iter().filter(|(name, _)| *name == title) {
        let fits = |series: &Value| labels.iter().all(|(name, value)| series[*name] == *value);
        if !all.iter().any(|(series, values)| fits(series) && values.iter().any(|value| *value > 0.0)) {
            return Err(format!("{title}: {labels:?} never rose above 0"));
        }
    }
    Ok(())
}

/// A golden set of few rows, put through the gateway and kept in its ledger.
async fn eval_run(state: &Path) {
    let (from, to) = (root().join("evals/golden/classification"), state.join("suite"));
    std::fs::create_dir(&to).unwrap();
    std::fs::copy(from.join("suite.toml"), to.join("suite.toml")).unwrap();
    let rows = std::fs::read_to_string(from.join("suite.jsonl")).unwrap();
    let few: Vec<&str> = rows.lines().take(10).collect();
    std::fs::write(to.join("suite.jsonl"), few.join("\n")).unwrap();
    let output = finish(crossover(state).args(["eval", "run"]).arg(&to)).await;
    assert!(output.status.success(), "{}", said(&output));
}

/// Starts a gateway that `CONFIG` describes, with an upstream behind it.
async fn gateway(state: &Path) -> (ScriptedUpstream, Served) {
    let prices = state.join("prices.toml");
    std::fs::write(&prices, PRICES).unwrap();
    let config = CONFIG.replace("PRICES", prices.to_str().unwrap()).replace("STATE", state.to_str().unwrap());
    let policies = state.join("policies");
    std::fs::create_dir(&policies).unwrap();
    for file in std::fs::read_dir(root().join("policies")).unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), policies.join(file.file_name())).unwrap();
    }
    std::fs::write(policies.join("sampled.toml"), SAMPLED).unwrap();
    let config = format!("policies-dir = {policies:?}\n{config}");
    std::fs::write(state.join("crossover.toml"), config).unwrap();
    let upstream = ScriptedUpstream::start().await;
    eval_run(state).await;
    let base_url = upstream.base_url();
    let served = Served::start(state, &[("OPENAI_BASE_URL", &base_url), ("OPENAI_API_KEY", "sk-test")]).await;
    (upstream, served)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_panel_shows_what_happened() {
    const TEST: &str = "every_panel_shows_what_happened";
    let Some(binary) = tool("CROSSOVER_TEST_PROMETHEUS") else {
        return skip(TEST, "prometheus is not to be had: run `make test-setup`, then see .local/missing");
    };
    let state = folder();
    let (_upstream, served) = gateway(state.path()).await;
    let prometheus = Prometheus::start(&binary, state.path(), &served.admin).await;
    let began = now();
    let seen = || async {
        !prometheus.ask("query", &[("query", "crossover_build_info".to_owned())]).await.is_empty()
    };
    wait_until("the first scrape", seen).await;
    let caller = Caller { client: client(), url: format!("{}/chat/completions", served.base_url) };
    // Waits a second upstream, so it stands beside the rounds.
    let limited = json!({ "model": "fault:429:1", "messages": [{ "role": "user", "content": "hi" }] });
    let beside = async { caller.expect(200, limited, &[]).await };
    let rounds = async {
        let mut pace = tokio::time::interval(Duration::from_secs(1));
        for _ in 0..ROUNDS {
            pace.tick().await;
            caller.round().await;
        }
    };
    tokio::join!(beside, rounds);

    let dashboard: Value = serde_json::from_str(&dashboard()).unwrap();
    let panels: Vec<&Value> =
        dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row").collect();
    assert_eq!(panels.len(), PANELS.len(), "panels on the dashboard, and in PANELS");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut wrong = vec![];
        for panel in &panels {
            wrong.extend(look_at(&prometheus, panel, began).await.err());
        }
        if wrong.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "{} panel(s):\n{}", wrong.len(), wrong.join("\n"));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[test]
fn every_metric_is_shown_but_for_those_that_are_named() {
    let (metrics, dashboard) = (Metrics::new().unwrap(), dashboard());
    let names = metrics.families().iter().map(|family| family.name.as_str());
    let hidden: BTreeSet<&str> = names.filter(|name| !asks_for(&dashboard, name)).collect();
    let named: BTreeSet<&str> = NOT_SHOWN.iter().copied().collect();
    assert_eq!(hidden, named, "what the dashboard does not ask for, and NOT_SHOWN");
}

#[test]
fn every_alert_is_explained() {
    let read = |file: &str| std::fs::read_to_string(root().join("deploy").join(file)).unwrap();
    let (rules, explained) = (read("prometheus/rules.yml"), read("README.md"));
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 5);
    for alert in alerts {
        assert!(explained.contains(&format!("| {alert} | ")), "deploy/README.md does not explain {alert}");
    }
}

async fn wait_until<F: Future<Output = bool>>(what: &str, mut test: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !test().await {
        assert!(Instant::now() < deadline, "{what} did not come");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promtool_finds_nothing_wrong() {
    const TEST: &str = "promtool_finds_nothing_wrong";
    let Some(promtool) = tool("CROSSOVER_TEST_PROMTOOL") else {
        return skip(TEST, "promtool is not to be had: run `make test-setup`, then see .local/missing");
    };
    let state = folder();
    let (_upstream, served) = gateway(state.path()).await;
    let caller = Caller { client: client(), url: format!("{}/chat/completions", served.base_url) };
    caller.round().await;
    let metrics = client().get(format!("http://{}/metrics", served.admin)).send().await.unwrap();
    let metrics = metrics.bytes().await.unwrap();

    let mut check = Command::new(&promtool);
    let mut check = check
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = check.stdin.take().unwrap();
    input.write_all(&metrics).await.unwrap();
    drop(input);
    let output = check.wait_with_output().await.unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", said(&output));

    let deploy = root().join("deploy/prometheus");
    for (arguments, file) in [
        (["check", "config"], "prometheus.yml"),
        (["check", "rules"], "rules.yml"),
        (["test", "rules"], "rules_test.yml"),
    ] {
        let output = finish(Command::new(&promtool).args(arguments).arg(deploy.join(file))).await;
        assert!(output.status.success(), "{}", said(&output));
    }
}
