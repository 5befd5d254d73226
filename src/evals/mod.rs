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
mod recorded_scores;
mod replay;
mod report;
mod rivals;
mod robustness;
mod runner;
mod scorer;
mod statistics;
mod subject;

pub use agreement::{TIE, agreement, preference};
pub use dataset::{BadLine, DatasetError, Import, ImportOptions, Sample, Suite};
pub use early::{EarlyError, EarlyFit, EarlyRow, fit_early_gate};
pub use gate::{
    BASELINE_MARGIN, Baseline, Compared, Failing, GateError, Gates, MinQuality, Reached, SHARE_MARGIN,
};
pub use judge::{Embedder, Grading, Judges};
pub use propensity::{Observation, OffPolicy, expect, off_policy};
pub use record::{RecordError, Recording, RecordingEnd, Tier, record};
pub use recorded_scores::{RECORDED_SCORES, RecordedScores, ScoresError, ScoresQuery, TierModels};
pub use replay::{Bar, Interval, Moved, Otherwise, Replay, Shift, Worth, replay};
pub use report::{
    BestRival, CurveReport, DEFAULT_MARGIN, Finding, Frame, GradingReport, Hashes, Header, Kind,
    LatencyReport, NonInferior, Reliability, ReliabilityBin, RemoteTier, Report, RowReport, Slice,
    SubjectReport, SuiteName, TaskVersus, Tone, Versus, page,
};
pub use robustness::{
    KindReport, Pair, Rewording, RobustnessError, RobustnessReport, measure_robustness, read_pairs,
    with_mechanical,
};
pub use runner::{Contest, Finished, Part, Progress, Row, SubjectRun, run};
pub use scorer::{
    All, Check, Choice, Chrf, Contains, EmbeddingCosine, Exact, JsonFields, JsonSchema, Numeric, Pairwise,
    Pattern, RougeL, Rubric, Score, Scorer, ScorerSpec, TokenF1, ToolCalls,
};
pub use statistics::{
    Curve, Discordant, Estimate, NonInferiority, Point, Ranking, Tiers, any_mean, apgr, bootstrap_mean, holm,
    mean_estimate, paired_difference, paired_p, quantile, wilson,
};
pub use subject::{
    ALWAYS_LOCAL, ALWAYS_REMOTE, AUTO, ChosenOn, DecisionFacts, Endpoint, Gateway, GatewayFacts,
    GatewaySubject, GoldOracle, Http, Parameter, Price, Question, Recorded, RecordedError, RecordedLine,
    ServedBy, Subject, SubjectError, ToolCall, ToolCallFold, Transcript, Wording,
};
