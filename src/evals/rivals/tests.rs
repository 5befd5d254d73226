//! Rivals against numbers worked out by hand.

use super::*;
use crate::chat::Micros;
use crate::evals::runner::Part;
use crate::evals::scorer::Score;

fn run(part: Part, rows: &[(f64, Option<i64>, ServedBy)]) -> SubjectRun {
    let rows = rows.iter().enumerate().map(|(sample, (score, cost, served_by))| {
        let answer = Transcript { cost: cost.map(Micros), served_by: *served_by, ..Transcript::default() };
        Row { sample, score: Score::of(*score, ""), answer: Some(answer) }
    });
    SubjectRun { name: "x".into(), part, rows: rows.collect() }
}

/// Local is right on rows 0 and 2 at 1 each, remote everywhere at 11 each.
fn tiers() -> (SubjectRun, SubjectRun) {
    let home = |score| (score, Some(1), ServedBy::Local);
    let out = (1.0, Some(11), ServedBy::Remote);
    (run(Part::LocalTier, &[home(1.0), home(0.0), home(1.0), home(0.0)]), run(Part::RemoteTier, &[out; 4]))
}

fn judged(served: [ServedBy; 4]) -> SubjectRun {
    run(Part::Judged, &served.map(|served_by| (1.0, None, served_by)))
}

const L: ServedBy = ServedBy::Local;
const R: ServedBy = ServedBy::Remote;

#[test]
fn the_task_mean_keeps_the_tasks_that_local_does_well() {
    let home = |score| (score, Some(1), L);
    let local = run(Part::LocalTier, &[home(1.0), home(0.0), home(1.0), home(0.1)]);
    let (_, remote) = tiers();
    let router = choices(&judged([L, R, R, L]), &pairs(&local, &remote)).unwrap();
    let tasks = ["a", "b", "a", "b"].map(str::to_owned);
    let mix = ranked(&router, &by_task(&router.pairs, &tasks));
    assert_eq!(mix.local, [1.0, 0.0, 1.0, 0.0]);
    // Both rows of a spend 1, both of b 11: halfway from 4 to 44.
    let point = mix.point(1.0).unwrap();
    assert_eq!((point.remote_share, point.spend), (0.5, 0.5));
}

#[test]
fn the_task_mean_keeps_as_many_where_its_spans_overlap() {
    let home = |score| (score, Some(1), L);
    let local = run(Part::LocalTier, &[1.0, 0.0, 1.0, 0.0, 1.0, 1.0].map(home));
    let remote = run(Part::RemoteTier, &[(1.0, Some(11), R); 6]);
    let judged = run(Part::Judged, &[L, L, R, R, R, R].map(|served_by| (1.0, None, served_by)));
    let router = choices(&judged, &pairs(&local, &remote)).unwrap();
    let tasks = ["a", "a", "b", "b", "c", "c"].map(str::to_owned);
    let mix = ranked(&router, &by_task(&router.pairs, &tasks));
    // Spans (0, 1/3), (1/3, 1) twice and (2/3, 1) twice: two rows stay at the nominal share 7/9.
    for (got, expected) in mix.local.iter().zip([0.0, 1.0 / 3.0, 0.0, 1.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0]) {
        assert!((got - expected).abs() < 1e-6, "{mix:?}");
    }
    assert!((mix.local_share().unwrap() - 1.0 / 3.0).abs() < 1e-8, "{mix:?}");
}

#[test]
fn the_oracle_ranks_by_gain_and_then_by_cost() {
    let local = run(Part::LocalTier, &[(0.0, Some(1), L), (1.0, Some(1), L), (0.0, Some(1), L)]);
    let remote = run(Part::RemoteTier, &[(1.0, Some(50), R), (1.0, Some(3), R), (1.0, Some(9), R)]);
    let ranking = by_gain(&pairs(&local, &remote));
    // The cheap gain, the dear gain, and last the row that gains nothing.
    assert_eq!(ranking.staying(1.0 / 3.0), [1.0, 1.0, 0.0]);
    assert_eq!(ranking.staying(2.0 / 3.0), [0.0, 1.0, 0.0]);
}

#[test]
fn many_rows_take_the_normal_interval_of_rows_and_draws() {
    let side = |score| (score, Some(1), L);
    let rows: Vec<_> = (0..1_200).map(|row| side(f64::from(row % 2))).collect();
    let local = run(Part::LocalTier, &rows);
    let remote = run(Part::RemoteTier, &vec![(1.0, Some(2), R); 1_200]);
    let both = pairs(&local, &remote);
    let mix = Mix { local: vec![0.5; both.len()], pairs: both };
    let quality = mix.quality().unwrap();
    assert_eq!((quality.mean, quality.n), (0.75, 1_200));
    // Each row is right with a chance of 3/4 overall, so the variance is 3/16.
    let half = 1.96 * (0.1875_f64 / 1_200.0).sqrt();
    assert!(
        (quality.hi - 0.75 - half).abs() < 1e-4 && (0.75 - quality.lo - half).abs() < 1e-4,
        "{quality:?}"
    );
}

#[test]
fn the_length_rule_keeps_as_many_and_the_shortest() {
    let (local, remote) = tiers();
    let router = choices(&judged([L, R, L, R]), &pairs(&local, &remote)).unwrap();
    assert_eq!(router.values(), [1.0; 4]);
    fn length_rule<'a>(router: &Mix<'a>, lengths: [usize; 4]) -> Mix<'a> {
        ranked(router, &by_length(&router.pairs, &lengths))
    }
    assert_eq!(length_rule(&router, [10, 20, 30, 40]).local, [1.0, 1.0, 0.0, 0.0]);
    assert_eq!(length_rule(&router, [40, 20, 10, 30]).local, [0.0, 1.0, 1.0, 0.0]);
    // Three prompts tie for the one place that is left.
    let tied = length_rule(&router, [10, 20, 20, 20]);
    for (got, expected) in tied.local.iter().zip([1.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0]) {
        assert!((got - expected).abs() < 1e-12, "{tied:?}");
    }
    assert!((tied.local_share().unwrap() - router.local_share().unwrap()).abs() < 1e-12);
}

#[test]
fn random_spends_what_the_router_spends() {
    let (local, remote) = tiers();
    let router = choices(&judged([L, R, L, L]), &pairs(&local, &remote)).unwrap();
    let (random, by_cost) = random(&router);
    assert!(by_cost);
    assert_eq!(random.local, [0.75; 4]);
    assert_eq!(random.cost(), router.cost());
    // 0.75 * 0.5 + 0.25 * 1.
    let quality = random.quality().unwrap();
    assert_eq!(quality.mean, 0.625);
    assert!(quality.lo < 0.625 && 0.625 < quality.hi, "{quality:?}");
}

#[test]
fn random_goes_by_local_share_where_costs_are_unknown() {
    let (local, _) = tiers();
    let remote = run(Part::RemoteTier, &[(1.0, None, R); 4]);
    let router = choices(&judged([L, R, R, R]), &pairs(&local, &remote)).unwrap();
    let (random, by_cost) = random(&router);
    assert!(!by_cost);
    assert_eq!(random.local, [0.25; 4]);
    assert_eq!(random.cost(), None);
}

#[test]
fn the_oracle_takes_the_cheapest_of_the_best() {
    let (local, remote) = tiers();
    let best = oracle(&pairs(&local, &remote));
    assert_eq!(best.local, [1.0, 0.0, 1.0, 0.0]);
    assert_eq!(best.quality().unwrap().mean, 1.0);
    assert_eq!(best.cost(), Some(24.0));
}

#[test]
fn a_tier_that_answers_nothing_needs_no_price() {
    let (local, _) = tiers();
    let remote = run(Part::RemoteTier, &[(1.0, None, R); 4]);
    let all_local = choices(&judged([L; 4]), &pairs(&local, &remote)).unwrap();
    assert_eq!(all_local.cost(), Some(4.0));
}

#[test]
fn unscored_rows_and_unknown_tiers_are_left_out() {
    let (mut local, remote) = tiers();
    local.rows[1].score = Score::Unscored { why: "x".into() };
    let both = pairs(&local, &remote);
    assert_eq!(both.iter().map(|pair| pair.sample).collect::<Vec<_>>(), [0, 2, 3]);
    assert!(choices(&judged([L, R, L, ServedBy::None]), &both).is_none());
    let mut judged = judged([L, R, L, R]);
    judged.rows[0].score = Score::Unscored { why: "x".into() };
    assert_eq!(choices(&judged, &both).unwrap().local, [1.0, 0.0]);
}
