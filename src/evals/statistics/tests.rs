//! Intervals, tests, quantiles and curves against values of scipy and statsmodels and values worked out by hand;
//! coverage by simulation.

use serde_json::Value;

use super::*;

fn close(got: f64, expected: f64) {
    assert!((got - expected).abs() < 1e-6, "{got} is not {expected}");
}

#[test]
fn wilson_agrees_with_hand_computed_values() {
    // p = 0.8, n = 10: centre 0.8 + 1.96^2/20 over 1 + 1.96^2/10.
    let it = wilson(8, 10).unwrap();
    close(it.lo, 0.490_162_47);
    close(it.hi, 0.943_317_81);
    // No failure in n: the lower end is n / (n + z^2).
    let it = wilson(60, 60).unwrap();
    close(it.lo, 60.0 / (60.0 + Z * Z));
    close(it.hi, 1.0);
    close(wilson(0, 60).unwrap().hi, Z * Z / (60.0 + Z * Z));
    assert_eq!(wilson(0, 0), None);
}

#[test]
fn quantiles_interpolate() {
    close(quantile(&[1.0, 2.0, 3.0, 4.0], 0.5).unwrap(), 2.5);
    close(quantile(&[1.0, 2.0, 3.0, 4.0], 0.95).unwrap(), 3.85);
    close(quantile(&[7.0], 0.95).unwrap(), 7.0);
    assert_eq!(quantile(&[], 0.5), None);
}

#[test]
fn the_bootstrap_is_near_the_normal_interval_and_repeatable() {
    let values: Vec<f64> = (0..100).map(|row| f64::from(row % 11) / 10.0).collect();
    let it = mean_estimate(&values).unwrap();
    assert_eq!(it, mean_estimate(&values).unwrap());
    let mean = values.iter().sum::<f64>() / 100.0;
    let spread = (values.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / 100.0).sqrt();
    close(it.mean, mean);
    assert!((it.lo - (mean - Z * spread / 10.0)).abs() < 0.006, "{it:?}");
    assert!((it.hi - (mean + Z * spread / 10.0)).abs() < 0.006, "{it:?}");
}

#[test]
fn the_interval_of_mean_scores_stays_among_the_scores() {
    let mut values = vec![1.0; NORMAL_FROM];
    values[0] = 0.5;
    assert!(any_mean(&values).unwrap().hi > 1.0, "of any values it may reach further");
    assert_eq!(mean_estimate(&values).unwrap().hi, 1.0);
    values.iter_mut().for_each(|value| *value = 1.0 - *value);
    assert_eq!(mean_estimate(&values).unwrap().lo, 0.0);
}

#[test]
fn a_paired_difference_is_narrower_than_two_means() {
    let a: Vec<f64> = (0..80).map(|row| f64::from(u8::from(row % 2 == 0))).collect();
    let mut b = a.clone();
    b[0] = 0.0;
    b[2] = 0.0;
    let it = paired_difference(&a, &b).unwrap();
    close(it.mean, 2.0 / 80.0);
    assert!(it.lo >= 0.0 && it.hi < 0.08, "{it:?}");
    assert_eq!(paired_difference(&a, &b[1..]), None);
}

#[test]
fn apgr_agrees_with_hand_computed_values() {
    let (local, remote) = ([0.0, 1.0], [1.0, 1.0]);
    // The row that gains goes out first: 0, 1, 1 at shares 0, 1/2, 1.
    close(apgr(&local, &remote, &[0.1, 0.9]).unwrap(), 0.75);
    close(apgr(&local, &remote, &[0.9, 0.1]).unwrap(), 0.25);
    close(apgr(&local, &remote, &[0.5, 0.5]).unwrap(), 0.5);
    // A row that the remote spoils lifts the curve above 1 before it ends there.
    close(apgr(&[0.0, 1.0, 0.0], &[1.0, 0.0, 1.0], &[0.1, 0.9, 0.2]).unwrap(), 0.5 / 3.0 + 1.5 / 3.0 * 2.0);
}

#[test]
fn apgr_of_a_perfect_and_of_a_random_ranking() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let local: Vec<f64> = (0..1_000).map(|_| f64::from(u8::from(rng.random_bool(0.6)))).collect();
    let remote = vec![1.0; 1_000];
    let share_wrong = 1.0 - local.iter().sum::<f64>() / 1_000.0;
    // Perfect: rises to 1 over the wrong rows, then stays.
    close(apgr(&local, &remote, &local).unwrap(), 1.0 - share_wrong / 2.0);
    let random: Vec<f64> = (0..1_000).map(|_| rng.random_range(0.0..1.0)).collect();
    assert!((apgr(&local, &remote, &random).unwrap() - 0.5).abs() < 0.04);
}

#[test]
fn apgr_is_unknown_without_a_gap_or_with_broken_ranks() {
    assert_eq!(apgr(&[1.0], &[1.0], &[0.5]), None);
    assert_eq!(apgr(&[1.0, 0.0], &[0.0, 0.0], &[0.5, 0.4]), None);
    assert_eq!(apgr(&[0.0], &[1.0], &[f64::NAN]), None);
    assert_eq!(apgr(&[], &[], &[]), None);
}

/// Intervals must hold the truth as often as they say, within what 400 trials can show
/// (0.95 +- 3 * sqrt(0.95 * 0.05 / 400) is 0.917 to 0.983).
#[test]
fn intervals_cover_the_truth_as_often_as_they_say() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let (mut wilson_holds, mut bootstrap_holds) = (0, 0);
    for trial in 0..400 {
        let successes = (0..60).filter(|_| rng.random_bool(0.85)).count();
        let it = wilson(successes, 60).unwrap();
        wilson_holds += usize::from(it.lo <= 0.85 && 0.85 <= it.hi);
        // Squares of uniform draws: skewed, with mean 1/3.
        let values: Vec<f64> = (0..80).map(|_| rng.random_range(0.0..1.0_f64).powi(2)).collect();
        let it = resampled_values(&values, 300, trial).unwrap();
        bootstrap_holds += usize::from(it.lo <= 1.0 / 3.0 && 1.0 / 3.0 <= it.hi);
    }
    assert!((367..=393).contains(&wilson_holds), "{wilson_holds} of 400");
    // The percentile bootstrap is known to be a little narrow on small skewed samples.
    assert!((363..=393).contains(&bootstrap_holds), "{bootstrap_holds} of 400");
}

/// What scipy and statsmodels say: `training/fixtures/statistics.py` wrote it.
fn reference(name: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("reference.json")).unwrap();
    all[name].as_array().unwrap().clone()
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|it| it.as_f64().unwrap()).collect()
}

fn near(got: f64, expected: f64, within: f64) {
    assert!((got - expected).abs() <= within * expected.abs().max(1e-9), "{got} is not {expected}");
}

#[test]
fn mcnemar_agrees_with_statsmodels() {
    for case in reference("mcnemar") {
        let count = |key: &str| case[key].as_u64().unwrap() as usize;
        let discordant = Discordant { first: count("b"), second: count("c") };
        near(discordant.mcnemar_exact(), case["exact"].as_f64().unwrap(), 1e-8);
    }
    assert_eq!(Discordant { first: 0, second: 0 }.mcnemar_exact(), 1.0);
}

#[test]
fn tango_agrees_with_a_numerical_restricted_likelihood() {
    for case in reference("tango") {
        let count = |key: &str| case[key].as_u64().unwrap() as usize;
        let it = Discordant { first: count("b"), second: count("c") }.tango(count("n")).unwrap();
        let expected = floats(&case["interval"]);
        assert!((it.lo - expected[0]).abs() < 1e-6 && (it.hi - expected[1]).abs() < 1e-6, "{it:?} {case}");
    }
    // No disagreement still leaves doubt: z^2 / (n + z^2) to both sides.
    let it = Discordant { first: 0, second: 0 }.tango(60).unwrap();
    near(it.hi, Z * Z / (60.0 + Z * Z), 1e-6);
    near(it.lo, -it.hi, 1e-6);
    assert_eq!(Discordant { first: 3, second: 3 }.tango(5), None);
}

#[test]
fn rates_agree_with_statsmodels() {
    for case in reference("rates") {
        let count = |key: &str| case[key].as_u64().unwrap() as usize;
        let (it, expected) = (wilson(count("k"), count("n")).unwrap(), floats(&case["wilson"]));
        assert!((it.lo - expected[0]).abs() < 1e-9 && (it.hi - expected[1]).abs() < 1e-9, "{it:?} {case}");
    }
}

#[test]
fn holm_agrees_with_statsmodels() {
    for case in reference("holm") {
        for (got, expected) in holm(&floats(&case["p"])).into_iter().zip(floats(&case["adjusted"])) {
            near(got, expected, 1e-12);
        }
    }
    assert_eq!(holm(&[]), Vec::<f64>::new());
}

#[test]
fn paired_scores_agree_with_scipy() {
    let all: Value = serde_json::from_str(include_str!("reference.json")).unwrap();
    let case = &all["paired"];
    let (a, b, interval) = (floats(&case["a"]), floats(&case["b"]), floats(&case["interval"]));
    // Two bootstraps with other seeds differ by their draws.
    let it = paired_difference(&a, &b).unwrap();
    assert!((it.lo - interval[0]).abs() < 0.012 && (it.hi - interval[1]).abs() < 0.012, "{it:?}");
    let p = paired_p(&a[..14], &b[..14]).unwrap();
    assert!((p - case["first_14_sign_flip"].as_f64().unwrap()).abs() < 0.02, "{p}");
    assert_eq!(paired_p(&[], &[]), None);
}

#[test]
fn the_normal_interval_takes_over_without_a_jump() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let values: Vec<f64> = (0..NORMAL_FROM).map(|_| rng.random_range(0.0..1.0_f64).powi(3)).collect();
    let (drawn, normal) =
        (bootstrap_mean(NORMAL_FROM, |_, row| values[row]).unwrap(), any_mean(&values).unwrap());
    close(drawn.mean, normal.mean);
    assert!(
        (drawn.lo - normal.lo).abs() < 2e-3 && (drawn.hi - normal.hi).abs() < 2e-3,
        "{drawn:?} {normal:?}"
    );
}

#[test]
fn non_inferiority_is_shown_refuted_or_left_open() {
    let flags = |right: usize, of: usize| -> Vec<f64> {
        (0..of).map(|row| f64::from(u8::from(row < right))).collect()
    };
    let test =
        |a: usize, b: usize, of: usize| NonInferiority::test(&flags(a, of), &flags(b, of), 0.05).unwrap();
    let alike = test(30, 30, 60);
    assert!(alike.shown() && !alike.worse() && !alike.tango, "the same answers are no worse");
    let shown = test(898, 900, 1_000);
    assert!(shown.shown() && shown.tango, "{shown:?}");
    let open = test(28, 30, 60);
    assert!(!open.shown() && !open.worse(), "{open:?}");
    let worse = test(20, 30, 60);
    assert!(worse.worse() && !worse.shown(), "{worse:?}");
    // Within the margin and yet certain: a clear loss is said.
    assert!(test(860, 890, 1_000).worse());
}

/// Tango's interval must hold the truth as often as it says, and the plain Wald interval, which does not, must be seen.
#[test]
fn tango_covers_the_truth_with_few_disagreements() {
    let mut rng = ChaCha8Rng::seed_from_u64(17);
    let (n, truth) = (40, 0.03 - 0.06);
    let (mut tango, mut wald) = (0, 0);
    for _ in 0..1_000 {
        let (mut first, mut second) = (0, 0);
        for _ in 0..n {
            let draw: f64 = rng.random_range(0.0..1.0);
            first += usize::from(draw < 0.03);
            second += usize::from((0.03..0.09).contains(&draw));
        }
        let it = Discordant { first, second }.tango(n).unwrap();
        tango += usize::from(it.lo <= truth && truth <= it.hi);
        let (b, c, rows) = (first as f64, second as f64, n as f64);
        let half = Z * (b + c - (b - c).powi(2) / rows).sqrt() / rows;
        wald += usize::from(((b - c) / rows - truth).abs() <= half);
    }
    // 950 +- 3 * sqrt(1000 * 0.95 * 0.05).
    assert!(tango >= 929, "{tango} of 1000");
    assert!(wald < 929, "{wald} of 1000");
}

fn tiers(local: &[f64], remote: &[f64], extra: Option<&[f64]>) -> Tiers {
    Tiers { local: local.to_vec(), remote: remote.to_vec(), extra_cost: extra.map(<[f64]>::to_vec) }
}

#[test]
fn cpt_and_area_agree_with_hand_computed_values() {
    let (local, remote) = ([0.0, 1.0, 0.0, 1.0], [1.0; 4]);
    let perfect =
        Curve::new(&Ranking::by(&[0.1, 0.8, 0.2, 0.9]).unwrap(), &tiers(&local, &remote, None)).unwrap();
    close(perfect.cpt(0.5).unwrap(), 0.25);
    close(perfect.cpt(0.8).unwrap(), 0.4);
    // Rises from 1/2 to 1 over the first half, then stays.
    close(perfect.area(), 0.875);
    assert!(!perfect.by_cost);
    let random = Curve::new(&Ranking::random(4), &tiers(&local, &remote, None)).unwrap();
    close(random.cpt(0.8).unwrap(), 0.8);
    close(random.area(), 0.75);
    close(random.apgr().unwrap(), 0.5);
    let worst =
        Curve::new(&Ranking::by(&[0.9, 0.1, 0.8, 0.2]).unwrap(), &tiers(&local, &remote, None)).unwrap();
    close(worst.cpt(0.5).unwrap(), 0.75);
    // The two rows that gain cost 3 of 4: the area is over money.
    let dear = tiers(&local, &remote, Some(&[15.0, 5.0, 15.0, 5.0]));
    let dear = Curve::new(&Ranking::by(&[0.1, 0.8, 0.2, 0.9]).unwrap(), &dear).unwrap();
    close(dear.area(), 0.75 * 0.75 + 0.25);
    close(dear.cpt(0.5).unwrap(), 0.25);
    assert!(dear.by_cost);
    assert_eq!(
        Curve::new(&Ranking::random(2), &tiers(&[1.0, 1.0], &[1.0, 1.0], None)).unwrap().cpt(0.5),
        None
    );
}

#[test]
fn the_task_mean_never_knows_a_rows_own_outcome() {
    // Two tasks, far apart: whole tasks leave, the poor one first.
    let tasks = ["poor", "poor", "good", "good"];
    let ranking = Ranking::by_task(&tasks, &[0.0, 0.1, 1.0, 0.9]);
    assert_eq!(ranking.staying(0.5), [0.0, 0.0, 1.0, 1.0]);
    assert_eq!(ranking.staying(0.25), [0.5, 0.5, 1.0, 1.0]);
    // One task: nothing to rank by, whatever the scores are.
    assert_eq!(Ranking::by_task(&["t"; 3], &[0.0, 1.0, 0.5]), Ranking::random(3));
    // Changing a row's own score never moves that row.
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let names = ["a", "b", "c", "d"];
    let tasks: Vec<&str> = (0..60).map(|_| names[rng.random_range(0..4)]).collect();
    let mut scores: Vec<f64> = (0..60).map(|_| f64::from(u8::from(rng.random_bool(0.5)))).collect();
    for row in 0..60 {
        let before = Ranking::by_task(&tasks, &scores).staying(0.4)[row];
        scores[row] = 1.0 - scores[row];
        assert_eq!(Ranking::by_task(&tasks, &scores).staying(0.4)[row], before);
        scores[row] = 1.0 - scores[row];
    }
}

#[test]
fn a_thinned_curve_keeps_its_ends() {
    let n = 5_000;
    let local: Vec<f64> = (0..n).map(|row| f64::from(row % 2)).collect();
    let ranks: Vec<f64> = (0..n).map(f64::from).collect();
    let curve =
        Curve::new(&Ranking::by(&ranks).unwrap(), &tiers(&local, &vec![1.0; n as usize], None)).unwrap();
    let thin = curve.thinned(100);
    assert!((90..=102).contains(&thin.len()), "{}", thin.len());
    assert_eq!((thin.first(), thin.last()), (curve.points.first(), curve.points.last()));
    close(curve.points.last().unwrap().quality, 1.0);
}

#[test]
fn a_lead_is_the_difference_of_two_apgrs_and_covers_the_truth() {
    let mut rng = ChaCha8Rng::seed_from_u64(23);
    // A row's own chance of a right local answer is known to one ranking, and blurred to the other.
    let draw = |rng: &mut ChaCha8Rng, rows: usize| {
        let truth: Vec<f64> = (0..rows).map(|_| rng.random_range(0.0..1.0)).collect();
        let blurred: Vec<f64> = truth.iter().map(|it| it + rng.random_range(-1.0..1.0)).collect();
        let local: Vec<f64> = truth.iter().map(|it| f64::from(u8::from(rng.random_bool(*it)))).collect();
        (Ranking::by(&truth).unwrap(), Ranking::by(&blurred).unwrap(), tiers(&local, &vec![1.0; rows], None))
    };
    let (sharp, blurred, many) = draw(&mut rng, 40_000);
    let truth = sharp.lead(&blurred, &many).unwrap().mean;
    let apgr = |ranking: &Ranking| Curve::new(ranking, &many).unwrap().apgr().unwrap();
    close(truth, apgr(&sharp) - apgr(&blurred));
    assert!(truth > 0.05, "{truth}");
    let covered = |_: &usize| {
        let (sharp, blurred, few) = draw(&mut rng, 150);
        let it = sharp.lead(&blurred, &few).unwrap();
        it.lo <= truth && truth <= it.hi
    };
    let held = (0..300).filter(covered).count();
    // 285 +- 3 * sqrt(300 * 0.95 * 0.05).
    assert!((273..=297).contains(&held), "{held} of 300");
    assert_eq!(sharp.lead(&sharp, &tiers(&[1.0], &[1.0], None)), None);
}

#[test]
fn a_lead_over_the_task_mean_is_that_of_the_shares_really_sent_out() {
    let local = [1.0, 0.0, 1.0, 0.0, 1.0, 1.0];
    let rows = tiers(&local, &[1.0; 6], None);
    let own = Ranking::by(&[0.9, 0.1, 0.8, 0.7, 0.6, 0.5]).unwrap();
    let task = Ranking::by_task(&["a", "a", "b", "b", "c", "c"], &local);
    let apgr = |ranking: &Ranking| Curve::new(ranking, &rows).unwrap().apgr().unwrap();
    // Both rows that gain leave over nominal shares from 1/3 to 1, while 1/3, 1/2 and 1 of all rows are out.
    close(apgr(&task), 5.0 / 12.0);
    close(own.lead(&task, &rows).unwrap().mean, apgr(&own) - apgr(&task));
}
