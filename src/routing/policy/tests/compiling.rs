//! What a policy file may not say, and how it is told.

use super::*;

fn problems(text: &str) -> Vec<String> {
    let problems = Policy::parse(text, Path::new("p.toml")).err().unwrap_or_default();
    problems.iter().map(ToString::to_string).collect()
}

/// The only problem of a policy whose first part is in order.
fn problem(text: &str) -> String {
    let all = problems(&format!("schema-version = 1\nname = \"p\"\n{text}"));
    assert_eq!(all.len(), 1, "{text}\n{all:#?}");
    all[0].clone()
}

const LAST: &str = "[[rule]]\nto = [\"remote\"]\n";

#[test]
fn every_mistake_is_named_with_its_file_and_key() {
    for (text, key, word) in [
        ("wen-unknown = [\"local\"]\n", "wen-unknown", "no key that this version knows"),
        ("about = 3\n", "about", "must be a text, is a wrong integer"),
        ("permits = [\"fly\"]\n", "permits", "`fly` is no control; known: prefer-local"),
        ("when-unknown = []\n", "when-unknown", "is empty"),
        ("when-unknown = [\"cloud\"]\n", "when-unknown", "`cloud` is no target; known: local, remote"),
        ("[[rule]]\nif = { has-session = true }\nto = []\n", "rule[1].to", "is empty"),
        ("[[rule]]\nif = { has-session = true }\n", "rule[1].to", "is missing"),
        ("[[rule]]\nif = { has-session = true }\nto = [\"local\", \"local\"]\n", "rule[1].to", "twice"),
        (
            "[[rule]]\nif = { has-session = true }\nto = [\"local\"]\nelse = 1\n",
            "rule[1].else",
            "known here: name, if, to",
        ),
        ("[[rule]]\nif = {}\nto = [\"local\"]\n", "rule[1].if", "is empty"),
        ("[uncalibrated]\nto = [\"local\"]\n", "uncalibrated.if", "is missing"),
        (
            "[uncalibrated]\nif = { local-ok-at-least = 0.1 }\nto = [\"local\"]\n",
            "uncalibrated.if",
            "only shadows",
        ),
        (
            "[uncalibrated]\nif = { task-any = [\"extraction\", \"translation\"] }\nto = [\"local\"]\n",
            "uncalibrated.if",
            "`translation` is a task that only the classifier knows, which does not steer without a calibration; \
             here task-any may name classification and extraction",
        ),
        (
            "[uncalibrated]\nname = \"x\"\nif = { has-session = true }\nto = [\"local\"]\n",
            "uncalibrated.name",
            "not needed",
        ),
        ("rule = 3\n", "rule", ""),
    ] {
        let all = problems(&format!("schema-version = 1\nname = \"p\"\n{text}{LAST}"));
        let expected = format!("p.toml: {key}: ");
        let found =
            all.iter().any(|one| one.starts_with(&expected) && one.contains(word)) || all[0].contains("TOML");
        assert!(found, "{text}\n{all:#?}");
    }
}

#[test]
fn bad_conditions_are_named() {
    for (condition, word) in [
        ("prompt-tokens-bellow = 3", "is no condition that this version knows; known: prompt-tokens-below"),
        ("or-nothing = 3", "is no condition"),
        ("prompt-tokens-below = 0", "at least 1"),
        ("prompt-tokens-below = -5", "a whole number of at least 0"),
        ("prompt-tokens-at-least = 1.5", "a whole number"),
        ("any-tag = []", "is empty"),
        ("any-tag = [\"\"]", "empty text"),
        ("any-tag = \"private\"", "a list of texts"),
        ("any-tag = [\"ok\", \"private, secret\"]", "`private, secret` is no tag that a request can carry"),
        ("needs-any = [\"smell\"]", "`smell` is not known; known: vision, audio, tools"),
        ("task-any = [\"poetry\"]", "`poetry` is not known; known: classification, extraction"),
        ("contains-pii = \"yes\"", "true or false"),
        ("local-ok-at-least = 1.1", "must lie between 0 and 1"),
        ("local-ok-at-least = nan", "a number"),
        ("local-ok-at-least = \"guessed\"", "\"calibrated\" or a number"),
        ("or-gain-at-least = -1.5", "must lie between -1 and 1"),
        ("expected-output-tokens-below = 0", "at least 1"),
    ] {
        let name = condition.split(' ').next().unwrap();
        let text = format!(
            "schema-version = 1\nname = \"p\"\nwhen-unknown = [\"local\"]\n[[rule]]\nif = {{ {condition} }}\nto = [\"local\"]\n{LAST}"
        );
        let all = problems(&text);
        assert_eq!(all.len(), 1, "{condition}: {all:#?}");
        assert!(
            all[0].starts_with(&format!("p.toml: rule[1].if.{name}: ")) && all[0].contains(word),
            "{}",
            all[0]
        );
    }
}

#[test]
fn all_problems_come_at_once() {
    let all = problems(
        "name = \"No Good\"\nabot = 1\n[[rule]]\nif = { any-tag = [] }\nto = [\"moon\"]\n[[test]]\n",
    );
    for key in [
        "schema-version",
        "name",
        "abot",
        "rule[1].if.any-tag",
        "rule[1].to",
        "rule",
        "test[1].name",
        "test[1].given",
        "test[1].expect",
    ] {
        let start = format!("p.toml: {key}: ");
        assert!(all.iter().any(|one| one.starts_with(&start)), "{key} is missing in {all:#?}");
    }
}

#[test]
fn a_file_that_is_no_toml_is_named() {
    let all = problems("schema-version = = 1");
    assert!(all.len() == 1 && all[0].starts_with("p.toml: is not valid TOML"), "{all:#?}");
}

#[test]
fn unreachable_rules_and_missing_ends_are_named() {
    let rule = |name: &str| {
        format!("[[rule]]\nname = \"{name}\"\nif = {{ has-session = true }}\nto = [\"local\"]\n")
    };
    assert!(problem(&rule("a")).contains("rule: the last rule must have no `if`"));
    assert!(problem("").contains("rule: the last rule must have no `if`"));
    let twin = problem(&format!("{}{}{LAST}", rule("a"), rule("b")));
    assert!(twin.contains("rule[2]: is never reached: `a` before it has the same `if`"), "{twin}");
    let after = problem(&format!("{LAST}{}", rule("a")));
    assert!(after.contains("rule[2]: is never reached: `otherwise`"), "{after}");
    let second_end = problem(&format!("{LAST}[[rule]]\nname = \"b\"\nto = [\"local\"]\n"));
    assert!(second_end.contains("rule[2]: is never reached"), "{second_end}");
}

#[test]
fn names_must_be_new_and_free() {
    let rule = |name: &str, tag: &str| {
        format!("[[rule]]\nname = \"{name}\"\nif = {{ any-tag = [\"{tag}\"] }}\nto = [\"local\"]\n")
    };
    let twice = problem(&format!("{}{}{LAST}", rule("a", "x"), rule("a", "y")));
    assert!(twice.contains("rule[2].name: `a` is taken"), "{twice}");
    let taken = problem(&format!("{}{LAST}", rule("when-unknown", "x")));
    assert!(taken.contains("`when-unknown` is taken"), "{taken}");
    for name in ["auto", "local", "remote"] {
        let all = problems(&format!("schema-version = 1\nname = \"{name}\"\n{LAST}"));
        assert!(all[0].contains("already means something"), "{all:#?}");
    }
    let test = "[[test]]\nname = \"t\"\ngiven = {}\nexpect = \"remote\"\n";
    let twice = problem(&format!("{LAST}{test}{test}"));
    assert!(twice.contains("test[2].name: `t` is taken"), "{twice}");
}

#[test]
fn a_policy_that_reads_the_verdict_says_where_to_go_without() {
    for condition in ["local-ok-at-least = 0.5", "task-any = [\"extraction\", \"translation\"]"] {
        let found = problem(&format!("[[rule]]\nif = {{ {condition} }}\nto = [\"local\"]\n{LAST}"));
        assert!(found.contains("when-unknown: is missing"), "{found}");
    }
    let rule = "[[rule]]\nif = { task-any = [\"extraction\"] }\nto = [\"local\"]\n";
    let all = problems(&format!("schema-version = 1\nname = \"p\"\n{rule}{LAST}"));
    assert!(all.is_empty(), "keywords can tell it: {all:#?}");
}

#[test]
fn bad_tests_are_named() {
    let test = |given: &str, expect: &str| {
        problem(&format!("{LAST}[[test]]\nname = \"t\"\ngiven = {{ {given} }}\nexpect = \"{expect}\"\n"))
    };
    for (given, key) in [
        ("promt-tokens = 3", "promt-tokens"),
        ("local-ok = \"high\"", "local-ok"),
        ("local-ok = 2", "local-ok"),
        ("verdict = \"early\"", "verdict"),
        ("control = \"fly\"", "control"),
        ("pii = 3", "pii"),
        ("needs = [\"smell\"]", "needs"),
        ("task = \"poetry\"", "task"),
        ("tags = [\"top secret\"]", "tags"),
        ("local-ready = \"maybe\"", "local-ready"),
    ] {
        let found = test(given, "remote");
        assert!(found.starts_with(&format!("p.toml: test[1].given.{key}: ")), "{found}");
    }
    assert!(test("", "moon").contains("test[1].expect: `moon` is no target"));
    let reason = problem(&format!(
        "{LAST}[[test]]\nname = \"t\"\ngiven = {{}}\nexpect = \"remote\"\nexpect-reason = \"mood\"\n"
    ));
    assert!(
        reason.contains("test[1].expect-reason: `mood` is no reason; known: requested, private"),
        "{reason}"
    );
}

#[test]
fn a_failing_test_says_what_it_got() {
    let policy = policy(&format!(
        "schema-version = 1\nname = \"p\"\n{LAST}\
         [[test]]\nname = \"right\"\ngiven = {{}}\nexpect = \"remote\"\nexpect-reason = \"default\"\nexpect-rule = \"otherwise\"\n\
         [[test]]\nname = \"wrong target\"\ngiven = {{}}\nexpect = \"local\"\n\
         [[test]]\nname = \"wrong reason\"\ngiven = {{}}\nexpect = \"remote\"\nexpect-reason = \"task\"\n\
         [[test]]\nname = \"wrong rule\"\ngiven = {{}}\nexpect = \"remote\"\nexpect-rule = \"rule 1\"\n"
    ));
    let found: Vec<String> = policy.run_tests().iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "p.toml: test[2]: the test `wrong target` fails: expected local, got remote (reason default, rule `otherwise`)",
            "p.toml: test[3]: the test `wrong reason` fails: expected remote, task, got remote (reason default, rule `otherwise`)",
            "p.toml: test[4]: the test `wrong rule` fails: expected remote, rule 1, got remote (reason default, rule `otherwise`)",
            "p.toml: test[4].expect-rule: the policy has no rule `rule 1`",
        ]
    );
}

#[test]
fn the_version_is_the_hash_of_the_text() {
    let text = format!("schema-version = 1\nname = \"p\"\n{LAST}");
    let (first, same) = (policy(&text), policy(&text));
    assert_eq!(first.version(), same.version());
    assert_ne!(first.version().hash, policy(&format!("{text}# changed\n")).version().hash);
    // printf 'schema-version = 1\nname = "p"\n[[rule]]\nto = ["remote"]\n' | sha256sum
    assert_eq!(first.version().hash, "3c4506ecfa8a");
}

#[test]
fn two_policies_of_one_name_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["a.toml", "b.toml"] {
        std::fs::write(folder.path().join(file), format!("schema-version = 1\nname = \"p\"\n{LAST}"))
            .unwrap();
    }
    let found = Policy::load_folder(folder.path()).unwrap_err();
    assert_eq!(found.len(), 1);
    let text = found[0].to_string();
    assert!(text.contains("b.toml: name: `p` is also the name of") && text.contains("a.toml"), "{text}");
    let empty = tempfile::tempdir().unwrap();
    assert!(Policy::load_folder(empty.path()).unwrap_err()[0].to_string().contains("holds no policy"));
}
