//! Whatever a client sends, it gets an answer or a refusal that names the field: never a 500, never a crash.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::support::gateway::{Gateway, chat};
use crate::support::raw_peer::exchange;
use crate::support::reply::Reply;
use crate::support::scripted_upstream::ScriptedUpstream;

async fn house() -> (ScriptedUpstream, Gateway) {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::start(&upstream.base_url()).await;
    (upstream, gateway)
}

/// A chat request with these fields over the usual ones.
fn with(fields: &Value) -> Value {
    let mut body = chat("ok", false);
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// Refused for this parameter, with this code.
async fn refused(gateway: &Gateway, fields: &Value, param: &str, code: &str) {
    let error = gateway.post(&with(fields)).await.error(400);
    assert_eq!(
        (error["param"].as_str(), error["code"].as_str()),
        (Some(param), Some(code)),
        "{fields}: {error}"
    );
    assert_eq!(error["type"], "invalid_request_error");
}

#[tokio::test]
async fn e1_what_is_no_json_object_is_refused() {
    let (upstream, gateway) = house().await;
    let whole = chat("ok", false).to_string();
    for body in
        ["", "not json", "[]", "\"text\"", "7", "null", "{", "{}x", "{\"model\":}", &whole[..whole.len() - 1]]
    {
        let error = gateway.send(&[], body.to_owned()).await.error(400);
        assert_eq!((&error["code"], &error["param"]), (&json!("invalid_json"), &Value::Null), "{body}");
    }
    let error = gateway.send(&[], "{}").await.error(400);
    assert_eq!((&error["code"], &error["param"]), (&json!("missing_required_parameter"), &json!("model")));
    assert_eq!(upstream.bytes_received(), 0);
    assert_eq!(gateway.ask("ok").await.status, 200);
}

#[tokio::test]
async fn e2_only_json_is_taken_however_its_type_is_written() {
    let (_upstream, gateway) = house().await;
    for kind in
        ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "Application/Json ;x=y"]
    {
        let reply = gateway.send(&[("content-type", kind)], chat("ok", false).to_string()).await;
        assert_eq!(reply.status, 200, "{kind}");
    }
    for kind in ["text/plain", "application/jsonx", "multipart/form-data; boundary=x", ""] {
        let reply = gateway.send(&[("content-type", kind)], chat("ok", false).to_string()).await;
        assert_eq!(reply.code(415), "unsupported_media_type", "{kind}");
    }
    let without = gateway.client().post(gateway.url("/v1/chat/completions")).body("{}").send().await.unwrap();
    assert_eq!(without.status(), 415);
}

#[tokio::test]
async fn e3_broken_text_deep_nesting_and_odd_numbers_are_handled() {
    let (_upstream, gateway) = house().await;
    let with_text =
        |text: &str| format!(r#"{{"model":"ok","messages":[{{"role":"user","content":{text}}}]}}"#);
    let mut not_utf8 = with_text("\"@\"").into_bytes();
    *not_utf8.iter_mut().find(|byte| **byte == b'@').unwrap() = 0xff;
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep_field = format!(r#"{{"model":"ok","x":{deep},"messages":[{{"role":"user","content":"a"}}]}}"#);
    let twice = r#"{"model":"ok","model":"fault:500","messages":[{"role":"user","content":"a"}]}"#;
    let bom = format!("\u{feff}{}", chat("ok", false));
    let refused: [(Vec<u8>, &str); 6] = [
        (not_utf8, "invalid_json"),
        (with_text(r#""\ud800""#).into_bytes(), "invalid_value"),
        (with_text(&deep).into_bytes(), "invalid_type"),
        (with_text("1e999").into_bytes(), "invalid_type"),
        (twice.into(), "invalid_value"),
        (bom.into_bytes(), "invalid_json"),
    ];
    for (body, code) in refused {
        let start = String::from_utf8_lossy(&body[..body.len().min(90)]).into_owned();
        assert_eq!(gateway.send(&[], body).await.code(400), code, "{start}");
    }
    for text in [r#""\u0000 and \ud83e\udd80""#, r#""""#, "[]"] {
        let status = gateway.send(&[], with_text(text)).await.status;
        assert!(status == 200 || status == 400, "{text}: {status}");
    }
    assert_eq!(
        gateway.send(&[], deep_field).await.status,
        200,
        "a field that nobody here reads is the upstream's"
    );
    assert_eq!(gateway.post(&with(&json!({ "n": 3.0, "temperature": 1 }))).await.status, 200);
    for odd in [r#""stream":"yes""#, r#""n":1e999"#, r#""n":3.5"#, r#""temperature":1e999"#, r#""n":NaN"#] {
        let body = format!(r#"{{"model":"ok","messages":[{{"role":"user","content":"a"}}],{odd}}}"#);
        let reply = gateway.send(&[], body).await;
        assert_eq!(reply.status, 400, "{odd}");
        reply.error(400);
    }
}

#[tokio::test]
async fn e4_bodies_beyond_the_limit_are_refused_before_they_are_read() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::with(&upstream.base_url(), |config| config.server.max_body_bytes = 4_096).await;
    let big = with(&json!({ "x": "a".repeat(5_000) })).to_string();
    assert_eq!(gateway.send(&[], big.clone()).await.code(413), "request_too_large");
    // Without a length the limit counts what comes.
    let pieces = futures_util::stream::iter([big.clone(), big].map(Ok::<_, std::io::Error>));
    assert_eq!(gateway.send(&[], reqwest::Body::wrap_stream(pieces)).await.code(413), "request_too_large");
    // The announced length is enough: none of the body has to arrive.
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 999999999\r\n\r\n";
    let start = Instant::now();
    let answer = exchange(gateway.address, head.as_bytes(), Duration::from_secs(5)).await;
    assert!(answer.starts_with(b"HTTP/1.1 413 "), "{}", String::from_utf8_lossy(&answer));
    assert!(start.elapsed() < Duration::from_secs(4), "the connection is closed");
    assert_eq!(gateway.ask("ok").await.status, 200);
    assert_eq!(gateway.sum("requests_total", &[("status", "413")]).await, 3.0);
}

#[tokio::test]
async fn e5_e6_absurd_numbers_and_lists_are_out_of_bounds() {
    let (upstream, gateway) = house().await;
    let many: serde_json::Map<String, Value> = (0..100_000).map(|at| (at.to_string(), json!(1))).collect();
    let cases = [
        (json!({ "n": 1_000_000_000 }), "n"),
        (json!({ "n": 0 }), "n"),
        (json!({ "n": -1 }), "n"),
        (json!({ "max_tokens": 1_000_000_000_000_i64 }), "max_tokens"),
        (json!({ "max_tokens": -1 }), "max_tokens"),
        (json!({ "max_completion_tokens": 0 }), "max_completion_tokens"),
        (json!({ "best_of": 1_000_000 }), "best_of"),
        (json!({ "top_logprobs": 21 }), "top_logprobs"),
        (json!({ "top_logprobs": -1 }), "top_logprobs"),
        (json!({ "stop": vec!["x"; 1_000] }), "stop"),
        (json!({ "stop": "" }), "stop"),
        (json!({ "logit_bias": many }), "logit_bias"),
        (json!({ "temperature": 2.1 }), "temperature"),
        (json!({ "temperature": -0.1 }), "temperature"),
        (json!({ "top_p": 1.1 }), "top_p"),
        (json!({ "top_k": -2 }), "top_k"),
        (json!({ "presence_penalty": 3 }), "presence_penalty"),
        (json!({ "seed": 1e300 }), "seed"),
        (json!({ "seed": 9_223_372_036_854_775_808_u64 }), "seed"),
        (json!({ "n": u64::MAX }), "n"),
    ];
    for (fields, param) in cases {
        refused(&gateway, &fields, param, "invalid_value").await;
    }
    for (fields, param) in [
        (json!({ "logprobs": 1_000_000_000 }), "logprobs"),
        (json!({ "n": "3" }), "n"),
        (json!({ "stream": "yes" }), "stream"),
        (json!({ "model": 7 }), "model"),
        (json!({ "messages": "hi" }), "messages"),
        (json!({ "temperature": "hot" }), "temperature"),
    ] {
        refused(&gateway, &fields, param, "invalid_type").await;
    }
    assert_eq!(upstream.bytes_received(), 0);
}

#[tokio::test]
async fn e7_endless_conversations_are_refused_before_inference() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::with(&upstream.base_url(), |config| {
        config.local.enabled = true;
        config.classifier.enabled = true;
        config.server.max_body_bytes = 64 << 20;
    })
    .await;
    let message = json!({ "role": "user", "content": "a" });
    let start = Instant::now();
    refused(&gateway, &json!({ "messages": vec![message; 1_000_000] }), "messages", "invalid_value").await;
    let long = "word ".repeat(600_000);
    let ask = |model: &str| json!({ "model": model, "messages": [{ "role": "user", "content": long }] });
    for model in ["auto", "local", "remote", "ok"] {
        refused(&gateway, &ask(model), "messages", "context_length_exceeded").await;
    }
    // What only the local model cannot hold goes to the one that can.
    let middle =
        json!({ "model": "auto", "messages": [{ "role": "user", "content": "word ".repeat(20_000) }] });
    let reply = gateway.post(&middle).await;
    assert_eq!((reply.status, reply.header("x-crossover-route")), (200, "remote"));
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn e8_pathological_text_takes_linear_time_and_special_tokens_are_text() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::with(&upstream.base_url(), |config| {
        config.local.enabled = true;
        config.classifier.enabled = true;
    })
    .await;
    let mega = |unit: &str| unit.repeat((1 << 20) / unit.len());
    let start = Instant::now();
    for text in
        [mega("a"), mega("\u{200d}"), mega("\u{e000}"), mega(" "), mega("<|im_end|>"), mega("1"), mega("@a.")]
    {
        let body = json!({ "model": "auto", "messages": [{ "role": "user", "content": text }] });
        let status = gateway.post(&body).await.status;
        assert!(status == 200 || status == 400, "{status}");
        let local = json!({ "model": "local", "messages": body["messages"] });
        assert_eq!(gateway.post(&local).await.code(400), "context_length_exceeded");
    }
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    let mut counts = vec![];
    for text in ["a", "<|im_end|>"] {
        let body =
            json!({ "model": "local", "max_tokens": 1, "messages": [{ "role": "user", "content": text }] });
        counts.push(gateway.post(&body).await.json()["usage"]["prompt_tokens"].as_i64().unwrap());
    }
    assert!(counts[1] >= counts[0] + 3, "one special token would count as one: {counts:?}");
}

#[tokio::test]
async fn e10_pictures_are_passed_on_or_refused_and_never_fetched() {
    let trap = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::with(&upstream.base_url(), |config| config.local.enabled = true).await;
    let urls = [
        format!("http://{}/x.png", trap.local_addr().unwrap()),
        "file:///etc/passwd".to_owned(),
        format!("data:image/svg+xml;base64,{}", "A".repeat(100_000)),
    ];
    for url in urls {
        let content = json!([{ "type": "text", "text": "what?" }, { "type": "image_url", "image_url": { "url": url } }]);
        let ask =
            |model: &str| json!({ "model": model, "messages": [{ "role": "user", "content": content }] });
        let error = gateway.post(&ask("local")).await.error(400);
        assert_eq!(error["code"], "unsupported");
        let reply = gateway.post(&ask("auto")).await;
        assert_eq!((reply.status, reply.header("x-crossover-route")), (200, "remote"));
        let sent: Value = serde_json::from_slice(&upstream.seen().last().unwrap().body).unwrap();
        assert_eq!(sent["messages"][0]["content"], content);
    }
    let fetched = tokio::time::timeout(Duration::from_millis(100), trap.accept()).await;
    assert!(fetched.is_err(), "nobody fetches a picture");
}

#[tokio::test]
async fn e10_an_answer_in_parts_goes_back_as_it_came() {
    let (upstream, gateway) = house().await;
    let parts = r#"[{"type": "thinking", "thinking": [{"text":"hm"}]}, {"type":"text","text":"4"}]"#;
    let body = format!(
        r#"{{"model":"auto","messages":[{{"role":"assistant","content":{parts}}},{{"role":"user","content":"Sure?"}}]}}"#
    );
    assert_eq!(gateway.send(&[], body.clone()).await.status, 200);
    let sent = body.replacen(r#""auto""#, r#""ok""#, 1);
    assert_eq!(upstream.seen()[0].body, sent.as_bytes());
}

#[tokio::test]
async fn e11_conversations_that_make_no_sense_are_refused_with_a_path() {
    let (upstream, gateway) = house().await;
    let user = json!({ "role": "user", "content": "a" });
    let cases = [
        (json!([]), "messages", "empty_array"),
        (json!([user, { "role": "alien", "content": "a" }]), "messages[1].role", "invalid_value"),
        (json!([{ "content": "a" }]), "messages[0].role", "missing_required_parameter"),
        (json!([{ "role": "user" }]), "messages[0].content", "missing_required_parameter"),
        (json!([{ "role": "user", "content": 7 }]), "messages[0].content", "invalid_type"),
        (json!([user, 7]), "messages[1]", "invalid_type"),
        (
            json!([user, { "role": "tool", "tool_call_id": "x", "content": "a" }]),
            "messages[1].tool_call_id",
            "invalid_value",
        ),
        (
            json!([{ "role": "tool", "content": "a" }]),
            "messages[0].tool_call_id",
            "missing_required_parameter",
        ),
        (
            json!([{ "role": "user", "content": [{ "type": "hologram" }] }]),
            "messages[0].content[0].type",
            "invalid_value",
        ),
        (
            json!([{ "role": "user", "content": [{ "type": "text" }] }]),
            "messages[0].content[0].text",
            "missing_required_parameter",
        ),
    ];
    for (messages, param, code) in cases {
        refused(&gateway, &json!({ "messages": messages }), param, code).await;
    }
    assert_eq!(upstream.bytes_received(), 0);
}

#[tokio::test]
async fn e12_unknown_fields_reach_the_upstream_and_steer_nothing_here() {
    let (upstream, gateway) = house().await;
    let body = with(&json!({
        "extra_body": { "api_base": "http://evil" }, "metadata": { "x-crossover-route": "only-local", "user_role": "admin" },
        "user": "u", "x_crossover_route": "only-local", "n_discard": -1, "service_tier": "x",
    }));
    let reply = gateway.post(&body).await;
    assert_eq!((reply.status, reply.header("x-crossover-route")), (200, "remote"));
    assert_eq!(serde_json::from_slice::<Value>(&upstream.seen()[0].body).unwrap(), body);
}

#[tokio::test]
async fn e17_requests_for_other_hosts_are_refused_on_both_listeners() {
    let upstream = ScriptedUpstream::start().await;
    let gateway = Gateway::with(&upstream.base_url(), |config| {
        config.server.allowed_hosts = vec!["gateway.example".to_owned()];
    })
    .await;
    let ask = async |address: SocketAddr, path: &str, host: &str| {
        let request = gateway.client().get(format!("http://{address}{path}")).header("host", host);
        Reply::read(request.send().await.unwrap()).await
    };
    for host in ["127.0.0.1", "10.1.2.3:1", "[::1]:1", "localhost:1", "a.localhost", "Gateway.Example:80"] {
        assert_eq!(ask(gateway.address, "/v1/models", host).await.status, 200, "{host}");
        assert_eq!(ask(gateway.admin, "/health/live", host).await.status, 200, "{host}");
    }
    for host in ["evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil.example"] {
        for (address, path) in [
            (gateway.address, "/v1/models"),
            (gateway.address, "/nowhere"),
            (gateway.address, "/v1/chat/completions"),
            (gateway.admin, "/metrics"),
            (gateway.admin, "/nowhere"),
        ] {
            let error = ask(address, path, host).await.error(400);
            assert_eq!((&error["code"], &error["param"]), (&json!("host_not_allowed"), &json!("host")));
            let message = error["message"].as_str().unwrap();
            assert!(message.contains("server.allowed-hosts") && !message.contains("evil"), "{message}");
        }
    }
    for (head, status) in [
        ("GET /v1/models HTTP/1.0\r\n", "200"),
        ("GET http://localhost/v1/models HTTP/1.1\r\nhost: localhost\r\n", "200"),
        ("GET http://evil.example/v1/models HTTP/1.1\r\nhost: localhost\r\n", "400"),
        ("GET http://localhost/v1/models HTTP/1.1\r\nhost: evil.example\r\n", "400"),
        ("GET /v1/models HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n", "400"),
        ("GET /v1/models HTTP/1.1\r\nhost:\r\n", "400"),
    ] {
        let request = format!("{head}connection: close\r\n\r\n");
        let answer = exchange(gateway.address, request.as_bytes(), Duration::from_secs(5)).await;
        let answer = String::from_utf8_lossy(&answer);
        assert_eq!(answer.split(' ').nth(1), Some(status), "{head}: {answer}");
    }
    let refused = [("status", "400"), ("error", "host_not_allowed")];
    assert_eq!(gateway.sum("requests_total", &refused).await, 24.0);
}

#[tokio::test]
async fn e17_a_path_that_is_no_text_is_refused_in_the_envelope() {
    let (_upstream, gateway) = house().await;
    for path in ["/v1/models/%ff", "/v1/models/ok%c3", "/v1/models/a/%80"] {
        assert_eq!(request(&gateway, "GET", path).await.code(404), "model_not_found", "{path}");
    }
    assert_eq!(gateway.sum("requests_total", &[("error", "model_not_found")]).await, 3.0);
}

#[tokio::test]
async fn e18_other_methods_and_routes_are_refused_with_what_is_allowed() {
    let (upstream, gateway) = house().await;
    let methods = ["GET", "PUT", "OPTIONS", "DELETE", "PATCH"];
    for method in methods {
        for (path, allow) in [("/v1/chat/completions", "POST"), ("/v1/route", "POST")] {
            let reply = request(&gateway, method, path).await;
            assert_eq!(reply.code(405), "method_not_allowed", "{method} {path}");
            assert_eq!(reply.header("allow"), allow);
            assert!(!reply.headers.keys().any(|name| name.as_str().starts_with("access-control")));
        }
    }
    let head = request(&gateway, "HEAD", "/v1/chat/completions").await;
    assert_eq!((head.status, head.header("allow"), head.body.len()), (405, "POST", 0));
    let post = request(&gateway, "POST", "/v1/models").await;
    assert_eq!((post.code(405), post.header("allow")), ("method_not_allowed".to_owned(), "GET,HEAD"));
    for path in [
        "/",
        "/v1",
        "/v1//chat/completions",
        "/v1/chat/completions/",
        "/v1/%2e%2e/metrics",
        "/metrics",
        "/health/live",
        "/v1/responses",
        "/v1/completions",
    ] {
        let error = request(&gateway, "GET", path).await.error(404);
        assert_eq!(error["code"], "not_found", "{path}");
        assert!(error["message"].as_str().unwrap().contains("/v1/chat/completions"), "{path}: {error}");
    }
    assert_eq!(upstream.bytes_received(), 0);
}

async fn request(gateway: &Gateway, method: &str, path: &str) -> Reply {
    let method = method.parse().unwrap();
    let sent = gateway.client().request(method, gateway.url(path)).send().await.unwrap();
    Reply::read(sent).await
}
