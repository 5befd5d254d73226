//! `[remote]`: the OpenAI-compatible API that hard requests go to. The key stays in its environment variable.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::load::Problem;

/// `[remote]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct RemoteConfig {
    /// Up to and including `/v1`; `OPENAI_BASE_URL` fills it where it is not set.
    pub base_url: Option<String>,
    /// Name of the environment variable that holds the key, in capitals, digits and `_`.
    pub api_key_env: String,
    /// The model asked for when the request does not name one of the remote's.
    pub model: String,
    /// Other models of the remote that clients may name.
    pub models: Vec<String>,
    /// True when this API runs inside your own boundary, so that private requests may go there.
    pub within_boundary: bool,
    /// Whether its name may lead to a private, loopback or link-local address though it is outside your boundary. Addresses
    /// that are written out may be private without it, but not link-local; `localhost` may be anywhere.
    pub allow_private_addresses: bool,
    /// Longest prompt it takes, in tokens.
    pub context_tokens: u32,
    /// Time to connect, in milliseconds.
    pub connect_timeout_ms: u64,
    /// Time to a stream's first content, retries included, in milliseconds. Models that think in silence before they answer need as
    /// much as `whole-timeout-ms` says.
    pub first_token_timeout_ms: u64,
    /// Longest silence in mid-stream, in milliseconds.
    pub idle_timeout_ms: u64,
    /// Longest unstreamed answer, retries included, in milliseconds.
    pub whole_timeout_ms: u64,
    /// Retries of one request, before any byte of an answer.
    pub max_retries: u32,
    /// First pause before a retry, in milliseconds; doubles, with jitter.
    pub backoff_ms: u64,
    /// Longest pause that a `Retry-After` may ask for, in seconds; a longer one is not waited for.
    pub max_retry_after_seconds: u64,
    /// Consecutive failures that open the circuit breaker.
    pub breaker_failures: u32,
    /// How long the breaker stays open before a probe, and how long a probe has to itself, in milliseconds.
    pub breaker_open_ms: u64,
}

impl Default for RemoteConfig {
    fn default() -> Self {
        Self {
            base_url: None,
            api_key_env: "OPENAI_API_KEY".to_owned(),
            // One that thinks only when asked to: over this API the others take no tools and no temperature.
            model: "gpt-5.4-mini".to_owned(),
            models: vec![],
            within_boundary: false,
            allow_private_addresses: false,
            context_tokens: 128_000,
            connect_timeout_ms: 5_000,
            first_token_timeout_ms: 30_000,
            idle_timeout_ms: 30_000,
            whole_timeout_ms: 300_000,
            max_retries: 1,
            backoff_ms: 250,
            max_retry_after_seconds: 20,
            breaker_failures: 5,
            breaker_open_ms: 10_000,
        }
    }
}

impl RemoteConfig {
    /// Where requests go when neither the file nor the environment says.
    pub const DEFAULT_BASE_URL: &str = "https://api.openai.com/v1";

    pub(super) fn check(&self, problems: &mut Vec<Problem>) {
        if let Some(url) = &self.base_url {
            match reqwest::Url::parse(url) {
                Ok(url) if !matches!(url.scheme(), "http" | "https") => {
                    problems.push(Problem::key(
                        "remote.base-url",
                        format!("scheme `{}` is not http or https", url.scheme()),
                    ));
                }
                Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                    problems.push(Problem::key(
                        "remote.base-url",
                        "holds a user name or password: put the key in the variable that api-key-env names"
                            .to_owned(),
                    ));
                }
                Ok(_) => {}
                Err(error) => {
                    problems.push(Problem::key("remote.base-url", format!("is not a URL: {error}")));
                }
            }
        }
        if !is_variable(&self.api_key_env) {
            let message =
                "must be the NAME of an environment variable, in capitals such as OPENAI_API_KEY, not a key";
            problems.push(Problem::key("remote.api-key-env", message.to_owned()));
        }
        if self.model.is_empty() {
            problems.push(Problem::key("remote.model", "is empty".to_owned()));
        }
        let times = [
            ("remote.connect-timeout-ms", self.connect_timeout_ms),
            ("remote.first-token-timeout-ms", self.first_token_timeout_ms),
            ("remote.idle-timeout-ms", self.idle_timeout_ms),
            ("remote.whole-timeout-ms", self.whole_timeout_ms),
            ("remote.breaker-open-ms", self.breaker_open_ms),
            ("remote.breaker-failures", u64::from(self.breaker_failures)),
            ("remote.context-tokens", u64::from(self.context_tokens)),
        ];
        for (key, value) in times {
            if value == 0 {
                problems.push(Problem::key(key, "must be at least 1".to_owned()));
            }
        }
        if self.max_retries > 5 {
            problems.push(Problem::key("remote.max-retries", "must be at most 5".to_owned()));
        }
    }

    /// Time to connect.
    pub fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    /// Time to the first content.
    pub fn first_token_timeout(&self) -> Duration {
        Duration::from_millis(self.first_token_timeout_ms)
    }

    /// Longest silence in mid-stream.
    pub fn idle_timeout(&self) -> Duration {
        Duration::from_millis(self.idle_timeout_ms)
    }

    /// Longest unstreamed answer.
    pub fn whole_timeout(&self) -> Duration {
        Duration::from_millis(self.whole_timeout_ms)
    }
}

/// Whether this is a variable's name as people write them, and no key that was pasted in its place: keys have small
/// letters, or many characters and no `_`.
fn is_variable(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let begins_well = name.starts_with(|first: char| !first.is_ascii_digit());
    begins_well && name.bytes().all(allowed) && (name.len() < 32 || name.contains('_'))
}

/// A secret read from the environment. Prints as `[redacted]`, whatever prints it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// Reads the variable; `None` when it is unset or blank.
    pub fn from_env(name: &str) -> Option<Self> {
        let value = std::env::var(name).ok()?;
        let value = value.trim();
        (!value.is_empty()).then(|| Self(value.to_owned()))
    }

    /// The secret itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints() {
        assert_eq!(format!("{:?}", Secret::new("sk-canary".into())), "[redacted]");
    }

    #[test]
    fn a_key_in_place_of_its_name_is_refused_without_echo() {
        let mut problems = vec![];
        RemoteConfig { api_key_env: "sk-canary".into(), ..RemoteConfig::default() }.check(&mut problems);
        assert_eq!(problems.len(), 1);
        assert!(!problems[0].to_string().contains("canary"));
    }

    #[test]
    fn keys_of_all_makers_are_told_from_names() {
        for name in ["OPENAI_API_KEY", "KEY", "_K2", "THE_KEY_OF_THE_GATEWAY_OF_THE_HOUSE"] {
            assert!(is_variable(name), "{name}");
        }
        let azure = "ab0123456789abcdef0123456789abcdef";
        let capitals = azure.to_uppercase();
        let keys = [azure, capitals.as_str(), "gsk_0123abcd", "hf_AbCd", "xai-ABCD", "sk-proj-1", "AIzaSy0"];
        for name in keys.into_iter().chain(["", "MY KEY", "A=B", "7UP", "openai_api_key"]) {
            assert!(!is_variable(name), "{name}");
        }
    }
}
