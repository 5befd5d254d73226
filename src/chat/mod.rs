//! Our own words: requests, messages, chunks, usage, ids and money.
//! Every other room speaks them. Imports nothing from the crate, knows no HTTP and no wire format.

mod chunk;
mod ids;
mod message;
mod money;
mod passage;
mod request;
mod usage;

pub use chunk::{Chunk, Confidence, Delta, Event, FinishReason, TokenLogprob};
pub use ids::{BackendId, BoundaryBackendId, RequestId};
pub use message::{Message, Part, Role};
pub use money::Micros;
pub use passage::Passage;
pub use request::{
    ChatRequest, Control, Controls, Dialect, Needs, Original, ResponseFormat, Sampling, ToolChoice, Tools,
};
pub use usage::Usage;

/// Number of equal bins on `[0, 1]` that scores are counted in, wherever they are counted:
/// the score metric, calibration and drift share it so that their histograms can be compared.
pub const SCORE_BINS: usize = 20;
