//! Every way to say no: one status, one stable code and one sentence each. The only table from failures to statuses.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};

use crate::backends::{BackendError, Kind, Retry};
use crate::chat::RequestId;
use crate::dialects::openai_chat::{ErrorBody, RequestError};
use crate::ledger::{End, NoteError, Recorder};
use crate::pipeline::{UnknownModel, Why};
use crate::routing::Reason;

/// OpenAI's family for faults of the caller.
const CALLER: &str = "invalid_request_error";
/// The family for faults behind us.
const UPSTREAM: &str = "upstream_error";
/// The family for faults of ours, and for waiting lists.
const OURS: &str = "server_error";

/// One refusal, ready to be sent.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) family: &'static str,
    pub(super) code: String,
    param: Option<String>,
    pub(super) message: String,
    retry_after: Option<Duration>,
    end: End,
}

impl Refusal {
    fn invalid(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            family: CALLER,
            code: code.to_owned(),
            param: None,
            message: message.into(),
            retry_after: None,
            end: End::Invalid(code),
        }
    }

    pub(super) fn no_such_route() -> Self {
        let message = "No such route. For OpenAI's clients there are POST /v1/chat/completions, POST /v1/embeddings and GET /v1/models; \
                       those that call /v1/responses or /v1/completions must be set to chat completions.";
        Self::invalid(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub(super) fn wrong_method() -> Self {
        Self::invalid(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "The route exists, but not for this method; the Allow header names those it takes.",
        )
    }

    pub(super) fn unknown_host() -> Self {
        let message = "The Host is neither an address nor localhost. Another name of this gateway must stand in \
                       server.allowed-hosts.";
        let refusal = Self::invalid(StatusCode::BAD_REQUEST, "host_not_allowed", message);
        Self { param: Some("host".to_owned()), ..refusal }
    }

    pub(super) fn content_type() -> Self {
        Self::invalid(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "Send JSON, with the header Content-Type: application/json.",
        )
    }

    pub(super) fn content_encoding() -> Self {
        Self::invalid(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_encoding",
            "Send the body uncompressed, without the header Content-Encoding.",
        )
    }

    pub(super) fn too_large(limit: usize) -> Self {
        let message = format!("The body is larger than {limit} bytes (server.max-body-bytes).");
        Self::invalid(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", message)
    }

    pub(super) fn slow_body() -> Self {
        Self::invalid(StatusCode::REQUEST_TIMEOUT, "request_timeout", "The body did not arrive in time.")
    }

    pub(super) fn broken_body() -> Self {
        Self::invalid(StatusCode::BAD_REQUEST, "broken_body", "The body broke off before its end.")
    }

    pub(super) fn header(name: &str, message: &str) -> Self {
        let refusal = Self::invalid(StatusCode::BAD_REQUEST, "invalid_header", format!("{name}: {message}"));
        Self { param: Some(name.to_owned()), ..refusal }
    }

    pub(super) fn request(error: RequestError) -> Self {
        let refusal = Self::invalid(StatusCode::BAD_REQUEST, error.code, error.message);
        Self { param: error.param, ..refusal }
    }

    pub(super) fn verdict(code: &'static str, param: Option<&str>, message: &str) -> Self {
        let refusal = Self::invalid(StatusCode::BAD_REQUEST, code, message);
        Self { param: param.map(str::to_owned), ..refusal }
    }

    pub(super) fn too_many_verdicts(wait: Duration) -> Self {
        let message = "Too many verdicts at once. Try again.";
        let refusal = Self::invalid(StatusCode::TOO_MANY_REQUESTS, "too_many_verdicts", message);
        Self { family: OURS, retry_after: Some(wait), ..refusal }
    }

    pub(super) fn feedback(error: &NoteError) -> Self {
        match error {
            NoteError::Unknown => {
                let message = "No answered request has this id. Send the verdict after the answer has ended.";
                let refusal = Self::invalid(StatusCode::NOT_FOUND, "request_not_found", message);
                Self { param: Some("request_id".to_owned()), ..refusal }
            }
            NoteError::NoFile | NoteError::File(_) => Self {
                family: OURS,
                retry_after: Some(Duration::from_secs(5)),
                ..Self::invalid(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "feedback_unavailable",
                    "The ledger cannot keep the verdict now. Try again.",
                )
            },
        }
    }

    pub(super) fn unknown_model(why: &UnknownModel) -> Self {
        let refusal = Self::invalid(StatusCode::NOT_FOUND, "model_not_found", why.to_string());
        Self { param: Some("model".to_owned()), ..refusal }
    }

    pub(super) fn no_room() -> Self {
        Self::overloaded(
            "The bodies and answers of others fill the memory for them (server.body-memory-mib). Try again.",
        )
    }

    fn overloaded(message: &str) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            family: OURS,
            code: "overloaded".to_owned(),
            param: None,
            message: message.to_owned(),
            retry_after: Some(Duration::from_secs(1)),
            end: Why::Overloaded.end(),
        }
    }

    pub(super) fn why(why: &Why) -> Self {
        match why {
            Why::UnknownModel(why) => Self::unknown_model(why),
            Why::Overloaded => {
                Self::overloaded("Too many requests are being answered (server.max-in-flight). Try again.")
            }
            Why::Routing(reason, wait) => Self::routing(*reason, *wait),
            Why::Backend(error) => Self::backend(error),
        }
    }

    /// As [`Self::why`], for embeddings: all that they cannot do is to come from a remote alone.
    pub(super) fn embeddings(why: &Why) -> Self {
        let refusal = Self::why(why);
        if !matches!(why, Why::Routing(Reason::Capability, _)) {
            return refusal;
        }
        let message = "Embeddings are made on this machine, which their texts never leave. Leave out \
                       x-crossover-route, or send another value than only-remote.";
        Self { param: Some("x-crossover-route".to_owned()), message: message.to_owned(), ..refusal }
    }

    fn routing(reason: Reason, wait: Option<Duration>) -> Self {
        let (status, family, message) = match reason {
            Reason::NoRemote => (
                StatusCode::SERVICE_UNAVAILABLE,
                OURS,
                "The request may only go to the remote API, which is not ready: set OPENAI_API_KEY (or the variable \
                 that remote.api-key-env names) and restart, or wait until its circuit breaker closes.",
            ),
            Reason::NoLocal => (
                StatusCode::SERVICE_UNAVAILABLE,
                OURS,
                "The request must stay with the local model, which is not ready. `crossover doctor` says why.",
            ),
            Reason::LocalBusy => (
                StatusCode::TOO_MANY_REQUESTS,
                OURS,
                "The request must stay with the local model, whose queue is full. Try again.",
            ),
            Reason::NotPermitted => (
                StatusCode::FORBIDDEN,
                CALLER,
                "The policy does not permit what the request asks for: this request may not leave the boundary.",
            ),
            Reason::Length => (
                StatusCode::BAD_REQUEST,
                CALLER,
                "This model's maximum context length is exceeded: no permitted model can hold the conversation.",
            ),
            Reason::Capability => (
                StatusCode::BAD_REQUEST,
                CALLER,
                "No permitted model can do what the request asks for (images, audio, parts of other types, tools, log probabilities, \
                 response_format, penalties, web_search_options, moderation). The local model reads and \
                 writes text only, and calls tools where its chat template offers them.",
            ),
            _ => (StatusCode::SERVICE_UNAVAILABLE, OURS, "No backend can take the request."),
        };
        let code = match reason {
            Reason::Length => "context_length_exceeded",
            Reason::Capability => "unsupported",
            other => other.label(),
        };
        // A place in the queue may be free again by now.
        let soon = (reason == Reason::LocalBusy).then_some(Duration::from_secs(1));
        Self {
            status,
            family,
            code: code.to_owned(),
            param: matches!(reason, Reason::Length).then(|| "messages".to_owned()),
            message: message.to_owned(),
            retry_after: wait.or(soon),
            end: End::Refused(reason),
        }
    }

    /// A backend's failure. The upstream's own words reach the caller only for the caller's faults.
    pub(super) fn backend(error: &BackendError) -> Self {
        let (status, family) = status_of(error);
        let wished = match error.retry {
            Retry::Same(wished) => wished,
            Retry::Elsewhere | Retry::Never => None,
        };
        let waits = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        let least = (error.kind == Kind::Busy).then_some(Duration::from_secs(1));
        Self {
            status,
            family,
            code: error.code.clone().unwrap_or_else(|| error.kind.label().to_owned()),
            param: error.param.clone(),
            message: error.message.clone(),
            retry_after: if waits { error.retry_after.or(wished).or(least) } else { None },
            end: End::Failed(error.kind),
        }
    }

    /// Closes the record and makes the response.
    pub(super) fn close(self, mut recorder: Recorder, id: &RequestId) -> Response {
        recorder.status(self.status.as_u16());
        recorder.finish(self.end);
        self.respond(id)
    }

    /// The envelope's JSON.
    pub(super) fn body(&self) -> Vec<u8> {
        let body = ErrorBody {
            message: &self.message,
            r#type: self.family,
            param: self.param.as_deref(),
            code: Some(&self.code),
        };
        body.to_json()
    }

    /// The response, with the request's id.
    pub(super) fn respond(self, id: &RequestId) -> Response {
        let mut response = Response::new(Body::from(self.body()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Ok(id) = HeaderValue::from_str(id.as_str()) {
            headers.insert("x-request-id", id);
        }
        if let Some(pause) = self.retry_after {
            let seconds = pause.as_secs() + u64::from(pause.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response
    }
}

fn status_of(error: &BackendError) -> (StatusCode, &'static str) {
    match error.kind {
        Kind::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "rate_limit_error"),
        Kind::InsufficientQuota => (StatusCode::TOO_MANY_REQUESTS, "insufficient_quota"),
        Kind::Rejected => {
            let status = error.status.and_then(|status| StatusCode::from_u16(status).ok());
            (status.filter(StatusCode::is_client_error).unwrap_or(StatusCode::BAD_REQUEST), CALLER)
        }
        Kind::ContextLengthExceeded | Kind::Unsupported => (StatusCode::BAD_REQUEST, CALLER),
        Kind::UpstreamAuth
        | Kind::UpstreamError
        | Kind::InvalidResponse
        | Kind::Connect
        | Kind::Tls
        | Kind::Truncated
        | Kind::StreamError => (StatusCode::BAD_GATEWAY, UPSTREAM),
        Kind::ConnectTimeout | Kind::FirstTokenTimeout | Kind::IdleTimeout => {
            (StatusCode::GATEWAY_TIMEOUT, UPSTREAM)
        }
        Kind::Busy => (StatusCode::TOO_MANY_REQUESTS, OURS),
        Kind::Down => (StatusCode::SERVICE_UNAVAILABLE, OURS),
        Kind::Unsure | Kind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, OURS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::Fault;
    use crate::chat::BackendId;

    /// The status, and the seconds after which it is worth to try again.
    fn told(refusal: Refusal) -> (u16, Option<String>) {
        let response = refusal.respond(&RequestId::fresh());
        let seconds = response.headers().get(RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), seconds)
    }

    #[test]
    fn d9_who_finds_the_queue_full_is_told_when_to_try_again() {
        let busy =
            BackendError::new(&BackendId::new("local"), Kind::Busy, Fault::Us, Retry::Elsewhere, "full");
        assert_eq!(told(Refusal::backend(&busy)), (429, Some("1".to_owned())));
        let waits = BackendError { retry_after: Some(Duration::from_millis(29_001)), ..busy };
        assert_eq!(told(Refusal::backend(&waits)), (429, Some("30".to_owned())), "never too early");
        for (wait, seconds) in [(None, "1"), (Some(Duration::from_secs(30)), "30")] {
            let refusal = Refusal::why(&Why::Routing(Reason::LocalBusy, wait));
            assert_eq!(told(refusal), (429, Some(seconds.to_owned())));
        }
    }
}
