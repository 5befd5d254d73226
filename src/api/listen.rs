//! Accepts connections and ends gracefully: no new ones, live answers to their end or until the grace is over.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::socket::Socket;

/// How long a client may take to send a request's head.
const HEAD_PATIENCE: Duration = Duration::from_secs(30);
/// Pause after a failed accept (out of file descriptors, say), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long after the stop a connection may still bring its first request.
const LAST_CALL: Duration = Duration::from_millis(500);

/// A bound address and what is served there.
pub struct Listener {
    tcp: TcpListener,
    routes: Router,
    write_timeout: Duration,
}

impl Listener {
    /// Serves `routes` at a bound address. A write that stalls for `write_timeout` ends its connection.
    pub fn new(tcp: TcpListener, routes: Router, write_timeout: Duration) -> Self {
        Self { tcp, routes, write_timeout }
    }

    /// Where it listens, with the port that was picked for port 0.
    ///
    /// # Errors
    /// When the socket is gone.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// Serves until `stop` resolves, then lets live answers go on for `grace`. Returns whether all ended in time.
/// Connections on which no request was ever made do not hold up the end.
pub async fn serve(listener: Listener, stop: impl Future<Output = ()>, grace: Duration) -> bool {
    let connections = GracefulShutdown::new();
    let (stopping, _) = watch::channel(false);
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.tcp.accept() => accepted,
            () = &mut stop => break,
        };
        match accepted {
            // Without it, a stream's small writes wait for acknowledgements.
            Ok((tcp, _)) if tcp.set_nodelay(true).is_ok() => {
                connect(&listener, tcp, &connections, stopping.subscribe());
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    stopping.send_replace(true);
    tokio::time::timeout(grace, connections.shutdown()).await.is_ok()
}

/// Serves one connection on a task of its own.
fn connect(
    listener: &Listener,
    tcp: TcpStream,
    connections: &GracefulShutdown,
    stopping: watch::Receiver<bool>,
) {
    let io = TokioIo::new(Socket::new(tcp, listener.write_timeout));
    let routes = TowerToHyperService::new(listener.routes.clone());
    let begun = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&begun);
    let service = service_fn(move |request| {
        noted.store(true, Ordering::Relaxed);
        routes.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .serve_connection(io, service);
    let connection = connections.watch(connection);
    tokio::spawn(async move {
        tokio::select! {
            ended = connection => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended with an error");
                }
            }
            () = unused(stopping, &begun) => {}
        }
    });
}

/// Resolves soon after the stop where no request has begun: hyper would wait for its head for as long as ever.
async fn unused(mut stopping: watch::Receiver<bool>, begun: &AtomicBool) {
    // A sender that is gone means the same as a told one.
    drop(stopping.wait_for(|stopping| *stopping).await);
    tokio::time::sleep(LAST_CALL).await;
    if begun.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}
