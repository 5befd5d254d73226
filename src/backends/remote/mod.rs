//! An OpenAI-compatible API. One call is one attempt: retries, fallback and the time for the first content are the
//! caller's, who finds in every error whose doing it was and whether to try again. The client's headers never go out,
//! ours never come back, and dropping the answer closes the upstream's request at once. Within its attempt a request is
//! sent again only where the upstream refuses by name what was added to it here, or what a model that was chosen here calls
//! otherwise.

mod account;
mod breaker;
mod endpoint;
mod faults;
mod relay;
mod resolver;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Response, StatusCode};
use tokio::time::timeout;

pub use endpoint::refuse_own;

use super::{Backend, BackendError, Call, ChunkStream, Fault, Kind, Load, Profile, Readiness, Retry};
use crate::chat::{BackendId, Chunk, Needs};
use crate::config::{Problem, RemoteConfig, Secret};
use crate::dialects::openai_chat::upstream::{self, Edits};
use crate::metrics::Metrics;
use account::{Account, Books, Closed};
use breaker::Breaker;
use endpoint::{Endpoint, ReadError, Unfit};
use faults::Blame;
use relay::Relay;

/// Most bytes of a whole answer.
const MAX_WHOLE: usize = 32 * 1024 * 1024;
/// Most bytes of a response's headers.
const MAX_HEAD: usize = 64 * 1024;
/// Most bytes read of an error's body.
const MAX_ERROR: usize = 64 * 1024;
/// Longest that an error's body is awaited.
const ERROR_PATIENCE: Duration = Duration::from_secs(5);

/// An API as a backend.
pub struct Remote {
    profile: Profile,
    /// Or why it is down for good.
    desk: Result<Arc<Desk>, Arc<str>>,
    books: Arc<Books>,
}

/// What every attempt shares.
struct Desk {
    endpoint: Endpoint,
    blame: Arc<Blame>,
    whole_timeout: Duration,
    idle_timeout: Duration,
}

impl Remote {
    /// The backend `remote`. `base_url` goes up to and including `/v1`. An API on one's own network may need no key;
    /// without the key or the certificates that it needs, the backend exists but is down, and says why.
    ///
    /// # Errors
    /// A URL or a key that cannot be used.
    pub fn new(
        config: &RemoteConfig,
        key: Option<Secret>,
        base_url: &str,
        metrics: Arc<Metrics>,
    ) -> Result<Self, Problem> {
        let profile = profile(config);
        let breaker = || Breaker::new(config.breaker_failures, Duration::from_millis(config.breaker_open_ms));
        let books = Books::new(&profile, breaker, metrics);
        let desk = match Endpoint::new(config, key.as_ref(), base_url) {
            Ok(endpoint) => Ok(Arc::new(Desk {
                endpoint,
                blame: Arc::new(Blame { backend: profile.id.clone(), key }),
                whole_timeout: config.whole_timeout(),
                idle_timeout: config.idle_timeout(),
            })),
            Err(Unfit::Missing(why)) => Err(why.into()),
            Err(Unfit::Setting(problem)) => return Err(problem),
        };
        if desk.is_ok() {
            books.closed_for(&profile.model);
        }
        Ok(Self { profile, desk, books })
    }
}

impl Backend for Remote {
    fn profile(&self) -> &Profile {
        &self.profile
    }

    fn readiness(&self) -> Readiness {
        self.readiness_of(&self.profile.model)
    }

    fn readiness_of(&self, model: &str) -> Readiness {
        match &self.desk {
            Err(why) => Readiness::Down { why: why.to_string(), retry_after: None },
            Ok(_) => match self.books.closed_for(model) {
                None => Readiness::Ready,
                wait => Readiness::Down { why: BREAKER_OPEN.to_owned(), retry_after: wait },
            },
        }
    }

    fn load(&self) -> Load {
        Load { active: self.books.active(), ..Load::default() }
    }

    fn answer(&self, call: Call) -> ChunkStream {
        let (backend, desk, books) = (self.profile.id.clone(), self.desk.clone(), Arc::clone(&self.books));
        let opened = async move {
            let down = |fault, why: &str| {
                books.count(Kind::Down);
                BackendError::new(&backend, Kind::Down, fault, Retry::Elsewhere, why)
            };
            let desk = desk.map_err(|why| down(Fault::Us, &why))?;
            let account = books.begin(&call.model, call.until).map_err(|closed| match closed {
                Closed::Broken(wait) => {
                    BackendError { retry_after: Some(wait), ..down(Fault::Upstream, BREAKER_OPEN) }
                }
                Closed::Limited(wait) => desk.blame.limited(wait),
            })?;
            if call.request.stream {
                desk.stream(&call, account).await
            } else {
                desk.whole(&call, account).await
            }
        };
        Box::pin(stream::once(opened).try_flatten())
    }
}

const BREAKER_OPEN: &str = "its circuit breaker is open after repeated failures";

impl Desk {
    /// A whole answer as one chunk.
    async fn whole(&self, call: &Call, mut account: Account) -> Result<ChunkStream, BackendError> {
        let read = timeout(self.whole_timeout, self.read_whole(call, &mut account)).await;
        let read = read.unwrap_or_else(|_| {
            let message = "the upstream's answer took too long";
            Err(self.blame.plain(Kind::FirstTokenTimeout, Fault::Upstream, Retry::Elsewhere, message))
        });
        match read {
            Ok(chunk) => {
                account.succeed();
                Ok(Box::pin(stream::once(std::future::ready(Ok(chunk)))))
            }
            Err(error) => {
                account.fail(&error);
                Err(error)
            }
        }
    }

    async fn read_whole(&self, call: &Call, account: &mut Account) -> Result<Chunk, BackendError> {
        let response = self.send(call, account).await?;
        let body = endpoint::read_whole(response, MAX_WHOLE).await.map_err(|error| match error {
            ReadError::TooLong => self.blame.invalid("too long"),
            ReadError::Broken => self.blame.truncated(),
        })?;
        upstream::parse_whole(body).map_err(|error| self.blame.frame(error))
    }

    /// An answer chunk by chunk.
    async fn stream(&self, call: &Call, mut account: Account) -> Result<ChunkStream, BackendError> {
        let opened = self.open_stream(call, &mut account).await;
        match opened {
            Ok(response) => {
                let reads = response.bytes_stream().boxed();
                let relay = Relay::new(reads, account, Arc::clone(&self.blame), self.idle_timeout, call);
                Ok(relay.into_chunks())
            }
            Err(error) => {
                account.fail(&error);
                Err(error)
            }
        }
    }

    async fn open_stream(&self, call: &Call, account: &mut Account) -> Result<Response, BackendError> {
        let response = self.send(call, account).await?;
        if may_be_events(&response) {
            return Ok(response);
        }
        // Some upstreams report an error as JSON under a 200; anything else here is not what was asked for.
        let body =
            timeout(ERROR_PATIENCE, endpoint::read_head(response, MAX_ERROR)).await.unwrap_or_default();
        match upstream::parse_whole(body) {
            Err(error @ upstream::FrameError::Upstream(_)) => Err(self.blame.frame(error)),
            _ => Err(self.blame.invalid("not an event stream")),
        }
    }

    /// Sends a request and awaits a success with content; any other status is an error, whose body is read to a bound.
    /// A report that the caller did not ask for is asked for no more once the model has refused that, by name, and
    /// answered without. A bound that a model refuses by its older name, and takes by the newer one, goes out by that from then on.
    async fn send(&self, call: &Call, account: &mut Account) -> Result<Response, BackendError> {
        let (request, model) = (&call.request, call.model.as_str());
        let asks = upstream::adds_report(request) && !account.refuses_reports();
        let newer = account.wants_newer_bound();
        let mut edits = Edits { report: asks, newer_bound: newer };
        loop {
            let response = self.post(upstream::body(request, model, edits), call).await?;
            account.reached();
            let status = response.status();
            let renamed = edits.newer_bound && !newer;
            if status.is_success() && !matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT) {
                if asks && !edits.report {
                    account.refused_reports();
                }
                if renamed {
                    account.refused_older_bound();
                }
                return Ok(response);
            }
            let pause = faults::retry_after(response.headers(), jiff::Timestamp::now());
            let body =
                timeout(ERROR_PATIENCE, endpoint::read_head(response, MAX_ERROR)).await.unwrap_or_default();
            let refused = matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY);
            let complaint = upstream::parse_error(&body);
            // Whatever else it refuses, it knows the newer name.
            if renamed && refused && complaint.param.as_deref() != Some("max_completion_tokens") {
                account.refused_older_bound();
            }
            if refused && edits.report && upstream::blames_report(request, &body) {
                edits.report = false;
            } else if refused && !edits.newer_bound && upstream::blames_bound(request, model, &complaint) {
                edits.newer_bound = true;
            } else {
                let chosen = request.model != model;
                return Err(self.blame.status(status.as_u16(), pause, complaint, chosen));
            }
        }
    }

    /// Sends a body and awaits the response's head.
    async fn post(&self, body: Bytes, call: &Call) -> Result<Response, BackendError> {
        let sent = self.endpoint.send(body, call.request.stream, call.again).await;
        let response = sent.map_err(|error| self.blame.transport(&error))?;
        let head = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len();
        if response.headers().iter().map(head).sum::<usize>() > MAX_HEAD {
            return Err(self.blame.invalid("its head is too long"));
        }
        Ok(response)
    }
}

/// An event stream by its content type; upstreams that name none are given the benefit of the doubt.
fn may_be_events(response: &Response) -> bool {
    let Some(named) = response.headers().get(CONTENT_TYPE) else { return true };
    let essence = named.as_bytes().split(|&byte| byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}

fn profile(config: &RemoteConfig) -> Profile {
    let mut models = vec![config.model.clone()];
    for model in &config.models {
        if !models.contains(model) {
            models.push(model.clone());
        }
    }
    let can = Needs::ALL;
    Profile {
        id: BackendId::new("remote"),
        within_boundary: config.within_boundary,
        model: config.model.clone(),
        models,
        context_tokens: config.context_tokens,
        can,
        first_content_timeout: config.first_token_timeout(),
        whole_timeout: config.whole_timeout(),
        max_retries: config.max_retries,
        backoff: Duration::from_millis(config.backoff_ms),
        max_retry_after: Duration::from_secs(config.max_retry_after_seconds),
    }
}
