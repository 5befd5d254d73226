//! Grading that asks a model. A judge is asked like any subject, greedily, so that its cost is recorded; its points are
//! compared with a threshold in code. What it grades is data: fenced off by a word that no answer can know, and a
//! verdict counts only where it carries that word. Nothing that a model wrote is executed.

mod embedder;
mod prompt;
mod verdict;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, FutureExt};
use serde_json::Value;

use self::prompt::{Fence, pairwise_messages, rubric_messages};
use self::verdict::{Place, points, winner};
use super::dataset::Sample;
use super::scorer::{EmbeddingCosine, Exact, Pairwise, Rubric, Score, Scorer, ScorerSpec};
use super::subject::{Subject, SubjectError, Transcript};
use crate::chat::Micros;

pub use embedder::Embedder;

/// What grading took, beside what the answers took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grading {
    /// Questions to judges and embedders.
    pub asked: u64,
    /// Of them, those that brought no answer.
    pub failed: u64,
    /// Tokens that they took, prompt and answer.
    pub tokens: u64,
    /// What they cost; `None` as soon as one price is not known.
    pub cost: Option<Micros>,
    /// Time spent waiting for them, added up.
    pub time: Duration,
}

impl Default for Grading {
    fn default() -> Self {
        Self { asked: 0, failed: 0, tokens: 0, cost: Some(Micros::ZERO), time: Duration::ZERO }
    }
}

impl Grading {
    /// Adds what another grading took.
    pub fn add(&mut self, other: Self) {
        self.asked += other.asked;
        self.failed += other.failed;
        self.tokens += other.tokens;
        self.cost = self.cost.zip(other.cost).map(|(one, other)| one + other);
        self.time += other.time;
    }
}

/// Who is asked when a scorer needs a model; nobody by default.
#[derive(Clone, Default)]
pub struct Judges {
    /// Judges rubrics and pairs.
    pub judge: Option<Arc<dyn Subject>>,
    /// Embeds texts.
    pub embedder: Option<Arc<Embedder>>,
}

impl Judges {
    /// Grades by the sample's scorer, asking a model where the scorer wants one. What cannot be judged is unscored:
    /// nobody to ask, nobody answers, a verdict that cannot be read.
    pub async fn grade(&self, sample: &Sample, answer: &Transcript) -> (Score, Grading) {
        let mut spent = Grading::default();
        let score = match &sample.scorer {
            ScorerSpec::All(all) => {
                let mut scores = vec![];
                for check in &all.checks {
                    scores.push(self.one(&check.sample(sample), answer, &mut spent).await);
                }
                all.joined(&scores)
            }
            _ => self.one(sample, answer, &mut spent).await,
        };
        (score, spent)
    }

    /// By a scorer that is not `all`.
    fn one<'a>(
        &'a self,
        sample: &'a Sample,
        answer: &'a Transcript,
        spent: &'a mut Grading,
    ) -> BoxFuture<'a, Score> {
        match (&sample.scorer, &self.judge, &self.embedder) {
            (ScorerSpec::Rubric(rubric), Some(judge), _) => {
                by_rubric(judge.as_ref(), rubric, sample, answer, spent).boxed()
            }
            (ScorerSpec::Pairwise(pairwise), Some(judge), _) => {
                by_pairs(judge.as_ref(), pairwise, sample, answer, spent).boxed()
            }
            (ScorerSpec::EmbeddingCosine(cosine), _, Some(embedder)) => {
                by_cosine(embedder, cosine, sample, answer, spent).boxed()
            }
            (scorer, ..) => std::future::ready(scorer.score(sample, answer)).boxed(),
        }
    }
}

async fn by_rubric(
    judge: &dyn Subject,
    rubric: &Rubric,
    sample: &Sample,
    answer: &Transcript,
    spent: &mut Grading,
) -> Score {
    if let Some(score) = Rubric::settled(sample, answer) {
        return score;
    }
    let fence = Fence::fresh();
    let messages = rubric_messages(&fence, rubric.rubric.as_deref(), sample, answer);
    let reply = match ask(judge, messages, spent).await {
        Ok(reply) => reply,
        Err(error) => return Score::Unscored { why: format!("the judge: {error}") },
    };
    match points(&reply.text, &fence) {
        Err(problem) => Score::Unscored { why: format!("the judge's verdict {problem}") },
        Ok(points) if points >= rubric.threshold => Score::of(1.0, format!("{points} of 10 points")),
        Ok(points) => Score::of(0.0, format!("{points} of 10 points, right from {}", rubric.threshold)),
    }
}

/// Asks twice, the second time with places swapped: a verdict that follows the place is no verdict.
async fn by_pairs(
    judge: &dyn Subject,
    pairwise: &Pairwise,
    sample: &Sample,
    answer: &Transcript,
    spent: &mut Grading,
) -> Score {
    if let Some(score) = pairwise.settled(sample, answer) {
        return score;
    }
    let mut verdicts = vec![];
    for place in [Place::A, Place::B] {
        let fence = Fence::fresh();
        let messages = pairwise_messages(&fence, pairwise.rubric.as_deref(), sample, (answer, place));
        let reply = match ask(judge, messages, spent).await {
            Ok(reply) => reply,
            Err(error) => return Score::Unscored { why: format!("the judge: {error}") },
        };
        match winner(&reply.text, &fence) {
            Err(problem) => return Score::Unscored { why: format!("the judge's verdict {problem}") },
            Ok(winner) => verdicts.push(winner.map(|winner| winner == place)),
        }
    }
    match verdicts[..] {
        [Some(true), Some(true)] => Score::of(1.0, "better in both places"),
        [Some(false), Some(false)] => Score::of(0.0, "worse in both places"),
        [None, None] => Score::of(pairwise.tie, "a tie in both places"),
        _ => Score::Unscored { why: "the judge's verdicts do not agree when places are swapped".to_owned() },
    }
}

async fn by_cosine(
    embedder: &Embedder,
    cosine: &EmbeddingCosine,
    sample: &Sample,
    answer: &Transcript,
    spent: &mut Grading,
) -> Score {
    if let Some(score) = EmbeddingCosine::settled(sample, answer) {
        return score;
    }
    let started = Instant::now();
    let closest = embedder.closest(sample, answer).await;
    let embedded = closest.as_ref().ok();
    spent.add(Grading {
        asked: 1,
        failed: u64::from(closest.is_err()),
        tokens: embedded.map_or(0, |closest| closest.tokens),
        cost: embedded.and_then(|closest| closest.cost),
        time: started.elapsed(),
    });
    match closest {
        Ok(closest) => cosine.worth(closest.cosine),
        Err(error) => Score::Unscored { why: format!("the embedder: {error}") },
    }
}

/// Asks the judge; what it takes is added to `spent` whether or not an answer comes.
async fn ask(
    judge: &dyn Subject,
    messages: Vec<Value>,
    spent: &mut Grading,
) -> Result<Transcript, SubjectError> {
    let question = Sample {
        id: "judge".to_owned(),
        messages,
        expected: Value::Null,
        scorer: ScorerSpec::Exact(Exact::default()),
        task: "judge".to_owned(),
        tags: vec![],
        difficulty: None,
        tools: vec![],
    };
    let started = Instant::now();
    let reply = judge.ask(&question).await;
    let answered = reply.as_ref().ok();
    spent.add(Grading {
        asked: 1,
        failed: u64::from(reply.is_err()),
        tokens: answered.map_or(0, |reply| reply.usage.total()),
        cost: answered.and_then(|reply| reply.cost),
        time: started.elapsed(),
    });
    reply
}

#[cfg(test)]
mod tests;
