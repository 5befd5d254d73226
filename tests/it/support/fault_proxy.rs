//! A TCP proxy that breaks what comes back from its target. Requests pass untouched; the mode can change between
//! connections.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// What happens to the bytes that come back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mode {
    /// Nothing.
    Pass,
    /// Each read is held back this long.
    Latency(Duration),
    /// So many bytes a second.
    Bandwidth(usize),
    /// After so many bytes the connection is reset.
    Reset(usize),
    /// After so many bytes the connection is closed cleanly.
    Limit(usize),
    /// After so many bytes silence; the connection stays open.
    Half(usize),
    /// The connection is taken, and nothing ever comes back.
    Blackhole,
    /// Written in pieces of so many bytes.
    Slicer(usize),
    /// From this byte on, every seventh becomes 0xFF.
    Corrupt(usize),
}

/// A running proxy; stops when dropped.
pub(crate) struct FaultProxy {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    mode: Arc<Mutex<Mode>>,
    server: JoinHandle<()>,
}

impl FaultProxy {
    /// Starts on a free port in front of `target`.
    pub(crate) async fn start(target: SocketAddr, mode: Mode) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mode = Arc::new(Mutex::new(mode));
        let server = tokio::spawn(serve(listener, target, Arc::clone(&mode)));
        Self { address, mode, server }
    }

    /// The base URL, up to and including `/v1`.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Changes what happens to connections accepted from now on.
    pub(crate) fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    /// An address where connections are refused.
    pub(crate) async fn down() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, target: SocketAddr, mode: Arc<Mutex<Mode>>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let mode = *mode.lock().unwrap();
        connections.spawn(async move {
            let Ok(upstream) = TcpStream::connect(target).await else { return };
            client.set_nodelay(true).unwrap();
            upstream.set_nodelay(true).unwrap();
            if matches!(mode, Mode::Reset(_)) {
                // Closing with this set sends a reset in place of a clean end.
                client.set_zero_linger().unwrap();
            }
            let (from_client, to_client) = client.into_split();
            let (from_upstream, to_upstream) = upstream.into_split();
            let forth = tokio::spawn(copy(from_client, to_upstream));
            if back(from_upstream, to_client, mode).await == Then::Hold {
                let _ = forth.await;
            } else {
                forth.abort();
            }
        });
    }
}

/// What becomes of the client's connection.
#[derive(PartialEq)]
enum Then {
    Close,
    Hold,
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let _ = tokio::io::copy(&mut from, &mut to).await;
    let _ = to.shutdown().await;
}

/// Copies back until the target ends or the fault strikes.
async fn back(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mode: Mode) -> Then {
    let cap = match mode {
        Mode::Reset(n) | Mode::Limit(n) | Mode::Half(n) => n,
        Mode::Blackhole => 0,
        _ => usize::MAX,
    };
    let mut buffer = vec![0; 16 * 1024];
    let mut passed = 0;
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        let read = &mut buffer[..n.min(cap - passed)];
        if let Mode::Corrupt(start) = mode {
            for (at, byte) in read.iter_mut().enumerate() {
                if passed + at >= start && (passed + at) % 7 == 0 {
                    *byte = 0xff;
                }
            }
        }
        if !write(&mut to, read, mode).await {
            break;
        }
        passed += read.len();
        if passed < cap {
            continue;
        }
        match mode {
            Mode::Half(_) | Mode::Blackhole => {
                to.forget();
                return Then::Hold;
            }
            // Without the half's own shutdown, which would send a clean end before the reset.
            Mode::Reset(_) => to.forget(),
            _ => {}
        }
        break;
    }
    Then::Close
}

async fn write(to: &mut OwnedWriteHalf, read: &[u8], mode: Mode) -> bool {
    let (size, pause) = match mode {
        Mode::Slicer(size) => (size, Some(Duration::ZERO)),
        Mode::Bandwidth(rate) => ((rate / 20).max(1), Some(Duration::from_millis(50))),
        Mode::Latency(time) => (read.len(), Some(time)),
        _ => (read.len(), None),
    };
    for piece in read.chunks(size.max(1)) {
        match pause {
            Some(Duration::ZERO) => tokio::task::yield_now().await,
            Some(time) => tokio::time::sleep(time).await,
            None => {}
        }
        if to.write_all(piece).await.is_err() {
            return false;
        }
    }
    true
}
