//! A client that reads answers strictly: whole ones, streams to their `[DONE]`, and refusals with their codes.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

/// Longest that any answer may take: two generations' limit.
const PATIENCE: Duration = Duration::from_secs(240);

/// One client, with connections of its own.
pub(super) struct Client {
    http: reqwest::Client,
    url: String,
}

/// One whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// The text of each choice.
    pub(super) texts: Vec<String>,
    /// Why each ended.
    pub(super) reasons: Vec<String>,
}

/// An answer, or a refusal's status and code.
pub(super) enum Reply {
    Said(Said),
    Refused(u16, String),
}

impl Reply {
    /// The answer; a refusal is an error.
    pub(super) fn said(self) -> anyhow::Result<Said> {
        match self {
            Self::Said(said) => Ok(said),
            Self::Refused(status, code) => bail!("refused: {status} {code}"),
        }
    }
}

impl Client {
    pub(super) fn new(address: SocketAddr) -> anyhow::Result<Self> {
        // An error only says that a provider is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).read_timeout(PATIENCE).build()?;
        Ok(Self { http, url: format!("http://{address}/v1/chat/completions") })
    }

    /// Asks, and comes back with the response's head.
    pub(super) async fn open(&self, body: &Value) -> anyhow::Result<reqwest::Response> {
        let request = self.http.post(&self.url).header("content-type", "application/json");
        request.body(body.to_string()).send().await.context("no answer")
    }

    /// Asks, and reads the answer to its end; so long pauses are made after each piece of it.
    pub(super) async fn ask(&self, body: &Value, pause: Duration) -> anyhow::Result<Reply> {
        let mut response = self.open(body).await?;
        let status = response.status().as_u16();
        let has_wait = response.headers().contains_key("retry-after");
        let mut bytes = vec![];
        while let Some(piece) = response.chunk().await.context("the answer broke off")? {
            bytes.extend_from_slice(&piece);
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
        if status != 200 {
            let body: Value = serde_json::from_slice(&bytes).context("a refusal without an envelope")?;
            let code = body["error"]["code"].as_str().context("a refusal without a code")?;
            ensure!(status != 429 || has_wait, "a 429 without Retry-After");
            return Ok(Reply::Refused(status, code.to_owned()));
        }
        if body["stream"] == true { read_stream(&bytes) } else { read_whole(&bytes) }.map(Reply::Said)
    }
}

fn read_whole(bytes: &[u8]) -> anyhow::Result<Said> {
    let body: Value = serde_json::from_slice(bytes).context("the answer is no JSON")?;
    let choices = body["choices"].as_array().context("an answer without choices")?;
    let text = |choice: &Value| choice["message"]["content"].as_str().map(str::to_owned);
    let reason = |choice: &Value| choice["finish_reason"].as_str().map(str::to_owned);
    ensure!(body["usage"]["total_tokens"].as_u64() > Some(0), "an answer without usage");
    Ok(Said {
        texts: choices.iter().map(text).collect::<Option<_>>().context("a choice without text")?,
        reasons: choices.iter().map(reason).collect::<Option<_>>().context("a choice without its end")?,
    })
}

fn read_stream(bytes: &[u8]) -> anyhow::Result<Said> {
    let text = std::str::from_utf8(bytes).context("the stream is no text")?;
    let events = text.split_terminator("\n\n").filter_map(|event| event.strip_prefix("data: "));
    let mut said = Said { texts: vec![], reasons: vec![] };
    let mut is_done = false;
    for event in events {
        ensure!(!is_done, "a stream goes on after [DONE]");
        if event == "[DONE]" {
            is_done = true;
            continue;
        }
        let chunk: Value = serde_json::from_str(event).context("an event is no JSON")?;
        ensure!(chunk["error"].is_null(), "the stream ends with an error: {}", chunk["error"]["code"]);
        for choice in chunk["choices"].as_array().into_iter().flatten() {
            let index = choice["index"].as_u64().context("a choice without index")? as usize;
            said.texts.resize(said.texts.len().max(index + 1), String::new());
            said.reasons.resize(said.texts.len(), String::new());
            said.texts[index].push_str(choice["delta"]["content"].as_str().unwrap_or_default());
            if let Some(reason) = choice["finish_reason"].as_str() {
                reason.clone_into(&mut said.reasons[index]);
            }
        }
    }
    ensure!(is_done, "a stream without [DONE]");
    ensure!(said.reasons.iter().all(|reason| !reason.is_empty()), "an answer without its end");
    Ok(said)
}
