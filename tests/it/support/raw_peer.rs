//! Raw sockets: a client that sends given bytes, and an upstream that answers given bytes, whatever they are.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

/// Sends `bytes` and reads until the peer closes, or for `patience` at most.
pub(crate) async fn exchange(address: SocketAddr, bytes: &[u8], patience: Duration) -> Vec<u8> {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    let mut answer = vec![];
    let _ = timeout(patience, socket.read_to_end(&mut answer)).await;
    answer
}

/// What follows the answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Then {
    /// A clean end.
    Close,
    /// Silence on an open connection.
    Hold,
    /// The last byte again and again, as fast as the peer reads.
    Flood,
}

/// An upstream that reads one request a connection and answers the same bytes to each; stops when dropped.
pub(crate) struct RawUpstream {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    server: JoinHandle<()>,
}

impl RawUpstream {
    /// Starts on a free port.
    pub(crate) async fn start(answer: impl Into<Vec<u8>>, then: Then) -> Self {
        let answer = answer.into();
        Self::each(move |_| (answer.clone(), then)).await
    }

    /// An upstream that answers its first connection so, and says nothing on the others.
    pub(crate) async fn once(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::each(move |at| if at == 0 { (answer.clone(), Then::Close) } else { (vec![], Then::Hold) }).await
    }

    async fn each(plan: impl Fn(usize) -> (Vec<u8>, Then) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            for number in 0.. {
                let Ok((socket, _)) = listener.accept().await else { return };
                let (answer, then) = plan(number);
                connections.spawn(one(socket, answer, then));
            }
        });
        Self { address, server }
    }

    /// An upstream that streams `events`, raw SSE text, under a good head, and closes.
    pub(crate) async fn events(events: impl AsRef<[u8]>, then: Then) -> Self {
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        Self::start([head.as_slice(), events.as_ref()].concat(), then).await
    }

    /// An upstream that answers a good head and this JSON.
    pub(crate) async fn json(status: &str, headers: &str, body: &[u8]) -> Self {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{headers}\r\n"
        );
        Self::start([head.as_bytes(), body].concat(), Then::Close).await
    }

    /// The base URL, up to and including `/v1`.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }
}

impl Drop for RawUpstream {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// An upstream that answers one request a connection, no sooner than two are there, and breaks off under the next; its
/// third connection and later ones answer at once.
pub(crate) struct OnceEach {
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl OnceEach {
    /// Starts on a free port.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let both = Arc::new(Barrier::new(2));
        let server = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            for number in 0.. {
                let Ok((mut socket, _)) = listener.accept().await else { return };
                let both = Arc::clone(&both);
                connections.spawn(async move {
                    read_request(&mut socket).await;
                    if number < 2 {
                        both.wait().await;
                    }
                    let body =
                        r#"{"choices":[{"index":0,"message":{"content":"yes"},"finish_reason":"stop"}]}"#;
                    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length";
                    let answer = format!("{head}: {}\r\n\r\n{body}", body.len());
                    let _ = socket.write_all(answer.as_bytes()).await;
                    read_request(&mut socket).await;
                });
            }
        });
        Self { address, server }
    }

    /// The base URL, up to and including `/v1`.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }
}

impl Drop for OnceEach {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn one(mut socket: TcpStream, answer: Vec<u8>, then: Then) {
    read_request(&mut socket).await;
    if socket.write_all(&answer).await.is_err() {
        return;
    }
    match then {
        Then::Close => {}
        Then::Hold => std::future::pending().await,
        Then::Flood => {
            let more = vec![answer.last().copied().unwrap_or(b'x'); 64 * 1024];
            while socket.write_all(&more).await.is_ok() {}
        }
    }
    let _ = socket.shutdown().await;
    // What the peer still sends is read, or the close would become a reset.
    let _ = timeout(Duration::from_secs(1), socket.read_to_end(&mut vec![])).await;
}

/// Reads a head and the body that its `content-length` announces.
async fn read_request(socket: &mut TcpStream) {
    let mut request = vec![];
    let mut buffer = [0; 4096];
    loop {
        let Ok(n @ 1..) = socket.read(&mut buffer).await else { return };
        request.extend_from_slice(&buffer[..n]);
        let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
        if request.len() >= end + 4 + length {
            return;
        }
    }
}

#[tokio::test]
async fn a_raw_upstream_answers_its_bytes_to_a_raw_client() {
    let upstream = RawUpstream::start("odd\0bytes", Then::Close).await;
    let request = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";
    assert_eq!(exchange(upstream.address, request, Duration::from_secs(5)).await, b"odd\0bytes");
}
