//! Decides where a request goes: signals are read, the classifier is asked under a deadline, the policy picks.
//! No network, no HTTP, and it never fails: what it cannot know is a value that policies handle.

mod calibration;
mod classifier;
mod decision;
mod drift;
mod early_gate;
mod explanation;
mod open;
mod policy;
mod record;
mod router;
mod signals;
mod view;

pub use calibration::{
    Bound, Calibration, CalibrationError, Figure, GOLD, Goal, GoldenSet, HeadChoice, Measured, Mismatch,
    Present, RiskOf, Rows, SCHEMA, Standing, model_hash,
};
pub use classifier::{Classifier, ClassifierError, Head, LoadError, OnnxClassifier, Reading, Verdict};
pub use decision::{Decision, NonEmpty, Plan, PolicyVersion, Reason, Unconfined};
pub use drift::{DRIFTED, DRIFTING, LEAST, population_stability, score_bin, tells};
pub use early_gate::{Confusion, EarlyGate, INPUTS as EARLY_GATE_INPUTS, inputs as early_gate_inputs};
pub use explanation::{CalibrationNote, Explanation, NotAvailable};
pub use open::open;
pub use policy::{Dropped, Facts, Grade, Policy, Ruling, Shadow};
pub use record::{CannotDecide, DecisionRecord};
pub use router::{Question, Router};
pub use signals::{Language, Pii, Signals, SignalsReport, Task};
pub use view::{LOCAL, Presence, REMOTE, Seat, View};
