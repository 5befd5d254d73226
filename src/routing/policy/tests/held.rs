//! Which score is told beside which threshold.

use super::*;

const TWO_BARS: &str = r#"
[[rule]]
name = "tagged or sure"
if = { any-tag = ["easy"], or-local-ok-at-least = 0.9 }
to = ["local", "remote"]
[[rule]]
name = "likely"
if = { local-ok-at-least = 0.6 }
to = ["local", "remote"]
"#;

fn held(scene: &Scene, policy: &Policy) -> (String, Option<f32>, Option<f32>) {
    let ruling = scene.rule(policy);
    (ruling.rule, ruling.score, ruling.threshold)
}

#[test]
fn the_rule_that_matched_tells_its_own_bar() {
    let policy = rules(TWO_BARS);
    let is = |rule: &str, score: f32, threshold: f32| (rule.to_owned(), Some(score), Some(threshold));
    assert_eq!(held(&scene().score(0.95), &policy), is("tagged or sure", 0.95, 0.9));
    assert_eq!(held(&scene().score(0.7), &policy), is("likely", 0.7, 0.6));
    assert_eq!(held(&scene().score(0.1), &policy), is("otherwise", 0.1, 0.9), "the first that it missed");
    let tagged = scene().score(0.1).signals(|s| s.tags = vec!["easy".to_owned()]);
    assert_eq!(held(&tagged, &policy), ("tagged or sure".to_owned(), None, None), "no score made it match");
    assert_eq!(held(&scene().late(), &policy), ("when-unknown".to_owned(), None, None));
}

#[test]
fn a_number_is_held_against_the_shipped_score_and_a_calibrated_threshold_against_the_fitted_one() {
    let mut scene = scene();
    scene.verdict = Some(Verdict { local_ok: 0.7, calibrated: Some(0.4), ..Verdict::default() });
    scene.threshold = Some(0.3);
    let told = |bar: &str| {
        let rule = format!("[[rule]]\nname = \"it\"\nif = {{ local-ok-at-least = {bar} }}\nto = [\"local\"]");
        held(&scene, &rules(&rule))
    };
    assert_eq!(told("0.6"), ("it".to_owned(), Some(0.7), Some(0.6)));
    assert_eq!(told("\"calibrated\""), ("it".to_owned(), Some(0.4), Some(0.3)));
}

#[test]
fn good_enough_is_never_told_with_a_score_below_its_threshold() {
    let third = "[[rule]]\nif = { local-ok-at-least = \"calibrated\" }\nto = [\"local\"]";
    let policy = rules(&format!("{TWO_BARS}{third}"));
    let mut met = 0;
    for local_ok in [0.0, 0.5, 0.65, 0.95] {
        for calibrated in [None, Some(0.2), Some(0.7)] {
            for threshold in [None, Some(0.3), Some(0.8)] {
                let mut scene = scene();
                scene.verdict = Some(Verdict { local_ok, calibrated, ..Verdict::default() });
                scene.threshold = threshold;
                let ruling = scene.rule(&policy);
                if ruling.reason == Reason::GoodEnough {
                    assert!(ruling.score.unwrap() >= ruling.threshold.unwrap(), "{ruling:?}");
                    met += 1;
                }
            }
        }
    }
    assert!(met > 10, "{met}");
}
