//! Whatever an upstream does, the client gets one clear refusal: the right status, OpenAI's envelope, nobody's secrets.

use serde_json::{Value, json};

use crate::support::fault_proxy::{FaultProxy, Mode};
use crate::support::gateway::{Gateway, KEY_VARIABLE, chat};
use crate::support::raw_peer::{RawUpstream, Then};
use crate::support::scripted_upstream::ScriptedUpstream;

#[tokio::test]
async fn a7_refusals_of_the_request_pass_on_without_retry_or_fallback() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::start(&upstream.base_url()).await;
    for status in [400, 404, 413, 422] {
        for stream in [false, true] {
            let reply = gateway.post(&chat(&format!("fault:{status}"), stream)).await;
            let error = reply.error(status);
            assert_eq!(error["message"], format!("scripted {status}"));
            assert_eq!((&error["code"], &error["param"]), (&json!("scripted"), &json!("model")));
            assert_eq!(error["type"], "invalid_request_error");
            assert!(!reply.string().contains("canary"), "{reply:?}");
        }
    }
    assert_eq!(upstream.seen().len(), 8, "no retries");
    assert_eq!(gateway.sum("fallback_total", &[]).await, 0.0);
}

#[tokio::test]
async fn a7_a_bound_fits_the_model_that_was_chosen_here() {
    let upstream = ScriptedUpstream::start().await;
    let gateway =
        Gateway::with(&upstream.base_url(), |config| config.remote.model = "reasoner".to_owned()).await;
    let ask = |model: &str, stream: bool| {
        let mut body = chat(model, stream);
        body["max_tokens"] = json!(4);
        body
    };
    for stream in [false, true] {
        assert_eq!(gateway.post(&ask("auto", stream)).await.status, 200);
    }
    let bound = |body: &[u8]| {
        let body: Value = serde_json::from_slice(body).unwrap();
        (body["max_tokens"] == 4, body["max_completion_tokens"] == 4)
    };
    let bounds: Vec<_> = upstream.seen().iter().map(|seen| bound(&seen.body)).collect();
    assert_eq!(bounds, [(true, false), (false, true), (false, true)], "one refusal taught it");
    gateway.until("attempts_total", &[("backend", "remote")], 2.0).await;
    // Whoever names the model is told what it refuses.
    assert_eq!(gateway.post(&ask("reasoner", false)).await.code(400), "unsupported_parameter");
    assert_eq!(upstream.seen().last().map(|seen| bound(&seen.body)), Some((true, false)));
}

#[tokio::test]
async fn a8_a_key_that_the_upstream_refuses_is_our_fault_and_stays_secret() {
    let key = std::env::var(KEY_VARIABLE).expect("run by cargo");
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::start(&upstream.base_url()).await;
    for model in ["fault:401", "fault:403"] {
        for stream in [false, true] {
            let reply = gateway.post(&chat(model, stream)).await;
            assert_eq!(reply.code(502), "upstream_auth");
            assert!(!reply.string().contains(&key) && !format!("{:?}", reply.headers).contains(&key));
        }
    }
    assert_eq!(upstream.seen()[0].headers["authorization"], format!("Bearer {key}"));
    let failures = [("backend", "remote"), ("kind", "upstream_auth")];
    assert_eq!(gateway.sum("upstream_failures_total", &failures).await, 4.0);
}

#[tokio::test]
async fn a9_timeouts_and_conflicts_of_the_upstream_are_its_own_failures() {
    for status in [408, 409, 425] {
        let upstream = RawUpstream::json(&format!("{status} X"), "", b"{}").await;
        let gateway = Gateway::start(&upstream.base_url()).await;
        assert_eq!(gateway.ask("m").await.code(502), "upstream_error");
        assert_eq!(gateway.row()["attempts"].as_array().unwrap().len(), 2, "{status} is tried again");
    }
}

#[tokio::test]
async fn a10_bodies_that_are_no_json_are_not_echoed() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::start(&upstream.base_url()).await;
    for (model, code) in [("fault:garbage", "upstream_error"), ("fault:html", "upstream_invalid_response")] {
        for stream in [false, true] {
            let reply = gateway.post(&chat(model, stream)).await;
            assert_eq!(reply.code(502), code);
            assert!(!reply.string().contains("canary") && !reply.string().contains('<'), "{reply:?}");
        }
    }
    for body in [vec![], vec![b'<'; 10 << 20], b"\xff\xfe\x00{".to_vec()] {
        let upstream = RawUpstream::json("500 X", "", &body).await;
        let gateway = Gateway::start(&upstream.base_url()).await;
        let reply = gateway.ask("m").await;
        assert_eq!(reply.code(502), "upstream_error");
        assert!(reply.body.len() < 1_000);
    }
}

#[tokio::test]
async fn a11_a_success_without_an_answer_is_none() {
    for body in ["{}", r#"{"choices":[]}"#, r#"{"choices":[{"message":null}]}"#, "null", "", "[]"] {
        let upstream = RawUpstream::json("200 OK", "", body.as_bytes()).await;
        let gateway = Gateway::start(&upstream.base_url()).await;
        for stream in [false, true] {
            let reply = gateway.post(&chat("m", stream)).await;
            assert_eq!(reply.code(502), "upstream_invalid_response", "{body}");
        }
    }
}

#[tokio::test]
async fn a12_an_error_inside_a_success_is_one() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::start(&upstream.base_url()).await;
    for stream in [false, true] {
        assert_eq!(gateway.post(&chat("fault:err200", stream)).await.code(502), "upstream_error");
        assert_eq!(
            gateway.post(&chat("fault:nochoices", stream)).await.code(502),
            "upstream_invalid_response"
        );
    }
    let first = "data: {\"error\":{\"code\":\"rate_limit_exceeded\",\"message\":\"x\"}}\n\n";
    let upstream = RawUpstream::events(first, Then::Close).await;
    let gateway = Gateway::start(&upstream.base_url()).await;
    assert_eq!(gateway.ask_stream("m").await.code(429), "rate_limit_exceeded");
}

#[tokio::test]
async fn a13_a14_redirects_and_answerless_statuses_are_no_answers() {
    let elsewhere = ScriptedUpstream::start().await;
    for status in [301, 302, 303, 307, 308, 204, 304] {
        let to = format!("location: {}/chat/completions\r\n", elsewhere.base_url());
        let upstream = RawUpstream::json(&format!("{status} X"), &to, b"").await;
        let gateway = Gateway::start(&upstream.base_url()).await;
        let reply = gateway.ask("ok").await;
        assert_eq!(reply.code(502), "upstream_invalid_response", "{status}");
        assert_eq!(reply.header("location"), "");
    }
    assert_eq!(elsewhere.bytes_received(), 0, "nothing is sent to where a redirect points");
}

#[tokio::test]
async fn b1_a_refused_connection_is_a_bad_gateway() {
    let gateway = Gateway::start(&format!("http://{}/v1", FaultProxy::down().await)).await;
    for stream in [false, true] {
        assert_eq!(gateway.post(&chat("ok", stream)).await.code(502), "upstream_connect");
    }
    assert_eq!(gateway.sum("retries_total", &[("reason", "upstream_connect")]).await, 2.0);
}

#[tokio::test]
async fn b2_c4_silence_is_a_timeout_as_json() {
    let upstream = ScriptedUpstream::start().await;
    let proxy = FaultProxy::start(upstream.address, Mode::Blackhole).await;
    for (base_url, model) in [(proxy.base_url(), "ok"), (upstream.base_url(), "fault:slow")] {
        let gateway = Gateway::with(&base_url, |config| {
            config.remote.first_token_timeout_ms = 300;
            config.remote.whole_timeout_ms = 300;
        })
        .await;
        assert_eq!(gateway.ask_stream(model).await.code(504), "first_token_timeout");
        assert_eq!(gateway.row()["served_by"], json!(null));
        if model == "ok" {
            assert_eq!(gateway.ask(model).await.code(504), "first_token_timeout");
        }
        gateway.until("requests_in_flight", &[], 0.0).await;
    }
}

#[tokio::test]
async fn b4_b5_an_answer_cut_in_its_body_is_never_a_success() {
    let upstream = ScriptedUpstream::start().await;
    for mode in [Mode::Reset(250), Mode::Limit(250)] {
        let proxy = FaultProxy::start(upstream.address, mode).await;
        let gateway = Gateway::start(&proxy.base_url()).await;
        assert_eq!(gateway.ask("ok").await.code(502), "upstream_truncated", "{mode:?}");
        proxy.set(Mode::Pass);
        assert_eq!(gateway.ask("ok").await.status, 200);
    }
}

#[tokio::test]
async fn b10_corrupt_bytes_never_break_the_gateway() {
    let upstream = ScriptedUpstream::start().await;
    let proxy = FaultProxy::start(upstream.address, Mode::Corrupt(300)).await;
    let gateway = Gateway::start(&proxy.base_url()).await;
    for stream in [false, true] {
        assert_eq!(gateway.post(&chat("ok", stream)).await.status, 502);
    }
    proxy.set(Mode::Pass);
    assert_eq!(gateway.ask("ok").await.status, 200);
}
