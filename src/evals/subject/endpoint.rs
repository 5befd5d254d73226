//! An OpenAI-compatible server: its address, its key, and the connections to it.
//! Errors name a status and a stable code, never a URL or what was asked. Follows the system's proxy settings, but not
//! to this machine.

use std::time::Duration;

use futures_util::StreamExt;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::Value;

use super::SubjectError;
use crate::config::Secret;

/// Time to connect.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest silence, also before the first token.
const SILENCE: Duration = Duration::from_secs(120);
/// Most bytes that are read of one reply.
pub(super) const LONGEST_REPLY: usize = 8 << 20;

/// Where to ask, and with which connections.
#[derive(Clone)]
pub struct Endpoint {
    client: reqwest::Client,
    base_url: String,
    authorization: Option<HeaderValue>,
}

impl Endpoint {
    /// An endpoint; `base_url` goes up to and including `/v1`.
    ///
    /// # Errors
    /// When `base_url` is no HTTP URL, or the key cannot be sent in a header.
    pub fn new(base_url: &str, key: Option<&Secret>) -> Result<Self, SubjectError> {
        let fault = |problem: &str| SubjectError::Unreachable(problem.to_owned());
        let url = reqwest::Url::parse(base_url).map_err(|_| fault("the base URL is no URL"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(fault("the base URL is neither http nor https"));
        }
        // Fails only when a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = reqwest::Client::builder().connect_timeout(CONNECT).read_timeout(SILENCE);
        if matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")) {
            client = client.no_proxy();
        }
        let client = client.build().map_err(|_| fault("no HTTP client"))?;
        let authorization = match key {
            None => None,
            Some(key) => {
                let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose()))
                    .map_err(|_| fault("the key cannot be sent in a header"))?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        Ok(Self { client, base_url: base_url.trim_end_matches('/').to_owned(), authorization })
    }

    /// A request to `path`, without headers and body.
    pub(super) fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.post(format!("{}/{path}", self.base_url))
    }

    /// Posts JSON and reads the JSON that comes back.
    ///
    /// # Errors
    /// When nobody answers, the answer is a refusal, too long, or not JSON.
    pub(in crate::evals) async fn exchange(&self, path: &str, body: &Value) -> Result<Value, SubjectError> {
        let request = self.post(path).headers(self.headers()).body(body.to_string());
        let reply = request.send().await.map_err(|error| unreachable_by(&error))?;
        let status = reply.status();
        let mut raw = vec![];
        let mut body = reply.bytes_stream();
        while let Some(bytes) = body.next().await {
            raw.extend_from_slice(&bytes.map_err(|error| unreachable_by(&error))?);
            if raw.len() > LONGEST_REPLY {
                return Err(SubjectError::Broken("too long".to_owned()));
            }
        }
        if !status.is_success() {
            return Err(refusal(status.as_u16(), &raw));
        }
        serde_json::from_slice(&raw).map_err(|_| SubjectError::Broken("the body is not JSON".to_owned()))
    }

    /// Whether it is a Crossover gateway: it lists a model called `local`.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn is_crossover(&self) -> Result<bool, SubjectError> {
        let request = self.client.get(format!("{}/models", self.base_url)).headers(self.headers());
        let reply = request.send().await.map_err(|error| unreachable_by(&error))?;
        let body = reply.bytes().await.map_err(|error| unreachable_by(&error))?;
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let models = body["data"].as_array().map_or(&[][..], Vec::as_slice);
        Ok(models.iter().any(|model| model["id"] == "local"))
    }

    /// What every request carries.
    pub(super) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("x-crossover-debug", HeaderValue::from_static("true"));
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        headers
    }
}

/// Without the URL: it may hold what nobody should read.
pub(super) fn unreachable_by(error: &reqwest::Error) -> SubjectError {
    let what = match () {
        () if error.is_connect() => "no connection",
        () if error.is_timeout() => "silence for too long",
        () => "the connection broke",
    };
    SubjectError::Unreachable(what.to_owned())
}

/// A refusal's status, code and parameter; its message may repeat the prompt and stays out.
pub(super) fn refusal(status: u16, body: &[u8]) -> SubjectError {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = &body["error"];
    SubjectError::refused(&status.to_string(), error["code"].as_str(), error["param"].as_str())
}
