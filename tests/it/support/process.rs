//! The real binary as a process of its own: started, watched, signalled, killed; with everything that it printed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::gateway::{client, prices};
use super::reply::{Reply, Samples, rows};

/// Longest that a process may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a process is started from: a folder with its configuration and state, and its environment.
pub(crate) struct Setup {
    pub(crate) folder: TempDir,
    toml: String,
    environment: Vec<(String, String)>,
}

/// A gateway as a process of its own; killed when dropped.
pub(crate) struct Process {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    child: Child,
    output: [Output; 2],
}

/// What came out of one pipe so far.
struct Output {
    text: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

/// A process that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Setup {
    /// A remote at this base URL and no local model; `sections` is more TOML, from the top level on.
    pub(crate) fn new(upstream: &str, sections: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let prices = prices(folder.path());
        let toml = format!(
            "schema-version = 1\npolicies-dir = {:?}\n{sections}\n[ledger]\nprices = {prices:?}\n\
             [remote]\nbase-url = {upstream:?}\nmodel = \"ok\"\nbackoff-ms = 10\n\
             models = [\"slowstream\", \"shortstream\", \"fault:500\", \"fault:cut\", \"fault:errmid\", \"fault:429\"]\n",
            root.join("policies")
        );
        Self { folder, toml, environment: vec![] }
    }

    /// As [`Self::new`], without local model and classifier, for what is about neither.
    pub(crate) fn remote_only(upstream: &str, sections: &str) -> Self {
        let off = "policy = \"remote-first\"\n[local]\nenabled = false\n[classifier]\nenabled = false\n";
        Self::new(upstream, &format!("{off}{sections}"))
    }

    /// With this variable in its environment.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The configuration file's text, to be broken.
    pub(crate) fn toml(&mut self) -> &mut String {
        &mut self.toml
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub(crate) fn rows(&self) -> Vec<Value> {
        rows(&self.state().join("ledger.sqlite"))
    }

    /// The binary with these arguments, ready to be started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let file = self.folder.path().join("test.toml");
        std::fs::write(&file, &self.toml).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_crossover"));
        command.env_clear().env("HOME", self.folder.path()).current_dir(env!("CARGO_MANIFEST_DIR"));
        for kept in ["PATH", "ORT_DYLIB_PATH", "LD_LIBRARY_PATH"] {
            command.envs(std::env::var_os(kept).map(|value| (kept, value)));
        }
        command.envs(self.environment.iter().cloned());
        command.arg("--config").arg(file).arg("--state").arg(self.state()).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ended {
        let output = timeout(PATIENCE, self.command(arguments).output()).await.expect("it ends").unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Tries to serve, in vain.
    pub(crate) async fn refuses(&self) -> String {
        let ended = self.run(&["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]).await;
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert!(!ended.stdout.contains("listens on") && !ended.stderr.contains("panicked"), "{ended:?}");
        assert_eq!(ended.stderr.matches("error:").count(), 1, "one message: {}", ended.stderr);
        ended.stderr
    }

    /// Serves on free ports; back when it says so.
    pub(crate) async fn serve(&self) -> Process {
        let mut child = self
            .command(&["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .spawn()
            .unwrap();
        let output = [Output::read(child.stdout.take().unwrap()), Output::read(child.stderr.take().unwrap())];
        let start = Instant::now();
        while !output[0].string().contains("Try it:") {
            let over = start.elapsed() > PATIENCE || child.try_wait().unwrap().is_some();
            assert!(!over, "it does not start: {}", output[1].string());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let said = output[0].string();
        let after = |mark: &str| -> SocketAddr {
            let rest = said.split_once(mark).unwrap().1.split_once("http://").unwrap().1;
            rest.split('/').next().unwrap().parse().unwrap()
        };
        Process { address: after("listens on"), admin: after("metrics and health"), child, output }
    }
}

impl Output {
    fn read(mut pipe: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(vec![]));
        let all = Arc::clone(&text);
        let reader = tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = pipe.read(&mut buffer).await {
                all.lock().unwrap().extend_from_slice(&buffer[..n]);
            }
        });
        Self { text, reader }
    }

    fn string(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }
}

impl Process {
    /// Posts a chat request; the response's head.
    pub(crate) async fn open(
        &self,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> reqwest::Result<reqwest::Response> {
        let mut request = client()
            .post(format!("http://{}/v1/chat/completions", self.address))
            .header("content-type", "application/json")
            .body(body.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await
    }

    /// Posts a chat request.
    pub(crate) async fn post(&self, headers: &[(&str, &str)], body: &Value) -> Reply {
        Reply::read(self.open(headers, body).await.unwrap()).await
    }

    /// A page of the admin listener.
    pub(crate) async fn admin(&self, path: &str) -> Reply {
        Reply::read(client().get(format!("http://{}{path}", self.admin)).send().await.unwrap()).await
    }

    pub(crate) async fn metrics(&self) -> Samples {
        Samples::read(&self.admin("/metrics").await.string())
    }

    /// Open files and sockets.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id().unwrap())).unwrap().count()
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Waits for the end.
    pub(crate) async fn ended(mut self) -> Ended {
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it ends").unwrap();
        for output in &mut self.output {
            (&mut output.reader).await.unwrap();
        }
        Ended { status, stdout: self.output[0].string(), stderr: self.output[1].string() }
    }
}
