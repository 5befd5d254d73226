//! Every way in which the local engine says no: at load with the command that mends it, and to a request in the
//! words that the rest of the house understands. Promises: no prompt or answer text in any of them; what a request is
//! refused for here can be tried elsewhere, and is not worth a retry here.

use std::path::{Path, PathBuf};

use super::constraint::ConstraintError;
use super::prompt::PromptError;
use super::tool_calls::Unplanned;
use crate::backends::{BackendError, Fault, Kind, Retry};
use crate::chat::{BackendId, Needs};
use crate::hub::RecordError;
use crate::onnx::{ManifestError, OnnxError};

/// Why the local model cannot be used; names the file and the command that mends it.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// No ONNX Runtime, or one that refuses the graph.
    #[error("{error}{}", mend(error))]
    Onnx {
        /// What the runtime says.
        error: OnnxError,
    },
    /// A shipped file is missing or altered.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A pulled file is missing or altered.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A file of the model folder is missing or makes no sense.
    #[error(
        "{}: {why}. Run `git checkout models/` to restore a shipped model, `crossover models pull` to get another, or correct `local.model`",
        file.display()
    )]
    Model {
        /// The file or folder.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A file of an embedding model's folder is missing or makes no sense.
    #[error("{}: {why}. Mend the folder, or correct `embeddings.model`", file.display())]
    Embedder {
        /// The file or folder.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The worker process did not come up; says what it said.
    #[error("the local engine's worker process: {0}")]
    Worker(String),
    /// The operating system gave no thread.
    #[error("the local engine's thread cannot be started: {0}")]
    Thread(#[source] std::io::Error),
}

/// A graph that the runtime refuses needs another file; a missing runtime says itself what it needs.
fn mend(error: &OnnxError) -> &'static str {
    match error {
        OnnxError::Model { .. } => {
            ". Run `git checkout models/` to restore the shipped model, or correct `local.model`"
        }
        OnnxError::Missing { .. } | OnnxError::Unusable { .. } => "",
    }
}

impl From<OnnxError> for LocalError {
    fn from(error: OnnxError) -> Self {
        Self::Onnx { error }
    }
}

impl LocalError {
    pub(super) fn model(file: &Path, why: &str) -> Self {
        Self::Model { file: file.to_path_buf(), why: why.trim_end_matches('.').to_owned() }
    }

    pub(super) fn embedder(file: &Path, why: &str) -> Self {
        Self::Embedder { file: file.to_path_buf(), why: why.trim_end_matches('.').to_owned() }
    }

    /// A short name of a closed set.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Onnx { error } => error.label(),
            Self::Embedder { .. } => "embedder_unusable",
            Self::Manifest(_) | Self::Record(_) => "model_altered",
            Self::Model { .. } => "model_unusable",
            Self::Worker(_) => "no_worker",
            Self::Thread(_) => "no_thread",
        }
    }
}

/// The first need that this engine does not meet, if there is one.
pub(super) fn unsupported(backend: &BackendId, needs: &Needs, can: &Needs) -> Option<BackendError> {
    let wants = [
        (needs.vision, Some("messages"), "it reads text only, no images, files or parts of other types"),
        (needs.audio, Some("messages"), "it reads and writes text only, no audio"),
        (needs.tools && !can.tools, Some("tools"), "its chat template offers no tools"),
        (needs.hosted, None, "it has no web search and no moderation ('web_search_options', 'moderation')"),
    ];
    wants.into_iter().find(|(needed, _, _)| *needed).map(|(_, param, why)| {
        let message = format!("The local model cannot answer this request: {why}.");
        let error = BackendError::new(backend, Kind::Unsupported, Fault::Caller, Retry::Elsewhere, message);
        BackendError { param: param.map(str::to_owned), ..error }
    })
}

/// Tools that the model cannot be made to call.
pub(super) fn no_tools(backend: &BackendId, why: &Unplanned) -> BackendError {
    match why {
        Unplanned::Schema(error) => no_grammar(backend, error, "tools"),
        Unplanned::Format(error) => no_grammar(backend, error, "response_format"),
        Unplanned::NoFunction => {
            let message = "The local model cannot answer this request: it calls functions only, no tools of other types.";
            let error =
                BackendError::new(backend, Kind::Unsupported, Fault::Caller, Retry::Elsewhere, message);
            BackendError { param: Some("tools".to_owned()), ..error }
        }
    }
}

/// A grammar that `param` asks for and that cannot be used. Of what is no schema no backend can make one.
pub(super) fn no_grammar(backend: &BackendId, error: &ConstraintError, param: &str) -> BackendError {
    let (retry, message) = match error {
        ConstraintError::Invalid { .. } | ConstraintError::Reference { .. } => {
            (Retry::Never, format!("Invalid schema in '{param}': {error}."))
        }
        ConstraintError::Unsupported(_) => {
            (Retry::Elsewhere, format!("The local model cannot enforce the schema in '{param}': {error}."))
        }
        ConstraintError::Vocabulary | ConstraintError::Step => return internal(backend),
    };
    let error = BackendError::new(backend, Kind::Unsupported, Fault::Caller, retry, message);
    let code = (retry == Retry::Never).then(|| "invalid_value".to_owned());
    BackendError { code, param: Some(param.to_owned()), ..error }
}

/// Biases that mean nothing to this model: its token ids are its own.
pub(super) fn no_such_bias(backend: &BackendId, why: &str) -> BackendError {
    let message = format!("The local model cannot apply 'logit_bias': {why}.");
    let error = BackendError::new(backend, Kind::Unsupported, Fault::Caller, Retry::Elsewhere, message);
    BackendError { param: Some("logit_bias".to_owned()), ..error }
}

/// A conversation that gives no prompt.
pub(super) fn no_prompt(backend: &BackendId, why: &PromptError, context: usize) -> BackendError {
    match why {
        PromptError::TooLong(tokens) => {
            let message = format!(
                "This model's maximum context length is {context} tokens. However, your messages resulted in at least {tokens} tokens. Please reduce the length of the messages."
            );
            let kind = Kind::ContextLengthExceeded;
            let error = BackendError::new(backend, kind, Fault::Caller, Retry::Elsewhere, message);
            BackendError { code: Some(kind.label().to_owned()), param: Some("messages".to_owned()), ..error }
        }
        PromptError::Template => {
            let message = "The local model's chat template does not accept this conversation.";
            let error =
                BackendError::new(backend, Kind::Unsupported, Fault::Caller, Retry::Elsewhere, message);
            BackendError { param: Some("messages".to_owned()), ..error }
        }
        PromptError::Tokenizer => internal(backend),
    }
}

/// The queue is full, or the request waited in it for too long.
pub(super) fn busy(backend: &BackendId) -> BackendError {
    let message = "The local model has too many requests to answer.";
    BackendError::new(backend, Kind::Busy, Fault::Us, Retry::Elsewhere, message)
}

/// The engine has stopped.
pub(super) fn down(backend: &BackendId) -> BackendError {
    let message = "The local model has stopped.";
    BackendError::new(backend, Kind::Down, Fault::Us, Retry::Elsewhere, message)
}

/// A fault of our own; the log says more.
pub(super) fn internal(backend: &BackendId) -> BackendError {
    let message = "The local model failed on this request.";
    BackendError::new(backend, Kind::Internal, Fault::Us, Retry::Elsewhere, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_need_is_refused_with_its_parameter() {
        let (id, none) = (BackendId::new("local"), Needs::default());
        assert!(unsupported(&id, &Needs::default(), &none).is_none());
        let tools = Needs { tools: true, ..Needs::default() };
        let error = unsupported(&id, &tools, &none).unwrap();
        assert_eq!(
            (error.kind, error.fault, error.retry),
            (Kind::Unsupported, Fault::Caller, Retry::Elsewhere)
        );
        assert_eq!(error.param.as_deref(), Some("tools"));
        assert!(unsupported(&id, &tools, &tools).is_none());
        for needs in [
            Needs { vision: true, ..Needs::default() },
            Needs { audio: true, ..Needs::default() },
            Needs { hosted: true, ..Needs::default() },
        ] {
            assert!(unsupported(&id, &needs, &none).is_some(), "{needs:?}");
        }
    }
}
