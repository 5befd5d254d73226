//! nginx as a plain reverse proxy in front of the same upstream: the limit of what relaying costs.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::machine;

/// A running nginx, one process.
pub(crate) struct Proxy {
    _child: Child,
    _folder: TempDir,
    pub(crate) pid: u32,
    pub(crate) address: SocketAddr,
}

/// Where nginx is: unpacked by `scripts/bench.sh`, or the system's.
pub(crate) fn find() -> Option<PathBuf> {
    let own = machine::path(".local/nginx/usr/sbin/nginx");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(own)
        .chain(std::env::split_paths(&path).map(|folder| folder.join("nginx")))
        .chain([PathBuf::from("/usr/sbin/nginx")]);
    all.into_iter().find(|file| file.is_file())
}

impl Proxy {
    /// Starts nginx in front of `upstream`, on one core.
    pub(crate) async fn start(nginx: &Path, upstream: SocketAddr, core: usize) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        std::fs::write(folder.path().join("nginx.conf"), config(address, upstream))?;
        let mut command = machine::on_core(core, nginx);
        command.args(["-c", "nginx.conf", "-e", "stderr", "-p"]).arg(folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = Command::from(command).kill_on_drop(true).spawn().context("nginx")?;
        let pid = child.id().context("nginx ended at once")?;
        let deadline = Instant::now() + Duration::from_secs(10);
        while tokio::net::TcpStream::connect(address).await.is_err() {
            if Instant::now() > deadline {
                bail!("nginx does not listen");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(Self { _child: child, _folder: folder, pid, address })
    }
}

fn config(address: SocketAddr, upstream: SocketAddr) -> String {
    format!(
        "daemon off; master_process off; worker_processes 1; pid nginx.pid;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n\
           access_log off; tcp_nodelay on; keepalive_requests 10000000;\n\
           client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;\n\
           uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n\
           client_max_body_size 8m; client_body_buffer_size 256k;\n\
           upstream mock {{ server {upstream}; keepalive 64; keepalive_requests 10000000; }}\n\
           server {{ listen {address}; location / {{\n\
             proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_buffering off;\n\
           }} }}\n\
         }}\n"
    )
}
