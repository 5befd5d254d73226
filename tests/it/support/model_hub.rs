//! A model hub on loopback: lists revisions, resolves files, sends large ones on to a content server at another origin,
//! as the real one does; and fails as it is told to. Remembers every request with its headers.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::StreamBody;
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The repository that is served.
pub(crate) const REPOSITORY: &str = "acme/tiny";
/// The commit that `main` is.
pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What goes wrong with one answer of the content server; used up by it.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The connection breaks after so many bytes.
    Cut(usize),
    /// It falls silent after so many bytes.
    Stall(usize),
    /// One byte is another.
    Corrupt,
    /// The range is ignored: the whole file comes with 200.
    Whole,
    /// A status, with `Retry-After` where there is one.
    Status(u16, Option<u64>),
}

/// One file of the repository.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) path: String,
    pub(crate) bytes: Vec<u8>,
    /// Kept at the content server, as large files are.
    pub(crate) large: bool,
    /// The size that the hub tells, where that is a lie.
    pub(crate) told: Option<u64>,
}

/// What is served, and how.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub(crate) commit: String,
    pub(crate) files: Vec<Held>,
    pub(crate) faults: VecDeque<Fault>,
    /// The hub's own answer to everything, with `X-Error-Code`.
    pub(crate) refusal: Option<(u16, &'static str)>,
    /// The list of files tells neither sizes nor digests.
    pub(crate) bare: bool,
    /// Nor do the hub's answers tell large files' digests.
    pub(crate) untagged: bool,
    pub(crate) licence: &'static str,
    /// The task, where the hub calls it by one.
    pub(crate) task: Option<&'static str>,
}

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Whether the content server was asked, not the hub.
    pub(crate) content: bool,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
}

/// A running hub with its content server; both stop when dropped.
pub(crate) struct ModelHub {
    address: SocketAddr,
    content: SocketAddr,
    served: Arc<Mutex<Served>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    servers: [JoinHandle<()>; 2],
}

#[derive(Clone)]
struct Desk {
    content: Option<SocketAddr>,
    served: Arc<Mutex<Served>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Held {
    pub(crate) fn small(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), bytes: text.as_bytes().to_vec(), large: false, told: None }
    }

    pub(crate) fn large(path: &str, bytes: Vec<u8>) -> Self {
        Self { path: path.to_owned(), bytes, large: true, told: None }
    }

    fn size(&self) -> u64 {
        self.told.unwrap_or(self.bytes.len() as u64)
    }

    fn tag(&self) -> String {
        if self.large { hex(&Sha256::digest(&self.bytes)) } else { self.blob() }
    }

    fn blob(&self) -> String {
        let mut digest = Sha1::new();
        digest.update(format!("blob {}\0", self.bytes.len()));
        digest.update(&self.bytes);
        hex(&digest.finalize())
    }
}

/// Bytes that differ from their neighbours.
pub(crate) fn weights(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at.wrapping_mul(2_654_435_761) >> 7) as u8).collect()
}

impl Served {
    /// A tiny model in the layout of Hugging Face exports, with weights of this size.
    pub(crate) fn tiny(len: usize) -> Self {
        let files = vec![
            Held::small(".gitattributes", "* text"),
            Held::small("README.md", "# Tiny"),
            Held::small("config.json", "{\"model_type\":\"llama\"}"),
            Held::large("onnx/model.onnx", weights(len * 4)),
            Held::large("onnx/model_q4.onnx", weights(len)),
            Held::small("tokenizer.json", "{}"),
        ];
        let (commit, licence) = (COMMIT.to_owned(), "apache-2.0");
        let faults = VecDeque::new();
        Self { commit, files, faults, refusal: None, bare: false, untagged: false, licence, task: None }
    }

    pub(crate) fn with(mut self, faults: &[Fault]) -> Self {
        self.faults.extend(faults.iter().cloned());
        self
    }

    pub(crate) fn refusing(mut self, status: u16, code: &'static str) -> Self {
        self.refusal = Some((status, code));
        self
    }

    /// The list that `/api/models/…/revision/…` answers.
    fn list(&self) -> Value {
        let sibling = |file: &Held| match (self.bare, file.large) {
            (true, _) => json!({ "rfilename": file.path }),
            (false, false) => json!({ "rfilename": file.path, "size": file.size(), "blobId": file.blob() }),
            (false, true) => json!({
                "rfilename": file.path,
                "size": file.size(),
                "blobId": "f".repeat(40),
                "lfs": { "sha256": file.tag(), "size": file.size(), "pointerSize": 134 },
            }),
        };
        let siblings: Vec<Value> = self.files.iter().map(sibling).collect();
        let tags = ["onnx".to_owned(), format!("license:{}", self.licence)];
        json!({
            "id": REPOSITORY,
            "sha": self.commit,
            "siblings": siblings,
            "tags": tags,
            "pipeline_tag": self.task,
        })
    }
}

impl ModelHub {
    /// Starts both on free ports.
    pub(crate) async fn start(served: Served) -> Self {
        let (served, asked) = (Arc::new(Mutex::new(served)), Arc::default());
        let [hub, content] = [listener().await, listener().await];
        let (address, content_address) = (hub.local_addr().unwrap(), content.local_addr().unwrap());
        let desk = |content| Desk { content, served: Arc::clone(&served), asked: Arc::clone(&asked) };
        let servers =
            [tokio::spawn(serve(hub, desk(Some(content_address)))), tokio::spawn(serve(content, desk(None)))];
        Self { address, content: content_address, served, asked, servers }
    }

    /// The value of `HF_ENDPOINT`.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The content server's address.
    pub(crate) fn content(&self) -> String {
        format!("http://{}", self.content)
    }

    /// Every request so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The ranges that the content server was asked for, in order; empty where there was none.
    pub(crate) fn ranges(&self) -> Vec<String> {
        let range = |asked: &Asked| {
            asked.headers.get("range").map(|range| range.to_str().unwrap().to_owned()).unwrap_or_default()
        };
        self.asked().iter().filter(|asked| asked.content).map(range).collect()
    }

    /// Changes what is served from now on.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Served)) {
        change(&mut self.served.lock().unwrap());
    }
}

impl Drop for ModelHub {
    fn drop(&mut self) {
        self.servers.iter().for_each(JoinHandle::abort);
    }
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

type Body = StreamBody<stream::BoxStream<'static, io::Result<Frame<Bytes>>>>;

async fn serve(listener: TcpListener, desk: Desk) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let desk = desk.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let answer = desk.answer(&request);
                async move { Ok::<_, Infallible>(answer) }
            });
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
    }
}

impl Desk {
    fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        self.asked.lock().unwrap().push(Asked {
            content: self.content.is_none(),
            method: request.method().clone(),
            path: path.clone(),
            headers: request.headers().clone(),
        });
        let mut served = self.served.lock().unwrap();
        match self.content {
            None => content(&mut served, request, path.trim_start_matches("/blobs/")),
            Some(content) => hub(&served, &path, content),
        }
    }
}

fn hub(served: &Served, path: &str, content: SocketAddr) -> Response<Body> {
    if let Some((status, code)) = served.refusal {
        let response = Response::builder().status(status).header("x-error-code", code);
        return response.body(whole(&b"no"[..])).unwrap();
    }
    if path.starts_with(&format!("/api/models/{REPOSITORY}/revision/")) {
        return Response::new(whole(served.list().to_string().into_bytes()));
    }
    let file = path.strip_prefix(&format!("/{REPOSITORY}/resolve/{}/", served.commit));
    let Some(file) = served.files.iter().find(|held| Some(held.path.as_str()) == file) else {
        let response = Response::builder().status(404).header("x-error-code", "EntryNotFound");
        return response.body(whole(&b""[..])).unwrap();
    };
    let response = Response::builder().header("x-repo-commit", &served.commit);
    if !file.large {
        let response = response.header("etag", format!("\"{}\"", file.tag()));
        return response.header("content-length", file.bytes.len()).body(whole(file.bytes.clone())).unwrap();
    }
    let tag = if served.untagged { "untold".to_owned() } else { file.tag() };
    response
        .status(StatusCode::FOUND)
        .header("location", format!("http://{content}/blobs/{}?signature=canary", file.tag()))
        .header("x-linked-size", file.size())
        .header("x-linked-etag", format!("\"{tag}\""))
        .body(whole(&b""[..]))
        .unwrap()
}

fn content(served: &mut Served, request: &Request<Incoming>, tag: &str) -> Response<Body> {
    let fault = served.faults.pop_front();
    let held = served.files.iter().find(|held| held.large && held.tag() == tag).unwrap();
    let range = request.headers().get("range").and_then(|range| range.to_str().ok());
    let from = range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let from: usize = from.filter(|_| !matches!(fault, Some(Fault::Whole))).unwrap_or(0);
    if let Some(Fault::Status(status, retry_after)) = fault {
        let mut response = Response::builder().status(status);
        if let Some(seconds) = retry_after {
            response = response.header("retry-after", seconds);
        }
        return response.body(whole(&b"busy"[..])).unwrap();
    }
    let (mut bytes, size) = (held.bytes[from..].to_vec(), held.bytes.len());
    if matches!(fault, Some(Fault::Corrupt)) {
        bytes[0] ^= 1;
    }
    let mut response = Response::builder().header("content-length", bytes.len());
    if from > 0 {
        let range = format!("bytes {from}-{}/{size}", size - 1);
        response = response.status(StatusCode::PARTIAL_CONTENT).header("content-range", range);
    }
    let body = match fault {
        Some(Fault::Cut(at)) => {
            bytes.truncate(at);
            let broken = Err(io::Error::other("cut"));
            // A breath between the bytes and the break, so that the bytes arrive.
            let rest = stream::once(async move {
                tokio::time::sleep(Duration::from_millis(20)).await;
                broken
            });
            stream::iter([Ok(Frame::data(bytes.into()))]).chain(rest).boxed()
        }
        Some(Fault::Stall(at)) => {
            bytes.truncate(at);
            stream::iter([Ok(Frame::data(bytes.into()))]).chain(stream::pending()).boxed()
        }
        _ => return response.body(whole(bytes)).unwrap(),
    };
    response.body(StreamBody::new(body)).unwrap()
}

fn whole(bytes: impl Into<Bytes>) -> Body {
    StreamBody::new(stream::iter([Ok(Frame::data(bytes.into()))]).boxed())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
