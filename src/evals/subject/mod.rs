//! Who is asked: a [`Subject`] answers samples, a [`Transcript`] is what came back and what it took.
//! The in-process gateway stands behind [`Gateway`], which the house implements: nothing here knows how it answers.
//! Errors never carry what was asked or answered.

mod endpoint;
mod gateway;
mod http;
mod oracle;
mod recorded;
mod tool_calls;
mod wording;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::dataset::Sample;
use crate::chat::{Confidence, Micros, Usage};

pub use endpoint::Endpoint;
pub use gateway::{ChosenOn, Gateway, GatewayFacts, GatewaySubject, Question};
pub use http::Http;
pub use oracle::GoldOracle;
pub use recorded::{Recorded, RecordedError, RecordedLine};
pub use tool_calls::{ToolCall, ToolCallFold};
pub use wording::{Parameter, Wording};

/// What stands in `model` where the policy in charge decides.
pub const AUTO: &str = "auto";
/// The name of the local tier alone, in reports and recordings.
pub const ALWAYS_LOCAL: &str = "always-local";
/// The name of a remote tier that was really asked.
pub const ALWAYS_REMOTE: &str = "always-remote";

/// Which tier gave an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServedBy {
    /// A backend inside the user's boundary that costs little: the model in this process.
    Local,
    /// The frontier model, or the gold answer that stands for it.
    Remote,
    /// Nobody, or nobody says.
    #[default]
    None,
}

impl ServedBy {
    /// The name in reports and in `x-crossover-route`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Remote => "remote",
            Self::None => "none",
        }
    }
}

/// One answer, and what it took.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transcript {
    /// What the model wrote.
    pub text: String,
    /// Which tools it asked to call.
    pub tool_calls: Vec<ToolCall>,
    /// Who wrote it.
    pub served_by: ServedBy,
    /// The model that wrote it, by its own or the gateway's word.
    pub model: Option<String>,
    /// Why it went there, where routing decided.
    pub reason: Option<String>,
    /// Tokens it took.
    pub usage: Usage,
    /// What it cost; `None` when a price is not known, never 0 for that.
    pub cost: Option<Micros>,
    /// What the remote model would have cost.
    pub cost_if_remote: Option<Micros>,
    /// Time to the first content; `None` when nothing was measured.
    pub ttft: Option<Duration>,
    /// Time to the end; `None` when nothing was measured.
    pub total: Option<Duration>,
    /// The score that steers: the classifier's probability that the local answer is good enough, by the calibration's
    /// head where there is one.
    pub local_ok: Option<f32>,
    /// The prompt's length in tokens as routing saw it.
    pub prompt_tokens: Option<u32>,
    /// How sure the local model was of its first tokens, where it is watched. Never recorded.
    pub begun: Vec<Confidence>,
}

impl Transcript {
    /// An answer of which only the text is known.
    pub fn of(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

/// Where routing would send a sample, without sending it.
#[derive(Clone, Debug, PartialEq)]
pub struct DecisionFacts {
    /// The first target's tier; `None` for a refusal.
    pub target: ServedBy,
    /// Why.
    pub reason: String,
    /// The score that steers, as in [`Transcript`]; `None` when the classifier said nothing.
    pub local_ok: Option<f32>,
    /// Upper estimate of the prompt's length, in tokens.
    pub prompt_tokens: u32,
    /// How long deciding took.
    pub decided_in: Duration,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// Nobody could be reached, or the connection broke.
    #[error("not reached: {0}")]
    Unreachable(String),
    /// It refused.
    #[error("refused: {0}")]
    Refused(String),
    /// It refused a parameter that not every model takes.
    #[error("refused: {1}")]
    Unsupported(Parameter, String),
    /// What came back is no whole answer.
    #[error("broken answer: {0}")]
    Broken(String),
    /// There is no recorded answer to this sample.
    #[error("no recorded answer")]
    Missing,
    /// The row says how to tell a right answer, and holds none.
    #[error("the row holds no gold answer")]
    NoGold,
}

impl SubjectError {
    /// A refusal of this status or kind, with the code and the parameter that it names, where they are plain words.
    pub fn refused(what: &str, code: Option<&str>, param: Option<&str>) -> Self {
        let plain = |name: &&str| {
            (1..=64).contains(&name.len()) && name.bytes().all(|it| it.is_ascii_lowercase() || it == b'_')
        };
        let (code, param) = (code.filter(plain), param.filter(plain));
        let mut words = what.to_owned();
        words.extend(code.map(|code| format!(" {code}")));
        words.extend(param.map(|param| format!(" ({param})")));
        match Parameter::refused(code, param) {
            Some(parameter) => Self::Unsupported(parameter, words),
            None => Self::Refused(words),
        }
    }

    /// A name out of a closed set.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Refused(_) | Self::Unsupported(..) => "refused",
            Self::Broken(_) => "broken",
            Self::Missing => "missing",
            Self::NoGold => "no_gold",
        }
    }
}

/// Who is asked.
pub trait Subject: Send + Sync {
    /// Its name in the report: a policy, `always-local`, `gold-oracle`.
    fn name(&self) -> &str;

    /// Asks for an answer. Work stops when the future is dropped.
    fn ask<'a>(&'a self, sample: &'a Sample) -> BoxFuture<'a, Result<Transcript, SubjectError>>;

    /// Where the subject would send the sample, for subjects that only choose between the two tiers: their answer is
    /// then the chosen tier's, asked once for all of them. `None`: the subject must be asked in full.
    fn decide<'a>(
        &'a self,
        _sample: &'a Sample,
    ) -> Option<BoxFuture<'a, Result<DecisionFacts, SubjectError>>> {
        None
    }
}

type PriceOf = dyn Fn(&Usage) -> Option<Micros> + Send + Sync;

/// What one model charges, looked up by whoever knows the price list.
#[derive(Clone)]
pub struct Price {
    /// The model whose prices these are.
    pub model: String,
    of: Arc<PriceOf>,
}

impl Price {
    /// Prices of `model`; the function says `None` where it does not know.
    pub fn new(
        model: impl Into<String>,
        of: impl Fn(&Usage) -> Option<Micros> + Send + Sync + 'static,
    ) -> Self {
        Self { model: model.into(), of: Arc::new(of) }
    }

    /// What `usage` costs.
    pub fn of(&self, usage: &Usage) -> Option<Micros> {
        (self.of)(usage)
    }
}

impl fmt::Debug for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Price").field("model", &self.model).finish_non_exhaustive()
    }
}
