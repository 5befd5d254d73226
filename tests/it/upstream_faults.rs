//! The remote backend against upstreams that refuse, lie, cut whole answers, or cannot be reached.

use std::sync::Arc;
use std::time::Duration;

use crossover::backends::remote::Remote;
use crossover::backends::{Backend, Call, Fault, Kind, Readiness, Retry};
use crossover::chat::{Event, FinishReason};
use crossover::config::RemoteConfig;
use crossover::metrics::Metrics;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::support::fault_proxy::{FaultProxy, Mode};
use crate::support::raw_peer::{RawUpstream, Then};
use crate::support::remote_house::{House, PATIENCE, STREAM, WHOLE, request, until};
use crate::support::scripted_upstream::ScriptedUpstream;

#[tokio::test]
async fn f3_the_upstream_sees_our_key_and_no_header_of_the_caller() {
    let upstream = ScriptedUpstream::start().await;
    let house = House::new(&upstream.base_url());
    let ask = request(json!({ "model": "auto", "stream": true, "x_new": 1.50 }), false);
    house.ask_for(ask, "ok").await.whole();
    let seen = upstream.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].path, "/v1/chat/completions");
    let mut names: Vec<_> = seen[0].headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "authorization", "content-length", "content-type", "host", "user-agent"]);
    assert_eq!(seen[0].headers["authorization"], "Bearer sk-canary-key");
    let body: Value = serde_json::from_slice(&seen[0].body).unwrap();
    assert_eq!((&body["model"], &body["x_new"]), (&json!("ok"), &json!(1.5)));
    assert_eq!(body["stream_options"], json!({ "include_usage": true }));
}

#[tokio::test]
async fn a1_a3_a_rate_limit_asks_to_wait_here() {
    let upstream = ScriptedUpstream::start().await;
    let house = House::new(&upstream.base_url());
    let error = house.fails("fault:429:1", WHOLE).await;
    assert_eq!((error.kind, error.fault), (Kind::RateLimited, Fault::Upstream));
    assert_eq!(error.retry, Retry::Same(Some(Duration::from_secs(1))));
    tokio::time::sleep(Duration::from_secs(1)).await;
    house.ask("fault:429:1", WHOLE).await.whole();
    assert_eq!(house.metric(r#"upstream_failures_total{backend="remote",kind="rate_limit_exceeded"}"#), 1);
}

#[tokio::test]
async fn a3_retry_after_of_any_shape_never_breaks_the_mapping() {
    let cases = [
        ("retry-after: 99999\r\n", Some(Duration::from_secs(99_999))),
        ("retry-after: -5\r\n", None),
        ("retry-after: \x7f\u{1f980}\r\n", None),
        ("retry-after: Fri, 31 Dec 1999 23:59:59 GMT\r\n", Some(Duration::ZERO)),
        ("", None),
    ];
    for (header, want) in cases {
        let upstream = RawUpstream::json("429 Too Many Requests", header, b"{}").await;
        let error = House::new(&upstream.base_url()).fails("m", STREAM).await;
        // A header that is no header at all makes the answer no HTTP; either way nothing panics.
        if error.kind == Kind::RateLimited {
            assert_eq!(error.retry, Retry::Same(want), "{header}");
        } else {
            assert_eq!(error.kind, Kind::InvalidResponse, "{header}");
            assert!(header.contains('\x7f'));
        }
    }
}

#[tokio::test]
async fn a4_a_spent_quota_is_not_tried_again_here() {
    let upstream = ScriptedUpstream::start().await;
    let house = House::new(&upstream.base_url());
    let error = house.fails("fault:quota", STREAM).await;
    assert_eq!((error.kind, error.retry), (Kind::InsufficientQuota, Retry::Elsewhere));
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn a5_a6_server_errors_may_be_tried_again() {
    let upstream = ScriptedUpstream::start().await;
    let house = House::new(&upstream.base_url());
    for status in [500, 502, 503, 504] {
        let model = format!("fault:{status}:1");
        let error = house.fails(&model, STREAM).await;
        assert_eq!(
            (error.kind, error.retry, error.status),
            (Kind::UpstreamError, Retry::Same(None), Some(status))
        );
        house.ask(&model, STREAM).await.whole();
    }
}

#[tokio::test]
async fn a6_the_breaker_opens_fails_fast_and_closes_by_a_probe() {
    let upstream = ScriptedUpstream::start().await;
    let house = House::with(&upstream.base_url(), |config| {
        config.breaker_failures = 3;
        config.breaker_open_ms = 200;
    });
    assert_eq!(house.metric(r#"backend_ready{backend="remote"}"#), 1);
    for _ in 0..3 {
        assert_eq!(house.remote.readiness(), Readiness::Ready);
        house.fails("fault:500", WHOLE).await;
    }
    let Readiness::Down { why, retry_after: Some(wait) } = house.remote.readiness() else {
        panic!("not down")
    };
    assert!(why.contains("breaker") && wait <= Duration::from_millis(250), "{why} {wait:?}");
    assert_eq!(house.metric(r#"breaker_open{backend="remote"}"#), 1);
    assert_eq!(house.metric(r#"backend_ready{backend="remote"}"#), 0);
    let error = house.fails("ok", STREAM).await;
    assert_eq!((error.kind, error.retry), (Kind::Down, Retry::Elsewhere));
    assert_eq!(upstream.seen().len(), 3, "an open breaker sends nothing");
    until(|| house.remote.readiness() == Readiness::Ready).await;
    house.ask("ok", STREAM).await.whole();
    assert_eq!(house.metric(r#"breaker_open{backend="remote"}"#), 0);
}

#[tokio::test]
async fn d6_refusals_and_rate_limits_do_not_trip_the_breaker() {
    let upstream = ScriptedUpstream::start().await;
    let house = House::with(&upstream.base_url(), |config| config.breaker_failures = 2);
    for model in ["fault:400", "fault:404", "fault:429", "fault:quota", "fault:401", "fault:408", "fault:429"]
    {
        house.fails(model, STREAM).await;
    }
    assert_eq!(house.remote.readiness(), Readiness::Ready);
}

#[tokio::test]
async fn a7_the_callers_faults_come_back_with_the_upstreams_words_only() {
    let upstream = ScriptedUpstream::start().await;
    let house = House::new(&upstream.base_url());
    for status in [400, 404, 413, 422] {
        let error = house.fails(&format!("fault:{status}"), WHOLE).await;
        assert_eq!((error.kind, error.fault, error.retry), (Kind::Rejected, Fault::Caller, Retry::Never));
        assert_eq!(
            (error.status, error.message.as_str()),
            (Some(status), format!("scripted {status}").as_str())
        );
        assert_eq!((error.code.as_deref(), error.param.as_deref()), (Some("scripted"), Some("model")));
        assert!(!format!("{error:?}").contains("canary"));
    }
}

#[tokio::test]
async fn a8_a_bad_key_is_our_fault_and_stays_secret() {
    let upstream = ScriptedUpstream::start().await;
    let house = House::new(&upstream.base_url());
    for model in ["fault:401", "fault:403"] {
        let error = house.fails(model, STREAM).await;
        assert_eq!((error.kind, error.fault, error.retry), (Kind::UpstreamAuth, Fault::Us, Retry::Elsewhere));
        assert!(!format!("{error:?} {error}").contains("canary"));
    }
    assert_eq!(house.metric(r#"upstream_failures_total{backend="remote",kind="upstream_auth"}"#), 2);
}

#[tokio::test]
async fn a10_error_bodies_of_any_kind_are_bounded_and_not_echoed() {
    let upstream = ScriptedUpstream::start().await;
    let house = House::new(&upstream.base_url());
    let html = house.fails("fault:garbage", STREAM).await;
    assert_eq!((html.kind, html.status), (Kind::UpstreamError, Some(502)));
    assert!(!format!("{html:?}").contains("html"));
    for body in [vec![], vec![b'<'; 10 << 20], b"\xff\xfe\x00{".to_vec()] {
        let upstream = RawUpstream::json("400 Bad Request", "", &body).await;
        let error = House::new(&upstream.base_url()).fails("m", WHOLE).await;
        assert_eq!(error.message, "the upstream refused the request with status 400");
    }
    // An error body that never ends: read to the bound, not to the end.
    let head = "HTTP/1.1 500 X\r\nconnection: close\r\n\r\nx";
    let upstream = RawUpstream::start(head, Then::Flood).await;
    assert_eq!(House::new(&upstream.base_url()).fails("m", STREAM).await.kind, Kind::UpstreamError);
}

#[tokio::test]
async fn a10_a_success_with_html_is_no_answer() {
    let upstream = ScriptedUpstream::start().await;
    let house = House::new(&upstream.base_url());
    for stream in [WHOLE, STREAM] {
        let error = house.fails("fault:html", stream).await;
        assert_eq!((error.kind, error.retry), (Kind::InvalidResponse, Retry::Elsewhere));
        assert!(!format!("{error:?}").contains("canary"));
    }
}

#[tokio::test]
async fn a10_an_answer_without_end_is_refused_at_the_cap() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n ";
    let upstream = RawUpstream::start(head, Then::Flood).await;
    let house = House::with(&upstream.base_url(), |config| config.whole_timeout_ms = 20_000);
    assert_eq!(house.fails("m", WHOLE).await.kind, Kind::InvalidResponse);
}

#[tokio::test]
async fn a11_a_success_without_an_answer_is_no_answer() {
    let bodies = ["{}", r#"{"choices":[]}"#, r#"{"choices":[{"message":null}]}"#, "null", ""];
    for body in bodies {
        let upstream = RawUpstream::json("200 OK", "", body.as_bytes()).await;
        let house = House::new(&upstream.base_url());
        for stream in [WHOLE, STREAM] {
            assert_eq!(house.fails("m", stream).await.kind, Kind::InvalidResponse, "{body}");
        }
    }
}

#[tokio::test]
async fn a12_an_error_inside_a_success_is_an_error() {
    let upstream = ScriptedUpstream::start().await;
    let house = House::new(&upstream.base_url());
    for stream in [WHOLE, STREAM] {
        let error = house.fails("fault:err200", stream).await;
        assert_eq!((error.kind, error.status), (Kind::UpstreamError, Some(503)));
    }
    let first = "data: {\"error\":{\"code\":\"rate_limit_exceeded\"}}\n\n";
    let upstream = RawUpstream::events(first, Then::Close).await;
    assert_eq!(House::new(&upstream.base_url()).fails("m", STREAM).await.kind, Kind::RateLimited);
}

#[tokio::test]
async fn a13_redirects_are_not_followed() {
    let elsewhere = ScriptedUpstream::start().await;
    for status in [301, 302, 303, 307, 308] {
        let header = format!("location: {}/chat/completions\r\n", elsewhere.base_url());
        let upstream = RawUpstream::json(&format!("{status} Moved"), &header, b"").await;
        let error = House::new(&upstream.base_url()).fails("ok", STREAM).await;
        assert_eq!((error.kind, error.retry), (Kind::InvalidResponse, Retry::Elsewhere));
    }
    assert_eq!(elsewhere.bytes_received(), 0);
}

#[tokio::test]
async fn a14_statuses_without_an_answer_end_at_once() {
    for status in ["101 Switching Protocols", "204 No Content", "205 Reset", "304 Not Modified", "999 What"] {
        let upstream = RawUpstream::start(format!("HTTP/1.1 {status}\r\n\r\n"), Then::Close).await;
        let house = House::new(&upstream.base_url());
        for stream in [WHOLE, STREAM] {
            let error = house.fails("m", stream).await;
            assert_eq!(error.kind, Kind::InvalidResponse, "{status} {error:?}");
        }
    }
}

#[tokio::test]
async fn a15_unknown_events_reasons_and_fields_do_no_harm() {
    let events = concat!(
        "event: ping\ndata: pong\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\n",
        "event: message\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\",\"x\":1}}],\"y\":[]}\n\n",
        "event: x.delta\ndata: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"x_reason\"}]}\n\n",
        "data: {}\n\ndata: [DONE]\n\n",
    );
    let upstream = RawUpstream::events(events, Then::Close).await;
    let answer = House::new(&upstream.base_url()).ask("m", STREAM).await.whole();
    assert_eq!(answer.raws().len(), 2);
    assert_eq!(answer.raws()[0], r#"{"choices":[{"index":0,"delta":{"content":"a","x":1}}],"y":[]}"#);
    assert!(answer.events().any(|event| matches!(event,
        Event::Finish { reason: FinishReason::Other(name), .. } if name == "x_reason")));
}

#[tokio::test]
async fn b1_a_refused_connection_may_be_tried_again() {
    let house = House::new(&format!("http://{}/v1", FaultProxy::down().await));
    let error = house.fails("m", STREAM).await;
    assert_eq!((error.kind, error.fault, error.retry), (Kind::Connect, Fault::Upstream, Retry::Same(None)));
    // A label longer than DNS allows: fails to resolve without asking anybody.
    let house = House::new(&format!("http://{}/v1", "x".repeat(64)));
    assert_eq!(house.fails("m", WHOLE).await.kind, Kind::Connect);
}

#[tokio::test]
async fn b2_silence_ends_at_the_timeout_and_counts_against_the_upstream() {
    let upstream = ScriptedUpstream::start().await;
    let proxy = FaultProxy::start(upstream.address, Mode::Blackhole).await;
    let house = House::with(&proxy.base_url(), |config| {
        config.whole_timeout_ms = 1_000;
        config.first_token_timeout_ms = 1_000;
        config.breaker_failures = 3;
    });
    let error = house.fails("ok", WHOLE).await;
    assert_eq!((error.kind, error.fault), (Kind::FirstTokenTimeout, Fault::Upstream));

    // The caller keeps the time too: it drops what it no longer waits for.
    for stream in [STREAM, WHOLE] {
        let ask = Arc::new(request(json!({ "model": "auto", "stream": stream }), false));
        let mut chunks = house.remote.answer(Call::new(ask, "ok", Duration::from_secs(1)));
        assert!(timeout(Duration::from_millis(920), chunks.next()).await.is_err());
        assert_eq!(house.remote.load().active, 1);
        drop(chunks);
        assert_eq!(house.remote.load().active, 0);
    }
    assert_eq!(house.metric(r#"upstream_failures_total{backend="remote",kind="first_token_timeout"}"#), 3);
    assert!(matches!(house.remote.readiness(), Readiness::Down { .. }));
}

#[tokio::test]
async fn b2_a_connection_that_is_never_made_is_late() {
    // Who does not accept has room for a few connections; what comes after them hears nothing.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = socket.listen(1).unwrap();
    let address = full.local_addr().unwrap();
    let mut waiting = vec![];
    while let Ok(Ok(connection)) =
        timeout(Duration::from_millis(200), tokio::net::TcpStream::connect(address)).await
    {
        waiting.push(connection);
    }
    let house = House::with(&format!("http://{address}/v1"), |config| config.connect_timeout_ms = 300);
    let error = house.fails("m", STREAM).await;
    assert_eq!((error.kind, error.fault), (Kind::ConnectTimeout, Fault::Upstream));
    assert!(error.message.contains("no connection"), "{}", error.message);
}

#[tokio::test]
async fn b3_a_reset_before_the_head_asks_for_a_new_connection_at_once() {
    let upstream = ScriptedUpstream::start().await;
    let proxy = FaultProxy::start(upstream.address, Mode::Reset(0)).await;
    let house = House::new(&proxy.base_url());
    for stream in [WHOLE, STREAM] {
        let error = house.fails("ok", stream).await;
        assert_eq!((error.kind, error.retry), (Kind::Connect, Retry::Same(Some(Duration::ZERO))));
    }
    proxy.set(Mode::Pass);
    house.ask("ok", STREAM).await.whole();
}

#[tokio::test]
async fn b4_b5_an_answer_cut_in_its_body_is_never_an_answer() {
    let upstream = ScriptedUpstream::start().await;
    for mode in [Mode::Reset(250), Mode::Limit(250)] {
        let proxy = FaultProxy::start(upstream.address, mode).await;
        let error = House::new(&proxy.base_url()).fails("ok", WHOLE).await;
        assert_eq!((error.kind, error.retry), (Kind::Truncated, Retry::Same(None)), "{mode:?}");
    }
    let short = "HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{\"choices\":[]}";
    let upstream = RawUpstream::start(short, Then::Close).await;
    assert_eq!(House::new(&upstream.base_url()).fails("m", WHOLE).await.kind, Kind::Truncated);
}

#[tokio::test]
async fn b10_corrupt_bytes_are_an_error() {
    let upstream = ScriptedUpstream::start().await;
    let proxy = FaultProxy::start(upstream.address, Mode::Corrupt(300)).await;
    let house = House::new(&proxy.base_url());
    for stream in [WHOLE, STREAM] {
        let error = house.fails("ok", stream).await;
        assert!(matches!(error.kind, Kind::InvalidResponse | Kind::Truncated), "{error:?}");
    }
}

#[tokio::test]
async fn b12_a_peer_without_tls_is_a_tls_failure() {
    let upstream = ScriptedUpstream::start().await;
    let house = House::new(&format!("https://{}/v1", upstream.address));
    match house.remote.readiness() {
        Readiness::Ready => {
            let error = house.fails("m", STREAM).await;
            assert_eq!((error.kind, error.retry), (Kind::Tls, Retry::Elsewhere));
        }
        // A machine without CA certificates: the backend says so instead.
        down => assert!(format!("{down:?}").contains("ca-certificates"), "{down:?}"),
    }
}

#[tokio::test]
async fn b12_over_tls_http1_alone_is_offered() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let house = House::new(&format!("https://{}/v1", listener.local_addr().unwrap()));
    let readiness = house.remote.readiness();
    if readiness != Readiness::Ready {
        // A machine without CA certificates.
        assert!(format!("{readiness:?}").contains("ca-certificates"), "{readiness:?}");
        return;
    }
    let hello = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut record = [0; 5];
        socket.read_exact(&mut record).await.unwrap();
        let mut hello = vec![0; usize::from(u16::from_be_bytes([record[3], record[4]]))];
        socket.read_exact(&mut hello).await.unwrap();
        hello
    };
    let (hello, answer) = tokio::join!(hello, house.ask("m", STREAM));
    assert!(answer.error.is_some());
    // The extension for protocols' names (16), which holds one.
    let wanted = b"\0\x10\0\x0b\0\x09\x08http/1.1";
    assert!(hello.windows(wanted.len()).any(|window| window == wanted), "{hello:?}");
}

#[tokio::test]
async fn without_its_key_the_known_api_is_down_and_others_are_not() {
    let metrics = Arc::new(Metrics::new().unwrap());
    let config = RemoteConfig::default();
    let known = Remote::new(&config, None, RemoteConfig::DEFAULT_BASE_URL, Arc::clone(&metrics)).unwrap();
    let Readiness::Down { why, retry_after: None } = known.readiness() else { panic!("ready without a key") };
    assert_eq!(why, "no API key: set OPENAI_API_KEY");
    let upstream = ScriptedUpstream::start().await;
    let own = Remote::new(&config, None, &upstream.base_url(), metrics).unwrap();
    assert_eq!(own.readiness(), Readiness::Ready);
    let ask = Arc::new(request(json!({ "model": "auto" }), false));
    let mut refused = known.answer(Call::new(Arc::clone(&ask), "ok", PATIENCE));
    assert_eq!(refused.next().await.unwrap().unwrap_err().kind, Kind::Down);
    let mut answer = own.answer(Call::new(ask, "ok", PATIENCE));
    assert!(answer.next().await.unwrap().is_ok());
    assert!(!upstream.seen()[0].headers.contains_key("authorization"));
}

#[tokio::test]
async fn b13_a_connection_closed_while_idle_is_no_error() {
    let body = br#"{"choices":[{"index":0,"message":{"content":"a"},"finish_reason":"stop"}]}"#;
    let upstream = RawUpstream::json("200 OK", "", body).await;
    let house = House::new(&upstream.base_url());
    for _ in 0..5 {
        assert_eq!(house.ask("m", WHOLE).await.whole().text(), "a");
        // The upstream closes after its answer, as if the connection had been idle for long.
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

#[tokio::test]
async fn b15_heads_beyond_all_bounds_are_no_answer() {
    let long = format!("HTTP/1.1 200 OK\r\nx-long: {}\r\n\r\n", "x".repeat(1 << 20));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x-many: 1\r\n".repeat(500));
    let longish = format!("HTTP/1.1 200 OK\r\nx-long: {}\r\n\r\n", "x".repeat(100 * 1024));
    for head in
        [long, longish, many, "HTTP/1.1 200 OK\r\nx: \0\r\n\r\n".to_owned(), "SSH-2.0-x\r\n".to_owned()]
    {
        let upstream = RawUpstream::start(head, Then::Close).await;
        assert_eq!(House::new(&upstream.base_url()).fails("m", STREAM).await.kind, Kind::InvalidResponse);
    }
}

#[tokio::test]
async fn a_hundred_faults_leave_nothing_behind() {
    let upstream = ScriptedUpstream::start().await;
    let proxy = FaultProxy::start(upstream.address, Mode::Limit(600)).await;
    let (house, cut) = (House::new(&upstream.base_url()), House::new(&proxy.base_url()));
    let models = ["fault:500", "fault:429", "fault:cut", "fault:errmid", "fault:html", "fault:empty", "ok"];
    for round in 0..100 {
        let model = models[round % models.len()];
        house.ask(model, round % 2 == 0).await;
        cut.ask(model, round % 3 == 0).await;
    }
    assert_eq!((house.remote.load().active, cut.remote.load().active), (0, 0));
    drop((house, cut));
    until(|| upstream.connections_live() == 0 && upstream.answers_live() == 0).await;
}
