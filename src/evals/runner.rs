//! Runs a suite over subjects, a few rows at a time, and grades as it goes. Both tiers are asked once for every row; a
//! policy that can say where it would send a row takes that tier's answer, so comparing policies costs no more calls.
//! Rows are done whole: when a run is stopped, every subject has the same rows. Equal answers to a row are graded once.

use std::num::NonZeroUsize;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};

use super::dataset::{Sample, Suite};
use super::judge::{Grading, Judges};
use super::scorer::Score;
use super::subject::{ServedBy, Subject, SubjectError, ToolCall, Transcript};

/// Who takes part.
pub struct Contest {
    /// The local tier, `always-local`.
    pub local: Option<Arc<dyn Subject>>,
    /// The remote tier: the gold oracle, or a remote model that is really asked.
    pub remote: Option<Arc<dyn Subject>>,
    /// What is judged: policies, models, recorded answers.
    pub judged: Vec<Arc<dyn Subject>>,
    /// Rows under way at once. More than one makes answers wait for each other, which their latency then shows.
    pub concurrency: NonZeroUsize,
    /// Whether the remote tier's answer takes the place of every remote answer of a judged subject that was asked in
    /// full: so it is where the gold answer is the remote tier, or policy and rivals would have different remotes.
    pub stand_in: bool,
    /// Whether rows keep the answers' text.
    pub keep_answers: bool,
    /// Who is asked where a scorer needs a model.
    pub judges: Judges,
}

/// What a subject is in a contest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The local tier.
    LocalTier,
    /// The remote tier.
    RemoteTier,
    /// It is judged.
    Judged,
}

/// One subject's answer to one row, graded.
#[derive(Clone, Debug)]
pub struct Row {
    /// The row's place in the suite.
    pub sample: usize,
    /// What it is worth.
    pub score: Score,
    /// What it took; `None` when there is no answer. The text is empty unless answers are kept.
    pub answer: Option<Transcript>,
}

/// One subject's rows, in the suite's order.
#[derive(Clone, Debug)]
pub struct SubjectRun {
    /// Its name.
    pub name: String,
    /// What it is here.
    pub part: Part,
    /// Its rows.
    pub rows: Vec<Row>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Rows done by every subject.
    pub done: usize,
    /// Rows to do.
    pub of: usize,
    /// Answers that failed so far.
    pub failed: usize,
}

/// What a run brought.
#[derive(Clone, Debug, Default)]
pub struct Finished {
    /// Every subject, tiers first; each with the same rows.
    pub runs: Vec<SubjectRun>,
    /// Rows done by every subject.
    pub done: usize,
    /// Rows there were to do; more than `done` when the run was stopped.
    pub of: usize,
    /// What judges and embedders took for the rows that are done; stands in no subject's cost.
    pub grading: Grading,
}

impl Finished {
    /// The run of the subject that plays `part`, if one does.
    pub fn tier(&self, part: Part) -> Option<&SubjectRun> {
        self.runs.iter().find(|run| run.part == part)
    }
}

/// Asks everybody everything. `tell` hears of every finished row; when `stop` is ready, rows under way are dropped
/// and the run ends with what it has.
pub async fn run(
    suite: &Suite,
    contest: &Contest,
    mut tell: impl FnMut(Progress),
    stop: impl Future<Output = ()>,
) -> Finished {
    let of = suite.samples.len();
    let mut finished: Vec<Vec<Row>> = Vec::with_capacity(of);
    let asked: Vec<BoxFuture<'_, (Vec<Row>, Grading)>> = (suite.samples.iter().enumerate())
        .map(|(at, sample)| Box::pin(contest.row(at, sample)) as _)
        .collect();
    let mut rows = stream::iter(asked).buffer_unordered(contest.concurrency.get()).take_until(Box::pin(stop));
    let (mut failed, mut grading) = (0, Grading::default());
    tell(Progress { done: 0, of, failed });
    while let Some((row, spent)) = rows.next().await {
        grading.add(spent);
        failed += row.iter().filter(|row| row.answer.is_none()).count();
        finished.push(row);
        tell(Progress { done: finished.len(), of, failed });
    }
    drop(rows);
    finished.sort_by_key(|row| row.first().map_or(0, |row| row.sample));
    let done = finished.len();
    let mut runs: Vec<SubjectRun> = contest
        .subjects()
        .map(|(part, subject)| SubjectRun { name: subject.name().to_owned(), part, rows: vec![] })
        .collect();
    for row in finished {
        for (run, row) in runs.iter_mut().zip(row) {
            run.rows.push(row);
        }
    }
    Finished { runs, done, of, grading }
}

impl Contest {
    /// Everybody, in the order of a row's results.
    fn subjects(&self) -> impl Iterator<Item = (Part, &Arc<dyn Subject>)> {
        let local = self.local.iter().map(|subject| (Part::LocalTier, subject));
        let remote = self.remote.iter().map(|subject| (Part::RemoteTier, subject));
        local.chain(remote).chain(self.judged.iter().map(|subject| (Part::Judged, subject)))
    }

    /// One row of everybody, tiers first because policies take their answers.
    async fn row(&self, at: usize, sample: &Sample) -> (Vec<Row>, Grading) {
        let mut local = None;
        let mut remote = None;
        let mut rows = vec![];
        let mut grades = Grades::default();
        for (part, subject) in self.subjects() {
            let answer = match (part, &local, &remote, subject.decide(sample)) {
                (Part::Judged, Some(local), Some(remote), Some(decision)) => {
                    decided(decision.await, local, remote)
                }
                (Part::Judged, _, Some(Ok(remote)), _) if self.stand_in => {
                    subject.ask(sample).await.map(|answer| stood_in(answer, remote))
                }
                _ => subject.ask(sample).await,
            };
            match part {
                Part::LocalTier => local = Some(answer.clone()),
                Part::RemoteTier => remote = Some(answer.clone()),
                Part::Judged => {}
            }
            rows.push(match answer {
                Err(error) => {
                    Row { sample: at, score: Score::Unscored { why: error.to_string() }, answer: None }
                }
                Ok(mut answer) => {
                    let score = grades.of(&self.judges, sample, &answer).await;
                    if !self.keep_answers {
                        answer.text = String::new();
                        answer.tool_calls = vec![];
                    }
                    Row { sample: at, score, answer: Some(answer) }
                }
            });
        }
        (rows, grades.spent)
    }
}

/// The grades of one row's answers: policies take the tiers' answers, and a judge is not asked twice for one text.
#[derive(Default)]
struct Grades {
    known: Vec<(String, Vec<ToolCall>, Score)>,
    spent: Grading,
}

impl Grades {
    async fn of(&mut self, judges: &Judges, sample: &Sample, answer: &Transcript) -> Score {
        let known =
            self.known.iter().find(|(text, calls, _)| *text == answer.text && *calls == answer.tool_calls);
        if let Some((.., score)) = known {
            return score.clone();
        }
        let (score, spent) = judges.grade(sample, answer).await;
        self.spent.add(spent);
        self.known.push((answer.text.clone(), answer.tool_calls.clone(), score.clone()));
        score
    }
}

type Answer = Result<Transcript, SubjectError>;

/// The route and the times of `answer`, the words and the price of the remote tier.
fn stood_in(answer: Transcript, remote: &Transcript) -> Transcript {
    if answer.served_by != ServedBy::Remote {
        return answer;
    }
    let Transcript { text, tool_calls, model, usage, cost, cost_if_remote, .. } = remote.clone();
    Transcript { text, tool_calls, model, usage, cost, cost_if_remote, ..answer }
}

/// The answer of the tier that a policy chose, with the time that choosing took on top.
fn decided(
    decision: Result<super::subject::DecisionFacts, SubjectError>,
    local: &Answer,
    remote: &Answer,
) -> Answer {
    let decision = decision?;
    let mut answer = match decision.target {
        ServedBy::Local => local.clone()?,
        ServedBy::Remote => remote.clone()?,
        ServedBy::None => return Err(SubjectError::Refused(decision.reason)),
    };
    answer.served_by = decision.target;
    answer.reason = Some(decision.reason);
    answer.local_ok = decision.local_ok;
    answer.prompt_tokens = Some(decision.prompt_tokens);
    answer.ttft = answer.ttft.map(|time| time + decision.decided_in);
    answer.total = answer.total.map(|time| time + decision.decided_in);
    Ok(answer)
}

#[cfg(test)]
#[path = "runner/tests.rs"]
pub(super) mod tests;
