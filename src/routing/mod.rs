//! Decides where a request goes: signals are read, the classifier is asked under a deadline, the policy picks.
//! No network, no HTTP, and it never fails: what it cannot know is a value that policies handle.

mod classifier;
mod decision;
mod explanation;
mod open;
mod policy;
mod record;
mod router;
mod signals;
mod view;

pub use classifier::{Classifier, ClassifierError, Head, LoadError, OnnxClassifier, Verdict};
pub use decision::{Decision, NonEmpty, Plan, PolicyVersion, Reason, Unconfined};
pub use explanation::{Explanation, NotAvailable};
pub use open::open;
pub use policy::{Dropped, Facts, Grade, Policy, Ruling, Shadow};
pub use record::{CannotDecide, DecisionRecord};
pub use router::{Question, Router};
pub use signals::{Pii, Signals, SignalsReport, Task};
pub use view::{LOCAL, Presence, REMOTE, Seat, View};
