//! Against scikit-learn's numbers, which `training/fixtures/logistic.py` prints, and what cannot be fitted.

use super::*;

const N: usize = 60;

fn rows() -> Vec<Vec<f64>> {
    let value = |i: f64, j: f64| (1.7 * i + 2.3 * j + 0.37 * i * j).sin() * (1.0 + j);
    (0..N).map(|i| (0..4).map(|j| value(i as f64, f64::from(j))).collect()).collect()
}

fn soft() -> Vec<f64> {
    rows().iter().enumerate().map(|(i, row)| 0.5 + 0.45 * (0.9 * i as f64 + row[0]).sin()).collect()
}

fn hard() -> Vec<f64> {
    let right = |(i, row): (usize, &Vec<f64>)| row[1] + row[2] / 3.0 + (5.1 * i as f64).sin() > 0.2;
    rows().iter().enumerate().map(|row| f64::from(u8::from(right(row)))).collect()
}

fn weights() -> Vec<f64> {
    (0..N).map(|i| 1.0 + (i % 3) as f64).collect()
}

fn assert_close(fit: &Fit, weights: [f64; 4], bias: f64) {
    let off =
        fit.weights.iter().zip(weights).map(|(a, b)| (a - b).abs()).fold((fit.bias - bias).abs(), f64::max);
    assert!(off < 1e-6, "{fit:?} is off by {off}");
}

#[test]
fn finds_what_scikit_learn_finds() {
    let plain = fit(&rows(), &hard(), 1.0).unwrap();
    assert_close(&plain, [0.2963878790, 1.9671133350, 0.5708800433, 0.0869890605], -0.5137778856);
    let weighted = fit_weighted(&rows(), &hard(), &weights(), 0.01).unwrap();
    assert_close(&weighted, [10.5270287223, 12.1267822769, 6.0097041507, 1.2880300679], -0.4641086804);
    let soft = fit_weighted(&rows(), &soft(), &weights(), 5.0).unwrap();
    assert_close(&soft, [-0.0638001056, -0.0073614691, -0.0116688764, -0.0131942722], 0.0851227612);
}

#[test]
fn a_column_of_zeros_gets_no_weight_under_a_penalty() {
    let mut rows = rows();
    rows.iter_mut().for_each(|row| row.push(0.0));
    let fit = fit(&rows, &hard(), 1.0).unwrap();
    assert_eq!(fit.weights[4], 0.0);
}

#[test]
fn weights_count_like_copies() {
    let (mut doubled, mut targets) = (rows(), hard());
    doubled.push(doubled[7].clone());
    targets.push(targets[7]);
    let copied = fit(&doubled, &targets, 0.5).unwrap();
    let mut weights = vec![1.0; N];
    weights[7] = 2.0;
    let weighted = fit_weighted(&rows(), &hard(), &weights, 0.5).unwrap();
    assert_close(&copied, weighted.weights.clone().try_into().unwrap(), weighted.bias);
}

#[test]
fn says_why_nothing_can_be_fitted() {
    let is = |rows: &[Vec<f64>], targets: &[f64], l2| fit(rows, targets, l2).unwrap_err();
    assert!(matches!(is(&[], &[], 1.0), FitError::Shape(_)));
    assert!(matches!(is(&[vec![1.0], vec![1.0, 2.0]], &[0.0, 1.0], 1.0), FitError::Shape(_)));
    assert!(matches!(is(&[vec![1.0], vec![2.0]], &[0.0, 1.0], f64::NAN), FitError::Shape(_)));
    assert_eq!(is(&[vec![1.0], vec![f64::NAN]], &[0.0, 1.0], 1.0), FitError::BadRow(1));
    assert_eq!(is(&[vec![1.0], vec![2.0]], &[0.0, 1.5], 1.0), FitError::BadRow(1));
    assert_eq!(is(&[vec![1.0], vec![2.0]], &[1.0, 1.0], 1.0), FitError::OneClass);
    // A column twice has no single best weight without a penalty; with one it has.
    let twins: Vec<Vec<f64>> = rows().iter().map(|row| vec![row[0], row[0]]).collect();
    assert_eq!(is(&twins, &hard(), 0.0), FitError::NoSolution);
    let fit = fit(&twins, &hard(), 1.0).unwrap();
    assert!((fit.weights[0] - fit.weights[1]).abs() < 1e-9);
}

#[test]
fn separable_rows_need_a_penalty() {
    let rows: Vec<Vec<f64>> = (0..10).map(|i| vec![f64::from(i)]).collect();
    let targets: Vec<f64> = (0..10).map(|i| f64::from(u8::from(i >= 5))).collect();
    let fit = fit(&rows, &targets, 0.1).unwrap();
    assert!(fit.probability(&[9.0]) > 0.95 && fit.probability(&[0.0]) < 0.05, "{fit:?}");
}

#[test]
fn extreme_log_odds_stay_finite() {
    assert_eq!((sigmoid(1e4), sigmoid(-1e4)), (1.0, 0.0));
    assert_eq!((cross_entropy(1.0, 1e4), cross_entropy(0.0, 1e4)), (0.0, 1e4));
    assert!((cross_entropy(0.3, 0.0) - std::f64::consts::LN_2).abs() < 1e-15);
}
