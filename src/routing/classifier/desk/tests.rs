//! The desk with a classifier that says what, and when, the test wants.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Answers each question with what its channel says; blocks until it says something.
struct Puppet {
    lines: Receiver<Reply>,
    asked: Arc<AtomicUsize>,
}

impl Classifier for Puppet {
    fn classify(&mut self, _signals: &Signals) -> Reply {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.lines.recv().unwrap_or_else(|_| panic!("the test is over"))
    }
}

struct Stage {
    desk: Desk,
    say: Option<SyncSender<Reply>>,
    asked: Arc<AtomicUsize>,
}

fn stage() -> Stage {
    let (say, lines) = sync_channel(QUEUE);
    let asked = Arc::new(AtomicUsize::new(0));
    let puppet = Puppet { lines, asked: Arc::clone(&asked) };
    let desk = Desk::open(Box::new(puppet), Arc::new(Metrics::new().unwrap()));
    Stage { desk, say: Some(say), asked }
}

impl Stage {
    fn say(&self, reply: Reply) {
        self.say.as_ref().unwrap().send(reply).unwrap();
    }

    async fn ask(&self, deadline: Duration) -> Reply {
        self.desk.ask(Arc::new(Signals::default()), deadline).await
    }

    fn counted(&self, outcome: &str) -> u64 {
        self.desk.metrics.classifier_outcomes_total.with_label_values(&[outcome]).get()
    }
}

fn verdict(local_ok: f32) -> Reply {
    Ok(Verdict { local_ok, ..Verdict::default() })
}

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(5);

#[tokio::test]
async fn a_verdict_in_time_is_handed_on_and_counted() {
    let stage = stage();
    stage.say(verdict(0.25));
    assert_eq!(stage.ask(LONG).await, verdict(0.25));
    assert_eq!(stage.counted("ok"), 1);
    assert_eq!(stage.desk.metrics.classifier_score.get_sample_count(), 1);
    assert_eq!(stage.desk.metrics.classifier_seconds.get_sample_count(), 1);
}

#[tokio::test]
async fn a_stalled_classifier_is_late_and_who_left_is_skipped() {
    let stage = stage();
    for _ in 0..3 {
        assert_eq!(stage.ask(SHORT).await, Err(ClassifierError::Late));
    }
    assert_eq!(stage.counted("late"), 3);
    // The one in hand ends; the two that gave up are never asked; the next one is.
    stage.say(verdict(0.1));
    stage.say(verdict(0.9));
    assert_eq!(stage.ask(LONG).await, verdict(0.9));
    assert_eq!(stage.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_full_queue_is_late_at_once() {
    let stage = stage();
    let mut waiting = vec![];
    while let Ok(receiver) = stage.desk.submit(Arc::new(Signals::default())) {
        waiting.push(receiver);
        assert!(waiting.len() <= QUEUE + 1, "the queue has no bound");
    }
    assert_eq!(stage.ask(LONG).await, Err(ClassifierError::Late));
}

#[tokio::test]
async fn a_verdict_that_makes_no_sense_is_broken() {
    let stage = stage();
    for score in [f32::NAN, 1.5] {
        stage.say(verdict(score));
        assert_eq!(stage.ask(LONG).await.unwrap_err().label(), "broken");
    }
    assert_eq!((stage.counted("broken"), stage.desk.metrics.classifier_score.get_sample_count()), (2, 0));
}

#[tokio::test]
async fn a_panic_is_broken_and_the_thread_lives_on() {
    let mut stage = stage();
    stage.say = None;
    for _ in 0..2 {
        let error = stage.ask(LONG).await.unwrap_err();
        assert_eq!(error, ClassifierError::Broken("it panicked".to_owned()));
    }
}

#[test]
fn the_patient_way_waits_without_a_runtime() {
    let stage = stage();
    stage.say(verdict(0.5));
    assert_eq!(stage.desk.ask_patiently(Arc::new(Signals::default())), verdict(0.5));
}
