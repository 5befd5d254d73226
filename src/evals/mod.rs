//! Runs golden sets over subjects and says what their answers are worth: quality with intervals, cost, latency,
//! always beside the trivial rivals. Drives a gateway through [`Gateway`], over HTTP, or from recorded answers.
//! Never executes what a model wrote, never prints, and keeps no answer's text unless asked to.

mod agreement;
pub mod calibrate;
mod dataset;
mod early;
mod gate;
mod judge;
pub mod logistic;
mod propensity;
mod record;
mod replay;
mod report;
mod rivals;
mod runner;
mod scorer;
mod statistics;
mod subject;

pub use agreement::agreement;
pub use dataset::{BadLine, DatasetError, Sample, Suite};
pub use early::{EarlyError, EarlyFit, EarlyRow, fit_early_gate};
pub use gate::{Baseline, Failing, GateError, Gates, MinQuality};
pub use judge::{Embedder, Grading, Judges};
pub use propensity::{Observation, OffPolicy, expect, off_policy};
pub use record::{RecordError, Recording, RecordingEnd, Tier, record};
pub use replay::{Bar, Change, Interval, Moved, Otherwise, Replay, Worth, replay};
pub use report::{
    CurveReport, DEFAULT_MARGIN, Frame, Hashes, Header, Kind, LatencyReport, NonInferior, Reliability,
    ReliabilityBin, RemoteTier, Report, RowReport, Slice, SubjectReport, SuiteName, TaskVersus, Versus, page,
};
pub use runner::{Contest, Finished, Part, Progress, Row, SubjectRun, run};
pub use scorer::{
    All, Check, Choice, Chrf, Contains, EmbeddingCosine, Exact, JsonFields, JsonSchema, Numeric, Pairwise,
    Pattern, RougeL, Rubric, Score, Scorer, ScorerSpec, TokenF1, ToolCalls,
};
pub use statistics::{
    Curve, Discordant, Estimate, NonInferiority, Point, Ranking, Tiers, any_mean, apgr, bootstrap_mean,
    clopper_pearson, holm, mean_estimate, paired_difference, paired_p, quantile, wilson,
};
pub use subject::{
    ALWAYS_LOCAL, ALWAYS_REMOTE, DecisionFacts, Endpoint, Gateway, GatewayFacts, GatewaySubject, GoldOracle,
    Http, Price, Question, Recorded, RecordedError, RecordedLine, ServedBy, Subject, SubjectError, ToolCall,
    ToolCallFold, Transcript,
};
