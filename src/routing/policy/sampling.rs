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
    /// By that, and by a judge: the remote model is asked, twice with places swapped, whether the local answer is better.
    /// That costs money, and a judge may favour answers of its own.
    Judge,
}

impl Grade {
    const ALL: [(&'static str, Self); 3] =
        [("none", Self::None), ("agreement", Self::Agreement), ("judge", Self::Judge)];
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::routing::policy::Policy;

    fn parse(text: &str) -> Result<Policy, String> {
        let text =
            format!("schema-version = 1\nname = \"p\"\n{text}\n[[rule]]\nto = [\"remote\", \"local\"]\n");
        Policy::parse(&text, Path::new("p.toml")).map_err(|problems| {
            assert_eq!(problems.len(), 1, "{problems:?}");
            problems[0].to_string()
        })
    }

    #[test]
    fn a_policy_says_what_it_leaves_to_chance() {
        let policy =
            parse("[shadow]\nshare = 0.02\nmax-per-minute = 5\ngrade = \"none\"\n[explore]\nshare = 0.01")
                .unwrap();
        assert_eq!(policy.shadow(), Some(&Shadow { share: 0.02, max_per_minute: 5, grade: Grade::None }));
        assert_eq!(policy.explore(), 0.01);
        let policy = parse("[shadow]\nshare = 1").unwrap();
        assert_eq!(
            policy.shadow(),
            Some(&Shadow { share: 1.0, max_per_minute: 30, grade: Grade::Agreement })
        );
        let policy = parse("").unwrap();
        assert_eq!((policy.shadow(), policy.explore()), (None, 0.0));
    }

    #[test]
    fn what_makes_no_sense_is_named_with_its_key() {
        for (text, wanted) in [
            ("[shadow]", "p.toml: shadow.share: is missing"),
            ("[shadow]\nshare = 0", "p.toml: shadow.share: is 0, must be above 0"),
            ("[shadow]\nshare = 1.1", "p.toml: shadow.share: is 1.1"),
            ("[shadow]\nshare = nan", "p.toml: shadow.share: must be a number"),
            ("[shadow]\nshare = 1\nmax-per-minute = 0", "p.toml: shadow.max-per-minute: must be at least 1"),
            (
                "[shadow]\nshare = 1\ngrade = \"exact\"",
                "p.toml: shadow.grade: `exact` is not known; known: none",
            ),
            ("[shadow]\nshare = 1\nrate = 1", "p.toml: shadow.rate: is no key"),
            ("[explore]\nshare = 0.6", "p.toml: explore.share: is 0.6, must lie between 0 and 0.5"),
            ("[explore]\nshare = -0.1", "p.toml: explore.share: is -0.1"),
        ] {
            let problem = parse(text).unwrap_err();
            assert!(problem.starts_with(wanted), "{problem}");
        }
    }
}
