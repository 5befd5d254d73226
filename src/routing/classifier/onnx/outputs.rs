//! The graph's outputs, read into a verdict. An output that the graph does not have is `None`; `local_ok` is a must.

use ort::session::{Session, SessionOutputs};

use super::{Reading, Verdict};
use crate::routing::signals::Task;

/// A probability this close to 0 or 1 counts as this far: its logit stays a number.
const NEARLY: f32 = 1e-6;

/// Which outputs the graph has.
pub(super) struct Outputs {
    gain: bool,
    tasks: Vec<Task>,
    expected_tokens: bool,
    embedding: bool,
}

impl Outputs {
    /// # Errors
    /// Without `local_ok`, or with a task head whose order nobody tells.
    pub(super) fn of(session: &Session, tasks: Vec<Task>) -> Result<Self, String> {
        let has = |head: &str| session.outputs().iter().any(|output| output.name() == head);
        if !has("local_ok") {
            return Err("has no output `local_ok`".to_owned());
        }
        if has("task") == tasks.is_empty() {
            return Err("must have an output `task` exactly where config.json lists `tasks`".to_owned());
        }
        Ok(Self {
            gain: has("gain"),
            tasks,
            expected_tokens: has("expected_output_tokens"),
            embedding: has("embedding"),
        })
    }

    /// Reads one row. A value that is not there is NaN, which the check of the verdict refuses.
    pub(super) fn read(&self, outputs: &SessionOutputs<'_>) -> ort::Result<Reading> {
        let all = |name: &str| outputs[name].try_extract_tensor::<f32>().map(|(_, values)| values);
        let one = |name: &str| all(name).map(|values| values.first().copied().unwrap_or(f32::NAN));
        let local_ok = one("local_ok")?;
        let gain = if self.gain { Some(one("gain")?) } else { None };
        let task = if self.tasks.is_empty() { None } else { likeliest(&self.tasks, all("task")?) };
        let expected_output_tokens = match self.expected_tokens {
            // Casting is saturating, and NaN is 0: at least one token is always expected.
            true => Some((one("expected_output_tokens")?.round() as u32).max(1)),
            false => None,
        };
        let mut inputs = if self.embedding { all("embedding")?.to_vec() } else { vec![] };
        let likely = local_ok.clamp(NEARLY, 1.0 - NEARLY);
        inputs.extend([(likely / (1.0 - likely)).ln(), gain.unwrap_or(0.0)]);
        let task = task.map(|task| task.label().to_owned());
        let verdict = Verdict { local_ok, gain, task, expected_output_tokens, ..Verdict::default() };
        Ok(Reading { verdict, inputs })
    }
}

/// The task of the greatest share; `None` where the graph gives another number of shares than there are tasks.
fn likeliest(tasks: &[Task], shares: &[f32]) -> Option<Task> {
    let pairs = tasks.iter().zip(shares);
    if tasks.len() == shares.len() {
        pairs.max_by(|a, b| a.1.total_cmp(b.1)).map(|(task, _)| *task)
    } else {
        None
    }
}
