//! Accepts connections and ends gracefully: no new ones, live answers to their end or until the grace is over.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

use super::socket::Socket;

/// How long a client may take to send a request's head.
const HEAD_PATIENCE: Duration = Duration::from_secs(30);
/// Pause after a failed accept (out of file descriptors, say), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A bound address and what is served there.
pub struct Listener {
    tcp: TcpListener,
    routes: Router,
    write_timeout: Duration,
}

impl Listener {
    /// Binds `address`. A write that stalls for `write_timeout` ends its connection.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn bind(address: SocketAddr, routes: Router, write_timeout: Duration) -> io::Result<Self> {
        Ok(Self { tcp: TcpListener::bind(address).await?, routes, write_timeout })
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
pub async fn serve(listener: Listener, stop: impl Future<Output = ()>, grace: Duration) -> bool {
    let connections = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.tcp.accept() => accepted,
            () = &mut stop => break,
        };
        let tcp = match accepted {
            Ok((tcp, _)) => tcp,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Without it, a stream's small writes wait for acknowledgements.
        if tcp.set_nodelay(true).is_err() {
            continue;
        }
        let io = TokioIo::new(Socket::new(tcp, listener.write_timeout));
        let service = TowerToHyperService::new(listener.routes.clone());
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_PATIENCE)
            .serve_connection(io, service);
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended with an error");
            }
        });
    }
    drop(listener);
    tokio::time::timeout(grace, connections.shutdown()).await.is_ok()
}
