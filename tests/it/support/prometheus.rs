//! A real Prometheus beside one gateway, asked over its HTTP API.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::tools::root;

/// Longest wait for Prometheus to start, or to have seen something.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A client without a proxy.
pub(crate) fn client() -> reqwest::Client {
    // Someone else in this process may have chosen it first: as good.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().read_timeout(PATIENCE).build().unwrap()
}

/// A real Prometheus that scrapes one gateway every second; killed when dropped.
pub(crate) struct Prometheus {
    url: String,
    client: reqwest::Client,
    _child: Child,
}

impl Prometheus {
    /// Starts on a free port; `target` is the host and port of a gateway's admin listener.
    pub(crate) async fn start(binary: &Path, folder: &Path, target: &str) -> Self {
        let config = json!({
            "global": { "scrape_interval": "1s", "evaluation_interval": "1s" },
            "rule_files": [root().join("deploy/prometheus/rules.yml")],
            "scrape_configs": [{ "job_name": "crossover", "static_configs": [{ "targets": [target] }] }],
        });
        // JSON is YAML.
        let file = folder.join("prometheus.yml");
        std::fs::write(&file, config.to_string()).unwrap();
        let mut child = Command::new(binary)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (mut said, mut address) = (String::new(), String::new());
        // It listens before it answers.
        while !said.contains("Server is ready to receive web requests") {
            let line = timeout(PATIENCE, lines.next_line()).await.expect("Prometheus starts").unwrap();
            let line = line.unwrap_or_else(|| panic!("Prometheus ended: {said}"));
            if let Some((_, listens)) = line.split_once("msg=\"Listening on\" address=") {
                listens.split_whitespace().next().unwrap().clone_into(&mut address);
            }
            said = format!("{said}{line}\n");
        }
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { url: format!("http://{address}/api/v1"), client: client(), _child: child }
    }

    /// The series of a query's answer: labels, and the values that are numbers.
    pub(crate) async fn ask(&self, path: &str, parameters: &[(&str, String)]) -> Vec<(Value, Vec<f64>)> {
        let pairs: Vec<String> =
            parameters.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
        let url = format!("{}/{path}?{}", self.url, pairs.join("&"));
        let text = self.client.get(&url).send().await.unwrap().text().await.unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{url}: {text}"));
        assert_eq!(answer["status"], "success", "{parameters:?}: {text}");
        let series = answer["data"]["result"].as_array().unwrap();
        let number = |pair: &Value| pair[1].as_str().unwrap().parse::<f64>().unwrap();
        let values = |one: &Value| match one["values"].as_array() {
            Some(points) => points.iter().map(number).filter(|value| !value.is_nan()).collect(),
            None => vec![number(&one["value"])],
        };
        series.iter().map(|one| (one["metric"].clone(), values(one))).collect()
    }
}

/// Percent-encoding of everything that is not a letter or digit.
fn escape(text: &str) -> String {
    let escaped = |byte: u8| match byte {
        b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(escaped).collect()
}
