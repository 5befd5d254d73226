//! A policy's own tests, `[[test]]`: facts given, the first target (or "refuse") expected.
//! What a test does not give: a request of 50 tokens without tags, needs or personal data, in no
//! known language; a verdict of 0; no
//! threshold; a ready local model of 4,096 tokens inside the boundary that has no special abilities; a ready, able
//! remote outside.

use toml::{Table, Value};

use super::clauses::no_tag;
use super::compile::CONTROLS;
use super::condition::NEEDS;
use super::evaluate::{Facts, Ruling};
use super::fields::{Fields, Problems};
use super::{Policy, UNCALIBRATED, WHEN_UNKNOWN};
use crate::chat::{BackendId, BoundaryBackendId, Control, Needs};
use crate::config::Problem;
use crate::routing::classifier::Verdict;
use crate::routing::decision::Reason;
use crate::routing::signals::{Language, Pii, Signals, Task};
use crate::routing::view::{LOCAL, Presence, REMOTE, Seat, TARGETS, View};

/// What a test expects where nobody may answer.
const REFUSE: &str = "refuse";
/// Why a test may have no verdict; all the same to a policy.
const NO_VERDICT: [&str; 3] = ["late", "broken", "off"];
const KNOWN_GIVEN: &str = "local-ok, gain, expected-output-tokens, verdict, threshold, prompt-tokens, max-tokens, tags, \
                           pii, code, language, needs-fresh-knowledge, needs, task, session, control, local-ready, remote-ready, local-context, \
                           local-queue";

/// One test.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: String,
    path: String,
    given: Given,
    expect: String,
    expect_reason: Option<String>,
    expect_rule: Option<String>,
}

/// The facts of a test.
#[derive(Debug)]
struct Given {
    signals: Signals,
    verdict: Option<Verdict>,
    threshold: Option<f32>,
    control: Control,
    view: View,
}

/// Reads one `[[test]]`; `None` where something that it needs is missing.
pub(super) fn read(table: Table, path: &str, problems: &mut Problems<'_>) -> Option<Case> {
    let mut fields = Fields::new(table, path);
    let name = fields.need("name", problems);
    let given_path = fields.key("given");
    let given = fields.need::<Table>("given", problems).map(|table| read_given(table, &given_path, problems));
    let expect: Option<String> = fields.need("expect", problems);
    if let Some(target) = expect.as_deref().filter(|target| *target != REFUSE && !TARGETS.contains(target)) {
        let known = TARGETS.join(", ");
        problems.add(&fields.key("expect"), format!("`{target}` is no target; known: {known}, {REFUSE}"));
    }
    let expect_reason: Option<String> = fields.take("expect-reason", problems);
    let strange =
        expect_reason.as_ref().filter(|reason| !Reason::ALL.iter().any(|known| known.label() == *reason));
    if let Some(reason) = strange {
        let known = Reason::ALL.map(Reason::label).join(", ");
        problems.add(&fields.key("expect-reason"), format!("`{reason}` is no reason; known: {known}"));
    }
    let expect_rule = fields.take("expect-rule", problems);
    fields.finish("name, given, expect, expect-reason, expect-rule", problems);
    let path = path.to_owned();
    Some(Case { name: name?, path, given: given?, expect: expect?, expect_reason, expect_rule })
}

fn read_given(table: Table, path: &str, problems: &mut Problems<'_>) -> Given {
    let mut fields = Fields::new(table, path);
    let signals = read_signals(&mut fields, problems);
    let verdict = read_verdict(&mut fields, problems);
    let threshold = fields.take("threshold", problems);
    let control = read_name(&mut fields, "control", problems, |name| {
        let known = CONTROLS.iter().chain(&[("auto", Control::Auto)]);
        known.clone().find(|(known, _)| *known == name).map(|(_, control)| *control)
    });
    let view = read_view(&mut fields, problems);
    fields.finish(KNOWN_GIVEN, problems);
    Given { signals, verdict, threshold, control: control.unwrap_or_default(), view }
}

fn read_signals(fields: &mut Fields, problems: &mut Problems<'_>) -> Signals {
    let pii = match fields.take::<Value>("pii", problems) {
        None | Some(Value::Boolean(false)) => Pii::Absent,
        Some(Value::Boolean(true)) => Pii::Email,
        Some(Value::String(word)) if word == "unknown" => Pii::Unknown,
        Some(_) => {
            problems.add(&fields.key("pii"), "must be true, false or \"unknown\"");
            Pii::Absent
        }
    };
    let named: Vec<String> = fields.take("needs", problems).unwrap_or_default();
    if let Some(need) = named.iter().find(|need| !NEEDS.contains(&need.as_str())) {
        let known = NEEDS.join(", ");
        problems.add(&fields.key("needs"), format!("`{need}` is not known; known: {known}"));
    }
    let tags: Vec<String> = fields.take("tags", problems).unwrap_or_default();
    if let Some(message) = no_tag(&tags) {
        problems.add(&fields.key("tags"), message);
    }
    let needs = |name: &str| named.iter().any(|need| need == name);
    Signals {
        text: String::new(),
        prompt_tokens: fields.take("prompt-tokens", problems).unwrap_or(50),
        max_tokens: fields.take("max-tokens", problems),
        tags,
        needs: Needs {
            vision: needs("vision"),
            audio: needs("audio"),
            tools: needs("tools"),
            logprobs: needs("logprobs"),
            structured: needs("structured"),
            other_sampling: needs("other-sampling"),
            hosted: needs("hosted"),
        },
        several: needs("n"),
        code: fields.take("code", problems).unwrap_or_default(),
        pii,
        task: read_name(fields, "task", problems, Task::parse),
        language: read_name(fields, "language", problems, Language::parse).unwrap_or_default(),
        needs_fresh_knowledge: fields.take("needs-fresh-knowledge", problems).unwrap_or_default(),
        session: fields.take("session", problems).unwrap_or_default(),
    }
}

fn read_verdict(fields: &mut Fields, problems: &mut Problems<'_>) -> Option<Verdict> {
    let late = read_name(fields, "verdict", problems, |name| NO_VERDICT.contains(&name).then_some(()));
    let verdict = Verdict {
        local_ok: fields.take("local-ok", problems).unwrap_or(0.0),
        gain: fields.take("gain", problems),
        expected_output_tokens: fields.take("expected-output-tokens", problems),
        ..Verdict::default()
    };
    if verdict.clone().checked().is_err() {
        problems.add(&fields.key("local-ok"), "local-ok must lie between 0 and 1, gain between -1 and 1");
    }
    if late.is_none() { Some(verdict) } else { None }
}

fn read_view(fields: &mut Fields, problems: &mut Problems<'_>) -> View {
    let all = Needs::ALL;
    let local_context = fields.take("local-context", problems).unwrap_or(4_096);
    let queued: u32 = fields.take("local-queue", problems).unwrap_or_default();
    let mut seat = |name: &str, context_tokens, can| {
        let id = BackendId::new(name);
        let boundary = BoundaryBackendId::declare(&id, name == LOCAL);
        let presence = read_presence(fields, &format!("{name}-ready"), problems);
        Seat { id, boundary, presence, context_tokens, can, queued: 0 }
    };
    // What the local engine does with any model; tools depend on the model's template.
    let can = Needs { logprobs: true, structured: true, other_sampling: true, ..Needs::default() };
    let mut local = seat(LOCAL, local_context, can);
    local.queued = queued as usize;
    View { seats: vec![local, seat(REMOTE, 128_000, all)] }
}

fn read_presence(fields: &mut Fields, name: &str, problems: &mut Problems<'_>) -> Presence {
    match fields.take::<Value>(name, problems) {
        None | Some(Value::Boolean(true)) => Presence::Ready,
        Some(Value::Boolean(false)) => Presence::Down,
        Some(Value::String(word)) if word == "busy" => Presence::Busy,
        Some(_) => {
            problems.add(&fields.key(name), "must be true, false or \"busy\"");
            Presence::Ready
        }
    }
}

/// Takes a text out that names one of a closed set.
fn read_name<T>(
    fields: &mut Fields,
    name: &str,
    problems: &mut Problems<'_>,
    parse: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let text: String = fields.take(name, problems)?;
    let parsed = parse(&text);
    if parsed.is_none() {
        problems.add(&fields.key(name), format!("`{text}` is not known here"));
    }
    parsed
}

impl Policy {
    /// Runs the policy's own tests; one problem for each that fails.
    pub fn run_tests(&self) -> Vec<Problem> {
        let failed = self.cases.iter().filter_map(|case| {
            let given = &case.given;
            let facts = Facts {
                signals: &given.signals,
                verdict: given.verdict.as_ref(),
                threshold: given.threshold,
                control: given.control,
                view: &given.view,
            };
            let message = case.failure(&self.evaluate(&facts))?;
            Some(Problem { file: Some(self.file.clone()), key: Some(case.path.clone()), message })
        });
        failed.chain(self.unknown_rules()).collect()
    }

    /// How many tests it carries.
    pub fn test_count(&self) -> usize {
        self.cases.len()
    }

    /// Tests that expect a rule that the policy does not have.
    fn unknown_rules(&self) -> impl Iterator<Item = Problem> {
        let known = |name: &str| {
            let own = self.rules.iter().map(|rule| rule.name.as_str());
            own.chain([self.otherwise.name.as_str(), UNCALIBRATED, WHEN_UNKNOWN]).any(|rule| rule == name)
        };
        let strange = self
            .cases
            .iter()
            .filter(move |case| case.expect_rule.as_deref().is_some_and(|rule| !known(rule)));
        strange.map(|case| Problem {
            file: Some(self.file.clone()),
            key: Some(format!("{}.expect-rule", case.path)),
            message: format!("the policy has no rule `{}`", case.expect_rule.as_deref().unwrap_or_default()),
        })
    }
}

impl Case {
    /// What differs from what was expected, if anything.
    fn failure(&self, ruling: &Ruling) -> Option<String> {
        let target = ruling.plan.targets().first().map_or(REFUSE, |id| id.as_str()).to_owned();
        let reason = ruling.reason.label();
        let as_expected = target == self.expect
            && self.expect_reason.as_deref().is_none_or(|expected| expected == reason)
            && self.expect_rule.as_deref().is_none_or(|expected| expected == ruling.rule);
        if as_expected {
            return None;
        }
        let wish = [Some(self.expect.as_str()), self.expect_reason.as_deref(), self.expect_rule.as_deref()];
        let wish: Vec<&str> = wish.into_iter().flatten().collect();
        Some(format!(
            "the test `{}` fails: expected {}, got {target} (reason {reason}, rule `{}`)",
            self.name,
            wish.join(", "),
            ruling.rule
        ))
    }
}
