//! What is kept where the truth is known.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::super::tests::row;
use super::*;
use crate::evals::logistic::sigmoid;

/// Rows of `columns` inputs, the shipped score's logit and a gain; `truth` gives the log odds of being good.
fn drawn(n: usize, columns: usize, truth: impl Fn(&[f64]) -> f64) -> (Vec<Row>, Vec<f64>) {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut rows = vec![];
    let mut good = vec![];
    for at in 0..n {
        let mut inputs: Vec<f64> = (0..=columns).map(|_| rng.random_range(-2.0..2.0)).collect();
        good.push(f64::from(u8::from(rng.random_bool(sigmoid(truth(&inputs))))));
        let shipped = sigmoid(inputs[columns]) as f32;
        inputs.push(0.1);
        let inputs = inputs.iter().map(|it| *it as f32).collect();
        rows.push(Row { shipped, inputs, ..row(&format!("r{at}"), 0.0, 1.0) });
    }
    (rows, good)
}

fn chosen(rows: &[Row], good: &[f64]) -> Kept {
    choose(&rows.iter().collect::<Vec<_>>(), good)
}

#[test]
fn a_head_is_kept_where_the_inputs_know_more_than_the_score() {
    let (rows, good) = drawn(400, 3, |it| 2.0 * it[0] - 1.5 * it[1]);
    let Kept { head, choice } = chosen(&rows, &good);
    assert_eq!(choice.kept, "head", "{}", choice.why);
    assert!(choice.head_auc.unwrap() > 0.85 && choice.platt_auc.unwrap() < 0.6, "{choice:?}");
    assert!(choice.head_log_loss.unwrap() < choice.platt_log_loss.unwrap());
    let head = head.unwrap();
    assert_eq!(head.weights.len(), 5);
    assert!(head.weights[0] > 1.0 && head.weights[1] < -0.7 && head.weights[2].abs() < 0.4, "{head:?}");
    assert_eq!(head.weights[4], 0.0, "the gain never moves");
    // The weights apply to inputs as the classifier gives them.
    let high = head.score(&[2.0, -2.0, 0.0, 0.0, 0.1]).unwrap();
    let low = head.score(&[-2.0, 2.0, 0.0, 0.0, 0.1]).unwrap();
    assert!(high > 0.95 && low < 0.05, "{high} {low}");
}

#[test]
fn where_only_recalibrating_helps_the_head_has_one_weight() {
    // The score ranks well and is far too high.
    let (rows, good) = drawn(400, 3, |it| 1.5 * it[3] - 2.0);
    let Kept { head, choice } = chosen(&rows, &good);
    assert_eq!(choice.kept, "platt", "{}", choice.why);
    let head = head.unwrap();
    assert_eq!([0, 1, 2, 4].map(|at: usize| head.weights[at]), [0.0; 4]);
    assert!((1.0..2.2).contains(&head.weights[3]) && (-2.8..-1.3).contains(&head.bias), "{head:?}");
}

#[test]
fn the_shipped_score_stays_where_nothing_is_clearly_better() {
    let (rows, good) = drawn(400, 3, |it| it[3]);
    let Kept { head, choice } = chosen(&rows, &good);
    assert!(head.is_none() && choice.kept == "shipped", "{}", choice.why);
}

#[test]
fn a_score_that_is_wrong_way_round_is_never_turned() {
    let (rows, good) = drawn(400, 0, |it| -1.5 * it[0]);
    let Kept { head, choice } = chosen(&rows, &good);
    // One column is all there is, so a head over all inputs may turn it and says so; recalibrating may not.
    assert_ne!(choice.kept, "platt", "{}", choice.why);
    assert_eq!(head.is_some(), choice.kept == "head");
}

#[test]
fn too_few_of_a_kind_fit_nothing_and_say_so() {
    let (rows, mut good) = drawn(100, 2, |it| it[0]);
    good.fill(1.0);
    let Kept { head, choice } = chosen(&rows, &good);
    assert!(head.is_none() && choice.why.contains("fewer than ten"), "{choice:?}");
    let bare: Vec<Row> = rows.iter().map(|row| Row { inputs: vec![], ..row.clone() }).collect();
    assert!(chosen(&bare, &good).choice.why.contains("no inputs"));
}

#[test]
fn the_area_counts_ties_half() {
    assert_eq!(auc(&[0.1, 0.2, 0.3, 0.4], &[0.0, 0.0, 1.0, 1.0]), 1.0);
    assert_eq!(auc(&[0.1, 0.2, 0.3, 0.4], &[1.0, 1.0, 0.0, 0.0]), 0.0);
    assert_eq!(auc(&[0.5; 4], &[0.0, 1.0, 0.0, 1.0]), 0.5);
    // By hand: of four pairs two are won and one is tied.
    assert_eq!(auc(&[0.1, 0.2, 0.2, 0.0], &[0.0, 0.0, 1.0, 1.0]), 0.375);
    assert_eq!(auc(&[0.1, 0.2], &[1.0, 1.0]), 0.5);
}
