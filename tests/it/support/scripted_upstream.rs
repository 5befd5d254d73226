//! An OpenAI-compatible upstream that does what the request's `model` says, and records what it saw.
//!
//! `ok` | `slowstream` | `tools` | `usage:never`, `usage:always`, `usage:choices` (a report in the last choice) |
//! `fault:STATUS[:TIMES]` (then `ok`; 429 has `retry-after: 1`) | `fault:quota` | `fault:garbage` (502, HTML) |
//! in a 200: `fault:html`, `fault:err200`, `fault:nochoices`, `fault:hang` (no head), `fault:slow` (no content),
//! `fault:stall`, `fault:cut`, `fault:nodone`, `fault:errmid`, `fault:empty`.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The text of every good answer, streamed word by word.
pub(crate) const TEXT: &str = "Grüße from the 🦀 upstream, in seven words.";

/// A running upstream; stops when dropped.
pub(crate) struct ScriptedUpstream {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    books: Arc<Books>,
    server: JoinHandle<()>,
}

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Path and query.
    pub(crate) path: String,
    /// Every header.
    pub(crate) headers: HeaderMap,
    /// The body's bytes.
    pub(crate) body: Bytes,
}

#[derive(Default)]
struct Books {
    seen: Mutex<Vec<Seen>>,
    calls: Mutex<HashMap<String, usize>>,
    connections: AtomicUsize,
    connections_live: AtomicUsize,
    answers_live: AtomicUsize,
    bytes: AtomicU64,
}

impl ScriptedUpstream {
    /// Starts on a free port.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let books = Arc::new(Books::default());
        let server = tokio::spawn(serve(listener, Arc::clone(&books)));
        Self { address, books, server }
    }

    /// The base URL, up to and including `/v1`.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Every request so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.books.seen.lock().unwrap().clone()
    }

    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.books.connections.load(Ordering::SeqCst)
    }

    /// Connections open now.
    pub(crate) fn connections_live(&self) -> usize {
        self.books.connections_live.load(Ordering::SeqCst)
    }

    /// Answers being written now: falls when their client leaves.
    pub(crate) fn answers_live(&self) -> usize {
        self.books.answers_live.load(Ordering::SeqCst)
    }

    /// Bytes received on all connections: 0 proves that nothing was sent here.
    pub(crate) fn bytes_received(&self) -> u64 {
        self.books.bytes.load(Ordering::SeqCst)
    }
}

impl Drop for ScriptedUpstream {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Counts up while it lives.
struct Live(Arc<Books>, fn(&Books) -> &AtomicUsize);

impl Live {
    fn new(books: &Arc<Books>, gauge: fn(&Books) -> &AtomicUsize) -> Self {
        gauge(books).fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(books), gauge)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        (self.1)(&self.0).fetch_sub(1, Ordering::SeqCst);
    }
}

async fn serve(listener: TcpListener, books: Arc<Books>) {
    // Dropping the set, with the task, ends every connection.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        socket.set_nodelay(true).unwrap();
        books.connections.fetch_add(1, Ordering::SeqCst);
        let live = Live::new(&books, |books| &books.connections_live);
        let counted = Counted { socket, books: Arc::clone(&books) };
        let books = Arc::clone(&books);
        connections.spawn(async move {
            let _live = live;
            let service = service_fn(move |request| answer(request, Arc::clone(&books)));
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(counted), service)
                .await;
        });
    }
}

type Body = StreamBody<Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>>>;

async fn answer(request: Request<Incoming>, books: Arc<Books>) -> Result<Response<Body>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let ask = Ask::read(&body);
    let seen = Seen { path: head.uri.to_string(), headers: head.headers, body };
    books.seen.lock().unwrap().push(seen);
    let call = {
        let mut calls = books.calls.lock().unwrap();
        let call = calls.entry(ask.model.clone()).or_default();
        *call += 1;
        *call
    };
    let live = Live::new(&books, |books| &books.answers_live);
    let script = script(&ask, call);
    if ask.model == "fault:hang" {
        std::future::pending::<()>().await;
    }
    let steps = stream::unfold((script.steps.into_iter(), live), |(mut steps, live)| async move {
        loop {
            match steps.next()? {
                Step::Send(text) => return Some((Ok(Frame::data(text.into())), (steps, live))),
                Step::Wait(time) => tokio::time::sleep(time).await,
                Step::Hang => std::future::pending().await,
            }
        }
    });
    let mut response = Response::builder().status(script.status).header("content-type", script.kind);
    if let Some(value) = script.retry_after {
        response = response.header("retry-after", value);
    }
    Ok(response.body(StreamBody::new(steps.boxed())).unwrap())
}

/// What a request asks for.
struct Ask {
    model: String,
    stream: bool,
    usage: bool,
    n: u64,
}

impl Ask {
    fn read(body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        Self {
            model: body["model"].as_str().unwrap_or_default().to_owned(),
            stream: body["stream"] == true,
            usage: body["stream_options"]["include_usage"] == true,
            n: body["n"].as_u64().unwrap_or(1),
        }
    }
}

enum Step {
    Send(String),
    Wait(Duration),
    Hang,
}

struct Script {
    status: u16,
    kind: &'static str,
    retry_after: Option<&'static str>,
    steps: Vec<Step>,
}

impl Script {
    fn new(status: u16, kind: &'static str, text: impl Into<String>) -> Self {
        Self { status, kind, retry_after: None, steps: vec![Step::Send(text.into())] }
    }

    fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    fn events(steps: Vec<Step>) -> Self {
        Self { status: 200, kind: "text/event-stream; charset=utf-8", retry_after: None, steps }
    }
}

const HTML: &str = "<!DOCTYPE html><html><body>canary-html</body></html>";

fn script(ask: &Ask, call: usize) -> Script {
    let Some(fault) = ask.model.strip_prefix("fault:") else { return good(ask) };
    let (fault, times) = fault.split_once(':').unwrap_or((fault, ""));
    if times.parse().is_ok_and(|times: usize| call > times) {
        return good(ask);
    }
    if let Ok(status) = fault.parse() {
        let mut script = Script::json(
            status,
            &json!({ "error": { "message": format!("scripted {status}"), "type": "scripted_error",
                "param": "model", "code": "scripted", "host": "canary-private" } }),
        );
        script.retry_after = (status == 429).then_some("1");
        return script;
    }
    match fault {
        "quota" => Script::json(
            429,
            &json!({ "error": { "message": "q", "code": "insufficient_quota", "type": "x" } }),
        ),
        "garbage" => Script::new(502, "text/html", HTML),
        "html" => Script::new(200, "text/html", HTML),
        "err200" => Script::json(200, &json!({ "error": { "message": "inside", "code": 503 } })),
        "nochoices" => Script::json(200, &json!({ "id": "x", "choices": [] })),
        broken if ask.stream => Script::events(broken_stream(broken)),
        _ => good(ask),
    }
}

fn broken_stream(fault: &str) -> Vec<Step> {
    let mut steps = vec![piece(0, json!({ "role": "assistant", "content": "" }), Value::Null)];
    if fault != "slow" && fault != "empty" {
        steps.push(piece(0, json!({ "content": "Two " }), Value::Null));
        steps.push(piece(0, json!({ "content": "words" }), Value::Null));
    }
    match fault {
        "slow" | "stall" => steps.push(Step::Hang),
        "nodone" => steps.push(piece(0, json!({}), "stop".into())),
        "errmid" => {
            steps.push(data(&json!({ "error": { "message": "canary-errmid", "code": "server_error" } })))
        }
        "empty" => steps = vec![Step::Send("data: [DONE]\n\n".into())],
        _ => {}
    }
    steps
}

fn good(ask: &Ask) -> Script {
    let tools = json!([{ "index": 0, "id": "call_1", "type": "function",
        "function": { "name": "weather", "arguments": "{\"city\":\"Köln\"}" } }]);
    let usage = json!({ "prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18,
        "prompt_tokens_details": { "cached_tokens": 4 } });
    if !ask.stream {
        let (message, reason) = match ask.model.as_str() {
            "tools" => (json!({ "role": "assistant", "content": null, "tool_calls": tools }), "tool_calls"),
            _ => (json!({ "role": "assistant", "content": TEXT, "x_unknown": 1 }), "stop"),
        };
        let choices: Vec<_> = (0..ask.n)
            .map(|index| json!({ "index": index, "message": message, "finish_reason": reason }))
            .collect();
        let mut body = json!({ "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": ask.model,
            "choices": choices, "x_unknown": [1] });
        if ask.model != "usage:never" {
            body["usage"] = usage;
        }
        return Script::json(200, &body);
    }
    let pieces = if ask.model == "tools" { tool_pieces(&tools) } else { words(ask) };
    let mut steps: Vec<Step> = (0..ask.n)
        .map(|index| piece(index, json!({ "role": "assistant", "content": "" }), Value::Null))
        .collect();
    for delta in pieces {
        steps.extend((0..ask.n).map(|index| piece(index, delta.clone(), Value::Null)));
        match ask.model.as_str() {
            "slowstream" => steps.push(Step::Wait(Duration::from_millis(20))),
            "usage:always" => steps.push(data(&json!({ "choices": [], "usage": { "prompt_tokens": 11,
                "completion_tokens": steps.len() } }))),
            _ => {}
        }
    }
    let reason = if ask.model == "tools" { "tool_calls" } else { "stop" };
    let mut last: Vec<Step> = (0..ask.n).map(|index| piece(index, json!({}), reason.into())).collect();
    if ask.model == "usage:choices" {
        last = vec![data(&json!({ "usage": usage,
            "choices": [{ "index": 0, "delta": {}, "finish_reason": reason }] }))];
    } else if ask.usage && ask.model != "usage:never" {
        last.push(data(&json!({ "id": "chatcmpl-1", "choices": [], "usage": usage })));
    }
    steps.extend(last);
    steps.push(Step::Send("data: [DONE]\n\n".into()));
    Script::events(steps)
}

fn words(ask: &Ask) -> Vec<Value> {
    let times = if ask.model == "slowstream" { 100 } else { 1 };
    let words = TEXT.split_inclusive(' ').map(|word| json!({ "content": word }));
    std::iter::repeat_n(words, times).flatten().collect()
}

/// The call's head, then its arguments character by character.
fn tool_pieces(tools: &Value) -> Vec<Value> {
    let arguments = tools[0]["function"]["arguments"].as_str().unwrap();
    let mut head = tools.clone();
    head[0]["function"]["arguments"] = "".into();
    let pieces = arguments
        .chars()
        .map(|c| json!({ "tool_calls": [{ "index": 0, "function": { "arguments": c.to_string() } }] }));
    [json!({ "tool_calls": head })].into_iter().chain(pieces).collect()
}

fn piece(index: u64, delta: Value, reason: Value) -> Step {
    data(&json!({ "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted",
        "choices": [{ "index": index, "delta": delta, "finish_reason": reason }], "x_unknown": {"a": 1.50} }))
}

fn data(value: &Value) -> Step {
    Step::Send(format!("data: {value}\n\n"))
}

/// A socket that counts what it receives.
struct Counted {
    socket: TcpStream,
    books: Arc<Books>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(cx, buf);
        self.books.bytes.fetch_add((buf.filled().len() - before) as u64, Ordering::SeqCst);
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
