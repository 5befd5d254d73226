//! The promise that a sample of traffic is answered twice without the client or a private request noticing, and that
//! every draw's probability is known.

use serde_json::{Value, json};

use crate::support::gateway::{Gateway, paths};
use crate::support::scripted_upstream::{ScriptedUpstream, TEXT};

/// Goes out unless tagged; the other target answers every request too.
const POLICY: &str = r#"
schema-version = 1
name = "sampled"
[shadow]
share = 1
max-per-minute = 1000
[[rule]]
if = { any-tag = ["private"] }
to = ["local"]
[[rule]]
to = ["remote", "local"]
"#;

/// The last rule of [`POLICY`], and the other way round.
const ORDERS: [&str; 2] = ["[\"remote\", \"local\"]", "[\"local\", \"remote\"]"];

async fn gateway(upstream: &ScriptedUpstream, policy: &str) -> Gateway {
    in_front_of(upstream, policy, "ok").await
}

async fn in_front_of(upstream: &ScriptedUpstream, policy: &str, model: &str) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(paths(folder.path()).policies).unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
    }
    std::fs::write(folder.path().join("sampled.toml"), policy).unwrap();
    Gateway::with(&upstream.base_url(), |config| {
        config.local.enabled = true;
        config.remote.model = model.to_owned();
        config.policy = "sampled".to_owned();
        config.policies_dir = Some(folder.path().to_path_buf());
    })
    .await
}

fn ask(text: &str) -> Value {
    json!({ "model": "auto", "max_tokens": 3, "messages": [{ "role": "user", "content": text }] })
}

fn of<'a>(rows: &'a [Value], origin: &str) -> Vec<&'a Value> {
    rows.iter().filter(|row| row["origin"] == origin).collect()
}

fn grades(gateway: &Gateway) -> Vec<(String, String, f64)> {
    let connection = rusqlite::Connection::open(gateway.ledger_file()).unwrap();
    let mut statement = connection.prepare("SELECT request_id, kind, value FROM grades").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

#[tokio::test]
async fn a_sampled_request_is_answered_by_both_and_graded() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = gateway(&upstream, POLICY).await;
    assert_eq!(gateway.post(&ask("Say something.")).await.status, 200);
    gateway.until("shadow_samples_total", &[("outcome", "answered")], 1.0).await;
    let rows = gateway.rows();
    let (live, shadow) = (of(&rows, "live"), of(&rows, "shadow"));
    assert_eq!((live.len(), shadow.len()), (1, 1), "{rows:?}");
    let (live, shadow) = (live[0], shadow[0]);
    assert_eq!((&live["served_by"], &shadow["served_by"]), (&json!("remote"), &json!("local")));
    assert_eq!((&shadow["shadow_of"], &live["shadow_of"]), (&live["id"], &Value::Null));
    for row in [live, shadow] {
        assert_eq!((&row["propensity"], &row["shadow_probability"]), (&json!(1.0), &json!(1.0)));
        assert_eq!(
            (&row["policy"], &row["status"], &row["error"]),
            (&json!("sampled"), &json!(200), &json!("none"))
        );
    }
    assert!(shadow["cost_micros"].as_i64().unwrap() > 0, "{shadow}");
    let grades = grades(&gateway);
    assert_eq!(grades.len(), 1);
    assert_eq!((&json!(grades[0].0), grades[0].1.as_str()), (&live["id"], "agreement"));
    assert!((0.0..=1.0).contains(&grades[0].2));

    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("requests_total", &[]), 1.0, "a shadow is no request");
    assert_eq!(metrics.sum("decisions_total", &[]), 1.0);
    assert_eq!(metrics.sum("cost_usd_total", &[("backend", "local")]), 0.0);
    assert!(metrics.sum("background_cost_usd_total", &[("origin", "shadow"), ("backend", "local")]) > 0.0);
    assert_eq!(metrics.sum("shadow_grade_count", &[("kind", "agreement")]), 1.0);
    assert_eq!(metrics.sum("requests_in_flight", &[]), 0.0);
    let query = crossover::ledger::Query {
        since_ms: 0,
        by: crossover::ledger::By::Backend,
        origin: Some(crossover::ledger::Origin::Live),
    };
    let summary = crossover::ledger::summarize(&gateway.ledger_file(), &query).unwrap();
    assert_eq!((summary.total.requests, summary.total.name.as_str()), (1, "total"));
}

#[tokio::test]
async fn an_empty_local_answer_is_graded_with_0() {
    let upstream = ScriptedUpstream::start().await;
    for first in ORDERS {
        let policy = POLICY.replace(ORDERS[0], first);
        let gateway = gateway(&upstream, &policy).await;
        let mut question = ask("Say something.");
        question["temperature"] = json!(0);
        let local = async |mut question: Value| {
            question["model"] = json!("local");
            let answer = gateway.post(&question).await.json();
            answer["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
        };
        // An answer that stops before its first character.
        let begins: String = local(question.clone()).await.chars().take(1).collect();
        question["stop"] = json!([begins]);
        assert_eq!(local(question.clone()).await, "");
        assert_eq!(gateway.post(&question).await.status, 200);
        gateway.until("shadow_samples_total", &[("outcome", "answered")], 1.0).await;
        let rows = gateway.rows();
        let live = of(&rows, "live")[2]["id"].as_str().unwrap().to_owned();
        assert_eq!(grades(&gateway), [(live, "agreement".to_owned(), 0.0)], "{first}");
    }
}

#[tokio::test]
async fn an_answer_of_tool_calls_or_parts_alone_is_compared_with_nothing() {
    let upstream = ScriptedUpstream::start().await;
    for model in ["tools", "parts"] {
        for first in ORDERS {
            let policy = POLICY.replace(ORDERS[0], first);
            let gateway = in_front_of(&upstream, &policy, model).await;
            for (stream, answered) in [(false, 1.0), (true, 2.0)] {
                let mut question = ask("hi");
                question["stream"] = json!(stream);
                assert_eq!(gateway.post(&question).await.status, 200);
                gateway.until("shadow_samples_total", &[("outcome", "answered")], answered).await;
            }
            assert_eq!(grades(&gateway), [], "{model}, {first}");
        }
    }
}

#[tokio::test]
async fn a_streamed_refusal_is_a_text_to_compare() {
    let upstream = ScriptedUpstream::start().await;
    for first in ORDERS {
        let policy = POLICY.replace(ORDERS[0], first);
        let policy = policy.replace("share = 1\n", "share = 1\ngrade = \"judge\"\n");
        let gateway = in_front_of(&upstream, &policy, "refusal").await;
        let mut question = ask("Say something.");
        (question["stream"], question["temperature"]) = (json!(true), json!(0));
        assert_eq!(gateway.post(&question).await.status, 200);
        gateway.until("shadow_samples_total", &[("outcome", "answered")], 1.0).await;
        let judged = upstream.seen().pop().unwrap();
        assert!(String::from_utf8_lossy(&judged.body).contains(TEXT), "{first}: the judge reads it");
    }
}

#[tokio::test]
async fn f25_a_request_that_must_stay_is_never_sampled() {
    let upstream = ScriptedUpstream::start().await;
    // Local first, so that a shadow would go out.
    let policy = POLICY.replace("[\"remote\", \"local\"]", "[\"local\", \"remote\"]");
    let gateway = gateway(&upstream, &policy).await;
    let private = [("x-crossover-tags", "private")];
    let only_local = [("x-crossover-route", "only-local")];
    for headers in [private, only_local] {
        assert_eq!(gateway.send(&headers, ask("hi").to_string()).await.status, 200);
    }
    let mut local = ask("hi");
    local["model"] = json!("local");
    assert_eq!(gateway.post(&local).await.status, 200);
    // The one that may leave comes last; samples are answered in order.
    assert_eq!(gateway.post(&ask("hello")).await.status, 200);
    gateway.until("shadow_samples_total", &[("outcome", "answered")], 1.0).await;
    let rows = gateway.rows();
    let probabilities: Vec<&Value> = of(&rows, "live").iter().map(|row| &row["shadow_probability"]).collect();
    assert_eq!(probabilities, [&json!(0.0), &json!(0.0), &json!(0.0), &json!(1.0)]);
    assert_eq!(of(&rows, "shadow").len(), 1);
    let seen = upstream.seen();
    assert_eq!(seen.len(), 1);
    assert!(String::from_utf8_lossy(&seen[0].body).contains("hello"));
}

#[tokio::test]
async fn a_judge_is_paid_for_and_a_verdict_that_cannot_be_read_is_no_grade() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = gateway(&upstream, &POLICY.replace("share = 1\n", "share = 1\ngrade = \"judge\"\n")).await;
    assert_eq!(gateway.post(&ask("Say something.")).await.status, 200);
    gateway.until("shadow_samples_total", &[("outcome", "answered")], 1.0).await;
    let kinds: Vec<String> = grades(&gateway).into_iter().map(|(_, kind, _)| kind).collect();
    assert_eq!(kinds, ["agreement"], "the double knows no verdicts");
    let rows = gateway.rows();
    let judged: Vec<&Value> =
        of(&rows, "shadow").into_iter().filter(|row| row["shadow_of"].is_null()).collect();
    assert_eq!((judged.len(), &judged[0]["served_by"]), (1, &json!("remote")));
    let spent =
        gateway.sum("background_cost_usd_total", &[("origin", "shadow"), ("backend", "remote")]).await;
    assert!(spent > 0.0);
    assert!(upstream.seen().len() == 2, "the live answer, and the judge's");
}

#[tokio::test]
async fn g6_a_shadow_answer_without_a_price_is_flagged_and_never_free() {
    let upstream = ScriptedUpstream::start().await;
    let policy = POLICY.replace("[\"remote\", \"local\"]", "[\"local\", \"remote\"]");
    let gateway = in_front_of(&upstream, &policy, "tools").await;
    assert_eq!(gateway.post(&ask("hi")).await.status, 200);
    gateway.until("shadow_samples_total", &[("policy", "sampled")], 1.0).await;
    let rows = gateway.rows();
    let (live, shadow) = (of(&rows, "live"), of(&rows, "shadow"));
    assert!(live[0]["cost_micros"].as_i64().unwrap() > 0, "{rows:?}");
    assert_eq!((&shadow[0]["cost_micros"], &shadow[0]["prompt_tokens"]), (&Value::Null, &json!(11)));
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("unpriced_requests_total", &[("backend", "remote")]), 1.0);
    assert_eq!(metrics.sum("background_cost_usd_total", &[]), 0.0);
    assert_eq!(metrics.sum("requests_total", &[]), 1.0, "a shadow is no request");
    assert_eq!(grades(&gateway), [], "calls alone are compared with nothing");
}

#[tokio::test]
async fn c12_a_client_that_leaves_stops_no_shadow() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = in_front_of(&upstream, POLICY, "slowstream").await;
    let mut streamed = ask("hi");
    streamed["stream"] = json!(true);
    let mut left = gateway.open(&[], streamed.to_string()).await;
    left.chunk().await.unwrap();
    drop(left);
    gateway.until("shadow_samples_total", &[("outcome", "answered")], 1.0).await;
    gateway.until("requests_in_flight", &[], 0.0).await;
    let rows = gateway.rows();
    assert_eq!(of(&rows, "live")[0]["error"], "client_closed");
    assert_eq!(of(&rows, "shadow")[0]["error"], "none");
    assert_eq!(grades(&gateway), [], "half an answer is compared with nothing");
}

#[tokio::test]
async fn d8_a_live_answer_that_fell_back_has_no_shadow() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = in_front_of(&upstream, POLICY, "fault:500").await;
    let reply = gateway.post(&ask("hi")).await;
    assert_eq!((reply.status, reply.header("x-crossover-reason")), (200, "fallback"));
    gateway.until("shadow_samples_total", &[("outcome", "void")], 1.0).await;
    let rows = gateway.rows();
    assert_eq!(rows.len(), 1, "{rows:?}");
}

#[tokio::test]
async fn d9_a_sample_that_finds_no_room_is_counted_and_its_probability_is_0() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = gateway(&upstream, &POLICY.replace("1000", "1")).await;
    for _ in 0..3 {
        assert_eq!(gateway.post(&ask("hi")).await.status, 200);
    }
    gateway.until("shadow_samples_total", &[("outcome", "answered")], 1.0).await;
    assert_eq!(gateway.sum("shadow_samples_total", &[("outcome", "dropped")]).await, 2.0);
    let rows = gateway.rows();
    let probabilities: Vec<&Value> = of(&rows, "live").iter().map(|row| &row["shadow_probability"]).collect();
    assert_eq!(probabilities, [&json!(1.0), &json!(0.0), &json!(0.0)]);
}

#[tokio::test]
async fn exploring_goes_against_the_policy_with_a_recorded_probability() {
    let upstream = ScriptedUpstream::start().await;
    let policy = POLICY.replace("[shadow]\nshare = 1\nmax-per-minute = 1000", "[explore]\nshare = 0.5");
    let gateway = gateway(&upstream, &policy).await;
    for _ in 0..24 {
        assert_eq!(gateway.post(&ask("hi")).await.status, 200);
    }
    for headers in [[("x-crossover-tags", "private")], [("x-crossover-route", "prefer-remote")]] {
        assert_eq!(gateway.send(&headers, ask("hi").to_string()).await.status, 200);
    }
    let rows = gateway.rows();
    let (free, bound) = rows.split_at(24);
    let explored = free.iter().filter(|row| row["reason"] == "explored").count();
    // 24 fair draws are all alike once in eight million runs.
    assert!((1..24).contains(&explored), "{explored} of 24");
    for row in free {
        let local = row["reason"] == "explored";
        assert_eq!((&row["first_target"] == "local", &row["served_by"] == "local"), (local, local));
        assert_eq!(row["propensity"], json!(0.5));
    }
    for row in bound {
        assert_eq!((&row["propensity"], &row["reason"] == "explored"), (&json!(1.0), false), "{row}");
    }
}
