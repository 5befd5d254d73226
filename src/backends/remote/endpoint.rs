//! The HTTP client of one upstream: where it sends, with which headers, and how much of an answer it reads.
//! Follows no redirect, uses no proxy, sends no header of the caller's, and sets no total timeout.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use reqwest::{Client, Request, Response, Url};

use super::resolver::{self, PublicOnly};
use crate::config::{Problem, RemoteConfig, Secret};

/// Longest that an idle connection is kept: below the keep-alive time of usual servers.
const POOL_IDLE: Duration = Duration::from_secs(45);
/// The API that takes no request without a key.
const KEYED_HOST: &str = "api.openai.com";
/// Idle connections kept, so that bursts do not connect anew.
const POOL_SIZE: usize = 256;

/// An upstream's address and the client that talks to it.
pub(super) struct Endpoint {
    client: Client,
    /// Keeps no connection: for attempts after one under which a connection broke, perhaps one gone stale in the pool.
    fresh: OnceLock<Client>,
    config: RemoteConfig,
    url: Url,
    whole_headers: HeaderMap,
    stream_headers: HeaderMap,
}

/// Why there is no endpoint.
pub(super) enum Unfit {
    /// A setting is wrong.
    Setting(Problem),
    /// The settings are right, but something they need is missing: what, and what mends it.
    Missing(String),
}

/// Why a body was not read to its end.
pub(super) enum ReadError {
    /// It is longer than allowed.
    TooLong,
    /// The connection broke.
    Broken,
}

impl Endpoint {
    /// Builds the client. `base_url` goes up to and including `/v1`; its query, if any, is kept.
    ///
    /// # Errors
    /// An unusable URL or key; a missing key where the host is known to need one; for `https`, missing certificates.
    pub(super) fn new(config: &RemoteConfig, key: Option<&Secret>, base_url: &str) -> Result<Self, Unfit> {
        let url = completions_url(base_url).map_err(Unfit::Setting)?;
        if resolver::is_refused(config, &url) {
            let why = "is a link-local address; if that is meant, set remote.allow-private-addresses";
            return Err(Unfit::Setting(Problem::key("remote.base-url", why.to_owned())));
        }
        if key.is_none() && url.host_str() == Some(KEYED_HOST) {
            return Err(Unfit::Missing(format!("no API key: set {}", config.api_key_env)));
        }
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(key) = key {
            headers.insert(AUTHORIZATION, bearer(key, config).map_err(Unfit::Setting)?);
        }
        let mut whole_headers = headers.clone();
        whole_headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let mut stream_headers = headers;
        stream_headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        let client =
            client(config, &url, POOL_SIZE).map_err(|error| Unfit::Missing(why_no_client(&error)))?;
        let (fresh, config) = (OnceLock::new(), config.clone());
        Ok(Self { client, fresh, config, url, whole_headers, stream_headers })
    }

    /// Sends a body, on a new connection where an old one may have broken under it (`again`); comes back with the response's head.
    pub(super) async fn send(&self, body: Bytes, stream: bool, again: bool) -> reqwest::Result<Response> {
        let mut request = Request::new(Method::POST, self.url.clone());
        *request.headers_mut() = if stream { &self.stream_headers } else { &self.whole_headers }.clone();
        *request.body_mut() = Some(body.into());
        if again { self.fresh() } else { &self.client }.execute(request).await
    }

    fn fresh(&self) -> &Client {
        // What could be built once can be built again; should it not, an old connection is better than none.
        self.fresh.get_or_init(|| client(&self.config, &self.url, 0).unwrap_or_else(|_| self.client.clone()))
    }
}

/// Refuses the address that the gateway itself listens at: every request would come in again, until no more fit in.
///
/// # Errors
/// The problem, with `remote.base-url`. A URL that is none is told by [`super::Remote::new`].
pub fn refuse_own(base_url: &str, listens: SocketAddr) -> Result<(), Problem> {
    let Ok(url) = Url::parse(base_url) else { return Ok(()) };
    // Port 0 stands for one that is not known yet.
    let same_port = listens.port() != 0 && url.port_or_known_default() == Some(listens.port());
    if same_port && resolver::leads_to(&url, listens.ip()) {
        let why = format!(
            "is where this gateway itself listens (server.listen = {listens}): every request would come back; set \
             remote.base-url to the upstream's address"
        );
        return Err(Problem::key("remote.base-url", why));
    }
    Ok(())
}

/// The body as one piece, if it ends within `limit` bytes.
pub(super) async fn read_whole(response: Response, limit: usize) -> Result<Bytes, ReadError> {
    let mut reads = response.bytes_stream();
    let first = next(&mut reads).await?.unwrap_or_default();
    let mut all = match next(&mut reads).await? {
        None if first.len() <= limit => return Ok(first),
        None => return Err(ReadError::TooLong),
        Some(second) => {
            let mut all = BytesMut::with_capacity(2 * (first.len() + second.len()));
            all.extend_from_slice(&first);
            all.extend_from_slice(&second);
            all
        }
    };
    while all.len() <= limit {
        match next(&mut reads).await? {
            Some(read) => all.extend_from_slice(&read),
            None => return Ok(all.freeze()),
        }
    }
    Err(ReadError::TooLong)
}

/// At most the first `limit` bytes of the body; what came before a break.
pub(super) async fn read_head(response: Response, limit: usize) -> Bytes {
    let mut reads = response.bytes_stream();
    let mut all = BytesMut::new();
    while let Ok(Some(read)) = next(&mut reads).await {
        let room = limit - all.len();
        all.extend_from_slice(&read[..read.len().min(room)]);
        if all.len() == limit {
            break;
        }
    }
    all.freeze()
}

async fn next(
    reads: &mut (impl Stream<Item = reqwest::Result<Bytes>> + Unpin),
) -> Result<Option<Bytes>, ReadError> {
    reads.next().await.transpose().map_err(|_| ReadError::Broken)
}

fn completions_url(base_url: &str) -> Result<Url, Problem> {
    let bad = |why: String| Problem::key("remote.base-url", why);
    let mut url = Url::parse(base_url).map_err(|error| bad(format!("is not a URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(bad("must be an http or https URL".to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("holds a user name or password: name the key's variable in api-key-env".to_owned()));
    }
    url.set_fragment(None);
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(["chat", "completions"]);
    }
    Ok(url)
}

fn bearer(key: &Secret, config: &RemoteConfig) -> Result<HeaderValue, Problem> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose())).map_err(|_| {
        let message = format!("{} holds characters that a header cannot carry", config.api_key_env);
        Problem::key("remote.api-key-env", message)
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn client(config: &RemoteConfig, url: &Url, pool: usize) -> reqwest::Result<Client> {
    // An error only says that a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder()
        .user_agent(concat!("crossover/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .referer(false)
        // One connection of HTTP/2 would carry all requests: what it has no room for waits in here (decision 0003).
        .http1_only()
        .tcp_nodelay(true)
        .connect_timeout(config.connect_timeout())
        .pool_idle_timeout(POOL_IDLE)
        .pool_max_idle_per_host(pool);
    let builder =
        if resolver::guards(config, url) { builder.dns_resolver(Arc::new(PublicOnly)) } else { builder };
    // Without redirects plain HTTP never meets a certificate: the machine's need not be there, nor be loaded.
    if url.scheme() == "https" { builder } else { builder.tls_certs_only([]) }.build()
}

fn why_no_client(error: &reqwest::Error) -> String {
    use std::error::Error as _;
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    format!("no HTTPS client: {cause} (install the system's CA certificates, package `ca-certificates`)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_added_to_any_base() {
        let cases = [
            ("http://h/v1", "http://h/v1/chat/completions"),
            ("http://h:8000/v1/", "http://h:8000/v1/chat/completions"),
            ("https://h", "https://h/chat/completions"),
            ("https://h/d/x?api-version=1#f", "https://h/d/x/chat/completions?api-version=1"),
        ];
        for (base, want) in cases {
            assert_eq!(completions_url(base).unwrap().as_str(), want);
        }
        for bad in ["", "h/v1", "file:///etc/passwd", "http://u:p@h/v1", "data:x"] {
            assert!(completions_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_gateway_is_not_its_own_upstream() {
        let refuses = |base_url, listens: &str| refuse_own(base_url, listens.parse().unwrap()).is_err();
        assert!(refuses("http://localhost:1/v1", "127.0.0.1:1") && refuses("http://[::1]:1/v1", "[::1]:1"));
        for other in ["http://localhost/v1", "https://api.openai.com/v1", "no URL"] {
            assert!(!refuses(other, "127.0.0.1:1"), "{other}");
        }
        assert!(!refuses("http://127.0.0.1:0/v1", "127.0.0.1:0"), "not known yet");
    }

    #[test]
    fn a_key_that_is_no_header_is_refused_without_echo() {
        let key = Secret::new("sk-canary\nx".into());
        let problem = bearer(&key, &RemoteConfig::default()).unwrap_err();
        assert!(problem.to_string().contains("OPENAI_API_KEY") && !problem.to_string().contains("canary"));
    }
}
