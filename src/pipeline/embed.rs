//! One embedding request between the wire and the model: no policy decides, for it may go to the model in this process
//! and nowhere else.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::{Pipeline, UnknownModel, Why};
use crate::backends::local::embed::{Embedded, Embedder};
use crate::chat::{Chunk, Control, Event, Passage, Usage};
use crate::ledger::Recorder;
use crate::routing::Reason;

/// What is asked.
pub struct Embed {
    /// The model's name, or an alias for it.
    pub model: String,
    /// The texts.
    pub passages: Vec<Passage>,
    /// Numbers to keep of each vector.
    pub dimensions: Option<usize>,
    /// Where the caller wants the request to go.
    pub route: Control,
}

/// Vectors for a caller who does not have them yet.
pub struct Vectors<'a> {
    /// The vectors, and what they took.
    pub embedded: Embedded,
    /// The name of the model that made them.
    pub model: &'a str,
    /// The request's place among those in flight, to be kept until the caller has them.
    pub permit: OwnedSemaphorePermit,
}

impl Pipeline {
    /// Lets requests be embedded.
    pub fn with_embedder(self, embedder: Option<Embedder>) -> Self {
        Self { embedder, ..self }
    }

    /// Embeds texts. The record stays open: whoever answers closes it.
    ///
    /// # Errors
    /// When there is no such model, it may not be asked, or it fails.
    pub async fn embed(&self, asked: Embed, recorder: &mut Recorder) -> Result<Vectors<'_>, Why> {
        let Ok(permit) = Arc::clone(&self.in_flight).try_acquire_owned() else { return Err(Why::Overloaded) };
        let embedder = self.embedder_called(&asked.model).map_err(Why::UnknownModel)?;
        if asked.route == Control::OnlyRemote {
            return Err(Why::Routing(Reason::Capability, None));
        }
        recorder.reason(Reason::Requested);
        recorder.call(embedder.id(), embedder.name());
        match embedder.embed(asked.passages, asked.dimensions).await {
            Ok(embedded) => {
                let usage = Usage { prompt: embedded.tokens, ..Usage::default() };
                recorder.chunk(&Chunk::of(Event::Usage(usage)));
                recorder.committed();
                recorder.answered();
                Ok(Vectors { embedded, model: embedder.name(), permit })
            }
            Err(error) => {
                recorder.failed(error.kind);
                Err(Why::Backend(error))
            }
        }
    }

    fn embedder_called(&self, model: &str) -> Result<&Embedder, UnknownModel> {
        match &self.embedder {
            None => Err(UnknownModel::NoEmbedder),
            Some(embedder) if self.names.is_embedder(model) => Ok(embedder),
            Some(embedder) if self.names.contains(model) => {
                Err(UnknownModel::Chats(embedder.name().to_owned()))
            }
            Some(_) => Err(UnknownModel::Nobody),
        }
    }
}
