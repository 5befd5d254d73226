//! Whether a row's numbers hang on how many rows run: some kernels take rows in pairs, and sum one that is alone, or the
//! last of an odd number, in another order. Promises: it is tried out at load, among few rows and among many; where
//! an even number of rows mends it, steps that are to be alike run over one from then on (but a row that is run again after
//! an error); where it does not, the log says so. Prompts need none of it: each is read alone.

use super::Graph;
use super::verify::{noise, same};

/// Numbers of rows that are held against many, from one on.
const FEW: usize = 4;
/// Most rows that are tried together, so that the trial's memory has a bound.
const MANY: usize = 16;
/// Tokens that each of them holds.
const LENGTH: usize = 40;

impl Graph {
    /// From then on pairs the rows of steps that are to be alike, if their numbers are the same then, and are not else. Takes a few steps,
    /// of up to [`FEW`] and of up to [`MANY`] of the `rows` that there are.
    pub(super) fn pair_rows(&mut self, model: &str, rows: usize) -> ort::Result<()> {
        if !self.kv.runs_together(&self.layout) {
            return Ok(());
        }
        // An even number, if it can be: what these rows say holds for pairs, too.
        let many = if rows > 1 { rows.min(MANY) / 2 * 2 } else { rows };
        let all = self.step_of(many)?;
        if self.rows_agree(many, &all)? {
            return Ok(());
        }
        self.kv.pair(true);
        if self.rows_agree(many, &all)? {
            let why = "one alone has other numbers (local.pair-rows)";
            tracing::info!(
                model,
                "answers with a seed, and all where drafts are made, run over an even number of rows: {why}"
            );
        } else {
            self.kv.pair(false);
            let why = "a row's numbers hang on how many rows run beside it";
            tracing::warn!(model, "the same seed may give another text when answers run side by side: {why}");
        }
        Ok(())
    }

    /// Whether each of the first [`FEW`] rows has the same bits, in logits, keys and values, among few rows as among `many`, which told `all`.
    fn rows_agree(&mut self, many: usize, all: &[Vec<f32>]) -> ort::Result<bool> {
        // Where rows are paired, an odd number runs as the next even one does.
        let step = if self.kv.pairs() && many > 2 { 2 } else { 1 };
        for count in (step..many.min(FEW + 1)).step_by(step) {
            let told = self.step_of(count)?;
            if !told.iter().zip(all).all(|(few, many)| same(few, many)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Keys, values and logits of one step of each of `count` rows, which are empty before and after.
    fn step_of(&mut self, count: usize) -> ort::Result<Vec<Vec<f32>>> {
        let one = self.layout.numbers_per_token();
        let beginning = noise(one * LENGTH);
        let ids: Vec<u32> = (0..self.layout.vocabulary as u32).cycle().skip(1).take(count).collect();
        for row in 0..count {
            self.clear(row);
            self.kv.write(row, LENGTH, &beginning);
        }
        self.decode(&ids, true)?;
        let told = (0..count).map(|row| {
            let mut numbers = vec![0.0; one];
            self.kv.read(row, &(LENGTH..LENGTH + 1), &mut numbers);
            numbers.extend_from_slice(self.logits(row));
            self.clear(row);
            numbers
        });
        Ok(told.collect())
    }
}
