//! Every state of a small world: what must hold for all of them.

use super::*;

const CONTROLS: [Control; 5] =
    [Control::Auto, Control::PreferLocal, Control::OnlyLocal, Control::PreferRemote, Control::OnlyRemote];
const PRESENCES: [Presence; 3] = [Presence::Ready, Presence::Busy, Presence::Down];

/// Calls `check` with every combination of control, readiness, boundary, verdict, threshold, length, needs and PII, for
/// requests that carry the tag `private`, or not.
fn every_state(private: bool, mut check: impl FnMut(&Scene)) {
    let tags = if private { vec!["private".to_owned()] } else { vec![] };
    let mut views = vec![View::default()];
    for local in PRESENCES {
        for remote in PRESENCES {
            let both = view(local, remote);
            views.push(View { seats: vec![both.seats[0].clone()] });
            views.push(View { seats: vec![both.seats[1].clone()] });
            let mut inside = both.clone();
            inside.seats[1] = seat(REMOTE, true, remote, 100_000, ALL);
            views.extend([both, inside]);
        }
    }
    let verdicts = [None, Some(0.0), Some(1.0)];
    for control in CONTROLS {
        for verdict in verdicts {
            for (threshold, tokens) in [(None, 50), (Some(0.5), 50), (None, 1_500), (Some(0.5), 9_000)] {
                for (vision, pii) in [(false, Pii::Absent), (true, Pii::Absent), (false, Pii::Unknown)] {
                    for view in &views {
                        let mut scene = scene().control(control).view(view.clone());
                        scene.threshold = threshold;
                        scene.verdict = verdict.map(|local_ok| Verdict { local_ok, ..Verdict::default() });
                        scene.signals.prompt_tokens = tokens;
                        scene.signals.needs.vision = vision;
                        scene.signals.pii = pii;
                        scene.signals.tags.clone_from(&tags);
                        check(&scene);
                    }
                }
            }
        }
    }
}

fn shipped() -> Vec<Policy> {
    Policy::load_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")).unwrap()
}

fn holds_remote(ruling: &Ruling) -> bool {
    ruling.plan.targets().iter().any(|id| id.as_str() == REMOTE)
}

#[test]
fn f25_a_private_request_never_gets_a_plan_with_the_remote() {
    let mut states = 0;
    for policy in shipped() {
        every_state(true, |scene| {
            let ruling = scene.rule(&policy);
            assert!(!holds_remote(&ruling), "{}: {ruling:?}", policy.name());
            assert!(!matches!(ruling.plan, Plan::Anywhere(_)), "{}: {ruling:?}", policy.name());
            states += 1;
        });
    }
    assert!(states > 20_000, "{states}");
}

#[test]
fn f25_nothing_leaves_under_private_and_offline() {
    for policy in shipped().iter().filter(|policy| ["private", "offline"].contains(&policy.name())) {
        every_state(false, |scene| assert!(!holds_remote(&scene.rule(policy)), "{}", policy.name()));
    }
}

#[test]
fn f25_personal_data_or_not_knowing_never_leaves() {
    for policy in shipped() {
        every_state(false, |scene| {
            if scene.signals.pii.counts_as_present() {
                assert!(!holds_remote(&scene.rule(&policy)), "{}", policy.name());
            }
        });
    }
}

#[test]
fn only_local_is_never_widened() {
    for policy in shipped() {
        every_state(false, |scene| {
            if scene.control == Control::OnlyLocal {
                assert!(!matches!(scene.rule(&policy).plan, Plan::Anywhere(_)), "{}", policy.name());
            }
        });
    }
}

#[test]
fn a_plan_holds_only_ready_seats_that_can_and_never_one_twice() {
    for policy in shipped() {
        every_state(false, |scene| {
            let ruling = scene.rule(&policy);
            let targets = ruling.plan.targets();
            for (place, target) in targets.iter().enumerate() {
                let seat = scene.view.seat(target).unwrap();
                assert_eq!(seat.presence, Presence::Ready);
                assert!(seat.can_do(&scene.signals.needs) && seat.may_hold(scene.signals.prompt_tokens));
                assert!(!targets[..place].contains(target), "{ruling:?}");
            }
            let refused = [
                Reason::NoRemote,
                Reason::NoLocal,
                Reason::LocalBusy,
                Reason::NotPermitted,
                Reason::Capability,
                Reason::Length,
            ];
            assert!(!targets.is_empty() || refused.contains(&ruling.reason), "{ruling:?}");
        });
    }
}

#[test]
fn the_same_facts_give_the_same_ruling() {
    for policy in shipped() {
        every_state(false, |scene| assert_eq!(scene.rule(&policy), scene.rule(&policy)));
    }
}
