//! The early gate through the same door: a local answer that begins unsurely never reaches the caller, another one does.

use crossover::app::{House, Store};
use crossover::routing::{Calibration, EarlyGate, GOLD, Present};
use serde_json::{Value, json};

use crate::support::gateway::{Gateway, chat, config, paths};
use crate::support::reply::text;
use crate::support::scripted_upstream::ScriptedUpstream;
use crate::support::small_model::endless;

/// A gateway that asks the local model first, behind a gate with this bias: far above 0 all pass, far below none.
async fn gated(upstream: &ScriptedUpstream, remote: &str, bias: f64) -> (Gateway, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gate.json");
    let mut judge = EarlyGate::new(4, [0.0; 5], bias, 0.5);
    let gateway = Gateway::with(&upstream.base_url(), |config| {
        config.policy = "local-first".to_owned();
        config.local.enabled = true;
        config.local.model = endless(folder.path()).display().to_string();
        let present = Present::look(config, &paths(folder.path()));
        (judge.local_model, judge.classifier) = (present.local_model.unwrap(), present.classifier.unwrap());
        std::fs::write(&file, serde_json::to_vec(&judge).unwrap()).unwrap();
        config.remote.model = remote.to_owned();
        config.early_gate.enabled = true;
        config.early_gate.file = Some(file);
    })
    .await;
    (gateway, folder)
}

fn brief(model: &str, stream: bool) -> Value {
    let mut body = chat(model, stream);
    body["max_tokens"] = json!(9);
    body["temperature"] = json!(0);
    body
}

#[tokio::test]
async fn a_sure_answer_passes_whole() {
    let upstream = ScriptedUpstream::start().await;
    let (gateway, _folder) = gated(&upstream, "ok", 20.0).await;
    for stream in [false, true] {
        let reply = gateway.post(&brief("auto", stream)).await;
        assert_eq!((reply.status, reply.header("x-crossover-route")), (200, "local"), "{reply:?}");
        assert_eq!(reply.header("x-crossover-reason"), "default");
    }
    let rows = gateway.rows();
    let tokens: Vec<&Value> = rows.iter().map(|row| &row["completion_tokens"]).collect();
    assert_eq!(tokens, [&json!(9), &json!(9)]);
    assert_eq!(upstream.seen().len(), 0);
}

#[tokio::test]
async fn an_unsure_answer_is_replaced_before_the_first_byte() {
    let upstream = ScriptedUpstream::start().await;
    let (gateway, _folder) = gated(&upstream, "ok", -20.0).await;
    for stream in [false, true] {
        let reply = gateway.post(&brief("auto", stream)).await;
        assert_eq!((reply.status, reply.header("x-crossover-route")), (200, "remote"), "{reply:?}");
        assert_eq!(reply.header("x-crossover-reason"), "escalated");
        assert_eq!(reply.header("x-crossover-model"), "ok");
    }
    let moved = [("from", "local"), ("to", "remote"), ("reason", "unsure")];
    assert_eq!(gateway.sum("fallback_total", &moved).await, 2.0);
    for row in gateway.rows() {
        assert_eq!((&row["served_by"], &row["reason"]), (&json!("remote"), &json!("escalated")));
        assert!(row["attempts"].to_string().contains("unsure"), "{row}");
    }
}

#[tokio::test]
async fn an_unsure_answer_is_better_than_none() {
    let upstream = ScriptedUpstream::start().await;
    for fault in ["fault:500", "fault:400"] {
        let (gateway, _folder) = gated(&upstream, fault, -20.0).await;
        let reply = gateway.post(&brief("auto", true)).await;
        assert_eq!((reply.status, reply.header("x-crossover-route")), (200, "local"), "{fault}: {reply:?}");
        assert!(!text(&reply.chunks()).is_empty());
        let row = gateway.row();
        assert_eq!((&row["served_by"], &row["error"]), (&json!("local"), &json!("none")));
    }
}

#[tokio::test]
async fn a_judge_of_another_score_than_steers_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let paths = paths(folder.path());
    let file = folder.path().join("early-gate.json");
    let mut settings = config("http://127.0.0.1:1/v1", folder.path());
    settings.classifier.enabled = true;
    settings.early_gate.enabled = true;
    let present = Present::look(&settings, &paths);
    // The shipped calibration, which has a head, as if it were of this house.
    let mut calibration = Calibration::read(&paths.models.join("calibration.json")).unwrap();
    let bound = &mut calibration.bound;
    (bound.classifier, bound.tokenizer) = (present.classifier.clone().unwrap(), present.tokenizer.unwrap());
    (bound.remote_model, bound.golden.path) = (GOLD.to_owned(), folder.path().join("none"));
    calibration.write(&folder.path().join("calibration.json")).unwrap();
    let head = calibration.head.unwrap().id().to_string();
    let open = |head: Option<String>| {
        let mut judge = EarlyGate::new(4, [0.0; 5], 0.0, 0.5);
        (judge.classifier, judge.head) = (present.classifier.clone().unwrap(), head);
        std::fs::write(&file, serde_json::to_vec(&judge).unwrap()).unwrap();
        House::open(settings.clone(), &paths, Store::Memory).map(drop).map_err(|error| error.to_string())
    };
    let problem = open(None).unwrap_err();
    assert!(problem.contains("early-gate.json") && problem.contains("on the shipped score"), "{problem}");
    assert_eq!(open(Some(head)), Ok(()));
}

#[tokio::test]
async fn who_asks_for_the_local_model_gets_it() {
    let upstream = ScriptedUpstream::start().await;
    let (gateway, _folder) = gated(&upstream, "ok", -20.0).await;
    let reply = gateway.post(&brief("local", false)).await;
    assert_eq!((reply.status, reply.header("x-crossover-route")), (200, "local"), "{reply:?}");
}
