//! An OpenAI-compatible upstream that does what the request's `model` says, and records what it saw.
//!
//! `ok` | `reasoner` (takes no `max_tokens` and no `temperature`) | `strict` (takes no `stream_options`) | `slowstream` (14 s), `shortstream` (3.5 s) | `tools` | `parts` (a thought and a text in place of one text) | `refusal` | `usage:never`, `usage:always`, `usage:choices` (a report in the last choice) |
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

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

mod script;

pub(crate) use script::TEXT;
use script::{Ask, Step, script};

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
