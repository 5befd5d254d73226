//! Programs that tests drive: the gateway's own binary, and tools that may be absent (SDKs, Prometheus).
//! Promises: an absent tool is a skip that is written down and counted, never a silent pass; nothing outlives its test.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Longest wait for a program to say that it is up.
const START: Duration = Duration::from_secs(30);

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What `scripts/test-tools.sh` found under `name`: from the environment, else from the file that it wrote.
pub(crate) fn tool(name: &str) -> Option<PathBuf> {
    let written = || {
        let text = std::fs::read_to_string(root().join(".local/test-env")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("export {name}=")))?;
        Some(PathBuf::from(line.replace('\\', "")))
    };
    std::env::var_os(name).map(PathBuf::from).or_else(written).filter(|path| path.exists())
}

/// Writes down that a test could not run.
pub(crate) fn skip(test: &str, reason: &str) {
    let line = format!("SKIPPED: {test}: {reason}\n");
    eprint!("{line}");
    let file = std::env::var_os("CROSSOVER_TEST_SKIPPED")
        .map_or_else(|| root().join(".local/skipped"), PathBuf::from);
    let noted = OpenOptions::new().append(true).create(true).open(file);
    noted.and_then(|mut file| file.write_all(line.as_bytes())).expect("a skip must be counted");
}

/// A command of ours that sees no settings but these.
pub(crate) fn crossover(state: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossover"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CROSSOVER__") || name.starts_with("OPENAI_") {
            command.env_remove(name.as_ref());
        }
    }
    let config = state.join("crossover.toml");
    if !config.exists() {
        std::fs::write(&config, "schema-version = 1\n").unwrap();
    }
    command.current_dir(root()).kill_on_drop(true).stdin(Stdio::null());
    command.env("CROSSOVER_CONFIG", config).env("CROSSOVER_STATE", state);
    command
}

/// A running gateway; killed when dropped.
pub(crate) struct Served {
    /// Up to and including `/v1`.
    pub(crate) base_url: String,
    /// Host and port of metrics and health.
    pub(crate) admin: String,
    _child: Child,
}

impl Served {
    /// Starts `crossover serve` on free ports, with this folder for state and settings.
    pub(crate) async fn start(state: &Path, env: &[(&str, &str)]) -> Self {
        let log = state.join("serve.log");
        let mut command = crossover(state);
        command.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        command.envs(env.iter().copied()).stdout(Stdio::piped()).stderr(File::create(&log).unwrap());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (mut base_url, mut admin) = (None, None);
        while base_url.is_none() || admin.is_none() {
            let line = timeout(START, lines.next_line()).await.expect("the gateway starts in time").unwrap();
            let Some(line) = line else { panic!("{}", std::fs::read_to_string(&log).unwrap()) };
            let address = |after: &str, until: &str| {
                let (_, rest) = line.split_once(after)?;
                Some(rest.split_once(until).map_or(rest, |(address, _)| address).to_owned())
            };
            base_url = base_url.or_else(|| address("listens on ", " "));
            admin = admin.or_else(|| address("  http://", "/metrics"));
        }
        // A pipe that nobody reads would stop the gateway once it is full.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { base_url: base_url.unwrap(), admin: admin.unwrap(), _child: child }
    }
}

/// A folder that is gone after the test.
pub(crate) fn folder() -> TempDir {
    tempfile::Builder::new().prefix("crossover-test-").tempdir().unwrap()
}

/// Runs a command to its end, within a minute and a half.
pub(crate) async fn finish(command: &mut Command) -> Output {
    let command = command.kill_on_drop(true).stdin(Stdio::null());
    timeout(Duration::from_secs(90), command.output()).await.expect("the command ends in time").unwrap()
}

/// What a command said, for messages.
pub(crate) fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}\n{}", output.status, text(&output.stdout), text(&output.stderr))
}
