//! The remote backend's streams: whole ones, and those that break off, fall silent or speak odd SSE.

use std::sync::Arc;
use std::time::Duration;

use crossover::backends::{Backend, Call, Fault, Kind, Readiness, Retry};
use crossover::chat::{Delta, Event, FinishReason, Usage};
use futures_util::StreamExt;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::time::timeout;

use crate::support::fault_proxy::{FaultProxy, Mode};
use crate::support::raw_peer::{RawUpstream, Then};
use crate::support::remote_house::{House, PATIENCE, STREAM, WHOLE, request, until};
use crate::support::scripted_upstream::{ScriptedUpstream, Seen, TEXT};

#[tokio::test]
async fn answers_are_relayed_whole_and_streamed_with_usage_and_unknown_fields() {
    let upstream = ScriptedUpstream::start().await;
    let house = House::new(&upstream.base_url());
    for stream in [WHOLE, STREAM] {
        let answer = house.ask("ok", stream).await.whole();
        assert_eq!(answer.text(), TEXT);
        let usage = Usage { prompt: 11, cached_prompt: 4, completion: 7, reasoning: 0, estimated: false };
        assert_eq!(answer.usage(), [usage]);
        assert!(answer.raws()[0].windows(9).any(|window| window == b"x_unknown"));
        assert!(
            answer.events().any(|event| *event == Event::Finish { index: 0, reason: FinishReason::Stop })
        );
    }
    until(|| house.remote.load().active == 0).await;
}

#[tokio::test]
async fn connections_are_used_again_after_whole_answers_and_streams() {
    let upstream = ScriptedUpstream::start().await;
    let house = House::new(&upstream.base_url());
    for stream in [STREAM, STREAM, WHOLE, STREAM, WHOLE] {
        house.ask("ok", stream).await.whole();
        // The rest of the stream is read in the background.
        until(|| upstream.answers_live() == 0).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn b6_c5_silence_in_mid_stream_ends_at_the_idle_timeout() {
    let upstream = ScriptedUpstream::start().await;
    let house = House::new(&upstream.base_url());
    let answer = house.ask("fault:stall", STREAM).await;
    assert_eq!(answer.text(), "Two words");
    assert_eq!(answer.error.unwrap().kind, Kind::IdleTimeout);
    until(|| upstream.connections_live() == 0).await;

    let proxy = FaultProxy::start(upstream.address, Mode::Half(700)).await;
    let answer = House::new(&proxy.base_url()).ask("slowstream", STREAM).await;
    assert_eq!(answer.error.unwrap().kind, Kind::IdleTimeout);
}

#[tokio::test]
async fn b7_b8_b9_slow_and_sliced_connections_change_nothing() {
    let upstream = ScriptedUpstream::start().await;
    let direct = House::new(&upstream.base_url()).ask("ok", STREAM).await.whole();
    let modes = [
        Mode::Pass,
        Mode::Latency(Duration::from_millis(50)),
        Mode::Bandwidth(16 * 1024),
        Mode::Slicer(7),
        Mode::Slicer(1),
    ];
    for mode in modes {
        let proxy = FaultProxy::start(upstream.address, mode).await;
        let house = House::new(&proxy.base_url());
        let answer = house.ask("ok", STREAM).await.whole();
        assert_eq!(answer.raws(), direct.raws(), "{mode:?}");
        assert_eq!(house.ask("ok", WHOLE).await.whole().text(), TEXT);
    }
}

#[tokio::test]
async fn c1_c3_a_cut_stream_is_never_a_whole_one() {
    let upstream = ScriptedUpstream::start().await;
    let house = House::new(&upstream.base_url());
    let answer = house.ask("fault:cut", STREAM).await;
    assert_eq!(answer.text(), "Two words");
    assert_eq!(answer.error.unwrap().kind, Kind::Truncated);
    assert_eq!(house.metric(r#"upstream_failures_total{backend="remote",kind="upstream_truncated"}"#), 1);
    for mode in [Mode::Reset(900), Mode::Limit(900)] {
        let proxy = FaultProxy::start(upstream.address, mode).await;
        let answer = House::new(&proxy.base_url()).ask("slowstream", STREAM).await;
        assert!(answer.chunks.len() > 1, "{mode:?}");
        assert_eq!(answer.error.unwrap().kind, Kind::Truncated, "{mode:?}");
    }
}

#[tokio::test]
async fn c1_the_end_counts_when_every_choice_has_its_finish_reason() {
    let upstream = ScriptedUpstream::start().await;
    House::new(&upstream.base_url()).ask("fault:nodone", STREAM).await.whole();
    let one_of_two = concat!(
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}},{\"index\":1,\"delta\":{\"content\":\"b\"}}]}\n\n",
        "data: {\"choices\":[{\"index\":1,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    );
    let upstream = RawUpstream::events(one_of_two, Then::Close).await;
    assert_eq!(House::new(&upstream.base_url()).fails("m", STREAM).await.kind, Kind::Truncated);
}

#[tokio::test]
async fn c1_a_stream_of_nothing_is_no_answer() {
    let upstream = ScriptedUpstream::start().await;
    let error = House::new(&upstream.base_url()).fails("fault:empty", STREAM).await;
    assert_eq!((error.kind, error.retry), (Kind::InvalidResponse, Retry::Elsewhere));
    let upstream = RawUpstream::events("", Then::Close).await;
    assert_eq!(House::new(&upstream.base_url()).fails("m", STREAM).await.kind, Kind::Truncated);
}

#[tokio::test]
async fn c2_an_error_in_mid_stream_is_the_last_item() {
    let upstream = ScriptedUpstream::start().await;
    let answer = House::new(&upstream.base_url()).ask("fault:errmid", STREAM).await;
    assert_eq!(answer.text(), "Two words");
    let error = answer.error.unwrap();
    assert_eq!((error.kind, error.fault), (Kind::StreamError, Fault::Upstream));
    assert!(!format!("{error:?}").contains("canary"));
    let named = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\nevent: error\ndata: {\"message\":\"x\"}\n\n";
    let upstream = RawUpstream::events(named, Then::Hold).await;
    assert_eq!(House::new(&upstream.base_url()).fails("m", STREAM).await.kind, Kind::StreamError);
}

#[tokio::test]
async fn c6_odd_but_legal_sse_is_read() {
    let events = concat!(
        "\u{feff}: keep-alive\r\n\r\nid: 7\r\nretry: 10\r\nevent: message\r\n",
        "data: {\"choices\":\r\ndata: [{\"index\":0,\"delta\":{\"content\":\"ä\"}}]}\r\n\r\n",
        "data:{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"}}]}\r\r",
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\r\n\r\n",
    );
    let upstream = RawUpstream::events(events, Then::Hold).await;
    let proxy = FaultProxy::start(upstream.address, Mode::Slicer(1)).await;
    for base_url in [upstream.base_url(), proxy.base_url()] {
        let answer = House::new(&base_url).ask("m", STREAM).await.whole();
        assert_eq!(answer.text(), "äb");
        assert!(answer.raws().iter().all(|raw| !raw.contains(&b'\n')));
    }
}

#[tokio::test]
async fn c7_a_line_without_end_is_refused() {
    let start = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: x";
    let upstream = RawUpstream::events(start, Then::Flood).await;
    let answer = House::new(&upstream.base_url()).ask("m", STREAM).await;
    assert_eq!(answer.text(), "a");
    assert_eq!(answer.error.unwrap().kind, Kind::InvalidResponse);
}

#[tokio::test]
async fn c8_c9_c10_c11_usage_in_every_form() {
    let upstream = ScriptedUpstream::start().await;
    let house = House::new(&upstream.base_url());
    assert_eq!(house.ask("usage:never", STREAM).await.whole().usage(), []);
    assert_eq!(house.ask("usage:never", WHOLE).await.whole().usage(), []);

    let cumulative = house.ask("usage:always", STREAM).await.whole();
    assert!(cumulative.usage().len() > 2);
    assert_eq!(cumulative.usage().last().map(|usage| (usage.prompt, usage.cached_prompt)), Some((11, 4)));

    let beside = house.ask("usage:choices", STREAM).await.whole();
    assert_eq!(beside.usage().last().map(|usage| usage.cached_prompt), Some(4));
    assert!(beside.chunks.iter().all(|chunk| !chunk.hidden));

    for asked in [false, true] {
        let ask = request(json!({ "model": "auto", "stream": true }), asked);
        let answer = house.ask_for(ask, "ok").await.whole();
        assert_eq!(answer.chunks.iter().filter(|chunk| chunk.hidden).count(), usize::from(!asked));
        assert_eq!(answer.usage().len(), 1);
    }
}

#[tokio::test]
async fn c11_who_refuses_to_be_asked_for_usage_is_asked_no_more() {
    let upstream = ScriptedUpstream::start().await;
    let house = House::new(&upstream.base_url());
    for _ in 0..2 {
        let answer = house.ask("strict", STREAM).await.whole();
        assert_eq!((answer.text().as_str(), answer.usage().len()), (TEXT, 0));
    }
    // What the caller asks for goes out, and what the upstream says of it comes back.
    let ask = request(json!({ "model": "auto", "stream": true }), true);
    let error = house.ask_for(ask, "strict").await.error.unwrap();
    assert_eq!((error.kind, error.message.as_str()), (Kind::Rejected, "Extra inputs are not permitted"));
    let asks = |seen: &Seen| seen.body.windows(14).any(|window| window == b"stream_options");
    assert_eq!(upstream.seen().iter().map(asks).collect::<Vec<_>>(), [true, false, false, true]);

    let upstream = ScriptedUpstream::start().await;
    let house = House::with(&upstream.base_url(), |config| config.models = vec!["strict".into()]);
    let options = json!({ "include_obfuscation": false });
    let ask = request(json!({ "model": "auto", "stream": true, "stream_options": options }), false);
    assert_eq!(house.ask_for(ask, "strict").await.error.unwrap().kind, Kind::Rejected);
    assert_eq!(upstream.seen().len(), 1, "without the report the field would still be there");
    for model in ["strict", "ok"] {
        house.ask(model, STREAM).await.whole();
    }
    let asked: Vec<_> = upstream.seen().iter().map(asks).collect();
    assert_eq!(asked, [true, true, false, true], "other models are still asked");

    let upstream = ScriptedUpstream::start().await;
    House::new(&upstream.base_url()).fails("fault:422", STREAM).await;
    assert_eq!(upstream.seen().len(), 1, "a refusal of something else");
}

#[tokio::test]
async fn c12_leaving_closes_the_upstreams_request_at_once() {
    let upstream = ScriptedUpstream::start().await;
    let house = House::new(&upstream.base_url());
    let cases = [
        ("slowstream", STREAM, 3),
        ("fault:stall", STREAM, 3),
        ("fault:slow", STREAM, 1),
        ("fault:hang", STREAM, 0),
        ("fault:hang", WHOLE, 0),
    ];
    for (model, stream, chunks_taken) in cases {
        let ask = request(json!({ "model": "auto", "stream": stream }), false);
        let mut chunks = house.remote.answer(Call::new(Arc::new(ask), model, PATIENCE));
        for _ in 0..chunks_taken {
            chunks.next().await.unwrap().unwrap();
        }
        if chunks_taken == 0 {
            assert!(timeout(Duration::from_millis(100), chunks.next()).await.is_err());
        }
        until(|| upstream.answers_live() == 1).await;
        assert_eq!(house.remote.load().active, 1);
        drop(chunks);
        let took = until(|| upstream.answers_live() == 0 && upstream.connections_live() == 0).await;
        // The shortest would go on for 14 s.
        assert!(took < Duration::from_secs(5), "{model}: {took:?}");
        assert_eq!(house.remote.load().active, 0);
    }
    assert_eq!(house.remote.readiness(), Readiness::Ready);
}

#[tokio::test]
async fn b2_who_leaves_counts_against_the_upstream_only_when_content_was_due() {
    let upstream = ScriptedUpstream::start().await;
    // How long the caller waits for content, whether it comes, and whether it was due when the caller leaves.
    for (model, patience, comes, due) in [
        ("fault:hang", PATIENCE, false, false),
        ("fault:hang", Duration::from_millis(300), false, true),
        ("slowstream", Duration::from_millis(300), true, false),
    ] {
        let house = House::with(&upstream.base_url(), |config| config.breaker_failures = 1);
        let ask = Arc::new(request(json!({ "model": "auto", "stream": true }), false));
        let mut chunks = house.remote.answer(Call::new(ask, model, patience));
        if comes {
            while !chunks.next().await.unwrap().unwrap().commits() {}
            tokio::time::sleep(Duration::from_millis(400)).await;
        } else if due {
            assert!(timeout(patience, chunks.next()).await.is_err());
        } else {
            tokio::select! {
                _ = chunks.next() => panic!("an answer"),
                _ = until(|| upstream.answers_live() == 1) => {}
            }
        }
        drop(chunks);
        let late = house.metric(r#"upstream_failures_total{backend="remote",kind="first_token_timeout"}"#);
        assert_eq!(late, u64::from(due), "{model}");
        assert_eq!(matches!(house.remote.readiness(), Readiness::Down { .. }), due, "{model}");
        until(|| upstream.answers_live() == 0).await;
    }
}

#[tokio::test]
async fn d4_a_responses_head_closes_the_lines_breaker() {
    // Until it listens, connections are refused.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    let house = House::with(&format!("http://{address}/v1"), |config| {
        config.breaker_failures = 1;
        config.breaker_open_ms = 50;
    });
    assert_eq!(house.fails("m", STREAM).await.kind, Kind::Connect);
    until(|| house.remote.readiness() == Readiness::Ready).await;
    let open = || {
        house.remote.readiness();
        house.metric(r#"breaker_open{backend="remote"}"#)
    };
    assert_eq!(open(), 1);
    let listener = socket.listen(8).unwrap();
    let upstream = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        // Behind the request's first bytes, or it would be an answer to nothing.
        socket.read_u8().await.unwrap();
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
        socket.write_all(head).await.unwrap();
        std::future::pending::<()>().await;
    };
    let ask = Arc::new(request(json!({ "model": "auto", "stream": true }), false));
    let mut chunks = house.remote.answer(Call::new(ask, "m", PATIENCE));
    tokio::select! {
        () = upstream => {}
        chunk = chunks.next() => panic!("{chunk:?}"),
        _ = until(|| open() == 0) => {}
    }
}

#[tokio::test]
async fn c17_tool_calls_in_pieces_add_up() {
    let upstream = ScriptedUpstream::start().await;
    let proxy = FaultProxy::start(upstream.address, Mode::Slicer(1)).await;
    let answer = House::new(&proxy.base_url()).ask("tools", STREAM).await.whole();
    let arguments: String = answer
        .events()
        .filter_map(|event| match event {
            Event::Delta { delta: Delta::ToolCalls(calls), .. } => calls[0]["function"]["arguments"].as_str(),
            _ => None,
        })
        .collect();
    assert_eq!(arguments, "{\"city\":\"Köln\"}");
}

#[tokio::test]
async fn c18_duplicate_empty_and_early_chunks_are_tolerated() {
    let events = concat!(
        "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\ndata:\n\ndata: \n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"},\"finish_reason\":\"stop\"}]}\n\n",
    );
    let upstream = RawUpstream::events(events, Then::Close).await;
    let answer = House::new(&upstream.base_url()).ask("m", STREAM).await.whole();
    assert_eq!((answer.text().as_str(), answer.raws().len()), ("a", 6));
}

#[tokio::test]
async fn c19_choices_keep_their_indices() {
    let upstream = ScriptedUpstream::start().await;
    let house = House::new(&upstream.base_url());
    let ask = request(json!({ "model": "auto", "stream": true, "n": 3 }), false);
    let answer = house.ask_for(ask, "ok").await.whole();
    for wanted in 0..3 {
        let text: String = answer
            .events()
            .filter_map(|event| match event {
                Event::Delta { index, delta: Delta::Text(text) } if *index == wanted => Some(text.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(text, TEXT);
    }
}

#[tokio::test]
async fn nothing_is_sent_before_the_first_poll() {
    let upstream = ScriptedUpstream::start().await;
    let house = House::new(&upstream.base_url());
    let ask = Arc::new(request(json!({ "model": "auto", "stream": true }), false));
    let chunks = house.remote.answer(Call::new(ask, "ok", PATIENCE));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!((upstream.connections(), house.remote.load().active), (0, 0));
    drop(chunks);
}
