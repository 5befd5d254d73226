//! Runs golden sets over subjects and says what their answers are worth: quality with intervals, cost, latency,
//! always beside the trivial rivals. Drives a gateway through [`Gateway`], over HTTP, or from recorded answers.
//! Never executes what a model wrote, never prints, and keeps no answer's text unless asked to.

mod agreement;
mod dataset;
mod early;
mod gate;
mod judge;
pub mod logistic;
mod propensity;
mod replay;
mod report;
mod rivals;
mod runner;
mod scorer;
mod statistics;
mod subject;

pub use agreement::{TIE, agreement, preference};
pub use dataset::{BadLine, DatasetError, Sample, Suite};
pub use early::{EarlyError, EarlyFit, EarlyRow, fit_early_gate};
pub use gate::{Baseline, Failing, GateError, Gates, MinQuality};
pub use judge::{Embedder, Grading, Judges};
pub use propensity::{Observation, OffPolicy, expect, off_policy};
pub use replay::{Bar, Change, Interval, Moved, Otherwise, Replay, Worth, replay};
pub use report::{
    Hashes, Header, Kind, RemoteTier, Report, RowReport, Slice, SubjectReport, SuiteName, Versus,
};
pub use runner::{Contest, Finished, Part, Progress, Row, SubjectRun, run};
pub use scorer::{
    All, Check, Choice, Chrf, Contains, EmbeddingCosine, Exact, JsonFields, JsonSchema, Numeric, Pairwise,
    Pattern, RougeL, Rubric, Score, Scorer, ScorerSpec, TokenF1, ToolCalls,
};
pub use statistics::{Estimate, apgr, bootstrap_mean, mean_estimate, paired_difference, quantile, wilson};
pub use subject::{
    DecisionFacts, Endpoint, Gateway, GatewayFacts, GatewaySubject, GoldOracle, Http, Price, Question,
    Recorded, RecordedError, RecordedLine, ServedBy, Subject, SubjectError, ToolCall, ToolCallFold,
    Transcript,
};
