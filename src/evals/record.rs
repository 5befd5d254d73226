//! Asks tiers every row of a golden set and keeps each answer as it comes, one line of a JSONL file: what was paid for
//! is never asked again. A stopped or killed recording is taken up where it ended. A file of another version of the
//! suite, or of another model, is refused before anything is asked or written. Failed answers are not kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::stream::{self, StreamExt};

use super::dataset::{BadLine, Sample, Suite};
use super::runner::Progress;
use super::subject::{RecordedError, RecordedLine, Subject, SubjectError, Transcript};

/// So many failures on end, with no answer between them, are the backend's and not the rows'.
const GIVE_UP: usize = 10;

/// One tier to record.
pub struct Tier {
    /// Who is asked; its name is the lines' `subject`.
    pub subject: Arc<dyn Subject>,
    /// The model's name, where answers do not say theirs.
    pub model: Option<String>,
    /// SHA-256 of the model's graph, for a model in this process: answers of another one are refused.
    pub model_hash: Option<String>,
}

/// What to record, and where.
pub struct Recording<'a> {
    /// The golden set.
    pub suite: &'a Suite,
    /// Who is asked each row.
    pub tiers: &'a [Tier],
    /// Where the lines go; what it holds already is not asked again.
    pub file: &'a Path,
    /// Answers under way at once.
    pub concurrency: NonZeroUsize,
}

/// What a recording brought. Whole when `kept + asked == of`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordingEnd {
    /// Answers that the file held already.
    pub kept: usize,
    /// Answers that were added.
    pub asked: usize,
    /// Answers that there should be: rows by tiers.
    pub of: usize,
    /// Why answers failed, and how often. They are asked again next time.
    pub failed: BTreeMap<String, usize>,
}

impl RecordingEnd {
    /// Whether every tier has answered every row.
    pub fn is_whole(&self) -> bool {
        self.kept + self.asked == self.of
    }
}

/// Why nothing, or nothing more, is recorded. What was written before stays.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file cannot be read or written.
    #[error("{}: {cause}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The file holds what this recording cannot add to.
    #[error("{0}\nnothing was changed: move the file away, or name another one")]
    Other(RecordedError),
    /// Somebody else writes to it.
    #[error("{}: another recording writes to this file", .0.display())]
    Busy(PathBuf),
    /// The backend is not there.
    #[error("{subject}: {GIVE_UP} answers failed on end, the last one: {why}")]
    GaveUp {
        /// Who was asked.
        subject: String,
        /// The last failure.
        why: SubjectError,
    },
    /// The model changed while it was recorded.
    #[error("{subject}: `{now}` answers now, and `{before}` did before: one file holds one model a tier")]
    Changed {
        /// Who was asked.
        subject: String,
        /// The model so far.
        before: String,
        /// The model now.
        now: String,
    },
}

/// Asks whatever the file does not hold yet. `tell` hears of every answer; when `stop` is ready, answers under way are
/// dropped and the recording ends with what it has.
///
/// # Errors
/// See [`RecordError`]. Nothing is asked when the file is refused.
pub async fn record(
    recording: &Recording<'_>,
    mut tell: impl FnMut(Progress),
    stop: impl Future<Output = ()>,
) -> Result<RecordingEnd, RecordError> {
    let mut book = Book::open(recording)?;
    let Recording { suite, tiers, .. } = recording;
    let due: Vec<(usize, &Sample)> = (suite.samples.iter())
        .flat_map(|sample| (0..tiers.len()).map(move |tier| (tier, sample)))
        .filter(|(tier, sample)| !book.has(tiers[*tier].subject.name(), &sample.id))
        .collect();
    let of = suite.samples.len() * tiers.len();
    let mut end = RecordingEnd { kept: of - due.len(), of, ..RecordingEnd::default() };
    let asked = due.into_iter().map(|(tier, sample)| {
        let answer = tiers[tier].subject.ask(sample);
        async move { (tier, sample, answer.await) }
    });
    let mut answers =
        stream::iter(asked).buffer_unordered(recording.concurrency.get()).take_until(Box::pin(stop));
    let mut on_end = vec![0; tiers.len()];
    let progress = |end: &RecordingEnd| {
        let failed = end.failed.values().sum();
        Progress { done: end.kept + end.asked + failed, of, failed }
    };
    tell(progress(&end));
    while let Some((at, sample, answer)) = answers.next().await {
        let tier = &tiers[at];
        match answer {
            Ok(answer) => {
                book.add(suite, tier, sample, &answer)?;
                (end.asked, on_end[at]) = (end.asked + 1, 0);
            }
            Err(why) => {
                *end.failed.entry(format!("{}: {why}", tier.subject.name())).or_default() += 1;
                on_end[at] += 1;
                if on_end[at] == GIVE_UP {
                    return Err(RecordError::GaveUp { subject: tier.subject.name().to_owned(), why });
                }
            }
        }
        tell(progress(&end));
    }
    drop(answers);
    book.close()?;
    Ok(end)
}

/// The file, and what is known of its lines.
struct Book {
    path: PathBuf,
    file: File,
    held: BTreeSet<(String, String)>,
    models: BTreeMap<String, String>,
}

impl Book {
    /// Reads what is there, mends a line that a kill tore off, and refuses what cannot be added to.
    fn open(recording: &Recording<'_>) -> Result<Self, RecordError> {
        let path = recording.file.to_owned();
        let fault = |cause| RecordError::File { file: path.clone(), cause };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(fault)?;
        }
        let file = OpenOptions::new().create(true).append(true).read(true).open(&path).map_err(fault)?;
        // Where a file system knows no locks, going on is better than not recording.
        if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            return Err(RecordError::Busy(path));
        }
        let bytes = std::fs::read(&path).map_err(fault)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let (lines, tail) = bytes.split_at(whole);
        let torn = serde_json::from_slice::<RecordedLine>(tail).is_err();
        let mut book = Self { path: path.clone(), file, held: BTreeSet::new(), models: BTreeMap::new() };
        book.read(if torn { lines } else { &bytes }, recording)?;
        match (tail.is_empty(), torn) {
            (true, _) => {}
            (false, true) => book.file.set_len(whole as u64).map_err(fault)?,
            (false, false) => book.file.write_all(b"\n").map_err(fault)?,
        }
        Ok(book)
    }

    fn read(&mut self, bytes: &[u8], recording: &Recording<'_>) -> Result<(), RecordError> {
        let mut bad = vec![];
        for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            if line.trim_ascii().is_empty() {
                continue;
            }
            if let Err(problem) = self.take(line, recording) {
                bad.push(BadLine { file: self.path.clone(), line: index + 1, problem });
            }
        }
        if bad.is_empty() { Ok(()) } else { Err(RecordError::Other(RecordedError::BadLines(bad))) }
    }

    fn take(&mut self, line: &[u8], recording: &Recording<'_>) -> Result<(), String> {
        let line = RecordedLine::parse(line, &recording.suite.hash)?;
        if let Some(tier) = recording.tiers.iter().find(|tier| tier.subject.name() == line.subject) {
            let hashes = (&line.model_hash, &tier.model_hash);
            if let (Some(then), Some(now)) = hashes
                && then != now
            {
                return Err("was recorded with another local model: record it again".to_owned());
            }
            if let Some(model) = line.model {
                let known = self.models.entry(line.subject.clone()).or_insert_with(|| model.clone());
                if *known != model {
                    return Err(format!("is an answer of `{model}`, the lines before are of `{known}`"));
                }
            }
        }
        match self.held.insert((line.subject, line.id)) {
            true => Ok(()),
            false => Err("this subject has already answered this row".to_owned()),
        }
    }

    fn has(&self, subject: &str, id: &str) -> bool {
        self.held.contains(&(subject.to_owned(), id.to_owned()))
    }

    /// One line in one write, so that a kill can tear no line but the last.
    fn add(
        &mut self,
        suite: &Suite,
        tier: &Tier,
        sample: &Sample,
        answer: &Transcript,
    ) -> Result<(), RecordError> {
        let subject = tier.subject.name();
        let model = answer.model.clone().or_else(|| tier.model.clone());
        if let Some(now) = &model {
            let before = self.models.entry(subject.to_owned()).or_insert_with(|| now.clone());
            if before != now {
                let (subject, before, now) = (subject.to_owned(), before.clone(), now.clone());
                return Err(RecordError::Changed { subject, before, now });
            }
        }
        let line = RecordedLine {
            model,
            model_hash: tier.model_hash.clone(),
            ..RecordedLine::of(&suite.hash, &sample.id, subject, answer)
        };
        let fault = |cause| RecordError::File { file: self.path.clone(), cause };
        let mut text = serde_json::to_vec(&line).map_err(|error| fault(error.into()))?;
        text.push(b'\n');
        self.file.write_all(&text).map_err(fault)
    }

    fn close(self) -> Result<(), RecordError> {
        self.file.sync_all().map_err(|cause| RecordError::File { file: self.path, cause })
    }
}

#[cfg(test)]
#[path = "record/tests.rs"]
mod tests;
