//! Whose doing a remote's failure is, and whether to try again: one table for statuses, one for transport errors.
//!
//! 401, 403, and 404 for a model that was chosen here: our key or setting, elsewhere. 402, and 429 with `insufficient_quota`:
//! our account, elsewhere. Other 429, and 408, 409, 425, 5xx: the upstream, here again after `Retry-After`. Other 4xx: the
//! caller, never again. The rest (1xx, 3xx, odd numbers): no answer, elsewhere. An upstream's own words go on for the
//! caller's faults only, without our key.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;
use jiff::Timestamp;

use super::resolver::NotPublic;
use crate::backends::{BackendError, Fault, Kind, Retry};
use crate::chat::BackendId;
use crate::config::Secret;
use crate::dialects::openai_chat::upstream::{Complaint, FrameError};

/// Makes one backend's errors.
pub(super) struct Blame {
    pub(super) backend: BackendId,
    pub(super) key: Option<Secret>,
}

impl Blame {
    /// The upstream answered with a status that is no success; `chosen`: to a model that the caller did not name.
    pub(super) fn status(
        &self,
        status: u16,
        pause: Option<Duration>,
        complaint: Complaint,
        chosen: bool,
    ) -> BackendError {
        let unknown = complaint.code.as_deref() == Some("model_not_found");
        // As Azure and vLLM put it.
        let unserved = complaint.code.as_deref() == Some("DeploymentNotFound")
            || complaint.kind.as_deref() == Some("NotFoundError");
        let quota = complaint.code.as_deref() == Some("insufficient_quota")
            || complaint.kind.as_deref() == Some("insufficient_quota");
        let (kind, fault, retry, message) = match status {
            403 if unknown => (
                Kind::UpstreamAuth,
                Fault::Us,
                Retry::Elsewhere,
                "the upstream gives the gateway's key no access to this model".to_owned(),
            ),
            404 if (unknown || unserved) && chosen => (
                Kind::UpstreamAuth,
                Fault::Us,
                Retry::Elsewhere,
                "the upstream does not know the configured model (remote.model, remote.models)".to_owned(),
            ),
            401 | 403 => (
                Kind::UpstreamAuth,
                Fault::Us,
                Retry::Elsewhere,
                "the upstream does not accept the gateway's key".to_owned(),
            ),
            402 => (Kind::InsufficientQuota, Fault::Us, Retry::Elsewhere, QUOTA.to_owned()),
            429 if quota => (Kind::InsufficientQuota, Fault::Us, Retry::Elsewhere, QUOTA.to_owned()),
            429 => (
                Kind::RateLimited,
                Fault::Upstream,
                Retry::Same(pause),
                "the upstream limits the rate of requests".to_owned(),
            ),
            408 | 409 | 425 | 500..=599 => (
                Kind::UpstreamError,
                Fault::Upstream,
                Retry::Same(pause),
                format!("the upstream failed with status {status}"),
            ),
            400..=499 => return self.refusal(status, complaint),
            _ => (
                Kind::InvalidResponse,
                Fault::Upstream,
                Retry::Elsewhere,
                format!("the upstream answered with status {status}, which is no answer"),
            ),
        };
        BackendError { status: Some(status), retry_after: pause, ..self.plain(kind, fault, retry, message) }
    }

    /// A 4xx about the request itself: the only errors whose words come from the upstream.
    fn refusal(&self, status: u16, complaint: Complaint) -> BackendError {
        let kind = match complaint.code.as_deref() {
            Some("context_length_exceeded") => Kind::ContextLengthExceeded,
            _ => Kind::Rejected,
        };
        let safe = |text: &String| self.key.as_ref().is_none_or(|key| !text.contains(key.expose()));
        let message = complaint
            .message
            .filter(safe)
            .unwrap_or_else(|| format!("the upstream refused the request with status {status}"));
        BackendError {
            status: Some(status),
            code: complaint.code.filter(safe),
            param: complaint.param.filter(safe),
            ..self.plain(kind, Fault::Caller, Retry::Never, message)
        }
    }

    /// A success whose content is none, or an error inside a 200, before any content.
    pub(super) fn frame(&self, error: FrameError) -> BackendError {
        match error {
            FrameError::Invalid(why) => self.invalid(why),
            FrameError::Upstream(complaint) => {
                let status = implied_status(&complaint);
                self.status(status, None, complaint, false)
            }
        }
    }

    /// As [`Blame::frame`], but after content: an error event is no refusal any more.
    pub(super) fn mid_stream(&self, error: &FrameError) -> BackendError {
        match error {
            FrameError::Invalid(why) => self.invalid(why),
            FrameError::Upstream(_) => {
                let message = "the upstream reported an error in mid-stream";
                self.plain(Kind::StreamError, Fault::Upstream, Retry::Same(None), message)
            }
        }
    }

    /// An answer that is none.
    pub(super) fn invalid(&self, why: &str) -> BackendError {
        let message = format!("the upstream's answer is invalid: {why}");
        self.plain(Kind::InvalidResponse, Fault::Upstream, Retry::Elsewhere, message)
    }

    /// An answer that broke off.
    pub(super) fn truncated(&self) -> BackendError {
        let message = "the upstream's answer broke off";
        self.plain(Kind::Truncated, Fault::Upstream, Retry::Same(None), message)
    }

    /// The upstream has said that it wants no more requests for so long; it is not asked.
    pub(super) fn limited(&self, wait: Duration) -> BackendError {
        let (kind, retry) = (Kind::RateLimited, Retry::Same(Some(wait)));
        let error = self.plain(kind, Fault::Upstream, retry, "the upstream limits the rate of requests");
        BackendError { retry_after: Some(wait), ..error }
    }

    /// No response head came.
    pub(super) fn transport(&self, error: &reqwest::Error) -> BackendError {
        let cause = Cause::of(error);
        if cause.private {
            let message = "the upstream's name leads to an address that is not public; if that is meant, set \
                           remote.allow-private-addresses";
            return self.plain(Kind::Connect, Fault::Us, Retry::Elsewhere, message);
        }
        if cause.starved {
            let message = "no connection to the upstream: this process has no file descriptor left";
            return self.plain(Kind::Connect, Fault::Us, Retry::Elsewhere, message);
        }
        if error.is_connect() && error.is_timeout() {
            let message = "no connection to the upstream in time";
            return self.plain(Kind::ConnectTimeout, Fault::Upstream, Retry::Elsewhere, message);
        }
        if cause.tls {
            let message = "no secure connection to the upstream: its TLS or certificate is not accepted";
            return self.plain(Kind::Tls, Fault::Upstream, Retry::Elsewhere, message);
        }
        if cause.malformed {
            return self.invalid("not HTTP");
        }
        // A connection that broke under the request was most likely a pooled one gone stale: a new one, at once.
        let connected = !error.is_connect();
        let retry = Retry::Same(connected.then_some(Duration::ZERO));
        let error = self.plain(Kind::Connect, Fault::Upstream, retry, "no connection to the upstream");
        BackendError { connected, ..error }
    }

    /// A failure without upstream details.
    pub(super) fn plain(
        &self,
        kind: Kind,
        fault: Fault,
        retry: Retry,
        message: impl std::fmt::Display,
    ) -> BackendError {
        BackendError::new(&self.backend, kind, fault, retry, message)
    }
}

const QUOTA: &str = "the quota of the gateway's account at the upstream is spent";

/// The HTTP status that an error inside a 200 stands for: its numeric code, else what its code or type names, else 500.
fn implied_status(complaint: &Complaint) -> u16 {
    let names = [complaint.code.as_deref(), complaint.kind.as_deref()];
    let named = |name: &str| match name {
        "rate_limit_exceeded" | "rate_limit_error" | "insufficient_quota" => Some(429),
        "invalid_api_key" | "authentication_error" | "permission_error" => Some(401),
        "context_length_exceeded" | "invalid_request_error" | "model_not_found" => Some(400),
        number => number.parse().ok().filter(|status| (400..600).contains(status)),
    };
    names.into_iter().flatten().find_map(named).unwrap_or(500)
}

/// What lies under a failed request.
#[derive(Default)]
struct Cause {
    tls: bool,
    malformed: bool,
    private: bool,
    starved: bool,
}

impl Cause {
    fn of(error: &reqwest::Error) -> Self {
        let mut cause = Self::default();
        let mut next = error.source();
        while let Some(error) = next {
            cause.tls |= is_tls(error);
            cause.malformed |= error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse);
            cause.private |= error.is::<NotPublic>();
            cause.starved |= error.downcast_ref::<io::Error>().is_some_and(is_starved);
            next = error.source();
        }
        cause
    }
}

/// No file descriptor left, for the process or the machine.
fn is_starved(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

/// An `io::Error` does not name the error that it wraps among its sources, and TLS errors come wrapped twice.
fn is_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    error.is::<rustls::Error>()
        || error.downcast_ref::<io::Error>().and_then(io::Error::get_ref).is_some_and(|inner| is_tls(inner))
}

/// How long the upstream wants us to wait: `retry-after-ms`, else `Retry-After` in seconds or as an HTTP date (a past
/// one is zero). Garbage and negative numbers are `None`. Not capped here.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    if let Some(millis) = text("retry-after-ms").and_then(number) {
        return Some(Duration::from_millis(millis));
    }
    let value = text(RETRY_AFTER.as_str())?;
    if let Some(seconds) = number(value) {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests;
