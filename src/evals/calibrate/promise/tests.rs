//! Against scipy's numbers, and what is promised of rows whose truth is known.

use super::*;

const PROMISE: Promise = Promise { of: RiskOf::All, alpha: 0.05, delta: 0.05 };

fn trials(n: usize, worse: impl Fn(usize) -> bool) -> Vec<Trial> {
    (0..n).map(|at| Trial { score: 1.0 - at as f32 / n as f32, worse: worse(at) }).collect()
}

/// `scipy.stats.binom.cdf(k, n, p)` and `scipy.stats.beta.ppf(1 - delta, k + 1, n - k)`.
#[test]
fn agrees_with_scipy() {
    for (k, n, p, expected) in [
        (0, 59, 0.05, 0.048_494_5),
        (0, 58, 0.05, 0.051_046_9),
        (12, 400, 0.05, 0.035_505_9),
        (3, 30, 0.2, 0.122_710_9),
    ] {
        let found = tail(k, n, p);
        assert!((found - expected).abs() < 1e-6, "{k} of {n}: {found}");
    }
    for (k, n, delta, expected) in [
        (0, 59, 0.05, 0.049_507_6),
        (12, 400, 0.05, 0.048_153_9),
        (5, 20, 0.1, 0.414_890_4),
        (19, 20, 0.05, 0.997_438_6),
    ] {
        let found = upper(k, n, delta);
        assert!((found - expected).abs() < 1e-6, "{k} of {n}: {found}");
    }
    assert_eq!((upper(7, 7, 0.05), upper(0, 0, 0.05), tail(0, 0, 0.5)), (1.0, 1.0, 1.0));
}

const HYPERGEOMETRIC: [(usize, usize, usize, usize, f64); 4] = [
    (0, 10, 20, 100, 0.09511627243078843),
    (3, 30, 60, 400, 0.31214447131332723),
    (10, 10, 515, 518, 1.0),
    (5, 200, 40, 500, 8.458202236270142e-05),
];

/// `scipy.stats.hypergeom.cdf(found, all, marked, drawn)`.
#[test]
fn a_draw_by_chance_agrees_with_scipy() {
    for (found, drawn, marked, all, expected) in HYPERGEOMETRIC {
        let it = by_chance(found, drawn, marked, all);
        assert!((it - expected).abs() < 1e-9, "{found} of {drawn}: {it}");
    }
}

#[test]
fn a_promise_that_holds_only_because_little_stays_is_not_worth_it() {
    // Everything is worse: two in a hundred may stay, but why should they?
    let useless = trials(500, |_| true);
    let grid = PROMISE.grid(&useless, 500);
    let Chosen::Worthless { at } = PROMISE.choose(&grid, &useless) else { panic!() };
    assert!(at.kept > 0 && at.failures == at.kept);
    // Two good ones by luck are more than chance gives where nothing is ever good, and still no reason.
    let lucky = trials(500, |at| at != 1 && at != 4);
    assert!(matches!(PROMISE.choose(&grid, &lucky), Chosen::Worthless { .. }));
    // The same number of bad answers, but most of the kept are good and they are good more often than by chance.
    let useful = trials(500, |at| at >= 60);
    let Chosen::Holds { at, .. } = PROMISE.choose(&grid, &useful) else { panic!() };
    assert!(at.failures > 5 && PROMISE.is_worth_it(&at, &useful), "{at:?}");
    // A fifth is worse wherever the score stands: it ranks like chance.
    let blind = trials(500, |at| at % 5 == 3);
    assert!(matches!(PROMISE.choose(&grid, &blind), Chosen::Worthless { .. }));
    // A score that knows nothing of an answer that is nearly always good does no harm.
    let good = trials(2_000, |at| at % 40 == 7);
    let Chosen::Holds { at, .. } = PROMISE.choose(&[0.0], &good) else { panic!() };
    assert!(PROMISE.is_worth_it(&at, &good));
}

#[test]
fn zero_failures_at_five_percent_and_ninety_five_need_fifty_nine() {
    assert_eq!(PROMISE.least(), 59);
    let none = |n| PROMISE.choose(&[0.5, 0.0], &trials(n, |_| false));
    let Chosen::Fails { at: Some(at), needed } = none(58) else { panic!("promised with 58 rows") };
    assert_eq!((at.n, needed), (58, Some(59)));
    assert!(matches!(none(59), Chosen::Holds { at, .. } if at.threshold == 0.0));
}

#[test]
fn the_sequence_ends_at_the_first_threshold_that_is_not_refuted() {
    // The best half never fails, the rest always: at 5 % of 1,000, far fewer than 50 failures are refuted.
    let trials = trials(1_000, |at| at >= 500);
    let grid = PROMISE.grid(&trials, 1_000);
    assert_eq!((grid.len(), grid.last()), (101, Some(&0.0)));
    assert!(grid.is_sorted_by(|a, b| a > b));
    let Chosen::Holds { at, stopped_by: Some(stop) } = PROMISE.choose(&grid, &trials) else { panic!() };
    assert_eq!((at.kept, at.failures, stop.failures), (530, 30, 40));
    assert!(at.upper() <= 0.05 && stop.upper() > 0.05);
    // What lies beyond the end is not looked at, however good.
    let odd = [grid[52], 0.0, grid[10]];
    assert!(matches!(PROMISE.choose(&odd, &trials), Chosen::Holds { at, .. } if at.threshold == grid[52]));
}

#[test]
fn the_stricter_promise_is_of_those_kept_local() {
    let strict = Promise { of: RiskOf::Local, ..PROMISE };
    let trials = trials(1_000, |at| at >= 500);
    let grid = strict.grid(&trials, 1_000);
    assert_eq!(grid.len(), 52, "it starts at the half that never fails");
    let Chosen::Holds { at, .. } = strict.choose(&grid, &trials) else { panic!() };
    assert_eq!((at.n, at.kept, at.failures), (510, 510, 10));
}

#[test]
fn says_how_many_rows_it_would_take_or_that_none_would_do() {
    let grid = [0.0];
    let Chosen::Fails { needed, .. } = PROMISE.choose(&grid, &trials(200, |at| at % 25 == 0)) else {
        panic!()
    };
    let needed = needed.unwrap();
    assert!((1_000..3_000).contains(&needed), "4 % against 5 %: {needed}");
    let Chosen::Fails { needed, .. } = PROMISE.choose(&grid, &trials(200, |at| at % 10 == 0)) else {
        panic!()
    };
    assert_eq!(needed, None);
}
