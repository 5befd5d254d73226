//! Who can answer. A backend turns a call into a stream of chunks; it knows nothing of policies, costs or HTTP clients
//! of ours. Work starts at the stream's first poll and stops when the stream is dropped.

pub mod local;
pub mod remote;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use tokio::time::Instant;

use crate::chat::{BackendId, BoundaryBackendId, ChatRequest, Chunk, Needs};

/// An answer under way. An error is terminal; an error before any chunk that commits allows another target.
pub type ChunkStream = Pin<Box<dyn Stream<Item = Result<Chunk, BackendError>> + Send>>;

/// What a backend is, as its configuration declares it.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Its name.
    pub id: BackendId,
    /// Whether data sent to it stays within the user's boundary.
    pub within_boundary: bool,
    /// The model that answers when the caller names none.
    pub model: String,
    /// Every model that callers may name exactly; holds `model`.
    pub models: Vec<String>,
    /// Longest prompt plus answer, in tokens.
    pub context_tokens: u32,
    /// What it can do.
    pub can: Needs,
    /// How long the first content of a stream may take.
    pub first_content_timeout: Duration,
    /// How long a whole, unstreamed answer may take.
    pub whole_timeout: Duration,
    /// Times that one request may be tried again here.
    pub max_retries: u32,
    /// First pause before a retry; doubles.
    pub backoff: Duration,
    /// Longest pause that the upstream's `Retry-After` may ask for.
    pub max_retry_after: Duration,
}

impl Profile {
    /// Proof that the backend is inside the boundary, if it is.
    pub fn boundary(&self) -> Option<BoundaryBackendId> {
        BoundaryBackendId::declare(&self.id, self.within_boundary)
    }

    /// How long an answer's first content may take.
    pub fn patience(&self, stream: bool) -> Duration {
        if stream { self.first_content_timeout } else { self.whole_timeout }
    }
}

/// Whether a backend takes requests now. Reading it costs nothing and calls nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It does.
    Ready,
    /// Its queue is full.
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
    /// It does not: no key, no model, or its breaker is open.
    Down {
        /// Why, in a few words, without secrets.
        why: String,
        /// When to try again, if waiting helps.
        retry_after: Option<Duration>,
    },
}

/// How busy a backend is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// Answers under way.
    pub active: usize,
    /// Requests that wait.
    pub queued: usize,
    /// Tokens generated in the last second.
    pub tokens_per_second: f64,
    /// How long one more request would wait before its own work begins, estimated from measured speed and the work
    /// ahead; zero where nothing is known.
    pub wait: Duration,
}

/// One question to one backend.
#[derive(Clone, Debug)]
pub struct Call {
    /// What is asked.
    pub request: Arc<ChatRequest>,
    /// The model to use; one of the profile's models.
    pub model: String,
    /// Whether the caller asked for the local model, by name, alias or header: only then are token ids its own.
    pub named: bool,
    /// Whether a connection broke under the attempt before: then none that was used before is used again.
    pub again: bool,
    /// Until when its content has to be there: who waits for it drops the answer then.
    pub until: Instant,
    /// From when chunks are relayed as they come, content or not; `None`: they are held until there is content.
    pub relayed_from: Option<Instant>,
}

impl Call {
    /// A first attempt, of a caller who named the model and waits so long for content.
    pub fn new(request: Arc<ChatRequest>, model: &str, patience: Duration) -> Self {
        let until = Instant::now() + patience;
        Self { request, model: model.to_owned(), named: true, again: false, until, relayed_from: None }
    }
}

/// Somebody who can answer.
pub trait Backend: Send + Sync {
    /// What it is.
    fn profile(&self) -> &Profile;

    /// What it is when this one of its models answers: limits and abilities may differ.
    fn profile_of(&self, model: &str) -> &Profile {
        let _ = model;
        self.profile()
    }

    /// Whether it takes requests now, for the model that answers when the caller names none.
    fn readiness(&self) -> Readiness;

    /// Whether it takes requests now for this one of its models.
    fn readiness_of(&self, model: &str) -> Readiness {
        let _ = model;
        self.readiness()
    }

    /// How busy it is now.
    fn load(&self) -> Load;

    /// Answers. Nothing happens before the first poll; dropping the stream stops the work and frees what it held.
    fn answer(&self, call: Call) -> ChunkStream;
}

/// Whose doing a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The caller's request is wrong.
    Caller,
    /// The upstream failed.
    Upstream,
    /// We did.
    Us,
}

/// Whether trying again can help, before any byte of an answer was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Here again after a pause (the upstream's own wish where it had one), then elsewhere.
    Same(Option<Duration>),
    /// Not here; another backend may do.
    Elsewhere,
    /// Nowhere: every backend would refuse it.
    Never,
}

/// The kinds of failure, a closed set: `label()` names metrics and stable error codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Upstream says too many requests.
    RateLimited,
    /// Upstream says the quota is spent.
    InsufficientQuota,
    /// Upstream does not accept our key, or knows no such model for it.
    UpstreamAuth,
    /// Upstream refused the request as wrong (400, 404, 413, 422, ...).
    Rejected,
    /// The prompt and answer do not fit.
    ContextLengthExceeded,
    /// The backend cannot do what the request needs.
    Unsupported,
    /// Upstream failed (5xx, 408, 409, 425).
    UpstreamError,
    /// Upstream answered something that is no answer.
    InvalidResponse,
    /// No connection.
    Connect,
    /// No connection in time.
    ConnectTimeout,
    /// TLS failed.
    Tls,
    /// No content in time.
    FirstTokenTimeout,
    /// Silence in mid-stream.
    IdleTimeout,
    /// The answer broke off.
    Truncated,
    /// Upstream reported an error in mid-stream.
    StreamError,
    /// The backend's queue is full.
    Busy,
    /// The breaker is open, or there is no key or model.
    Down,
    /// The early gate held the answer's beginning to be unsure.
    Unsure,
    /// A fault of our own.
    Internal,
}

impl Kind {
    /// Every kind, for seeding metrics and for the docs.
    pub const ALL: [Self; 19] = [
        Self::RateLimited,
        Self::InsufficientQuota,
        Self::UpstreamAuth,
        Self::Rejected,
        Self::ContextLengthExceeded,
        Self::Unsupported,
        Self::UpstreamError,
        Self::InvalidResponse,
        Self::Connect,
        Self::ConnectTimeout,
        Self::Tls,
        Self::FirstTokenTimeout,
        Self::IdleTimeout,
        Self::Truncated,
        Self::StreamError,
        Self::Busy,
        Self::Down,
        Self::Unsure,
        Self::Internal,
    ];

    /// The stable code in errors, metrics and the ledger.
    pub fn label(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limit_exceeded",
            Self::InsufficientQuota => "insufficient_quota",
            Self::UpstreamAuth => "upstream_auth",
            Self::Rejected => "upstream_rejected",
            Self::ContextLengthExceeded => "context_length_exceeded",
            Self::Unsupported => "unsupported",
            Self::UpstreamError => "upstream_error",
            Self::InvalidResponse => "upstream_invalid_response",
            Self::Connect => "upstream_connect",
            Self::ConnectTimeout => "connect_timeout",
            Self::Tls => "upstream_tls",
            Self::FirstTokenTimeout => "first_token_timeout",
            Self::IdleTimeout => "idle_timeout",
            Self::Truncated => "upstream_truncated",
            Self::StreamError => "upstream_stream_error",
            Self::Busy => "backend_busy",
            Self::Down => "backend_down",
            Self::Unsure => "unsure",
            Self::Internal => "internal_error",
        }
    }
}

/// A backend's failure: what, whose doing, and whether to try again. Never holds prompt, answer or secret.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{backend}: {message}")]
pub struct BackendError {
    /// Who failed.
    pub backend: BackendId,
    /// What happened.
    pub kind: Kind,
    /// Whose doing it is.
    pub fault: Fault,
    /// Whether to try again.
    pub retry: Retry,
    /// Whether there was a connection, which broke. Said of [`Kind::Connect`] only.
    pub connected: bool,
    /// The upstream's HTTP status, where it gave one.
    pub status: Option<u16>,
    /// When the caller may try again, where somebody knows.
    pub retry_after: Option<Duration>,
    /// The upstream's own error code and parameter, passed on for the caller's faults.
    pub code: Option<String>,
    /// The request's parameter at fault, where known.
    pub param: Option<String>,
    /// One sentence for the caller.
    pub message: String,
}

impl BackendError {
    /// A failure without upstream details.
    pub fn new(
        backend: &BackendId,
        kind: Kind,
        fault: Fault,
        retry: Retry,
        message: impl fmt::Display,
    ) -> Self {
        Self {
            backend: backend.clone(),
            kind,
            fault,
            retry,
            connected: false,
            status: None,
            retry_after: None,
            code: None,
            param: None,
            message: message.to_string(),
        }
    }
}
