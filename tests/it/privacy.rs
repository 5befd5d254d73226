//! What is private stays: requests within the boundary, credentials on their own side, words out of every record.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use crossover::backends::Backend;
use crossover::backends::local::Local;
use crossover::backends::remote::Remote;
use crossover::ledger::{Ledger, Prices};
use crossover::metrics::Metrics;
use crossover::pipeline::{Names, Parts, Pipeline};
use crossover::routing::{Classifier, ClassifierError, Policy, Router, Signals, Verdict};
use serde_json::{Value, json};

use crate::support::gateway::{Gateway, chat, config, paths};
use crate::support::process::Setup;
use crate::support::scripted_upstream::ScriptedUpstream;

/// Texts that the gateway must take for personal data.
const PERSONAL: [&str; 3] =
    ["write to jane.doe@example.com", "my card is 4111 1111 1111 1111", "IBAN DE89 3704 0044 0532 0130 00"];

fn ask(text: &str, stream: bool) -> Value {
    json!({ "model": "auto", "stream": stream, "max_tokens": 2, "messages": [{ "role": "user", "content": text }] })
}

#[tokio::test]
async fn f1_no_request_names_an_upstream() {
    let (upstream, evil) = (ScriptedUpstream::start().await, ScriptedUpstream::start().await);
    let gateway = Gateway::start(&upstream.base_url()).await;
    for field in ["api_base", "base_url", "custom_host", "api_key", "user_role"] {
        let mut body = chat("ok", false);
        body[field] = json!(evil.base_url());
        let error = gateway.post(&body).await.error(400);
        assert_eq!((&error["code"], &error["param"]), (&json!("unsupported_parameter"), &json!(field)));
        assert!(!error["message"].as_str().unwrap().contains(&evil.base_url()));
    }
    assert_eq!(upstream.bytes_received(), 0);
    let url = gateway.url(&format!("/v1/chat/completions?api_base={}&api_key=x", evil.base_url()));
    let headers = [("x-portkey-custom-host", evil.base_url()), ("x-api-base", evil.base_url())];
    let request = gateway.client().post(url).header("content-type", "application/json");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
    assert_eq!(request.body(chat("ok", false).to_string()).send().await.unwrap().status(), 200);
    assert_eq!((upstream.seen().len(), evil.bytes_received()), (1, 0));
    let steer = [("x-crossover-base-url", evil.base_url())].map(|(name, value)| (name, value.leak() as &str));
    assert_eq!(gateway.send(&steer, chat("ok", false).to_string()).await.code(400), "invalid_header");
    assert_eq!(upstream.seen()[0].path, "/v1/chat/completions");
}

#[tokio::test]
async fn f3_f18_credentials_and_words_stay_on_their_side() {
    const WORDS: [&str; 6] =
        ["canary-prompt", "canary-system", "canary-stop", "canary-user", "canary-name", "canary-bad"];
    let upstream = ScriptedUpstream::start().await;
    let setup = Setup::new(&upstream.base_url(), "policy = \"remote-first\"\n[log]\nlevel = \"trace\"\n")
        .env("OPENAI_API_KEY", "sk-canary-upstream");
    let gateway = setup.serve().await;
    let headers = [
        ("authorization", "Bearer sk-canary-client"),
        ("cookie", "canary-cookie"),
        ("openai-organization", "canary-org"),
    ];
    let mut told = String::new();
    for model in ["ok", "auto", "local", "fault:errmid", "fault:cut", "fault:500", "fault:429", "canary-name"]
    {
        for stream in [false, true] {
            let body = json!({ "model": model, "stream": stream, "max_tokens": 4, "stop": ["canary-stop"], "user": "canary-user",
                "messages": [{ "role": "system", "content": "canary-system" }, { "role": "user", "content": "canary-prompt" }] });
            let reply = gateway.post(&headers, &body).await;
            told.push_str(&format!("{:?}{}", reply.headers, reply.string()));
        }
    }
    let reply =
        gateway.post(&headers, &json!({ "model": "ok", "messages": [{ "role": "canary-bad" }] })).await;
    told.push_str(&reply.string());
    gateway.post(&headers, &json!({ "model": "auto", "messages": "canary-bad" })).await.error(400);
    for secret in ["sk-canary-upstream", "sk-canary-client", "canary-private", "canary-errmid"] {
        assert!(!told.contains(secret), "{secret} reached the client");
    }
    assert!(!upstream.seen().is_empty());
    for seen in upstream.seen() {
        assert_eq!(seen.headers["authorization"], "Bearer sk-canary-upstream");
        let sent = format!("{:?}", seen.headers);
        assert!(
            !sent.contains("sk-canary-client")
                && !sent.contains("canary-cookie")
                && !sent.contains("canary-org"),
            "{sent}"
        );
    }
    let metrics = gateway.admin("/metrics").await.string();
    gateway.signal("TERM");
    let ended = gateway.ended().await;
    assert!(ended.status.success(), "{ended:?}");
    assert!(ended.stderr.contains("answered") && setup.rows().len() == 18, "there is something to search");
    let mut ledger = vec![];
    for file in std::fs::read_dir(setup.state()).unwrap() {
        ledger.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    let ledger = String::from_utf8_lossy(&ledger).into_owned();
    let answer = ["Grüße", "Two words", "in seven words", "canary-errmid", "sk-canary", "canary-cookie"];
    for word in WORDS.iter().chain(&answer) {
        for (place, text) in
            [("log", &ended.stderr), ("output", &ended.stdout), ("metrics", &metrics), ("ledger", &ledger)]
        {
            let line = text.lines().find(|line| line.contains(word));
            assert!(line.is_none(), "{word} is in the {place}: {line:?}");
        }
    }
}

#[tokio::test]
async fn f25_private_requests_are_refused_while_local_is_down_and_nothing_is_sent() {
    let upstream = ScriptedUpstream::start().await;
    for policy in ["balanced", "remote-first", "local-first", "private", "offline"] {
        let gateway = Gateway::with(&upstream.base_url(), |config| config.policy = policy.to_owned()).await;
        for stream in [false, true] {
            for route in ["auto", "prefer-local", "only-local"] {
                let headers = [("x-crossover-tags", "team:a, private"), ("x-crossover-route", route)];
                assert_eq!(gateway.send(&headers, ask("hi", stream).to_string()).await.code(503), "no_local");
            }
            for route in ["prefer-remote", "only-remote"] {
                let headers = [("x-crossover-tags", "private"), ("x-crossover-route", route)];
                assert_eq!(
                    gateway.send(&headers, ask("hi", stream).to_string()).await.code(403),
                    "not_permitted"
                );
            }
            let only_local =
                gateway.send(&[("x-crossover-route", "only-local")], ask("hi", stream).to_string()).await;
            assert_eq!(only_local.code(503), "no_local");
            for text in PERSONAL {
                assert_eq!(gateway.post(&ask(text, stream)).await.code(503), "no_local", "{policy}: {text}");
            }
            let mut thought = ask("hi", stream);
            thought["messages"][0]["reasoning_content"] = json!("ask ana@example.org");
            assert_eq!(gateway.post(&thought).await.code(503), "no_local", "{policy}: beside the content");
        }
        assert_eq!(upstream.bytes_received(), 0, "{policy}");
        assert_eq!(gateway.sum("attempts_total", &[]).await, 0.0);
    }
}

/// A classifier that answers nobody while its gate is shut.
struct Stalled(Receiver<()>);

impl Classifier for Stalled {
    fn classify(&mut self, _: &Signals) -> Result<Verdict, ClassifierError> {
        let _ = self.0.recv();
        Err(ClassifierError::Late)
    }
}

/// A gateway, its `balanced` policy in charge, whose classifier stalls until the sender is dropped.
async fn stalled(upstream: &str, local: bool) -> (Gateway, SyncSender<()>) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(upstream, folder.path());
    config.policy = "balanced".to_owned();
    let paths = paths(folder.path());
    let metrics = Arc::new(Metrics::new().unwrap());
    let (gate, shut) = sync_channel(0);
    let policies = Policy::load_folder(&paths.policies).unwrap();
    let router =
        Router::new(policies, Some(Box::new(Stalled(shut))), Duration::from_millis(20), Arc::clone(&metrics));
    let mut backends: Vec<Arc<dyn Backend>> = vec![];
    if local {
        let folder = paths.model(&config.local.model);
        backends.push(Arc::new(Local::open(&folder, &config.local, Arc::clone(&metrics)).unwrap()));
    }
    backends.push(Arc::new(Remote::new(&config.remote, None, upstream, Arc::clone(&metrics)).unwrap()));
    let names = Names::new(&config.policy, router.policies(), &backends, &config.aliases).unwrap();
    let prices = Prices::load(config.ledger.prices.as_deref()).unwrap();
    let ledger = Arc::new(Ledger::in_memory(prices, &config.local, &config.remote.model, metrics));
    let parts = Parts {
        router,
        backends,
        names,
        ledger: Arc::clone(&ledger),
        early_gate: None,
        config: config.clone(),
    };
    let pipeline = Arc::new(Pipeline::new(parts));
    (Gateway::serve(pipeline, ledger, &config.server, folder).await, gate)
}

#[tokio::test]
async fn f25_a_stalled_classifier_steps_over_no_privacy_rule() {
    let upstream = ScriptedUpstream::start().await;
    for local in [false, true] {
        let (gateway, gate) = stalled(&upstream.base_url(), local).await;
        let sent_before = upstream.bytes_received();
        for stream in [false, true] {
            let tagged =
                gateway.send(&[("x-crossover-tags", "private")], ask("hi", stream).to_string()).await;
            let mut replies = vec![tagged];
            for text in PERSONAL {
                replies.push(gateway.post(&ask(text, stream)).await);
            }
            for reply in replies {
                if local {
                    assert_eq!(
                        (reply.status, reply.header("x-crossover-route")),
                        (200, "local"),
                        "{reply:?}"
                    );
                    assert_eq!(reply.header("x-crossover-reason"), "private");
                } else {
                    assert_eq!(reply.code(503), "no_local");
                }
            }
        }
        assert_eq!(upstream.bytes_received(), sent_before, "not a byte");
        // The same gateway does send what is not private: the classifier's silence is no refusal.
        let reply = gateway.post(&ask("hi", false)).await;
        assert_eq!(
            (reply.header("x-crossover-route"), reply.header("x-crossover-reason")),
            ("remote", "unknown")
        );
        let outcomes = gateway.metrics().await;
        assert_eq!(outcomes.sum("classifier_outcomes_total", &[("outcome", "late")]), 9.0);
        drop(gate);
    }
}
