//! The promise that a user's verdict finds its request, keeps a number and nothing else, and is counted.

use serde_json::{Value, json};

use crate::support::gateway::Gateway;
use crate::support::reply::Reply;
use crate::support::scripted_upstream::ScriptedUpstream;

async fn rate(gateway: &Gateway, body: &Value) -> Reply {
    let request =
        gateway.client().post(gateway.url("/v1/feedback")).header("content-type", "application/json");
    Reply::read(request.body(body.to_string()).send().await.unwrap()).await
}

fn request_id(reply: &Reply) -> String {
    reply.headers["x-request-id"].to_str().unwrap().to_owned()
}

fn kept(gateway: &Gateway) -> Vec<(String, f64)> {
    let connection = rusqlite::Connection::open(gateway.ledger_file()).unwrap();
    let mut statement =
        connection.prepare("SELECT request_id, score FROM feedback ORDER BY request_id").unwrap();
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn the_last_verdict_on_an_answer_counts() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::start(&upstream.base_url()).await;
    // Sent at once: the row may still wait for its writer.
    let whole = request_id(&gateway.ask("auto").await);
    let told = rate(&gateway, &json!({ "request_id": whole, "verdict": "good" })).await.json();
    assert_eq!(told, json!({ "object": "feedback", "request_id": whole, "score": 1.0, "replaced": false }));
    let told = rate(&gateway, &json!({ "request_id": whole, "score": -0.5 })).await.json();
    assert_eq!((&told["replaced"], &told["score"]), (&json!(true), &json!(-0.5)));
    let streamed = request_id(&gateway.ask_stream("auto").await);
    assert_eq!(rate(&gateway, &json!({ "request_id": streamed, "score": 0 })).await.status, 200);
    let mut wanted = vec![(whole, -0.5), (streamed, 0.0)];
    wanted.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(kept(&gateway), wanted);

    let metrics = gateway.metrics().await;
    let counted = |verdict| {
        let labels = [("policy", "remote-first"), ("served_by", "remote"), ("verdict", verdict)];
        metrics.sum("feedback_total", &labels)
    };
    assert_eq!((counted("good"), counted("bad"), counted("neutral")), (1.0, 1.0, 1.0));
    let query = crossover::ledger::Query { since_ms: 0, by: crossover::ledger::By::Policy, origin: None };
    let summary = crossover::ledger::summarize(&gateway.ledger_file(), &query).unwrap();
    assert_eq!((summary.lines[0].rated, summary.lines[0].feedback), (2, Some(-0.25)));
}

#[tokio::test]
async fn e11_a_verdict_that_fits_no_answer_is_refused_in_the_envelope() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::start(&upstream.base_url()).await;
    let refused = gateway.ask("nobody").await;
    for id in ["req_0", "x' OR '1'='1", request_id(&refused).as_str()] {
        let reply = rate(&gateway, &json!({ "request_id": id, "score": 1 })).await;
        let error = reply.error(404);
        assert_eq!((&error["code"], &error["param"]), (&json!("request_not_found"), &json!("request_id")));
    }
    let id = request_id(&gateway.ask("auto").await);
    let commented = json!({ "request_id": id, "score": 1, "comment": "canary-comment" });
    let error = rate(&gateway, &commented).await.error(400);
    assert_eq!((&error["code"], &error["param"]), (&json!("unsupported_parameter"), &json!("comment")));
    assert!(!error.to_string().contains("canary"));
    let large = json!({ "request_id": id, "score": 1, "pad": "x".repeat(5_000) });
    assert_eq!(rate(&gateway, &large).await.code(413), "request_too_large");
    let plain = gateway.client().post(gateway.url("/v1/feedback")).body("{}").send().await.unwrap();
    assert_eq!(plain.status(), 415);
    let got = gateway.client().get(gateway.url("/v1/feedback")).send().await.unwrap();
    assert_eq!(got.status(), 405);
    assert_eq!(kept(&gateway), []);
    assert_eq!(gateway.sum("feedback_total", &[]).await, 0.0);
}
