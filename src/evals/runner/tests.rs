//! A run from end to end over a tiny suite, with recorded answers and a made-up gateway.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::{FutureExt, pending, ready};
use serde_json::json;

use super::*;
use crate::evals::scorer::testing;
use crate::evals::subject::{
    DecisionFacts, Gateway, GatewayFacts, GatewaySubject, GoldOracle, Question, Recorded,
};

pub(in crate::evals) fn suite(rows: usize) -> Suite {
    let samples = (0..rows).map(|row| Sample {
        id: format!("r{row}"),
        messages: vec![json!({"role": "user", "content": "?".repeat(row + 1)})],
        ..testing::sample(json!("exact"), json!("yes"))
    });
    Suite {
        name: "tiny".into(),
        version: "1.0.0".into(),
        about: String::new(),
        licence: String::new(),
        max_tokens: 8,
        hash: "abc".into(),
        samples: samples.collect(),
    }
}

fn contest(judged: Vec<Arc<dyn Subject>>) -> Contest {
    Contest {
        local: None,
        remote: None,
        judged,
        concurrency: NonZeroUsize::new(2).unwrap(),
        stand_in: false,
        keep_answers: false,
        judges: Judges::default(),
    }
}

/// Right on even rows; keeps them and nothing else. Counts how often it is really asked.
#[derive(Default)]
struct Even {
    asked: AtomicUsize,
}

impl Gateway for Even {
    fn facts(&self) -> GatewayFacts {
        GatewayFacts::default()
    }

    fn ask<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Transcript, SubjectError>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        ready(Ok(Transcript {
            served_by: ServedBy::Local,
            ..Transcript::of(if even(&question) { "Yes." } else { "no" })
        }))
        .boxed()
    }

    fn decide<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<DecisionFacts, SubjectError>> {
        let (target, score) = if even(&question) { (ServedBy::Local, 0.9) } else { (ServedBy::Remote, 0.1) };
        ready(Ok(DecisionFacts {
            target,
            reason: "good_enough".into(),
            local_ok: Some(score),
            prompt_tokens: 5,
            decided_in: std::time::Duration::from_micros(300),
        }))
        .boxed()
    }
}

fn even(question: &Question<'_>) -> bool {
    question.messages[0]["content"].as_str().unwrap().len() % 2 == 1
}

#[tokio::test]
async fn policies_are_decided_and_tiers_asked_once() {
    let gateway = Arc::new(Even::default());
    let mut contest = contest(vec![
        Arc::new(GatewaySubject::policy(gateway.clone(), "balanced", 8)),
        Arc::new(GatewaySubject::policy(gateway.clone(), "local-first", 8)),
    ]);
    contest.local = Some(Arc::new(GatewaySubject::always_local(gateway.clone(), 8)));
    contest.remote = Some(Arc::new(GoldOracle::default()));
    let mut told = vec![];
    let finished = run(&suite(6), &contest, |progress| told.push(progress.done), pending()).await;
    assert_eq!(gateway.asked.load(Ordering::Relaxed), 6);
    assert_eq!(told, [0, 1, 2, 3, 4, 5, 6]);
    let names: Vec<&str> = finished.runs.iter().map(|run| run.name.as_str()).collect();
    assert_eq!(names, ["always-local", "gold-oracle", "balanced", "local-first"]);
    let scores = |run: usize| -> Vec<Option<f64>> {
        finished.runs[run].rows.iter().map(|row| row.score.value()).collect()
    };
    assert_eq!(scores(0), [1.0, 0.0, 1.0, 0.0, 1.0, 0.0].map(Some));
    assert_eq!(scores(1), [Some(1.0); 6]);
    assert_eq!(scores(2), [Some(1.0); 6]);
    let answer = finished.runs[2].rows[1].answer.as_ref().unwrap();
    assert_eq!((answer.served_by, answer.local_ok), (ServedBy::Remote, Some(0.1)));
    assert_eq!(answer.text, "", "answers are not kept unless asked for");
}

#[tokio::test]
async fn without_tiers_a_policy_is_asked_in_full() {
    let gateway = Arc::new(Even::default());
    let contest = contest(vec![Arc::new(GatewaySubject::policy(gateway.clone(), "balanced", 8))]);
    let finished = run(&suite(3), &contest, |_| {}, pending()).await;
    assert_eq!((gateway.asked.load(Ordering::Relaxed), finished.done), (3, 3));
}

#[tokio::test]
async fn recorded_answers_are_graded_and_missing_ones_are_unscored() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("answers.jsonl");
    let lines = [
        r#"{"suite":"abc","id":"r0","subject":"balanced","text":"YES!","served_by":"local","cost_micros":2}"#,
        r#"{"suite":"abc","id":"r1","subject":"balanced","text":"no"}"#,
    ];
    std::fs::write(&file, lines.join("\n")).unwrap();
    let judged = Recorded::read(&file, "abc").unwrap().into_iter().map(|it| Arc::new(it) as _).collect();
    let mut last = None;
    let finished = run(&suite(3), &contest(judged), |progress| last = Some(progress), pending()).await;
    let rows = &finished.runs[0].rows;
    let scores: Vec<_> = rows.iter().map(|row| row.score.value()).collect();
    assert_eq!(scores, [Some(1.0), Some(0.0), None]);
    assert_eq!(rows[2].score.why(), "no recorded answer");
    assert_eq!(last, Some(Progress { done: 3, of: 3, failed: 1 }));
}

/// Answers two rows, then never again.
struct Stuck(AtomicUsize);

impl Subject for Stuck {
    fn name(&self) -> &str {
        "stuck"
    }

    fn ask<'a>(&'a self, _: &'a Sample) -> BoxFuture<'a, Result<Transcript, SubjectError>> {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => ready(Ok(Transcript::of("yes"))).boxed(),
            _ => pending().boxed(),
        }
    }
}

#[tokio::test]
async fn a_stopped_run_keeps_what_it_has() {
    let contest = contest(vec![Arc::new(Stuck(AtomicUsize::new(0)))]);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let mut stop = Some(stop);
    let tell = |progress: Progress| {
        if progress.done == 2 {
            let _ = stop.take().unwrap().send(());
        }
    };
    let finished = run(&suite(5), &contest, tell, stopped.map(|_| ())).await;
    assert_eq!((finished.done, finished.of, finished.runs[0].rows.len()), (2, 5, 2));
}

/// Answers what no scorer accepts, by the remote.
struct Mock;

impl Subject for Mock {
    fn name(&self) -> &str {
        "mock"
    }

    fn ask<'a>(&'a self, sample: &'a Sample) -> BoxFuture<'a, Result<Transcript, SubjectError>> {
        let served_by = if sample.id == "r0" { ServedBy::Local } else { ServedBy::Remote };
        let reason = Some("length".to_owned());
        ready(Ok(Transcript { served_by, reason, ..Transcript::of("mock") })).boxed()
    }
}

#[tokio::test]
async fn the_gold_answer_stands_in_for_every_remote_answer() {
    let mut contest = contest(vec![Arc::new(Mock)]);
    contest.remote = Some(Arc::new(GoldOracle::default()));
    contest.stand_in = true;
    let finished = run(&suite(2), &contest, |_| {}, pending()).await;
    let rows = &finished.runs[1].rows;
    assert_eq!(rows.iter().map(|row| row.score.value()).collect::<Vec<_>>(), [Some(0.0), Some(1.0)]);
    assert_eq!(rows[1].answer.as_ref().unwrap().reason.as_deref(), Some("length"));
}

/// A judge that cannot be reached; counts how often it is asked.
#[derive(Default)]
struct Deaf(AtomicUsize);

impl Subject for Deaf {
    fn name(&self) -> &str {
        "judge"
    }

    fn ask<'a>(&'a self, _: &'a Sample) -> BoxFuture<'a, Result<Transcript, SubjectError>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        ready(Err(SubjectError::Unreachable("no connection".into()))).boxed()
    }
}

#[tokio::test]
async fn a_judge_is_asked_once_for_equal_answers_and_its_work_is_counted() {
    let judge = Arc::new(Deaf::default());
    let mut contest = contest(vec![Arc::new(Mock), Arc::new(Mock)]);
    contest.local = Some(Arc::new(Mock));
    contest.remote = Some(Arc::new(GoldOracle::default()));
    contest.judges.judge = Some(judge.clone());
    let mut suite = suite(2);
    for sample in &mut suite.samples {
        sample.scorer = testing::sample(json!("rubric"), json!("yes")).scorer;
    }
    let finished = run(&suite, &contest, |_| {}, pending()).await;
    assert_eq!(judge.0.load(Ordering::Relaxed), 2, "once a row, though three subjects say the same");
    assert_eq!((finished.grading.asked, finished.grading.failed, finished.grading.cost), (2, 2, None));
    let worth = |run: usize| finished.runs[run].rows[0].score.clone();
    assert_eq!(worth(0), Score::Unscored { why: "the judge: not reached: no connection".into() });
    assert_eq!(worth(1).value(), Some(1.0), "the gold answer needs no judge");
}
