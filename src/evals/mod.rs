//! Runs golden sets over subjects and says what their answers are worth: quality with intervals, cost, latency,
//! always beside the trivial rivals. Drives a gateway through [`Gateway`], over HTTP, or from recorded answers.
//! Never executes what a model wrote, never prints, and keeps no answer's text unless asked to.

mod dataset;
mod gate;
mod report;
mod rivals;
mod robustness;
mod runner;
mod scorer;
mod statistics;
mod subject;

pub use dataset::{BadLine, DatasetError, Sample, Suite};
pub use gate::{Baseline, Failing, GateError, Gates, MinQuality};
pub use report::{
    Hashes, Header, Kind, RemoteTier, Report, RowReport, Slice, SubjectReport, SuiteName, Versus,
};
pub use robustness::{
    Change, KindReport, Pair, RobustnessError, RobustnessReport, measure_robustness, read_pairs,
    with_mechanical,
};
pub use runner::{Contest, Finished, Part, Progress, Row, SubjectRun, run};
pub use scorer::{Choice, Contains, Exact, JsonFields, Numeric, Score, Scorer, ScorerSpec, TokenF1};
pub use statistics::{Estimate, apgr, bootstrap_mean, mean_estimate, paired_difference, quantile, wilson};
pub use subject::{
    DecisionFacts, Endpoint, Gateway, GatewayFacts, GatewaySubject, GoldOracle, Http, Price, Question,
    Recorded, RecordedError, RecordedLine, ServedBy, Subject, SubjectError, Transcript,
};
