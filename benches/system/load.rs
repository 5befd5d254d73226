//! A load generator: so many keep-alive connections, each with one request at a time, a fixed number of requests in all.
//! It does as little per request as it can, and refuses an answer that is not whole.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::upstream::header;

/// Longest that one run may take.
const PATIENCE: Duration = Duration::from_secs(240);

/// What a whole stream ends with.
const END: &[u8] = b"data: [DONE]\n\n";

/// What to send, and how often.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    /// A whole request, head and body.
    pub(crate) request: Bytes,
    pub(crate) connections: usize,
    pub(crate) count: usize,
}

/// What came of a run.
pub(crate) struct Outcome {
    pub(crate) wall: Duration,
    /// Of each request, in microseconds, unordered.
    pub(crate) latencies: Vec<f64>,
}

/// A request to `/v1/chat/completions`.
pub(crate) fn request(body: &str, stream: bool) -> Bytes {
    let accept = if stream { "text/event-stream" } else { "application/json" };
    let length = body.len();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         accept: {accept}\r\nauthorization: Bearer sk-client\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into()
}

/// Carries out a plan.
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Outcome> {
    let taken = Arc::new(AtomicUsize::new(0));
    let mut clients = vec![];
    for _ in 0..plan.connections {
        clients.push(Client::connect(plan.address).await?);
    }
    let started = Instant::now();
    let tasks: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            let (plan, taken) = (plan.clone(), Arc::clone(&taken));
            tokio::spawn(async move {
                let mut latencies = vec![];
                while taken.fetch_add(1, Relaxed) < plan.count {
                    let sent = Instant::now();
                    client.ask(&plan.request).await?;
                    latencies.push(super::figures::micros(sent.elapsed()));
                }
                anyhow::Ok(latencies)
            })
        })
        .collect();
    let mut latencies = Vec::with_capacity(plan.count);
    for task in tasks {
        let left = PATIENCE.saturating_sub(started.elapsed());
        latencies.extend(tokio::time::timeout(left, task).await.context("the run took too long")???);
    }
    Ok(Outcome { wall: started.elapsed(), latencies })
}

/// The body of one answer that must be a 200.
pub(crate) async fn fetch(address: SocketAddr, request: &[u8]) -> anyhow::Result<String> {
    let mut client = Client::connect(address).await?;
    client.keep = Some(vec![]);
    client.ask(request).await?;
    Ok(String::from_utf8(client.keep.unwrap_or_default())?)
}

/// The body behind a GET.
pub(crate) async fn get(address: SocketAddr, path: &str) -> anyhow::Result<String> {
    fetch(address, format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).await
}

struct Client {
    tcp: TcpStream,
    buffer: BytesMut,
    /// Bodies are gathered here, where somebody wants them.
    keep: Option<Vec<u8>>,
}

impl Client {
    async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        Ok(Self { tcp, buffer: BytesMut::with_capacity(64 * 1024), keep: None })
    }

    /// Sends a request and reads its answer to the end.
    async fn ask(&mut self, request: &[u8]) -> anyhow::Result<()> {
        self.tcp.write_all(request).await?;
        let head = loop {
            if let Some(end) = memmem::find(&self.buffer, b"\r\n\r\n") {
                break self.buffer.split_to(end + 4);
            }
            self.more().await?;
        };
        ensure!(
            head.starts_with(b"HTTP/1.1 200"),
            "the answer is no 200: {}",
            String::from_utf8_lossy(&head)
        );
        let lower = head.to_ascii_lowercase();
        match header(&lower, b"content-length: ") {
            Some(length) => self.take(length.parse()?).await,
            None => self.chunked().await,
        }
    }

    async fn more(&mut self) -> anyhow::Result<()> {
        if self.tcp.read_buf(&mut self.buffer).await? == 0 {
            bail!("the connection was closed in mid-answer");
        }
        Ok(())
    }

    /// Takes the next bytes of a body.
    async fn take(&mut self, mut left: usize) -> anyhow::Result<()> {
        loop {
            let now = left.min(self.buffer.len());
            if let Some(keep) = &mut self.keep {
                keep.extend_from_slice(&self.buffer[..now]);
            }
            self.buffer.advance(now);
            left -= now;
            if left == 0 {
                return Ok(());
            }
            self.more().await?;
        }
    }

    async fn chunked(&mut self) -> anyhow::Result<()> {
        // An end may lie in two pieces.
        let mut tail: Vec<u8> = vec![];
        loop {
            let line = loop {
                if let Some(end) = memmem::find(&self.buffer, b"\r\n") {
                    break self.buffer.split_to(end + 2);
                }
                self.more().await?;
            };
            let size = usize::from_str_radix(std::str::from_utf8(&line)?.trim_end(), 16)?;
            while self.buffer.len() < size + 2 {
                self.more().await?;
            }
            if size == 0 {
                ensure!(tail.ends_with(END), "a stream without [DONE]");
                self.buffer.advance(2);
                return Ok(());
            }
            tail.drain(..tail.len().saturating_sub(END.len()));
            tail.extend_from_slice(&self.buffer[size.saturating_sub(END.len())..size]);
            self.take(size).await?;
            self.buffer.advance(2);
        }
    }
}
