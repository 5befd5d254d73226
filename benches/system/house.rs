//! The gateway as its users run it: `crossover serve` in a process of its own, with its shipped models and defaults.
//! Promises: ports picked by the system, state in a folder that goes away, logs at the default level to nowhere.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use super::load;
use super::machine;

/// Longest wait for anything of the gateway's.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running gateway.
pub(crate) struct House {
    child: Child,
    /// Kept open: a gateway whose output nobody holds would fail at its next line.
    _stdout: BufReader<ChildStdout>,
    state: TempDir,
    pub(crate) pid: u32,
    pub(crate) api: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) started: Instant,
}

/// Whether the shipped language model is there; else gateways run without a local backend.
pub(crate) fn has_local_model() -> bool {
    machine::path("models/starter/genai_config.json").is_file()
}

impl House {
    /// Starts a gateway whose remote is `upstream`; on one core, where one is named.
    pub(crate) async fn start(upstream: SocketAddr, core: Option<usize>) -> anyhow::Result<Self> {
        Self::start_with(upstream, core, "").await
    }

    /// As [`Self::start`], with more settings.
    pub(crate) async fn start_with(
        upstream: SocketAddr,
        core: Option<usize>,
        settings: &str,
    ) -> anyhow::Result<Self> {
        let state = tempfile::tempdir()?;
        let file = state.path().join("crossover.toml");
        std::fs::write(&file, config(upstream) + settings)?;
        let program = program();
        let mut command = match core {
            Some(core) => machine::on_core(core, &program),
            None => std::process::Command::new(&program),
        };
        command.arg("serve").arg("--config").arg(&file).arg("--state").arg(state.path());
        command.env("OPENAI_API_KEY", "sk-bench").env_remove("OPENAI_BASE_URL").env_remove("RUST_LOG");
        command
            .current_dir(machine::root())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let started = Instant::now();
        let mut child = Command::from(command).kill_on_drop(true).spawn().context("the gateway")?;
        let pid = child.id().context("the gateway ended at once")?;
        let mut stdout = BufReader::new(child.stdout.take().context("no output")?);
        let found = tokio::time::timeout(PATIENCE, addresses(&mut stdout)).await;
        let (api, admin) = found.context("the gateway did not come up")??;
        Ok(Self { child, _stdout: stdout, state, pid, api, admin, started })
    }

    /// Waits until the gateway says that it is ready; how long that took since its start.
    pub(crate) async fn ready(&self) -> anyhow::Result<Duration> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if load::get(self.admin, "/health/ready").await.is_ok() {
                return Ok(self.started.elapsed());
            }
            if Instant::now() > deadline {
                bail!("the gateway is not ready");
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits until `rows` requests are in the ledger's file.
    pub(crate) async fn written(&self, rows: u64) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Rare looks: each costs the gateway CPU time that counts.
            tokio::time::sleep(Duration::from_millis(700)).await;
            let metrics = self.metrics().await?;
            let written = value_of(&metrics, r#"crossover_ledger_rows_total{state="written"}"#)?;
            if written as u64 >= rows {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("only {written} of {rows} rows were written to the ledger");
            }
        }
    }

    /// The text of `/metrics`.
    pub(crate) async fn metrics(&self) -> anyhow::Result<String> {
        load::get(self.admin, "/metrics").await
    }

    /// Ends it.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.child.kill().await?;
        self.state.close()?;
        Ok(())
    }
}

/// The shipped build where `scripts/bench.sh` names it: a build for benchmarks has the tests' features of some crates.
fn program() -> PathBuf {
    let shipped = std::env::var_os("CROSSOVER_BENCH_PROGRAM");
    shipped.map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_crossover")), PathBuf::from)
}

fn config(upstream: SocketAddr) -> String {
    let mut text = format!(
        "schema-version = 1\n\
         [server]\nlisten = \"127.0.0.1:0\"\nadmin-listen = \"127.0.0.1:0\"\n\
         [remote]\nbase-url = \"http://{upstream}/v1\"\n"
    );
    if !has_local_model() {
        text.push_str("[local]\nenabled = false\n");
    }
    text
}

/// Reads both addresses off the gateway's greeting.
async fn addresses(stdout: &mut BufReader<ChildStdout>) -> anyhow::Result<(SocketAddr, SocketAddr)> {
    let mut found = vec![];
    let mut line = String::new();
    while found.len() < 2 {
        line.clear();
        if stdout.read_line(&mut line).await? == 0 {
            bail!("the gateway ended: run it by hand to see why");
        }
        let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next());
        found.extend(address.and_then(|address| address.parse::<SocketAddr>().ok()));
    }
    Ok((found[0], found[1]))
}

/// The value of one series in Prometheus' text form.
pub(crate) fn value_of(metrics: &str, series: &str) -> anyhow::Result<f64> {
    let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    Ok(line.with_context(|| format!("no series {series}"))?.parse()?)
}
