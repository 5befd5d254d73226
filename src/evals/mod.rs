//! Runs golden sets over subjects and says what their answers are worth: quality with intervals, cost, latency,
//! always beside the trivial rivals. Drives a gateway through [`Gateway`], over HTTP, or from recorded answers.
//! Never executes what a model wrote, never prints, and keeps no answer's text unless asked to.

mod dataset;
mod gate;
mod record;
mod recorded_scores;
mod report;
mod rivals;
mod runner;
mod scorer;
mod statistics;
mod subject;

pub use dataset::{BadLine, DatasetError, Sample, Suite};
pub use gate::{
    BASELINE_MARGIN, Baseline, Compared, Failing, GateError, Gates, MinQuality, Reached, SHARE_MARGIN,
};
pub use record::{RecordError, Recording, RecordingEnd, Tier, record};
pub use recorded_scores::{RECORDED_SCORES, RecordedScores, ScoresError, ScoresQuery, TierModels};
pub use report::{
    BestRival, CurveReport, DEFAULT_MARGIN, Finding, Frame, Hashes, Header, Kind, LatencyReport, NonInferior,
    Reliability, ReliabilityBin, RemoteTier, Report, RowReport, Slice, SubjectReport, SuiteName, TaskVersus,
    Tone, Versus, page,
};
pub use runner::{Contest, Finished, Part, Progress, Row, SubjectRun, run};
pub use scorer::{Choice, Contains, Exact, JsonFields, Numeric, Score, Scorer, ScorerSpec, TokenF1};
pub use statistics::{
    Curve, Discordant, Estimate, NonInferiority, Point, Ranking, Tiers, any_mean, apgr, bootstrap_mean,
    clopper_pearson, holm, mean_estimate, paired_difference, paired_p, quantile, wilson,
};
pub use subject::{
    ALWAYS_LOCAL, ALWAYS_REMOTE, DecisionFacts, Endpoint, Gateway, GatewayFacts, GatewaySubject, GoldOracle,
    Http, Price, Question, Recorded, RecordedError, RecordedLine, ServedBy, Subject, SubjectError,
    Transcript,
};
