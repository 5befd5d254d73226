//! The table of errors for the docs, made by the same functions as the errors themselves.

use std::time::Duration;

use super::refusal::Refusal;
use crate::backends::{BackendError, Fault, Kind, Retry};
use crate::chat::BackendId;
use crate::config::ServerConfig;
use crate::dialects::openai_chat::RequestError;
use crate::ledger::NoteError;
use crate::pipeline::{UnknownModel, Why};
use crate::routing::Reason;

/// One line of the table.
pub struct ErrorCode {
    /// The stable code.
    pub code: String,
    /// The HTTP status; of an error in mid-stream, what it would have been.
    pub status: u16,
    /// OpenAI's family.
    pub family: &'static str,
    /// What it means; a backend's failure has its words in [`Kind`].
    pub meaning: Result<String, Kind>,
}

impl ErrorCode {
    fn of(refusal: Refusal) -> Self {
        let status = refusal.status.as_u16();
        Self { code: refusal.code, status, family: refusal.family, meaning: Ok(refusal.message) }
    }
}

/// Every code that callers may meet.
pub fn error_codes() -> Vec<ErrorCode> {
    let ours = [
        Refusal::no_such_route(),
        Refusal::wrong_method(),
        Refusal::unknown_host(),
        Refusal::content_type(),
        Refusal::content_encoding(),
        Refusal::too_large(ServerConfig::default().max_body_bytes),
        Refusal::slow_body(),
        Refusal::broken_body(),
        Refusal::header("x-crossover-...", "what is wrong with it."),
        Refusal::unknown_model(&UnknownModel::Nobody),
        Refusal::why(&Why::Overloaded),
        Refusal::feedback(&NoteError::Unknown),
        Refusal::too_many_verdicts(Duration::from_secs(1)),
        Refusal::feedback(&NoteError::NoFile),
    ];
    let request = RequestError::CODES.map(|(code, meaning)| {
        Refusal::request(RequestError { message: meaning.to_owned(), param: None, code })
    });
    let routing = [
        Reason::NoRemote,
        Reason::NoLocal,
        Reason::LocalBusy,
        Reason::NotPermitted,
        Reason::Length,
        Reason::Capability,
    ]
    .map(|reason| Refusal::why(&Why::Routing(reason, None)));
    let mut all: Vec<ErrorCode> = ours.into_iter().chain(request).chain(routing).map(ErrorCode::of).collect();
    for kind in Kind::ALL {
        let backend = BackendId::new("remote");
        let error = BackendError::new(&backend, kind, Fault::Upstream, Retry::Never, "");
        let code = ErrorCode { meaning: Err(kind), ..ErrorCode::of(Refusal::backend(&error)) };
        // Routing and a backend may refuse for the same reason: the first words stand.
        if !all.iter().any(|known| known.code == code.code) {
            all.push(code);
        }
    }
    all
}
