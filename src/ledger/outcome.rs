//! The record of one request: facts, never content.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::backends::Kind;
use crate::chat::{BackendId, Micros, RequestId, Usage};
use crate::routing::{DecisionRecord, PolicyVersion, Reason, Verdict};

/// Where a request came from. Reports count `Live` unless told otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A client.
    #[default]
    Live,
    /// An eval run.
    Eval,
    /// A second answer for comparison.
    Shadow,
    /// Recording a golden set.
    Golden,
}

impl Origin {
    /// Every origin.
    pub const ALL: [Self; 4] = [Self::Live, Self::Eval, Self::Shadow, Self::Golden];

    /// The name in the ledger.
    pub fn label(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Eval => "eval",
            Self::Shadow => "shadow",
            Self::Golden => "golden",
        }
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With a whole answer.
    Completed,
    /// The client left first.
    ClientClosed,
    /// A backend failed, and no other could answer.
    Failed(Kind),
    /// Routing refused it.
    Refused(Reason),
    /// It was not a valid request; the stable error code.
    Invalid(&'static str),
}

impl End {
    /// The value of the metric label `error` and of the ledger column.
    pub fn label(self) -> &'static str {
        match self {
            Self::Completed => "none",
            Self::ClientClosed => "client_closed",
            Self::Failed(kind) => kind.label(),
            Self::Refused(reason) => reason.label(),
            Self::Invalid(code) => code,
        }
    }
}

/// One call of one backend.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Whom.
    pub backend: BackendId,
    /// The model asked for.
    pub model: String,
    /// `None`: it answered.
    pub failure: Option<Kind>,
    /// Tokens it took, where it said so or content arrived: a failed attempt may be billed too.
    pub usage: Option<Usage>,
    /// How long it ran.
    pub took: Duration,
    /// Its share of this machine's busy time; `None` for a backend elsewhere.
    pub busy: Option<Duration>,
    /// What it cost, zero when nothing was billed; `None` when the price is not known. Set when the record closes.
    pub cost: Option<Micros>,
}

/// What a remote answer would have cost. An estimate: the same token counts, none of them cached, at the prices of the
/// configured remote model; or what the model that answered charges where the answer came from a remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IfRemote {
    /// The model whose prices were used.
    pub model: String,
    /// The estimate.
    pub cost: Micros,
}

/// The record of one request.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its id.
    pub id: RequestId,
    /// When it arrived, in milliseconds since 1970.
    pub at_ms: i64,
    /// Where it came from.
    pub origin: Origin,
    /// Which policy decided; `None` when the request was not valid.
    pub policy: Option<PolicyVersion>,
    /// The rule that matched.
    pub rule: Option<String>,
    /// Why it went where it went.
    pub reason: Option<Reason>,
    /// What the classifier said.
    pub verdict: Option<Verdict>,
    /// The threshold that the verdict was held against.
    pub threshold: Option<f32>,
    /// Upper estimate of the prompt's tokens.
    pub prompt_tokens_estimate: u32,
    /// First target of the plan.
    pub first_target: Option<BackendId>,
    /// Every call made, in order.
    pub attempts: Vec<Attempt>,
    /// Who answered.
    pub served_by: Option<BackendId>,
    /// The model that answered.
    pub model: Option<String>,
    /// Tokens of the answer.
    pub usage: Usage,
    /// What it cost, all billed attempts together; `None` when the price of one of them is not known.
    pub cost: Option<Micros>,
    /// What a remote answer would have cost; `None` when nobody answered, a local answer broke off, or the price is not
    /// known.
    pub cost_if_remote: Option<IfRemote>,
    /// Time to decide.
    pub decided_in: Duration,
    /// Time to the first content.
    pub first_chunk_in: Option<Duration>,
    /// Time to the end.
    pub total: Duration,
    /// HTTP status sent (499 when the client left first).
    pub status: u16,
    /// How it ended.
    pub end: End,
    /// What the policy read, to decide again later; `None` when routing was not asked.
    pub record: Option<Box<DecisionRecord>>,
    /// The probability with which the first target came first; 1 where nothing was drawn.
    pub propensity: Option<f64>,
    /// The probability with which the request was to be answered by the other target too: 0 where it could not be;
    /// of a shadow answer, that of its live request.
    pub shadow_probability: Option<f64>,
    /// Of a shadow answer: the live request that it belongs to.
    pub shadow_of: Option<RequestId>,
}
