//! Whole decisions: signals, classifier and policy together.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use bytes::Bytes;
use serde_json::Value;

use super::*;
use crate::chat::{
    BackendId, BoundaryBackendId, Controls, Dialect, Message, Needs, Original, ResponseFormat, Role,
    Sampling, Tools,
};
use crate::dialects::openai_chat::parse_request;
use crate::routing::calibration::{self, Calibration, Present};
use crate::routing::classifier::{Classifier, Head, OnnxClassifier};
use crate::routing::view::{LOCAL, Presence, REMOTE, Seat};

/// Says the same of everything.
struct Fixed(f32);

impl Classifier for Fixed {
    fn classify(&mut self, _signals: &Signals) -> Result<Verdict, ClassifierError> {
        Ok(Verdict { local_ok: self.0, ..Verdict::default() })
    }
}

/// Never answers, until the test ends.
struct Stalled(Receiver<()>);

impl Classifier for Stalled {
    fn classify(&mut self, _signals: &Signals) -> Result<Verdict, ClassifierError> {
        let _ = self.0.recv();
        Err(ClassifierError::Broken("stalled".to_owned()))
    }
}

fn stalled() -> (Stalled, SyncSender<()>) {
    let (end, ending) = sync_channel(1);
    (Stalled(ending), end)
}

fn router(classifier: Option<Box<dyn Classifier>>, deadline: Duration) -> Router {
    let policies = Policy::load_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")).unwrap();
    Router::new(policies, classifier, deadline, Arc::new(Metrics::new().unwrap()))
}

pub(in crate::routing) fn request(text: &str) -> ChatRequest {
    ChatRequest {
        model: "auto".to_owned(),
        messages: vec![Message::text(Role::User, text)],
        sampling: Sampling { n: 1, ..Sampling::default() },
        tools: Tools::default(),
        template_settings: serde_json::Map::new(),
        response_format: ResponseFormat::Text,
        cache_salt: None,
        needs: Needs::default(),
        stream: false,
        include_usage: false,
        original: Original {
            dialect: Dialect::OpenAiChat,
            body: Bytes::new(),
            model: 0..0,
            stream_options: None,
        },
        controls: Controls::default(),
    }
}

pub(in crate::routing) fn view() -> View {
    let seat = |name: &str, inside| {
        let id = BackendId::new(name);
        let boundary = BoundaryBackendId::declare(&id, inside);
        let can = Needs::default();
        Seat { id, boundary, presence: Presence::Ready, context_tokens: 1024, can, queued: 0 }
    };
    View { seats: vec![seat(LOCAL, true), seat(REMOTE, false)] }
}

fn targets(decision: &Decision) -> Vec<&str> {
    decision.plan.targets().into_iter().map(BackendId::as_str).collect()
}

fn ask<'a>(request: &'a ChatRequest, policy: &'a str, view: &'a View) -> Question<'a> {
    Question { request, policy, control: Control::Auto, view }
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_decision_carries_everything_it_was_made_from() {
    let router = router(Some(Box::new(Fixed(0.9))), LONG).with_threshold(0.8);
    let (request, view) = (request("What is the capital of France?"), view());
    let decision = router.decide(ask(&request, "balanced", &view)).await;
    assert_eq!(targets(&decision), ["local", "remote"]);
    assert_eq!((decision.reason, decision.rule.as_str()), (Reason::GoodEnough, "good enough"));
    assert_eq!((decision.verdict.unwrap().local_ok, decision.threshold), (0.9, Some(0.8)));
    assert_eq!((decision.policy.name.as_str(), decision.policy.hash.len()), ("balanced", 12));
    assert!((8..60).contains(&decision.prompt_tokens), "{}", decision.prompt_tokens);
    assert!(decision.decided_in > Duration::ZERO);
}

#[tokio::test]
async fn without_a_calibration_the_score_is_recorded_and_does_not_steer() {
    let router = router(Some(Box::new(Fixed(1.0))), LONG);
    let (request, view) = (request("What is the capital of France?"), view());
    let decision = router.decide(ask(&request, "balanced", &view)).await;
    assert_eq!((targets(&decision), decision.reason), (vec!["remote", "local"], Reason::Default));
    assert_eq!((decision.verdict.unwrap().local_ok, decision.threshold), (1.0, None));
}

/// Has a head of its own: the shipped score says no, the installed model's says yes.
struct Headed;

impl Classifier for Headed {
    fn classify(&mut self, _signals: &Signals) -> Result<Verdict, ClassifierError> {
        Ok(Verdict { local_ok: 0.2, calibrated: Some(0.9), ..Verdict::default() })
    }
}

/// A calibration that carries a head.
fn fitted() -> Calibration {
    let head = Head { weights: vec![1.0], bias: 0.0 };
    Calibration { head: Some(head), ..calibration::tests::sample() }
}

fn gauge(router: &Router, state: &str) -> i64 {
    router.metrics.calibration_state.with_label_values(&[state]).get()
}

fn shown(router: &Router) -> String {
    String::from_utf8(router.metrics.render().unwrap()).unwrap()
}

#[tokio::test]
async fn a_valid_calibration_steers_by_the_fitted_head_s_score() {
    let standing = Standing::of(fitted(), &Present::default());
    let router = router(Some(Box::new(Headed)), LONG).with_standing(standing);
    let (request, view) = (request("What is the capital of France?"), view());
    let decision = router.decide(ask(&request, "balanced", &view)).await;
    assert_eq!((targets(&decision), decision.reason), (vec!["local", "remote"], Reason::GoodEnough));
    assert_eq!((decision.score, decision.threshold), (Some(0.9), Some(0.8)));
    assert_eq!((gauge(&router, "valid"), gauge(&router, "missing")), (1, 0));
    let told = router.explain(ask(&request, "balanced", &view)).await;
    assert_eq!((told.calibration.state, told.score, told.threshold), ("valid", Some(0.9), Some(0.8)));
}

#[tokio::test]
async fn a_calibration_that_no_longer_fits_only_shadows() {
    let changed = Present { local_model: Some("another".to_owned()), ..Present::default() };
    let mut silent = calibration::tests::sample();
    silent.threshold = None;
    silent.why_none = Some("too few rows".to_owned());
    for (standing, state) in [
        (Standing::of(calibration::tests::sample(), &changed), "mismatch"),
        (Standing::of(silent, &Present::default()), "no_promise"),
        (Standing::Missing, "missing"),
    ] {
        let router = router(Some(Box::new(Fixed(1.0))), LONG).with_standing(standing);
        let (request, view) = (request("What is the capital of France?"), view());
        let decision = router.decide(ask(&request, "balanced", &view)).await;
        assert_eq!((targets(&decision), decision.reason), (vec!["remote", "local"], Reason::Default));
        assert_eq!(
            (decision.verdict.map(|it| it.local_ok), decision.threshold),
            (Some(1.0), None),
            "{state}"
        );
        let ones: Vec<&str> = Standing::LABELS.into_iter().filter(|it| gauge(&router, it) == 1).collect();
        assert_eq!(ones, [state]);
        assert!(!shown(&router).contains("crossover_classifier_score_psi"), "{state}");
    }
}

#[tokio::test]
async fn a_head_whose_calibration_no_longer_fits_scores_nothing() {
    let valid = Standing::of(fitted(), &Present::default());
    // As where the golden set is compared after the classifier was loaded.
    let changed = Present { golden: Some("another".to_owned()), ..Present::default() };
    let mismatch = valid.clone().compared(&changed);
    assert_eq!(mismatch.label(), "mismatch");
    let (request, view) = (request("What is the capital of France?"), view());
    for (standing, score) in [(valid, 0.9), (mismatch, 0.2)] {
        let router = router(Some(Box::new(Headed)), LONG).with_standing(standing);
        let decision = router.decide(ask(&request, "balanced", &view)).await;
        assert_eq!(decision.verdict.unwrap().steering(), score);
        let told = router.explain(ask(&request, "balanced", &view)).await;
        assert_eq!(told.verdict.unwrap().steering(), score);
    }
}

#[tokio::test]
async fn drift_is_measured_on_watched_decisions_under_a_valid_calibration_alone() {
    let mut calibration = fitted();
    calibration.score_histogram = vec![0; 20];
    calibration.score_histogram[18] = 1_000;
    let standing = Standing::of(calibration, &Present::default());
    let (request, view) = (request("hello"), view());
    let router = router(Some(Box::new(Headed)), LONG).with_standing(standing);
    for _ in 0..600 {
        router.decide(ask(&request, "balanced", &view)).await;
    }
    assert!(!shown(&router).contains("crossover_classifier_score_psi"), "nobody's requests");
    for _ in 0..600 {
        router.watch(&router.decide(ask(&request, "balanced", &view)).await);
    }
    let shown = shown(&router);
    let line = shown.lines().find(|line| line.starts_with("crossover_classifier_score_psi")).unwrap();
    let index: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
    assert!((0.0..0.05).contains(&index), "the fitted score 0.9 is where calibration's scores are: {line}");
}

#[tokio::test]
async fn a_stalled_classifier_is_unknown_and_never_steps_over_a_privacy_rule() {
    let (classifier, _end) = stalled();
    let router = router(Some(Box::new(classifier)), Duration::from_millis(2));
    let view = view();
    let plain = request("What is the capital of France?");
    let decision = router.decide(ask(&plain, "balanced", &view)).await;
    assert_eq!((targets(&decision), decision.reason), (vec!["remote", "local"], Reason::Unknown));
    assert_eq!((decision.verdict, decision.rule.as_str()), (None, "when-unknown"));

    let mut tagged = request("What is the capital of France?");
    tagged.controls.tags = vec!["private".to_owned()];
    let personal = request("Write to ana@example.org about it.");
    for request in [&tagged, &personal] {
        let decision = router.decide(ask(request, "balanced", &view)).await;
        assert!(matches!(decision.plan, Plan::WithinBoundary(_)), "{decision:?}");
        assert_eq!((targets(&decision), decision.reason), (vec!["local"], Reason::Private));
    }
}

#[tokio::test]
async fn f25_a_stalled_classifier_and_a_dead_local_model_refuse_a_private_request() {
    let (classifier, _end) = stalled();
    let router = router(Some(Box::new(classifier)), Duration::from_millis(2));
    let mut view = view();
    view.seats[0].presence = Presence::Down;
    let mut tagged = request("What is the capital of France?");
    tagged.controls.tags = vec!["private".to_owned()];
    let decision = router.decide(ask(&tagged, "balanced", &view)).await;
    assert_eq!((decision.plan, decision.reason), (Plan::Refuse, Reason::NoLocal));
}

#[tokio::test]
async fn no_classifier_is_unknown_and_counted_as_off() {
    let router = router(None, LONG);
    let (request, view) = (request("hello"), view());
    let decision = router.decide(ask(&request, "balanced", &view)).await;
    assert_eq!((decision.verdict, decision.reason), (None, Reason::Unknown));
    assert_eq!(router.metrics.classifier_outcomes_total.with_label_values(&["off"]).get(), 1);
    let told = router.explain(ask(&request, "balanced", &view)).await;
    assert_eq!((told.no_verdict.as_deref(), told.failure), (Some("the classifier is off"), None));
}

#[tokio::test]
async fn a_large_picture_beside_a_tool_goes_to_the_remote_that_holds_it() {
    let router = router(None, LONG);
    let mut view = view();
    (view.seats[1].can, view.seats[1].context_tokens) = (Needs::ALL, 128_000);
    let url = format!("data:image/png;base64,{}", "A".repeat(1_200_000));
    let content = serde_json::json!([{ "type": "image_url", "image_url": { "url": url } }]);
    let body = serde_json::json!({
        "model": "auto",
        "messages": [{ "role": "user", "content": content }],
        "tools": [{ "type": "function", "function": { "name": "f" } }],
    });
    let request = parse_request(body.to_string().into()).unwrap();
    let decision = router.decide(ask(&request, "balanced", &view)).await;
    assert_eq!((targets(&decision), decision.reason), (vec!["remote"], Reason::Capability));
    assert!(decision.prompt_tokens < 5_000, "{}", decision.prompt_tokens);
}

#[tokio::test]
async fn an_unknown_policy_is_refused() {
    let router = router(None, LONG);
    let (request, view) = (request("hello"), view());
    let decision = router.decide(ask(&request, "poetry", &view)).await;
    assert_eq!((decision.plan, decision.reason), (Plan::Refuse, Reason::NotPermitted));
}

#[tokio::test]
async fn an_explanation_says_what_the_decision_says_and_never_holds_the_text() {
    let router = router(Some(Box::new(Fixed(0.25))), LONG).with_threshold(0.8);
    let mut view = view();
    view.seats[1].presence = Presence::Down;
    let mut request = request("Classify this secret: labels: a, b.");
    request.controls.tags = vec!["team".to_owned()];
    let decision = router.decide(ask(&request, "balanced", &view)).await;
    let told = router.explain(ask(&request, "balanced", &view)).await;
    assert_eq!((told.reason, &told.rule), (decision.reason, &decision.rule));
    let json = serde_json::to_value(&told).unwrap();
    let expected = serde_json::json!({
        "policy": {"name": "balanced", "hash": decision.policy.hash},
        "rule": "everything else",
        "reason": "no_remote",
        "targets": ["local"],
        "within_boundary": false,
        "not_available": [{"target": "remote", "reason": "no_remote"}],
        "signals": {"prompt_tokens": decision.prompt_tokens, "max_tokens": null, "tags": ["team"], "needs": [],
                    "code": false, "pii": "absent", "task": "classification", "language": "en",
                    "needs_fresh_knowledge": false, "session": false},
        "verdict": {"local_ok": 0.25, "gain": null, "task": null, "expected_output_tokens": null},
        "no_verdict": null,
        "score": 0.25,
        "threshold": json["threshold"],
        "calibration": {"state": "missing", "id": null},
        "decided_in_us": json["decided_in_us"],
    });
    assert_eq!(json, expected);
    assert!((json["threshold"].as_f64().unwrap() - 0.8).abs() < 1e-6);
    assert!(!Value::to_string(&json).contains("secret"));
}

#[test]
fn the_patient_way_decides_the_same() {
    let router = router(Some(Box::new(Fixed(0.9))), Duration::from_nanos(1)).with_threshold(0.8);
    let (request, view) = (request("hello"), view());
    let told = router.explain_patiently(&ask(&request, "balanced", &view));
    assert_eq!((told.reason, told.verdict.unwrap().local_ok), (Reason::GoodEnough, 0.9));
}

/// Prints how long decisions take; asserts only what any machine fulfils, as this runs unoptimised.
#[tokio::test]
async fn decisions_with_the_shipped_classifier_are_quick() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/classifier");
    let router = router(Some(Box::new(OnnxClassifier::load(&folder).unwrap())), LONG);
    let view = view();
    for words in [96, 3_000] {
        let text =
            "the quick brown fox jumps over a lazy dog while nobody is looking at it ".repeat(words / 15 + 1);
        let request = request(&text);
        let mut taken = vec![];
        for _ in 0..200 {
            let decision = router.decide(ask(&request, "balanced", &view)).await;
            assert!(decision.verdict.is_some());
            taken.push(decision.decided_in);
        }
        taken.sort();
        println!("{words} words: p50 {:?}, p99 {:?}", taken[100], taken[197]);
        assert!(taken[100] < Duration::from_millis(500));
    }
}

/// The cost of everything but the classifier.
#[tokio::test]
async fn decisions_without_a_classifier_cost_next_to_nothing() {
    let router = router(None, LONG);
    let (request, view) = (request(&"a short question about nothing much ".repeat(14)), view());
    let started = Instant::now();
    for _ in 0..1_000 {
        router.decide(ask(&request, "balanced", &view)).await;
    }
    println!("overhead: {:?} each", started.elapsed() / 1_000);
    assert!(started.elapsed() < Duration::from_secs(5));
}
