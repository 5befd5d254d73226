//! `[shadow]` and `[explore]`: what a policy leaves to chance, so that its traffic can be judged without bias.
//! Says only how much; drawing, and keeping private requests out, is the pipeline's.

use toml::Table;

use super::fields::{Fields, Problems};

/// Most shadow answers a minute where the policy does not say.
const DEFAULT_PER_MINUTE: u32 = 30;

/// `[shadow]`: a sample of requests is answered by the other target too, after the caller has its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Shadow {
    /// Probability with which a request is sampled, in `(0, 1]`.
    pub share: f64,
    /// Most samples a minute.
    pub max_per_minute: u32,
    /// How the two answers are compared.
    pub grade: Grade,
}

/// How a shadow answer is graded. Only the grade is kept, never an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// Not at all: cost and latency only.
    None,
    /// By the words that both answers share. Says how much they agree, not which is better.
    Agreement,
}

impl Grade {
    const ALL: [(&'static str, Self); 2] = [("none", Self::None), ("agreement", Self::Agreement)];
}

pub(super) fn read_shadow(table: Table, problems: &mut Problems<'_>) -> Shadow {
    let mut fields = Fields::new(table, "shadow");
    let share = fields.need::<f32>("share", problems).map_or(1.0, exactly);
    if !(share > 0.0 && share <= 1.0) {
        problems.add("shadow.share", format!("is {share}, must be above 0 and at most 1"));
    }
    let max_per_minute = fields.take("max-per-minute", problems).unwrap_or(DEFAULT_PER_MINUTE);
    if max_per_minute == 0 {
        problems.add("shadow.max-per-minute", "must be at least 1; leave [shadow] out to sample nothing");
    }
    let grade = fields.take::<String>("grade", problems).unwrap_or_else(|| "agreement".to_owned());
    let known = Grade::ALL.iter().find(|(name, _)| *name == grade);
    if known.is_none() {
        let names = Grade::ALL.map(|(name, _)| name).join(", ");
        problems.add("shadow.grade", format!("`{grade}` is not known; known: {names}"));
    }
    fields.finish("share, max-per-minute, grade", problems);
    Shadow { share, max_per_minute, grade: known.map_or(Grade::None, |(_, grade)| *grade) }
}

pub(super) fn read_explore(table: Table, problems: &mut Problems<'_>) -> f64 {
    let mut fields = Fields::new(table, "explore");
    let share = fields.need::<f32>("share", problems).map_or(0.0, exactly);
    if !(0.0..=0.5).contains(&share) {
        problems.add("explore.share", format!("is {share}, must lie between 0 and 0.5"));
    }
    fields.finish("share", problems);
    share
}

/// The decimal that was written, not the nearest single-precision number's digits.
fn exactly(share: f32) -> f64 {
    share.to_string().parse().unwrap_or_else(|_| f64::from(share))
}
