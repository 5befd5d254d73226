//! `[server]`: listeners and limits of the HTTP side.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::load::{ConfigError, Problem};

/// `[server]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ServerConfig {
    /// Where the OpenAI API is served.
    pub listen: SocketAddr,
    /// Where `/metrics` and `/health` are served.
    pub admin_listen: SocketAddr,
    /// Names that a request's `Host` may have beside `localhost` and addresses, without port, on both listeners: those that a
    /// proxy in front passes on. Every other one is refused, so that no web page can have its own name lead here.
    pub allowed_hosts: Vec<String>,
    /// Largest request body, in bytes.
    pub max_body_bytes: usize,
    /// Memory that the bodies of all requests may take at once as they came, in MiB (what is made of texts takes about as much
    /// again, what is made of tools, tool calls and schemas up to some tens of MiB a request), and the answers of
    /// `/v1/embeddings` until their clients have them; a request beyond it gets 503.
    pub body_memory_mib: usize,
    /// Most requests answered at once; more get 503.
    pub max_in_flight: usize,
    /// How long live streams may go on after SIGTERM, in seconds.
    pub shutdown_grace_seconds: u64,
    /// Longest silence of a stream before a comment is sent, in seconds; at most 15.
    pub heartbeat_seconds: u64,
    /// Longest wait for a slow client to take more bytes, in seconds.
    pub write_timeout_seconds: u64,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 4000)),
            admin_listen: SocketAddr::from(([127, 0, 0, 1], 4001)),
            allowed_hosts: vec![],
            max_body_bytes: 8 * 1024 * 1024,
            body_memory_mib: 512,
            max_in_flight: 1024,
            shutdown_grace_seconds: 30,
            heartbeat_seconds: 15,
            write_timeout_seconds: 60,
        }
    }
}

impl ServerConfig {
    /// Whether only this machine can reach the listeners: without API keys nothing else guards them.
    ///
    /// # Errors
    /// One problem for each address that others can reach.
    pub fn require_loopback(&self) -> Result<(), ConfigError> {
        let addresses = [("server.listen", self.listen), ("server.admin-listen", self.admin_listen)];
        let open = addresses.into_iter().filter(|(_, address)| !address.ip().is_loopback());
        let problems: Vec<Problem> = open
            .map(|(key, address)| {
                let message = format!(
                    "{address} is not a loopback address, and this version has no API keys to guard it: use 127.0.0.1"
                );
                Problem::key(key, message)
            })
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(ConfigError { problems }) }
    }

    pub(super) fn check(&self, problems: &mut Vec<Problem>) {
        if let Err(error) = self.require_loopback() {
            problems.extend(error.problems);
        }
        if self.listen == self.admin_listen && self.listen.port() != 0 {
            problems.push(Problem::key("server.admin-listen", "must differ from server.listen".to_owned()));
        }
        if !(1024..=256 * 1024 * 1024).contains(&self.max_body_bytes) {
            problems.push(Problem::key(
                "server.max-body-bytes",
                "must lie between 1024 and 268435456".to_owned(),
            ));
        }
        let least = self.max_body_bytes.div_ceil(1024 * 1024).max(1);
        if !(least..=1 << 24).contains(&self.body_memory_mib) {
            let message =
                format!("must lie between {least}, for one body of server.max-body-bytes, and 16777216");
            problems.push(Problem::key("server.body-memory-mib", message));
        }
        if !self.allowed_hosts.iter().all(|name| is_host_name(name)) {
            let message = "each must be a bare name (gateway.example.org): no scheme, port, path or `*`";
            problems.push(Problem::key("server.allowed-hosts", message.to_owned()));
        }
        if !(1..=1_000_000).contains(&self.max_in_flight) {
            problems.push(Problem::key("server.max-in-flight", "must lie between 1 and 1000000".to_owned()));
        }
        if !(1..=15).contains(&self.heartbeat_seconds) {
            problems.push(Problem::key("server.heartbeat-seconds", "must lie between 1 and 15".to_owned()));
        }
        if !(1..=86_400).contains(&self.write_timeout_seconds) {
            let message = "must lie between 1 and 86400, which is a day".to_owned();
            problems.push(Problem::key("server.write-timeout-seconds", message));
        }
    }
}

/// Whether a name has the form that one takes in a request.
fn is_host_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    name.split('.').all(|label| !label.is_empty() && label.bytes().all(allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(config: &ServerConfig) -> Vec<String> {
        let mut problems = vec![];
        config.check(&mut problems);
        problems.into_iter().filter_map(|problem| problem.key).collect()
    }

    #[test]
    fn allowed_hosts_are_names() {
        let with = |names: &[&str]| ServerConfig {
            allowed_hosts: names.iter().map(|name| (*name).to_owned()).collect(),
            ..ServerConfig::default()
        };
        assert!(keys(&with(&["gateway.example.org", "My_Box-1"])).is_empty());
        for name in ["", "a.", "a:80", "http://a", "*.a", "a b"] {
            assert_eq!(keys(&with(&["a", name])), ["server.allowed-hosts"], "{name}");
        }
    }

    #[test]
    fn the_memory_for_bodies_holds_the_largest() {
        let with = |max_body_bytes, body_memory_mib| {
            keys(&ServerConfig { max_body_bytes, body_memory_mib, ..ServerConfig::default() })
        };
        assert!(with(2 << 20, 2).is_empty());
        for (most, memory) in [((2 << 20) + 1, 2), (1024, 0), (1024, (1 << 24) + 1)] {
            assert_eq!(with(most, memory), ["server.body-memory-mib"], "{most}");
        }
    }

    #[test]
    fn what_would_overflow_is_refused() {
        let with = |max_in_flight, write_timeout_seconds| {
            keys(&ServerConfig { max_in_flight, write_timeout_seconds, ..ServerConfig::default() })
        };
        assert!(with(1_000_000, 86_400).is_empty());
        let both = ["server.max-in-flight", "server.write-timeout-seconds"];
        assert_eq!(with(0, 0), both);
        assert_eq!(with(usize::MAX, u64::MAX), both);
    }
}
