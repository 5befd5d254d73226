//! Logistic regression with an L2 penalty, for the small heads that are fitted on this machine: Newton's method with
//! a Cholesky factor, step halving where a step overshoots. The same rows give the same numbers, bit for bit.
//! Standardises nothing and chooses no penalty: that is the caller's.

/// Steps after which a fit that still moves is given up; a dozen suffices for anything that converges.
const MOST_STEPS: usize = 100;
/// Halvings of one step. A millionth of a Newton step that still does not go down means: at the bottom.
const MOST_HALVINGS: usize = 20;
/// The bottom: the largest component of the gradient, for each unit of weight.
const FLAT: f64 = 1e-9;

/// A fitted model: the probability of 1 is `sigmoid(bias + weights . row)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// One weight for each column.
    pub weights: Vec<f64>,
    /// Added to the weighted sum; not penalised.
    pub bias: f64,
}

/// Why nothing could be fitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FitError {
    /// No rows, or rows, targets and weights do not belong together.
    #[error("the rows do not fit together: {0}")]
    Shape(String),
    /// A number that is none, a target outside 0 to 1, a negative weight or penalty.
    #[error("row {0}: a value, target or weight is no number or out of range")]
    BadRow(usize),
    /// There is only one answer in the targets, so there is nothing to tell apart.
    #[error("every target is the same")]
    OneClass,
    /// No bottom was reached: without a penalty, columns that depend on each other or classes that a plane separates.
    #[error("no solution was reached: raise the penalty")]
    NoSolution,
}

impl Fit {
    /// The log odds of a row; rows shorter or longer than the weights are cut to the shorter of both.
    pub fn log_odds(&self, row: &[f64]) -> f64 {
        self.bias + dot(&self.weights, row)
    }

    /// The probability of 1.
    pub fn probability(&self, row: &[f64]) -> f64 {
        sigmoid(self.log_odds(row))
    }
}

/// Fits with equal weights; see [`fit_weighted`].
///
/// # Errors
/// As [`fit_weighted`].
pub fn fit(rows: &[Vec<f64>], targets: &[f64], l2: f64) -> Result<Fit, FitError> {
    fit_weighted(rows, targets, &vec![1.0; rows.len()], l2)
}

/// Minimises `sum_i w_i * crossentropy(t_i, p_i) + l2/2 * |weights|^2` over weights and bias (Hastie, Tibshirani and
/// Friedman, "The Elements of Statistical Learning", 2009, sections 4.4.1 and 3.4.1). Targets are probabilities from 0
/// to 1; sample weights are not negative. The penalty is scikit-learn's with `C = 1 / l2`.
///
/// # Errors
/// Rows that do not belong together, values that are no numbers, one class only, and a problem without a solution.
pub fn fit_weighted(rows: &[Vec<f64>], targets: &[f64], weights: &[f64], l2: f64) -> Result<Fit, FitError> {
    let columns = check(rows, targets, weights, l2)?;
    let problem = Problem { rows, targets, weights, l2 };
    let total: f64 = weights.iter().sum();
    // Weights first, the bias last.
    let mut at = vec![0.0; columns + 1];
    let mut value = problem.value(&at);
    for _ in 0..MOST_STEPS {
        let (gradient, mut hessian) = problem.slope(&at);
        if gradient.iter().all(|part| part.abs() <= FLAT * total) {
            let bias = at.pop().unwrap_or_default();
            return Ok(Fit { weights: at, bias });
        }
        let step = solve(&mut hessian, &gradient).ok_or(FitError::NoSolution)?;
        let mut share = 1.0;
        let mut halvings = 0;
        loop {
            let next: Vec<f64> = at.iter().zip(&step).map(|(at, step)| at - share * step).collect();
            let lower = problem.value(&next);
            // Near the bottom the value no longer tells: rounding is larger than the gain.
            if lower <= value + 1e-12 * value.abs() {
                (at, value) = (next, lower);
                break;
            }
            halvings += 1;
            if halvings > MOST_HALVINGS {
                return Err(FitError::NoSolution);
            }
            share /= 2.0;
        }
    }
    Err(FitError::NoSolution)
}

/// The number of columns, where everything belongs together.
fn check(rows: &[Vec<f64>], targets: &[f64], weights: &[f64], l2: f64) -> Result<usize, FitError> {
    let Some(first) = rows.first() else { return Err(FitError::Shape("there are none".to_owned())) };
    if targets.len() != rows.len() || weights.len() != rows.len() {
        let (rows, targets, weights) = (rows.len(), targets.len(), weights.len());
        return Err(FitError::Shape(format!("{rows} rows, {targets} targets, {weights} weights")));
    }
    if let Some(odd) = rows.iter().position(|row| row.len() != first.len()) {
        return Err(FitError::Shape(format!("row {odd} has {} columns", rows[odd].len())));
    }
    if !(l2.is_finite() && l2 >= 0.0) {
        return Err(FitError::Shape(format!("the penalty is {l2}")));
    }
    let sound = |row: usize| {
        rows[row].iter().all(|value| value.is_finite())
            && (0.0..=1.0).contains(&targets[row])
            && weights[row].is_finite()
            && weights[row] >= 0.0
    };
    if let Some(row) = (0..rows.len()).find(|row| !sound(*row)) {
        return Err(FitError::BadRow(row));
    }
    let counted = |row: &usize| weights[*row] > 0.0;
    let mut rows = (0..rows.len()).filter(counted);
    let Some(one) = rows.next() else { return Err(FitError::OneClass) };
    let uniform = targets[one] == 0.0 || targets[one] == 1.0;
    if uniform && rows.all(|row| targets[row] == targets[one]) {
        return Err(FitError::OneClass);
    }
    Ok(first.len())
}

struct Problem<'a> {
    rows: &'a [Vec<f64>],
    targets: &'a [f64],
    weights: &'a [f64],
    l2: f64,
}

impl Problem<'_> {
    fn each(&self) -> impl Iterator<Item = (&[f64], f64, f64)> {
        self.rows
            .iter()
            .zip(self.targets.iter().zip(self.weights))
            .map(|(row, (t, w))| (row.as_slice(), *t, *w))
    }

    fn value(&self, at: &[f64]) -> f64 {
        let (bias, slopes) = at.split_last().map_or((0.0, at), |(bias, slopes)| (*bias, slopes));
        let loss: f64 = self.each().map(|(row, t, w)| w * cross_entropy(t, bias + dot(slopes, row))).sum();
        loss + self.l2 / 2.0 * dot(slopes, slopes)
    }

    /// Gradient and Hessian (its lower triangle; row by row).
    fn slope(&self, at: &[f64]) -> (Vec<f64>, Vec<Vec<f64>>) {
        let size = at.len();
        let (bias, slopes) = at.split_last().map_or((0.0, at), |(bias, slopes)| (*bias, slopes));
        let mut gradient: Vec<f64> = slopes.iter().map(|slope| self.l2 * slope).chain([0.0]).collect();
        let mut hessian: Vec<Vec<f64>> = (0..size).map(|row| vec![0.0; row + 1]).collect();
        for (diagonal, line) in hessian.iter_mut().enumerate().take(size - 1) {
            line[diagonal] = self.l2;
        }
        let mut padded = vec![1.0; size];
        for (row, t, w) in self.each() {
            padded[..size - 1].copy_from_slice(row);
            let p = sigmoid(bias + dot(slopes, row));
            let (pull, bend) = (w * (p - t), w * p * (1.0 - p));
            for (at, value) in padded.iter().enumerate() {
                gradient[at] += pull * value;
                let scaled = bend * value;
                hessian[at].iter_mut().zip(&padded).for_each(|(cell, other)| *cell += scaled * other);
            }
        }
        (gradient, hessian)
    }
}

/// Solves `matrix * x = right` by the Cholesky factor, which replaces the matrix's lower triangle. `None` where the
/// matrix is not positive definite.
fn solve(matrix: &mut [Vec<f64>], right: &[f64]) -> Option<Vec<f64>> {
    let size = right.len();
    for row in 0..size {
        let (above, below) = matrix.split_at_mut(row);
        let line = &mut below[0];
        for column in 0..row {
            line[column] =
                (line[column] - dot(&line[..column], &above[column][..column])) / above[column][column];
        }
        let rest = line[row] - dot(&line[..row], &line[..row]);
        // A pivot that rounding alone can explain is a column that depends on others.
        if !(rest.is_finite() && rest > 1e-14 * line[row].abs()) {
            return None;
        }
        line[row] = rest.sqrt();
    }
    let mut x = vec![0.0; size];
    for row in 0..size {
        x[row] = (right[row] - dot(&matrix[row][..row], &x[..row])) / matrix[row][row];
    }
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size).map(|below| matrix[below][row] * x[below]).sum();
        x[row] = (x[row] - known) / matrix[row][row];
    }
    x.iter().all(|value| value.is_finite()).then_some(x)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The logistic function, without overflow.
pub fn sigmoid(log_odds: f64) -> f64 {
    if log_odds >= 0.0 {
        1.0 / (1.0 + (-log_odds).exp())
    } else {
        let odds = log_odds.exp();
        odds / (1.0 + odds)
    }
}

/// `-t ln p - (1 - t) ln(1 - p)` for `p = sigmoid(log_odds)`, without taking a logarithm of 0.
pub fn cross_entropy(target: f64, log_odds: f64) -> f64 {
    log_odds.max(0.0) - target * log_odds + (-log_odds.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests;
