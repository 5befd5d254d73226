//! Recordings that are stopped, killed, taken up again, or that must not be.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::{BoxFuture, FutureExt, pending, ready};

use super::*;
use crate::evals::runner::tests::suite;
use crate::evals::subject::{ALWAYS_LOCAL, ALWAYS_REMOTE, Recorded, ServedBy};

/// Answers the first `good` questions, as `model`.
struct Counting {
    name: &'static str,
    model: &'static str,
    good: usize,
    asked: AtomicUsize,
}

impl Subject for Counting {
    fn name(&self) -> &str {
        self.name
    }

    fn ask<'a>(&'a self, sample: &'a Sample) -> BoxFuture<'a, Result<Transcript, SubjectError>> {
        let before = self.asked.fetch_add(1, Ordering::Relaxed);
        if before >= self.good {
            return ready(Err(SubjectError::Unreachable("no connection".into()))).boxed();
        }
        let text = format!("answer to {}\nwith a line break", sample.id);
        let model = Some(self.model.to_owned());
        ready(Ok(Transcript { model, served_by: ServedBy::Local, ..Transcript::of(text) })).boxed()
    }
}

fn tier(name: &'static str, model: &'static str, good: usize) -> (Arc<Counting>, Tier) {
    let subject = Arc::new(Counting { name, model, good, asked: AtomicUsize::new(0) });
    let hash = (name == ALWAYS_LOCAL).then(|| format!("hash of {model}"));
    (subject.clone(), Tier { subject, model: None, model_hash: hash })
}

async fn recorded(rows: usize, tiers: &[Tier], file: &Path) -> Result<RecordingEnd, RecordError> {
    let (suite, concurrency) = (suite(rows), NonZeroUsize::new(2).unwrap());
    record(&Recording { suite: &suite, tiers, file, concurrency }, |_| {}, pending()).await
}

#[tokio::test]
async fn every_answer_is_kept_and_asked_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("answers/tiny.jsonl");
    let (local, first) = tier(ALWAYS_LOCAL, "starter", 99);
    let end = recorded(4, &[first], &file).await.unwrap();
    assert_eq!((end.kept, end.asked, end.of, end.is_whole()), (0, 4, 4, true));
    let (remote, second) = tier(ALWAYS_REMOTE, "gpt-4o", 99);
    let again = Tier { subject: local.clone(), model: None, model_hash: Some("hash of starter".into()) };
    let end = recorded(4, &[again, second], &file).await.unwrap();
    assert_eq!((end.kept, end.asked, end.of), (4, 4, 8));
    assert_eq!((local.asked.load(Ordering::Relaxed), remote.asked.load(Ordering::Relaxed)), (4, 4));
    let subjects = Recorded::read(&file, "abc").unwrap();
    assert_eq!((subjects[0].model(), subjects[0].model_hash()), (Some("starter"), Some("hash of starter")));
    assert_eq!((subjects[1].name(), subjects[1].model()), (ALWAYS_REMOTE, Some("gpt-4o")));
}

#[tokio::test]
async fn a_killed_recording_is_mended_and_taken_up() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.jsonl");
    recorded(5, &[tier(ALWAYS_LOCAL, "starter", 99).1], &file).await.unwrap();
    let whole = std::fs::read(&file).unwrap();
    // Every place at which a kill may have cut the last line off, its end included.
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for cut in last..whole.len() {
        std::fs::write(&file, &whole[..cut]).unwrap();
        let (subject, local) = tier(ALWAYS_LOCAL, "starter", 99);
        let end = recorded(5, &[local], &file).await.unwrap();
        assert!(end.is_whole(), "{end:?} after a cut at {cut}");
        assert_eq!(subject.asked.load(Ordering::Relaxed), usize::from(cut < whole.len() - 1));
        let lines = std::fs::read_to_string(&file).unwrap();
        assert_eq!(lines.lines().count(), 5);
        assert_eq!(Recorded::read(&file, "abc").unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_stop_ends_it_with_whole_lines() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.jsonl");
    let (suite, concurrency) = (suite(6), NonZeroUsize::MIN);
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let (mut stop, tiers) = (Some(stop), [tier(ALWAYS_LOCAL, "starter", 99).1]);
    let recording = Recording { suite: &suite, tiers: &tiers, file: &file, concurrency };
    let tell = |progress: Progress| {
        if progress.done == 2 {
            let _ = stop.take().map(|stop| stop.send(()));
        }
    };
    let end = record(&recording, tell, stopped.map(|_| ())).await.unwrap();
    assert!(!end.is_whole() && end.asked >= 2, "{end:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), end.asked);
    assert!(recorded(6, &[tier(ALWAYS_LOCAL, "starter", 99).1], &file).await.unwrap().is_whole());
}

#[tokio::test]
async fn what_failed_is_counted_and_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.jsonl");
    let end = recorded(5, &[tier(ALWAYS_LOCAL, "starter", 2).1], &file).await.unwrap();
    assert_eq!((end.asked, end.is_whole()), (2, false));
    assert_eq!(end.failed["always-local: not reached: no connection"], 3);
    let end = recorded(5, &[tier(ALWAYS_LOCAL, "starter", 99).1], &file).await.unwrap();
    assert_eq!((end.kept, end.asked, end.is_whole()), (2, 3, true));
    let error = recorded(40, &[tier("other", "m", 0).1], &file).await.unwrap_err().to_string();
    assert!(error.contains("other: 10 answers failed on end"), "{error}");
}

#[tokio::test]
async fn a_file_of_another_suite_or_model_is_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.jsonl");
    recorded(3, &[tier(ALWAYS_LOCAL, "starter", 99).1], &file).await.unwrap();
    let before = std::fs::read(&file).unwrap();
    let (subject, other) = tier(ALWAYS_LOCAL, "bigger", 99);
    let error = recorded(3, &[other], &file).await.unwrap_err().to_string();
    assert!(error.contains("a.jsonl:1: was recorded with another local model"), "{error}");
    let text = String::from_utf8(before.clone()).unwrap().replace("\"abc\"", "\"old\"");
    std::fs::write(&file, &text).unwrap();
    let error = recorded(3, &[tier(ALWAYS_LOCAL, "starter", 99).1], &file).await.unwrap_err().to_string();
    assert!(error.contains("a.jsonl:3: was recorded for another version of the suite"), "{error}");
    assert!(error.contains("nothing was changed"), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    assert_eq!(subject.asked.load(Ordering::Relaxed), 0);
    // A remote that answers as another model half-way.
    std::fs::write(&file, &before).unwrap();
    recorded(3, &[tier(ALWAYS_REMOTE, "m1", 2).1], &file).await.unwrap();
    let error = recorded(3, &[tier(ALWAYS_REMOTE, "m2", 99).1], &file).await.unwrap_err().to_string();
    assert!(error.contains("always-remote: `m2` answers now, and `m1` did before"), "{error}");
}

#[tokio::test]
async fn two_recordings_never_share_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.jsonl");
    let held = File::create(&file).unwrap();
    held.lock().unwrap();
    let refused = recorded(3, &[tier(ALWAYS_LOCAL, "starter", 99).1], &file).await;
    assert!(matches!(refused, Err(RecordError::Busy(_))), "{refused:?}");
}
