//! One request to the hub: attempts, pauses, redirects followed by hand.
//! Promises: the token goes to the hub's own origin only, never over plain HTTP to another machine, be it a proxy, and
//! never after a redirect has left it; waits as long as the hub asks to, within reason; no total timeout. Reads no body.

use std::time::Duration;

use http::header::{ACCEPT_ENCODING, AUTHORIZATION, LOCATION, RANGE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use reqwest::{Client, ClientBuilder, Response, Url};

use super::HubError;
use super::client::{Event, Watch};
use crate::config::Secret;

const CONNECT: Duration = Duration::from_secs(10);
/// Longest silence of a download.
const SILENCE: Duration = Duration::from_secs(60);
const MOST_REDIRECTS: usize = 8;
/// Times that a request is made before the hub counts as out of reach.
pub(super) const ATTEMPTS: u32 = 5;
/// First pause before another attempt; doubles.
const PAUSE: Duration = Duration::from_millis(250);
/// Longest that a hub may ask us to wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Makes requests to one hub.
pub(super) struct Transport {
    client: Client,
    /// Without the system's proxies, for a hub on this machine: a proxy would read what goes there over plain HTTP.
    near: Option<Client>,
    endpoint: Url,
    token: Option<HeaderValue>,
    watch: Watch,
}

/// A response, and what the hub said on the way to it.
pub(super) struct Arrived {
    pub(super) response: Response,
    linked: HeaderMap,
}

impl Arrived {
    /// A header of the hub's own answers, else of the last one.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.linked.get(name).or_else(|| self.response.headers().get(name))?.to_str().ok()
    }
}

impl Transport {
    pub(super) fn new(endpoint: Url, token: Option<&Secret>, watch: Watch) -> Result<Self, HubError> {
        let token = token.map(bearer).transpose()?;
        let tls = endpoint.scheme() == "https";
        let near = is_loopback(&endpoint).then(|| client(tls, direct)).transpose()?;
        Ok(Self { client: client(tls, builder)?, near, endpoint, token, watch })
    }

    /// What asks at this address.
    fn via(&self, at: &Url) -> &Client {
        self.near.as_ref().filter(|_| is_loopback(at)).unwrap_or(&self.client)
    }

    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    pub(super) fn endpoint(&self) -> &Url {
        &self.endpoint
    }

    pub(super) fn tell(&self, event: Event<'_>) {
        (self.watch)(event);
    }

    /// Makes a request from the offset `from` on until it is answered, or the attempts are used up. Comes back with a
    /// success, with 416 for an offset beyond the end, or with a refusal that waiting does not change.
    pub(super) async fn request(&self, method: &Method, url: &Url, from: u64) -> Result<Arrived, HubError> {
        let mut attempt = 1;
        loop {
            let (at, why, asked) = match self.follow(method, url, from).await? {
                Ok(arrived) if is_passing(arrived.response.status()) => {
                    let response = &arrived.response;
                    let (status, headers) = (response.status(), response.headers());
                    (place(response.url()), format!("answered {status}"), retry_after(status, headers))
                }
                Ok(arrived) => return Ok(arrived),
                Err((at, why)) => (at, why, None),
            };
            let too_long = asked.filter(|pause| *pause > LONGEST_PAUSE);
            if attempt == ATTEMPTS || too_long.is_some() {
                let wish = too_long.map_or_else(String::new, |pause| {
                    format!(" and asks us to wait for {} s", pause.as_secs())
                });
                return Err(HubError::Unreachable { place: at, why: format!("{why}{wish}") });
            }
            self.pause(attempt, &why, asked).await;
            attempt += 1;
        }
    }

    /// Waits before another attempt.
    pub(super) async fn pause(&self, attempt: u32, why: &str, asked: Option<Duration>) {
        let pause = asked.unwrap_or(PAUSE * 2_u32.saturating_pow(attempt - 1));
        self.tell(Event::Waiting { why, pause });
        tokio::time::sleep(pause).await;
    }

    /// One attempt: the first answer that is no redirect. Of a `HEAD`, the first that leaves the hub or has its size. The
    /// inner error says where it broke, and why.
    async fn follow(
        &self,
        method: &Method,
        url: &Url,
        from: u64,
    ) -> Result<Result<Arrived, (String, String)>, HubError> {
        let mut at = url.clone();
        let mut linked = HeaderMap::new();
        let mut trusted = true;
        for _ in 0..=MOST_REDIRECTS {
            trusted &= at.origin() == self.endpoint.origin();
            let mut request = self.via(&at).request(method.clone(), at.clone());
            request = request.header(ACCEPT_ENCODING, "identity");
            if from > 0 {
                request = request.header(RANGE, format!("bytes={from}-"));
            }
            if let Some(token) = self.token.as_ref().filter(|_| trusted) {
                request = request.header(AUTHORIZATION, token.clone());
            }
            let response = match request.send().await {
                Ok(response) => response,
                Err(error) => return Ok(Err((place(&at), cause(error)))),
            };
            if trusted {
                for (name, value) in response.headers() {
                    let tells = name.as_str().starts_with("x-linked-") || name == "x-repo-commit";
                    if tells && !linked.contains_key(name) {
                        linked.insert(name.clone(), value.clone());
                    }
                }
            }
            let Some(next) = redirect(&response, &at)? else { return Ok(Ok(Arrived { response, linked })) };
            if method == Method::HEAD && next.origin() != self.endpoint.origin() {
                return Ok(Ok(Arrived { response, linked }));
            }
            at = next;
        }
        Err(HubError::Answer { place: place(url), why: "is redirected without end".to_owned() })
    }
}

/// Where a response sends us on to, if it does.
fn redirect(response: &Response, at: &Url) -> Result<Option<Url>, HubError> {
    let Some(location) = response.headers().get(LOCATION).filter(|_| response.status().is_redirection())
    else {
        return Ok(None);
    };
    let odd = |why: &str| HubError::Answer { place: place(at), why: why.to_owned() };
    let location = location.to_str().map_err(|_| odd("is redirected to no URL"))?;
    let next = at.join(location).map_err(|_| odd("is redirected to no URL"))?;
    match (at.scheme(), next.scheme()) {
        (_, "https") | ("http", "http") => Ok(Some(next)),
        _ => Err(odd("is redirected to an address without TLS")),
    }
}

/// Whether waiting may help.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

/// How long we are asked to wait: until a rate limit's window ends, or as `Retry-After` says. Seconds only: the form
/// with a date would need a clock that agrees with the hub's.
fn retry_after(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    let limit = headers.get("ratelimit").filter(|_| status == StatusCode::TOO_MANY_REQUESTS);
    let limit = limit.and_then(|limit| window(limit.to_str().ok()?));
    let seconds = limit.or_else(|| headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok());
    seconds.map(Duration::from_secs)
}

/// The longest `t` of a `RateLimit` field such as `"api";r=0;t=55`: seconds until the window ends.
fn window(limit: &str) -> Option<u64> {
    let seconds = |part: &str| part.trim().strip_prefix("t=")?.parse::<u64>().ok();
    limit.split([',', ';']).filter_map(seconds).filter(|seconds| *seconds > 0).max()
}

/// Whether this names the machine that we are on.
pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Origin and path: a query may hold credentials.
pub(super) fn place(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

/// What broke, without URLs.
pub(super) fn cause(error: reqwest::Error) -> String {
    use std::error::Error as _;
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(deeper) = source {
        text = deeper.to_string();
        source = deeper.source();
    }
    text
}

fn bearer(token: &Secret) -> Result<HeaderValue, HubError> {
    let mut value =
        HeaderValue::try_from(format!("Bearer {}", token.expose())).map_err(|_| HubError::Setting {
            variable: "HF_TOKEN",
            why: "holds characters that no header can carry".to_owned(),
        })?;
    value.set_sensitive(true);
    Ok(value)
}

fn client(tls: bool, builder: fn() -> ClientBuilder) -> Result<Client, HubError> {
    // An error only says that a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let built = builder().build();
    // A hub without TLS may stand on a machine without certificates.
    let built = if tls { built } else { built.or_else(|_| builder().tls_certs_only([]).build()) };
    built.map_err(|error| {
        let mend = "install the system's CA certificates, package `ca-certificates`";
        HubError::Setting {
            variable: "HF_ENDPOINT",
            why: format!("no HTTPS client: {} ({mend})", cause(error)),
        }
    })
}

fn builder() -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("crossover/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
}

fn direct() -> ClientBuilder {
    builder().no_proxy()
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    #[test]
    fn a_rate_limit_and_then_retry_after_say_how_long_to_wait() {
        let asked = |status, fields: &[(&'static str, &'static str)]| {
            let field = |&(name, value): &(&'static str, &'static str)| {
                (HeaderName::from_static(name), HeaderValue::from_static(value))
            };
            let headers: HeaderMap = fields.iter().map(field).collect();
            retry_after(status, &headers).map(|pause| pause.as_secs())
        };
        let (full, busy) = (StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE);
        let (limit, after) = (("ratelimit", "\"api\";r=0;t=1"), ("retry-after", "7"));
        assert_eq!(asked(full, &[limit]), Some(1));
        assert_eq!(asked(full, &[after, limit]), Some(1));
        assert_eq!(asked(full, &[("ratelimit", "\"a\"; r=0; t=5, \"b\"; r=1; t=55")]), Some(55));
        for odd in ["", "\"api\";r=0", "\"api\";r=0;t=soon", "\"api\";r=0;t=0"] {
            assert_eq!(asked(full, &[("ratelimit", odd), after]), Some(7), "{odd}");
        }
        assert_eq!(asked(busy, &[limit, after]), Some(7), "no limit was met");
        assert_eq!(asked(busy, &[limit]), None);
    }
}
