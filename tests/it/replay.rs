//! The promise that logged requests can be decided again: under the same terms exactly as they were, under others as those
//! would have it. Over the real pipeline, its ledger file read back.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossover::backends::Backend;
use crossover::backends::local::Local;
use crossover::backends::remote::Remote;
use crossover::evals::{Bar, Otherwise, replay};
use crossover::ledger::{Ledger, Logged, logged};
use crossover::metrics::Metrics;
use crossover::pipeline::{Names, Parts, Pipeline};
use crossover::routing::{OnnxClassifier, Policy, Router};
use serde_json::{Value, json};

use crate::support::gateway::{Gateway, config, paths};
use crate::support::scripted_upstream::ScriptedUpstream;
use crate::support::tools::{crossover, finish, said};

/// Reads signals that no shipped policy reads.
const CURIOUS: &str = r#"
schema-version = 1
name = "curious"
when-unknown = ["remote"]
[[rule]]
if = { has-session = true }
to = ["remote", "local"]
[[rule]]
if = { contains-code = true, or-any-tag = ["Urgent"] }
to = ["remote"]
[[rule]]
if = { local-ok-at-least = 0.5 }
to = ["local", "remote"]
[[rule]]
to = ["remote", "local"]
"#;

fn policies(folder: &Path) -> Vec<Policy> {
    let mut policies = Policy::load_folder(&paths(folder).policies).unwrap();
    policies.push(Policy::parse(CURIOUS, Path::new("curious.toml")).unwrap());
    policies
}

/// A gateway with everything that decides, and with a calibrated threshold if there is one.
async fn gateway(upstream: &str, threshold: Option<f32>) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(upstream, folder.path());
    config.policy = "balanced".to_owned();
    let paths = paths(folder.path());
    let metrics = Arc::new(Metrics::new().unwrap());
    let classifier = OnnxClassifier::load(&paths.model(&config.classifier.model)).unwrap();
    let wait = Duration::from_secs(5);
    let router = Router::new(policies(folder.path()), Some(Box::new(classifier)), wait, Arc::clone(&metrics));
    let router = threshold.into_iter().fold(router, Router::with_threshold);
    let local = Local::open(&paths.model(&config.local.model), &config.local, Arc::clone(&metrics)).unwrap();
    let remote = Remote::new(&config.remote, None, upstream, Arc::clone(&metrics)).unwrap();
    let backends: Vec<Arc<dyn Backend>> = vec![Arc::new(local), Arc::new(remote)];
    let names = Names::new(&config.policy, router.policies(), &backends, &config.aliases).unwrap();
    let file = folder.path().join("ledger.sqlite");
    let ledger = Ledger::open(&config.ledger, &config.local, &config.remote.model, &file, metrics).unwrap();
    let ledger = Arc::new(ledger);
    let ledger_of_pipeline = Arc::clone(&ledger);
    let parts = Parts {
        router,
        backends,
        names,
        ledger: ledger_of_pipeline,
        early_gate: None,
        config: config.clone(),
    };
    Gateway::serve(Arc::new(Pipeline::new(parts)), ledger, &config.server, folder).await
}

const TEXTS: [&str; 6] = [
    "Classify the message into one of: billing, shipping. Message: my parcel never arrived. Label only.",
    "Prove that there are infinitely many primes of the form 4k + 3.",
    "write to jane.doe@example.com",
    "```rust\nfn main() {}\n```\nWhat does it print?",
    "Extract the name and the city as JSON: Anna lives in Rome.",
    "hi",
];

/// Everything that a policy may read, in many mixtures.
async fn traffic(gateway: &Gateway) -> usize {
    let headers: [&[(&str, &str)]; 7] = [
        &[],
        &[("x-crossover-tags", "private")],
        &[("x-crossover-tags", "canary-tag, URGENT")],
        &[("x-crossover-route", "prefer-remote")],
        &[("x-crossover-route", "only-local")],
        &[("x-crossover-session", "canary-session")],
        &[("x-crossover-tags", "canary-tag"), ("x-crossover-route", "only-remote")],
    ];
    let mut sent = 0;
    for (at, text) in TEXTS.iter().enumerate() {
        for (place, headers) in headers.iter().enumerate() {
            let model = ["auto", "local-first", "curious", "remote-first", "offline"][(at + place) % 5];
            let mut body =
                json!({ "model": model, "max_tokens": 2, "messages": [{ "role": "user", "content": text }] });
            if at == 5 && place % 2 == 0 {
                body["tools"] = json!([{ "type": "function", "function": { "name": "f" } }]);
            }
            if at == 4 && place % 2 == 1 {
                body["messages"][0]["content"] = json!(format!("{text} {}", "word ".repeat(3_000)));
            }
            gateway.send(headers, body.to_string()).await;
            sent += 1;
        }
    }
    sent
}

fn read(gateway: &Gateway) -> Vec<Logged> {
    drop(gateway.rows());
    logged(&gateway.ledger_file(), 0).unwrap()
}

#[tokio::test]
async fn the_same_terms_decide_every_request_exactly_as_it_was() {
    let upstream = ScriptedUpstream::start().await;
    for threshold in [None, Some(0.6)] {
        let gateway = gateway(&upstream.base_url(), threshold).await;
        let sent = traffic(&gateway).await;
        let rows = read(&gateway);
        let policies = policies(Path::new("/nowhere"));
        let own = |name: &str| policies.iter().find(|policy| policy.name() == name);
        let told = replay(&rows, &Otherwise { own: &own, policy: None, bar: Bar::AsLogged });
        assert_eq!((told.rows, told.decided, told.undecided.len()), (sent, sent, 0), "{told:?}");
        assert_eq!((told.comparable, told.reproduced), (sent, sent), "{told:?}");
        assert!(told.moves.is_empty() && told.routes.len() == 3, "local, remote and refused: {told:?}");
        let change = told.cost.unwrap();
        assert_eq!((change.difference.mean, change.estimated), (0.0, 0));
        let rules: BTreeSet<_> = rows.iter().filter_map(|row| row.rule.clone()).collect();
        assert!(rules.len() >= 7, "many rules decided: {rules:?}");
        let calibrated = rules.contains("good enough");
        assert_eq!((calibrated, rules.contains("uncalibrated")), (threshold.is_some(), threshold.is_none()));

        let mut bytes = vec![];
        for name in ["ledger.sqlite", "ledger.sqlite-wal"] {
            bytes.extend(std::fs::read(gateway.ledger_file().with_file_name(name)).unwrap_or_default());
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(!text.contains("canary"), "tags that no policy names, and sessions, are not kept");
        assert!(text.contains("urgent"), "a tag that a policy names is kept");
    }
}

#[tokio::test]
async fn other_terms_move_requests_as_a_live_gateway_would() {
    let upstream = ScriptedUpstream::start().await;
    let (low, high) =
        (gateway(&upstream.base_url(), Some(0.0)).await, gateway(&upstream.base_url(), Some(1.0)).await);
    traffic(&low).await;
    traffic(&high).await;
    let policies = policies(Path::new("/nowhere"));
    let own = |name: &str| policies.iter().find(|policy| policy.name() == name);
    let told = replay(&read(&low), &Otherwise { own: &own, policy: None, bar: Bar::Number(1.0) });
    for row in read(&high) {
        let name = row.first_target.as_ref().map_or("refused".to_owned(), ToString::to_string);
        assert!(told.routes.contains_key(&name));
    }
    for (name, moved) in &told.routes {
        let lived = |row: &&Logged| row.first_target.as_ref().map_or("refused", |id| id.as_str()) == name;
        assert_eq!(moved.replayed, read(&high).iter().filter(lived).count(), "{name}: {told:?}");
        assert_eq!(moved.logged, read(&low).iter().filter(lived).count(), "{name}: {told:?}");
    }
    assert!(told.moves["local -> remote"] > 0 && told.moves.len() == 1, "{told:?}");
    assert_eq!(told.comparable, 0, "another threshold is other terms");
    let change = told.cost.unwrap();
    assert!(change.estimated > 0 && change.difference.lo <= change.difference.mean);
    let worth = told.worth.iter().find(|worth| worth.measure.starts_with("good enough")).unwrap();
    assert!(worth.difference.unwrap().mean > 0.0, "what went out counts as good enough: {worth:?}");

    let stranger = "schema-version = 1\nname = \"stranger\"\n[[rule]]\nif = { any-tag = [\"vip\"] }\nto = [\"remote\"]\n\
                    [[rule]]\nto = [\"local\", \"remote\"]\n";
    let stranger = Policy::parse(stranger, Path::new("s.toml")).unwrap();
    let told = replay(&read(&low), &Otherwise { own: &own, policy: Some(&stranger), bar: Bar::AsLogged });
    let tagged = 2 * TEXTS.len();
    assert_eq!(
        told.undecided["tags that were not kept"], tagged,
        "only requests with unnamed tags: {told:?}"
    );
    assert_eq!(told.decided + tagged, told.rows);
}

#[tokio::test]
async fn the_command_tells_it_and_names_what_is_wrong() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = gateway(&upstream.base_url(), None).await;
    let sent = traffic(&gateway).await;
    drop(gateway.rows());
    let state = gateway.ledger_file().parent().unwrap().to_path_buf();
    let run = async |args: &[&str]| finish(crossover(&state).arg("replay").args(args)).await;
    let output = run(&["--policy", "remote-first", "--json"]).await;
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
    assert_eq!(told["replay"]["rows"], json!(sent));
    assert!(told["replay"]["moves"]["local -> remote"].as_u64().unwrap() > 0, "{told}");
    let output = run(&[]).await;
    let page = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success() && page.contains("came out exactly as logged"), "{}", said(&output));
    assert!(
        page.contains("its policy is no longer there"),
        "`curious` is not among the shipped ones: {page}"
    );
    for (args, words) in [
        (&["--policy", "poetry"][..], "there is no policy `poetry`; known: balanced"),
        (&["--policy", "nowhere.toml"], "nowhere.toml cannot be read"),
        (&["--threshold", "nan"], "no number between 0 and 1"),
        (&["--calibration", "nowhere.json"], "nowhere.json"),
    ] {
        let output = run(args).await;
        assert!(!output.status.success() && said(&output).contains(words), "{args:?}: {}", said(&output));
    }
}
