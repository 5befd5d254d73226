//! A mock of the remote API: answers at once, as little work as an HTTP/1.1 server can do, so that what is measured is
//! the gateway. It answers a stream to whoever accepts `text/event-stream`, else one short completion.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Context as _;
use bytes::{Buf, BytesMut};
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Content chunks of a streamed answer.
pub(crate) const CHUNKS: usize = 200;

/// A listening mock; ends with the runtime that it was started on.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    pace: Arc<AtomicU64>,
}

impl Upstream {
    /// Binds and serves on the current runtime.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let pace = Arc::new(AtomicU64::new(0));
        let paces = Arc::clone(&pace);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let pace = Arc::clone(&paces);
                // A peer that leaves is no concern of the mock's.
                tokio::spawn(async move { converse(tcp, &pace).await.ok() });
            }
        });
        Ok(Self { address, pace })
    }

    /// From now on streams pause for so long before each chunk; zero: each chunk is its own write, without a pause.
    pub(crate) fn pace(&self, pause: Duration) {
        self.pace.store(pause.as_micros() as u64, Relaxed);
    }
}

async fn converse(mut tcp: TcpStream, pace: &AtomicU64) -> anyhow::Result<()> {
    tcp.set_nodelay(true)?;
    let whole = whole();
    let mut buffer = BytesMut::with_capacity(128 * 1024);
    loop {
        let head = loop {
            if let Some(end) = memmem::find(&buffer, b"\r\n\r\n") {
                break end + 4;
            }
            if tcp.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let lower = buffer[..head].to_ascii_lowercase();
        let length = header(&lower, b"content-length: ").context("no length")?.parse::<usize>()?;
        let stream = memmem::find(&lower, b"text/event-stream").is_some();
        while buffer.len() < head + length {
            if tcp.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        buffer.advance(head + length);
        if stream { answer_stream(&mut tcp, pace).await? } else { tcp.write_all(&whole).await? }
    }
}

/// The value of a header; `name` in lower case, with colon and space.
pub(crate) fn header<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a str> {
    let from = memmem::find(head, name)? + name.len();
    let rest = &head[from..];
    std::str::from_utf8(&rest[..memchr::memchr(b'\r', rest)?]).ok()
}

fn whole() -> Vec<u8> {
    let body = concat!(
        r#"{"id":"chatcmpl-BnchAbcDefGhiJklMnoPqrStuVw","object":"chat.completion","created":1700000000,"#,
        r#""model":"gpt-4o-mini-2024-07-18","choices":[{"index":0,"message":{"role":"assistant","content":"#,
        r#""Short waves scatter most, so the sky looks blue at noon; at dusk the long path leaves only red.","#,
        r#""refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":38,"#,
        r#""completion_tokens":24,"total_tokens":62,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"#,
        r#""completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"#,
        r#""rejected_prediction_tokens":0}},"service_tier":"default","system_fingerprint":"fp_0123456789"}"#
    );
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
        .into()
}

async fn answer_stream(tcp: &mut TcpStream, pace: &AtomicU64) -> anyhow::Result<()> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let (chunk, last) = (framed(&event(r#"{"content":" word"}"#, "null", "null")), framed(&ending()));
    tcp.write_all(head.as_bytes()).await?;
    let pause = Duration::from_micros(pace.load(Relaxed));
    let mut tick = (!pause.is_zero()).then(|| tokio::time::interval(pause));
    for _ in 0..CHUNKS {
        match &mut tick {
            Some(tick) => drop(tick.tick().await),
            None => tokio::task::yield_now().await,
        }
        tcp.write_all(&chunk).await?;
    }
    tcp.write_all(&last).await?;
    tcp.write_all(b"0\r\n\r\n").await?;
    Ok(())
}

fn event(delta: &str, finish: &str, usage: &str) -> String {
    format!(
        "data: {{\"id\":\"chatcmpl-BnchAbcDefGhiJklMnoPqrStuVw\",\"object\":\"chat.completion.chunk\",\
         \"created\":1700000000,\"model\":\"gpt-4o-mini-2024-07-18\",\"service_tier\":\"default\",\
         \"system_fingerprint\":\"fp_0123456789\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"logprobs\":null,\
         \"finish_reason\":{finish}}}],\"usage\":{usage}}}\n\n"
    )
}

fn ending() -> String {
    let usage = r#"{"prompt_tokens":38,"completion_tokens":200,"total_tokens":238}"#;
    let report = format!(
        "data: {{\"id\":\"chatcmpl-BnchAbcDefGhiJklMnoPqrStuVw\",\"object\":\"chat.completion.chunk\",\
         \"created\":1700000000,\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[],\"usage\":{usage}}}\n\n"
    );
    event("{}", "\"stop\"", "null") + &report + "data: [DONE]\n\n"
}

fn framed(text: &str) -> Vec<u8> {
    format!("{:x}\r\n{text}\r\n", text.len()).into()
}
