//! Failures that pass are tried again before the client hears of them: once, after a pause, and every billed attempt is paid.

use std::time::Duration;

use crate::support::fault_proxy::{FaultProxy, Mode};
use crate::support::gateway::{Gateway, ONE_ANSWER, chat};
use crate::support::raw_peer::{OnceEach, RawUpstream, Then};
use crate::support::scripted_upstream::ScriptedUpstream;
use tokio::time::Instant;

#[tokio::test]
async fn a1_one_rate_limit_costs_its_pause_and_nothing_else() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::start(&upstream.base_url()).await;
    let start = Instant::now();
    let reply = gateway.ask("fault:429:1").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(start.elapsed() >= Duration::from_secs(1), "the upstream asked for a second");
    assert_eq!(upstream.seen().len(), 2);
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("retries_total", &[]), 1.0);
    assert_eq!(metrics.sum("retries_total", &[("reason", "rate_limit_exceeded")]), 1.0);
    assert_eq!(metrics.sum("requests_total", &[]), 1.0);
    assert_eq!(metrics.sum("attempts_total", &[("backend", "remote")]), 2.0);
    let row = gateway.row();
    assert_eq!((&row["status"], &row["cost_micros"]), (&200.into(), &ONE_ANSWER.into()));
    assert_eq!(row["attempts"][0]["outcome"], "rate_limit_exceeded");
    assert_eq!(
        (&row["attempts"][0]["cost_micros"], &row["attempts"][1]["outcome"]),
        (&0.into(), &"ok".into())
    );
}

#[tokio::test]
async fn a2_a_lasting_rate_limit_is_passed_on_with_its_pause() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::start(&upstream.base_url()).await;
    for stream in [false, true] {
        let reply = gateway.post(&chat("fault:429", stream)).await;
        assert_eq!(reply.code(429), "rate_limit_exceeded");
        assert_eq!(reply.retry_after(), Some(1));
    }
    assert_eq!(upstream.seen().len(), 4, "one retry each");
}

#[tokio::test]
async fn d6_a_known_limit_is_told_without_asking_again() {
    let upstream = RawUpstream::json("429 Too Many Requests", "retry-after: 30\r\n", b"{}").await;
    let gateway = Gateway::start(&upstream.base_url()).await;
    assert_eq!(gateway.ask("m").await.retry_after(), Some(30));
    let address = upstream.address;
    drop(upstream);
    // Who asked it now would find nobody there.
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    let reply = gateway.ask("m").await;
    assert_eq!(reply.code(429), "rate_limit_exceeded");
    assert!(matches!(reply.retry_after(), Some(20..=30)), "{:?}", reply.retry_after());
    assert_eq!(gateway.ask("ok").await.code(502), "upstream_connect", "another model is not limited");
    assert_eq!(gateway.sum("breaker_open", &[("backend", "remote")]).await, 0.0);
}

#[tokio::test]
async fn d6_to_wait_for_a_known_limit_is_no_attempt() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::start(&upstream.base_url()).await;
    let second = async {
        while gateway.sum("upstream_failures_total", &[("kind", "rate_limit_exceeded")]).await < 1.0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        gateway.ask("fault:429:1").await
    };
    let (one, other) = tokio::join!(gateway.ask("fault:429:1"), second);
    assert_eq!((one.status, other.status), (200, 200));
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("retries_total", &[]), 1.0);
    assert_eq!(metrics.sum("attempts_total", &[("backend", "remote")]), upstream.seen().len() as f64);
    assert_eq!(upstream.seen().len(), 3);
}

#[tokio::test]
async fn a3_a_pause_in_any_shape_is_kept_or_passed_on_or_ignored() {
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(100);
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&soon).unwrap();
    // The header, the attempts that it leads to, and the pause that the client is asked for.
    let cases = [
        ("99999".to_owned(), 1, Some(99_999)),
        (date, 1, Some(100)),
        ("Fri, 31 Dec 1999 23:59:59 GMT".to_owned(), 2, Some(1)),
        ("soon".to_owned(), 2, None),
        ("-5".to_owned(), 2, None),
    ];
    for (value, attempts, pause) in cases {
        let head = format!("retry-after: {value}\r\n");
        let upstream = RawUpstream::json("429 Too Many Requests", &head, b"{}").await;
        let gateway = Gateway::start(&upstream.base_url()).await;
        let reply = gateway.ask("m").await;
        assert_eq!(reply.code(429), "rate_limit_exceeded");
        let near = |wanted: u64| reply.retry_after().is_some_and(|told| told.abs_diff(wanted) <= 5);
        assert!(pause.map_or(reply.retry_after().is_none(), near), "{value}: {:?}", reply.retry_after());
        assert_eq!(gateway.row()["attempts"].as_array().unwrap().len(), attempts, "{value}");
    }
}

#[tokio::test]
async fn a4_a_spent_quota_is_not_tried_again() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::start(&upstream.base_url()).await;
    assert_eq!(gateway.ask("fault:quota").await.code(429), "insufficient_quota");
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn a5_one_server_error_is_not_seen_by_the_client() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::start(&upstream.base_url()).await;
    for (at, status) in [500, 502, 503, 504].into_iter().enumerate() {
        let reply = gateway.post(&chat(&format!("fault:{status}:1"), at % 2 == 0)).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    assert_eq!(gateway.sum("retries_total", &[("reason", "upstream_error")]).await, 4.0);
    assert_eq!(gateway.sum("requests_total", &[("status", "200")]).await, 4.0);
}

#[tokio::test]
async fn a6_lasting_server_errors_open_the_breaker_which_fails_fast_and_closes_again() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::with(&upstream.base_url(), |config| {
        config.remote.breaker_failures = 4;
        config.remote.breaker_open_ms = 3_000;
    })
    .await;
    for _ in 0..2 {
        assert_eq!(gateway.ask("fault:500:4").await.code(502), "upstream_error");
    }
    assert_eq!(upstream.seen().len(), 4, "one retry each");
    for stream in [false, true] {
        let start = Instant::now();
        let reply = gateway.post(&chat("fault:500:4", stream)).await;
        assert_eq!(reply.code(503), "no_remote");
        assert!(matches!(reply.retry_after(), Some(1..=4)), "{:?}", reply.retry_after());
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    }
    assert_eq!(upstream.seen().len(), 4, "an open breaker sends nothing");
    assert_eq!(gateway.sum("breaker_open", &[("backend", "remote")]).await, 1.0);
    // The other models are asked as before, and the usual one says whether the backend is ready.
    assert_eq!(gateway.ask("ok").await.status, 200);
    assert_eq!(gateway.health("ready").await.status, 200);
    let until = Instant::now() + Duration::from_secs(30);
    while gateway.ask("fault:500:4").await.status != 200 {
        assert!(Instant::now() < until, "a probe closes it again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(gateway.sum("breaker_open", &[("backend", "remote")]).await, 0.0);
}

#[tokio::test]
async fn d5_an_upstream_that_cannot_be_reached_is_closed_for_every_model() {
    let gateway = Gateway::with(&format!("http://{}/v1", FaultProxy::down().await), |config| {
        config.remote.breaker_failures = 2;
        config.remote.breaker_open_ms = 60_000;
    })
    .await;
    assert_eq!(gateway.ask("m").await.code(502), "upstream_connect");
    for model in ["m", "ok"] {
        assert_eq!(gateway.ask(model).await.code(503), "no_remote");
    }
    assert_eq!(gateway.health("ready").await.status, 503);
}

#[tokio::test]
async fn d5_a_connection_that_breaks_closes_one_model_not_the_line() {
    let upstream = ScriptedUpstream::start().await;
    let proxy = FaultProxy::start(upstream.address, Mode::Reset(0)).await;
    let gateway = Gateway::with(&proxy.base_url(), |config| {
        config.remote.breaker_failures = 2;
        config.remote.breaker_open_ms = 60_000;
    })
    .await;
    assert_eq!(gateway.ask("m").await.code(502), "upstream_connect");
    proxy.set(Mode::Pass);
    assert_eq!(gateway.ask("m").await.code(503), "no_remote");
    assert_eq!(gateway.ask("ok").await.status, 200);
}

#[tokio::test]
async fn b2_a_retry_that_hangs_counts_although_it_had_less_time() {
    let head = "HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\nconnection: close";
    let upstream = RawUpstream::once(format!("{head}\r\ncontent-length: 2\r\n\r\n{{}}")).await;
    let gateway =
        Gateway::with(&upstream.base_url(), |config| config.remote.first_token_timeout_ms = 4_000).await;
    assert_eq!(gateway.post(&chat("m", true)).await.code(504), "first_token_timeout");
    assert_eq!(gateway.sum("upstream_failures_total", &[("kind", "first_token_timeout")]).await, 1.0);
}

#[tokio::test]
async fn b3_a_retry_does_not_use_a_connection_that_was_used_before() {
    let upstream = OnceEach::start().await;
    let gateway = Gateway::start(&upstream.base_url()).await;
    // Two connections at once, which both lie in the pool afterwards, and of which neither answers again.
    let (one, other) = tokio::join!(gateway.ask("m"), gateway.ask("m"));
    assert_eq!((one.status, other.status), (200, 200));
    assert_eq!(gateway.ask("m").await.status, 200);
    assert_eq!(gateway.rows()[2]["attempts"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a6_d1_retries_stay_under_their_budget() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::start(&upstream.base_url()).await;
    let requests = 150;
    for _ in 0..requests {
        assert_eq!(gateway.ask("fault:500").await.status, 502);
    }
    // A fifth of the requests, and the floor of ten a second of a window of ten seconds.
    let attempts = upstream.seen().len();
    assert!(attempts > requests && attempts <= requests + requests / 5 + 101, "{attempts}");
}

#[tokio::test]
async fn b3_a_reset_connection_is_tried_again_at_once() {
    let upstream = ScriptedUpstream::start().await;
    let proxy = FaultProxy::start(upstream.address, Mode::Reset(0)).await;
    let gateway = Gateway::start(&proxy.base_url()).await;
    assert_eq!(gateway.ask("ok").await.code(502), "upstream_connect");
    assert_eq!(gateway.row()["attempts"].as_array().unwrap().len(), 2);
    proxy.set(Mode::Pass);
    assert_eq!(gateway.ask("ok").await.status, 200);
}

#[tokio::test]
async fn g2_every_billed_attempt_is_paid_and_the_request_counts_once() {
    let upstream = ScriptedUpstream::start().await;
    let proxy = FaultProxy::start(upstream.address, Mode::Limit(250)).await;
    let gateway = Gateway::start(&proxy.base_url()).await;
    // Both attempts get their answer cut: each may be billed, at the least for its prompt.
    assert_eq!(gateway.ask("ok").await.code(502), "upstream_truncated");
    let row = gateway.row();
    let costs: Vec<i64> =
        row["attempts"].as_array().unwrap().iter().map(|a| a["cost_micros"].as_i64().unwrap()).collect();
    assert!(costs.len() == 2 && costs.iter().all(|cost| *cost > 0), "{row}");
    assert_eq!(row["cost_micros"].as_i64().unwrap(), costs.iter().sum::<i64>());
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("requests_total", &[]), 1.0);
    assert_eq!(metrics.sum("attempts_total", &[("outcome", "upstream_truncated")]), 2.0);
    let dollars = metrics.sum("cost_usd_total", &[("backend", "remote")]);
    assert!((dollars * 1e6 - costs.iter().sum::<i64>() as f64).abs() < 1e-3, "{dollars}");
}

#[tokio::test]
async fn c14_a_stream_that_says_nothing_for_ever_is_given_up() {
    let upstream = RawUpstream::events("data: {\"choices\":[]}\n\n".repeat(300_000), Then::Hold).await;
    let gateway = Gateway::start(&upstream.base_url()).await;
    let reply = gateway.post(&chat("m", true)).await;
    assert_eq!(reply.code(504), "first_token_timeout");
    assert_eq!(gateway.sum("upstream_failures_total", &[("kind", "first_token_timeout")]).await, 1.0);
}
