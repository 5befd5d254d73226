//! Policies: conditions, reasons, controls, readiness. What a file may not say, and every state of a small world, below.

use super::*;
use crate::chat::{BoundaryBackendId, Needs};
use crate::routing::classifier::Verdict;
use crate::routing::decision::{Plan, Reason};
use crate::routing::signals::{Language, Pii, Signals, Task};
use crate::routing::view::{LOCAL, Presence, REMOTE, Seat, View};

mod compiling;
mod exhaustive;
mod held;

fn policy(text: &str) -> Policy {
    Policy::parse(text, Path::new("p.toml")).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// A policy with these rules, a last one to remote then local, and `when-unknown` to remote.
fn rules(text: &str) -> Policy {
    policy(&format!(
        "schema-version = 1\nname = \"p\"\nwhen-unknown = [\"remote\"]\n{text}\n[[rule]]\nto = [\"remote\", \"local\"]"
    ))
}

fn seat(name: &str, inside: bool, presence: Presence, context_tokens: u32, can: Needs) -> Seat {
    let id = BackendId::new(name);
    let boundary = BoundaryBackendId::declare(&id, inside);
    Seat { id, boundary, presence, context_tokens, can, queued: 0 }
}

const ALL: Needs = Needs::ALL;

fn view(local: Presence, remote: Presence) -> View {
    let local = seat(LOCAL, true, local, 1_000, Needs::default());
    View { seats: vec![local, seat(REMOTE, false, remote, 100_000, ALL)] }
}

fn ready() -> View {
    view(Presence::Ready, Presence::Ready)
}

/// Facts under construction.
struct Scene {
    signals: Signals,
    verdict: Option<Verdict>,
    threshold: Option<f32>,
    control: Control,
    view: View,
}

fn scene() -> Scene {
    let signals = Signals { prompt_tokens: 50, ..Signals::default() };
    Scene {
        signals,
        verdict: Some(Verdict::default()),
        threshold: None,
        control: Control::Auto,
        view: ready(),
    }
}

impl Scene {
    fn rule(&self, policy: &Policy) -> Ruling {
        policy.evaluate(&Facts {
            signals: &self.signals,
            verdict: self.verdict.as_ref(),
            threshold: self.threshold,
            control: self.control,
            view: &self.view,
        })
    }

    /// Targets, reason, rule.
    fn told(&self, policy: &Policy) -> (String, Reason, String) {
        let ruling = self.rule(policy);
        let targets: Vec<&str> = ruling.plan.targets().into_iter().map(BackendId::as_str).collect();
        (targets.join(" "), ruling.reason, ruling.rule)
    }

    fn score(mut self, local_ok: f32) -> Self {
        self.verdict = Some(Verdict { local_ok, ..Verdict::default() });
        self
    }

    fn late(mut self) -> Self {
        self.verdict = None;
        self
    }

    fn control(mut self, control: Control) -> Self {
        self.control = control;
        self
    }

    fn view(mut self, view: View) -> Self {
        self.view = view;
        self
    }

    fn signals(mut self, change: impl FnOnce(&mut Signals)) -> Self {
        change(&mut self.signals);
        self
    }
}

/// Whether a rule with this `if` matches the scene.
fn matches(condition: &str, scene: &Scene) -> bool {
    let policy =
        rules(&format!("[[rule]]\nname = \"it\"\nif = {{ {condition} }}\nto = [\"local\", \"remote\"]"));
    scene.rule(&policy).rule == "it"
}

#[test]
fn shipped_policies_pass_their_tests() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let policies = Policy::load_folder(&folder).unwrap();
    assert_eq!(policies.len(), 5);
    for policy in &policies {
        assert_eq!(policy.run_tests(), [], "{}", policy.name());
        assert!(policy.test_count() >= 5, "{}", policy.name());
        assert!(!policy.about().is_empty() && policy.version().hash.len() == 12);
        assert_eq!(policy.file.file_stem().unwrap(), policy.name());
    }
}

#[test]
fn tools_stay_with_a_small_model_that_calls_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let policies = Policy::load_folder(&folder).unwrap();
    let balanced = policies.iter().find(|policy| policy.name() == "balanced").unwrap();
    let scene = Scene { threshold: Some(0.8), ..scene().score(0.93).signals(|s| s.needs.tools = true) };
    assert_eq!(scene.told(balanced), ("remote".into(), Reason::Capability, "good enough".into()));
    let local = seat(LOCAL, true, Presence::Ready, 1_000, ALL);
    let able = View { seats: vec![local, seat(REMOTE, false, Presence::Ready, 100_000, ALL)] };
    let told = scene.view(able).told(balanced);
    assert_eq!(told, ("local remote".into(), Reason::GoodEnough, "good enough".into()));
}

#[test]
fn every_condition_reads_its_signal() {
    let with = |change: fn(&mut Signals)| scene().signals(change);
    let no = scene();
    for (condition, yes) in [
        ("prompt-tokens-below = 50", with(|s| s.prompt_tokens = 49)),
        ("prompt-tokens-at-least = 51", with(|s| s.prompt_tokens = 51)),
        ("any-tag = [\"a\", \"b\"]", with(|s| s.tags = vec!["c".to_owned(), "B".to_owned()])),
        ("needs-any = [\"vision\", \"n\"]", with(|s| s.several = true)),
        ("needs-any = [\"logprobs\"]", with(|s| s.needs.logprobs = true)),
        ("needs-any = [\"structured\"]", with(|s| s.needs.structured = true)),
        ("needs-any = [\"other-sampling\"]", with(|s| s.needs.other_sampling = true)),
        ("needs-any = [\"hosted\"]", with(|s| s.needs.hosted = true)),
        ("exceeds-local-context = true", with(|s| s.prompt_tokens = 937)),
        ("exceeds-local-context = true", with(|s| (s.prompt_tokens, s.max_tokens) = (751, Some(9_999)))),
        ("contains-pii = true", with(|s| s.pii = Pii::Iban)),
        ("contains-pii = true", with(|s| s.pii = Pii::Unknown)),
        ("contains-code = true", with(|s| s.code = true)),
        ("task-any = [\"extraction\"]", with(|s| s.task = Some(Task::Extraction))),
        ("language-any = [\"de\", \"en\"]", with(|s| s.language = Language::parse("en").unwrap())),
        ("language-other-than = [\"de\"]", with(|s| s.language = Language::parse("en").unwrap())),
        ("needs-fresh-knowledge = true", with(|s| s.needs_fresh_knowledge = true)),
        ("local-ok-at-least = 0.5", scene().score(0.5)),
        ("local-queue-at-least = 3", {
            let mut busy = ready();
            busy.seats[0].queued = 3;
            scene().view(busy)
        }),
        ("has-session = true", with(|s| s.session = true)),
    ] {
        assert!(matches(condition, &yes), "{condition}");
        // What the local model cannot do or hold is dropped after the rule, so ask the rule's name only.
        assert!(!matches(condition, &no), "not {condition}");
    }
}

#[test]
fn an_unknown_language_is_no_other_language_but_may_be_named() {
    let speaks = |code: &str| {
        let language = Language::parse(code).unwrap();
        scene().signals(move |signals| signals.language = language)
    };
    assert!(!matches("language-other-than = [\"de\"]", &speaks("unknown")));
    assert!(!matches("language-other-than = [\"de\"]", &speaks("de")));
    assert!(!matches("language-any = [\"de\"]", &speaks("unknown")));
    assert!(matches("language-any = [\"de\", \"unknown\"]", &speaks("unknown")));
    assert!(matches("language-other-than = [\"de\"], or-language-any = [\"unknown\"]", &speaks("unknown")));
}

#[test]
fn heads_that_are_not_there_are_false() {
    let mut heads = scene();
    heads.verdict = Some(Verdict { gain: Some(0.4), expected_output_tokens: Some(20), ..Verdict::default() });
    for condition in ["gain-at-least = 0.4", "expected-output-tokens-below = 21"] {
        assert!(matches(condition, &heads), "{condition}");
        assert!(!matches(condition, &scene()), "{condition}");
    }
    let labelled = Verdict { task: Some("extraction".to_owned()), ..Verdict::default() };
    let mut heads = scene().signals(|signals| signals.task = Some(Task::Classification));
    assert!(matches("task-any = [\"classification\"]", &heads));
    heads.verdict = Some(labelled);
    assert!(matches("task-any = [\"extraction\"]", &heads), "the head goes before the guess");
}

#[test]
fn plain_keys_are_anded_and_or_keys_are_alternatives() {
    let condition =
        "prompt-tokens-below = 100, contains-code = true, or-contains-pii = true, or-has-session = true";
    let with = |change: fn(&mut Signals)| scene().signals(change);
    assert!(!matches(condition, &with(|s| s.prompt_tokens = 99)));
    assert!(!matches(condition, &with(|s| (s.prompt_tokens, s.code) = (100, true))));
    assert!(matches(condition, &with(|s| (s.prompt_tokens, s.code) = (99, true))));
    assert!(matches(condition, &with(|s| (s.prompt_tokens, s.pii) = (900, Pii::Email))));
    assert!(matches(condition, &with(|s| (s.prompt_tokens, s.session) = (900, true))));
    assert!(matches("or-has-session = true, or-contains-code = true", &with(|s| s.code = true)));
}

#[test]
fn reasons_follow_the_table() {
    let with = |change: fn(&mut Signals)| scene().signals(change);
    let (home, out) = ("[\"local\"]", "[\"remote\"]");
    for (condition, to, scene, reason) in [
        ("any-tag = [\"t\"]", home, with(|s| s.tags = vec!["t".to_owned()]), Reason::Private),
        ("any-tag = [\"t\"]", out, with(|s| s.tags = vec!["t".to_owned()]), Reason::Rule),
        ("contains-pii = true", home, with(|s| s.pii = Pii::Email), Reason::Private),
        ("needs-any = [\"vision\"]", out, with(|s| s.needs.vision = true), Reason::Capability),
        ("exceeds-local-context = true", out, with(|s| s.prompt_tokens = 1_500), Reason::Length),
        ("prompt-tokens-at-least = 400", out, with(|s| s.prompt_tokens = 400), Reason::Length),
        ("local-ok-at-least = 0.7, prompt-tokens-below = 90", home, scene().score(0.8), Reason::GoodEnough),
        ("task-any = [\"extraction\"]", home, with(|s| s.task = Some(Task::Extraction)), Reason::Task),
        ("contains-code = true", out, with(|s| s.code = true), Reason::Rule),
        ("has-session = true", home, with(|s| s.session = true), Reason::Rule),
        // The clause that held decides, not the one beside it.
        (
            "contains-pii = true, or-task-any = [\"extraction\"]",
            home,
            with(|s| s.task = Some(Task::Extraction)),
            Reason::Task,
        ),
    ] {
        let policy = rules(&format!("[[rule]]\nif = {{ {condition} }}\nto = {to}"));
        let (_, found, rule) = scene.told(&policy);
        assert_eq!((found, rule.as_str()), (reason, "rule 1"), "{condition} to {to}");
    }
}

const CALIBRATED: &str = r#"
[uncalibrated]
if = { prompt-tokens-below = 100 }
to = ["local", "remote"]
[[rule]]
name = "private"
if = { any-tag = ["private"] }
to = ["local"]
[[rule]]
name = "good enough"
if = { local-ok-at-least = "calibrated" }
to = ["local", "remote"]
[[rule]]
name = "code"
if = { contains-code = true }
to = ["remote"]
"#;

#[test]
fn a_calibrated_threshold_steers() {
    let policy = rules(CALIBRATED);
    let mut scene = scene().score(0.8);
    scene.threshold = Some(0.8);
    assert_eq!(
        scene.told(&policy),
        ("local remote".to_owned(), Reason::GoodEnough, "good enough".to_owned())
    );
    assert_eq!(scene.rule(&policy).threshold, Some(0.8));
    scene.threshold = Some(0.81);
    assert_eq!(scene.told(&policy), ("remote local".to_owned(), Reason::Default, "otherwise".to_owned()));
    assert_eq!(scene.rule(&policy).threshold, Some(0.81));
}

#[test]
fn without_a_threshold_uncalibrated_steers_and_other_rules_go_first() {
    let policy = rules(CALIBRATED);
    let rule = |scene: Scene| scene.told(&policy).2;
    assert_eq!(rule(scene().score(1.0)), "uncalibrated");
    assert_eq!(rule(scene().score(1.0).signals(|s| s.prompt_tokens = 100)), "otherwise");
    assert_eq!(rule(scene().score(1.0).signals(|s| s.code = true)), "code");
    assert_eq!(rule(scene().signals(|s| s.tags = vec!["private".to_owned()])), "private");
    assert_eq!(scene().score(1.0).rule(&policy).threshold, None);
}

#[test]
fn the_uncalibrated_rule_goes_by_the_keyword_guess_of_the_task() {
    let policy = rules(&CALIBRATED.replace("prompt-tokens-below = 100", "task-any = [\"classification\"]"));
    let mut scene = scene().signals(|signals| signals.task = Some(Task::Extraction));
    scene.verdict = Some(Verdict { task: Some("classification".to_owned()), ..Verdict::default() });
    assert_eq!(scene.told(&policy).2, "otherwise", "what was learnt does not steer yet");
    scene.signals.task = Some(Task::Classification);
    assert_eq!(scene.told(&policy).2, "uncalibrated");
}

#[test]
fn without_a_verdict_when_unknown_steers_and_other_rules_go_first() {
    let policy = rules(CALIBRATED);
    let rule = |mut scene: Scene| {
        scene.threshold = Some(0.5);
        scene.told(&policy)
    };
    assert_eq!(rule(scene().late()), ("remote".to_owned(), Reason::Unknown, "when-unknown".to_owned()));
    assert_eq!(rule(scene().late().signals(|s| s.code = true)).2, "code");
    let private = scene().late().signals(|s| s.tags = vec!["private".to_owned()]);
    assert_eq!(rule(private), ("local".to_owned(), Reason::Private, "private".to_owned()));
}

#[test]
fn without_a_verdict_only_rules_that_it_could_change_are_passed_over() {
    let policy = rules(
        "[[rule]]\nname = \"mixed\"\nif = { contains-pii = true, or-local-ok-at-least = 0.9 }\nto = [\"local\"]\n\
         [[rule]]\nname = \"both\"\nif = { prompt-tokens-below = 10, gain-at-least = 0.1 }\nto = [\"local\"]",
    );
    // The alternative holds without the verdict: a privacy rule is never stepped over.
    assert_eq!(scene().late().signals(|s| s.pii = Pii::Email).told(&policy).2, "mixed");
    assert_eq!(scene().late().told(&policy).2, "when-unknown");
    let only_both =
        rules("[[rule]]\nif = { prompt-tokens-below = 10, gain-at-least = 0.1 }\nto = [\"local\"]");
    assert_eq!(scene().late().told(&only_both).2, "otherwise", "no verdict could make it match");
}

#[test]
fn a_task_that_only_the_classifier_knows_is_unknown_without_it() {
    let policy = rules("[[rule]]\nif = { task-any = [\"extraction\", \"translation\"] }\nto = [\"local\"]");
    assert_eq!(scene().told(&policy).2, "otherwise");
    assert_eq!(scene().late().told(&policy).2, "when-unknown");
    let guessed = scene().late().signals(|s| s.task = Some(Task::Extraction));
    assert_eq!(guessed.told(&policy).2, "rule 1", "keywords told it");
}

#[test]
fn a_policy_that_does_not_read_the_verdict_does_not_miss_it() {
    let policy = rules("[[rule]]\nname = \"code\"\nif = { contains-code = true }\nto = [\"local\"]");
    assert_eq!(scene().late().told(&policy).2, "otherwise");
}

#[test]
fn the_first_match_wins() {
    let policy = rules(
        "[[rule]]\nname = \"a\"\nif = { prompt-tokens-below = 100 }\nto = [\"local\"]\n\
         [[rule]]\nname = \"b\"\nif = { prompt-tokens-below = 200 }\nto = [\"remote\"]",
    );
    assert_eq!(scene().told(&policy).2, "a");
    assert_eq!(scene().signals(|s| s.prompt_tokens = 150).told(&policy).2, "b");
}

#[test]
fn targets_that_cannot_answer_are_dropped_and_the_reason_says_why() {
    let policy = policy("schema-version = 1\nname = \"p\"\n[[rule]]\nto = [\"local\", \"remote\"]");
    let told = |scene: Scene| {
        let (targets, reason, _) = scene.told(&policy);
        (targets, reason)
    };
    let is = |targets: &str, reason| (targets.to_owned(), reason);
    use Presence::{Busy, Down, Ready};
    assert_eq!(told(scene()), is("local remote", Reason::Default));
    assert_eq!(told(scene().view(view(Down, Ready))), is("remote", Reason::NoLocal));
    assert_eq!(told(scene().view(view(Busy, Ready))), is("remote", Reason::LocalBusy));
    assert_eq!(
        told(scene().view(view(Ready, Down))),
        is("local", Reason::Default),
        "the first choice stands"
    );
    assert_eq!(told(scene().view(view(Busy, Down))), is("", Reason::LocalBusy));
    assert_eq!(told(scene().view(view(Down, Down))), is("", Reason::NoLocal));
    assert_eq!(told(scene().view(View::default())), is("", Reason::NoLocal));
    assert_eq!(told(scene().signals(|s| s.needs.tools = true)), is("remote", Reason::Capability));
    assert_eq!(told(scene().signals(|s| s.prompt_tokens = 1_200)), is("remote", Reason::Length));
    let tools = || scene().signals(|s| s.needs.tools = true);
    assert_eq!(told(tools().view(view(Ready, Down))), is("", Reason::NoRemote), "a key would mend it");
}

#[test]
fn an_upper_estimate_alone_refuses_nobody() {
    let policy = policy("schema-version = 1\nname = \"p\"\n[[rule]]\nto = [\"local\"]");
    let told = |tokens| {
        let (targets, reason, _) = scene().signals(|s| s.prompt_tokens = tokens).told(&policy);
        (targets, reason)
    };
    assert_eq!(told(5_999), ("local".to_owned(), Reason::Private), "may be 1,000 tokens: the engine counts");
    assert_eq!(told(6_000), (String::new(), Reason::Length));
}

#[test]
fn f25_local_only_is_refused_when_local_is_down() {
    for text in ["[[rule]]\nif = { any-tag = [\"private\"] }\nto = [\"local\"]", ""] {
        let policy = rules(text);
        for presence in [Presence::Down, Presence::Busy] {
            let control = if text.is_empty() { Control::OnlyLocal } else { Control::Auto };
            let scene = scene()
                .signals(|s| s.tags = vec!["private".to_owned()])
                .control(control)
                .view(view(presence, Presence::Ready));
            let ruling = scene.rule(&policy);
            assert_eq!(ruling.plan, Plan::Refuse);
            let expected = if presence == Presence::Down { Reason::NoLocal } else { Reason::LocalBusy };
            assert_eq!(ruling.reason, expected);
        }
    }
}

#[test]
fn controls_reorder_where_the_rule_allows_remote() {
    let told = |to: &str, control| {
        let policy = policy(&format!("schema-version = 1\nname = \"p\"\n[[rule]]\nto = {to}"));
        let (targets, reason, _) = scene().control(control).told(&policy);
        (targets, reason)
    };
    let is = |targets: &str, reason| (targets.to_owned(), reason);
    for to in ["[\"remote\", \"local\"]", "[\"local\", \"remote\"]", "[\"remote\"]"] {
        assert_eq!(told(to, Control::PreferLocal), is("local remote", Reason::Requested), "{to}");
        assert_eq!(told(to, Control::PreferRemote), is("remote local", Reason::Requested), "{to}");
        assert_eq!(told(to, Control::OnlyLocal), is("local", Reason::Requested), "{to}");
        assert_eq!(told(to, Control::OnlyRemote), is("remote", Reason::Requested), "{to}");
    }
    let inside = "[\"local\"]";
    assert_eq!(told(inside, Control::PreferLocal), is("local", Reason::Requested));
    assert_eq!(told(inside, Control::OnlyLocal), is("local", Reason::Requested));
    assert_eq!(told(inside, Control::PreferRemote), is("", Reason::NotPermitted));
    assert_eq!(told(inside, Control::OnlyRemote), is("", Reason::NotPermitted));
}

#[test]
fn only_local_is_a_plan_within_the_boundary() {
    let policy = rules("");
    assert!(matches!(scene().control(Control::OnlyLocal).rule(&policy).plan, Plan::WithinBoundary(_)));
    assert!(matches!(scene().control(Control::PreferLocal).rule(&policy).plan, Plan::Anywhere(_)));
}

#[test]
fn a_remote_inside_the_boundary_may_serve_private_requests() {
    let mut own = ready();
    own.seats[1] = seat(REMOTE, true, Presence::Ready, 100_000, ALL);
    let policy = rules("[[rule]]\nif = { any-tag = [\"private\"] }\nto = [\"local\", \"remote\"]");
    let private = || scene().signals(|s| s.tags = vec!["private".to_owned()]).view(own.clone());
    let ruling = private().rule(&policy);
    assert!(matches!(ruling.plan, Plan::WithinBoundary(_)), "{ruling:?}");
    assert_eq!(ruling.plan.targets().len(), 2);
    assert_eq!(private().control(Control::OnlyRemote).told(&policy).0, "remote");
    assert_eq!(private().control(Control::OnlyLocal).told(&policy).0, "local remote");
    assert_eq!(private().control(Control::PreferRemote).told(&policy).0, "remote local");
    let narrow = rules("[[rule]]\nif = { any-tag = [\"private\"] }\nto = [\"local\"]");
    assert_eq!(private().control(Control::OnlyLocal).told(&narrow).0, "local");
}

#[test]
fn controls_that_a_policy_does_not_permit_are_refused_except_only_local() {
    let policy =
        policy("schema-version = 1\nname = \"p\"\npermits = []\n[[rule]]\nto = [\"remote\", \"local\"]");
    for control in [Control::PreferLocal, Control::PreferRemote, Control::OnlyRemote] {
        let ruling = scene().control(control).rule(&policy);
        assert_eq!((ruling.plan, ruling.reason), (Plan::Refuse, Reason::NotPermitted), "{control:?}");
    }
    assert_eq!(scene().control(Control::OnlyLocal).told(&policy).0, "local");
    assert_eq!(scene().told(&policy).0, "remote local");
}

#[test]
fn a_control_whose_target_is_not_ready_says_so() {
    let policy = rules("");
    let down = || view(Presence::Ready, Presence::Down);
    let told = |control| {
        let (targets, reason, _) = scene().control(control).view(down()).told(&policy);
        (targets, reason)
    };
    assert_eq!(told(Control::OnlyRemote), (String::new(), Reason::NoRemote));
    assert_eq!(told(Control::PreferRemote), ("local".to_owned(), Reason::NoRemote));
}
