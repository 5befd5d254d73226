//! The KV cache of a graph that takes a past and gives a longer present: each row owns its tensors, every run copies.
//! Promises: rows run one after another, so that none changes another's numbers; a failed run leaves its row as it was.
//! For graphs whose attention is plain operators.

use std::ops::Range;

use ort::memory::Allocator;
use ort::session::{RunOptions, Session, SessionInputValue};
use ort::value::{Tensor, TensorValueType};

use super::layout::Layout;

/// All rows.
pub(super) struct Growing {
    /// The names of past and present, keys before values, layer by layer.
    pairs: Vec<(String, String)>,
    heads: usize,
    head_size: usize,
    rows: Vec<Row>,
    /// Numbers that [`Self::append`] has put together.
    #[cfg(test)]
    pub(super) copied: usize,
}

/// One sequence.
#[derive(Default)]
struct Row {
    len: usize,
    /// In the order of `pairs`; none at length 0.
    past: Vec<Past>,
    /// Of the last token that ran.
    logits: Vec<f32>,
}

/// `[1, heads, len, head size]`.
enum Past {
    /// As the graph gave it.
    Given(Tensor<f32>),
    /// Put together here, for the next run to take.
    Made(Vec<f32>),
}

impl Past {
    fn numbers(&self) -> &[f32] {
        match self {
            Self::Given(tensor) => tensor.extract_tensor().1,
            Self::Made(numbers) => numbers,
        }
    }
}

impl Growing {
    /// `rows` empty rows.
    pub(super) fn new(layout: &Layout, rows: usize) -> Self {
        Self {
            pairs: (0..layout.layers).flat_map(|layer| layout.names.cache_pairs(layer)).collect(),
            heads: layout.kv_heads,
            head_size: layout.head_size,
            rows: std::iter::repeat_with(Row::default).take(rows).collect(),
            #[cfg(test)]
            copied: 0,
        }
    }

    /// Appends `ids` to a row in one run.
    pub(super) fn prefill(
        &mut self,
        (session, options): (&mut Session, &RunOptions),
        layout: &Layout,
        row: usize,
        ids: &[u32],
    ) -> ort::Result<()> {
        let len = self.rows[row].len;
        let total = len + ids.len();
        if ids.is_empty() || total > layout.context {
            return Err(ort::Error::new("the sequence is longer than the context, or nothing is fed"));
        }
        self.hand_over(row)?;
        let names = &layout.names;
        let mut inputs: Vec<(&str, SessionInputValue<'_>)> = vec![
            (&names.input_ids, line(ids.iter().copied().map(i64::from).collect())?.into()),
            (&names.attention_mask, line(vec![1; total])?.into()),
        ];
        if layout.position_ids {
            let positions = (0..).skip(len).take(ids.len()).collect();
            inputs.push((&names.position_ids, line(positions)?.into()));
        }
        if let Some(keep) = layout.keep_of(session) {
            inputs.push((&keep.name, Tensor::from_array((keep.shape(), vec![1_i64]))?.into()));
        }
        for (at, (past, _)) in self.pairs.iter().enumerate() {
            inputs.push(match self.rows[row].past.get(at) {
                Some(Past::Given(tensor)) => (past, tensor.into()),
                _ => {
                    let empty = [1, self.heads, 0, self.head_size];
                    (past, Tensor::<f32>::new(&Allocator::default(), empty)?.into())
                }
            });
        }
        let mut outputs = session.run_with_options(inputs, options)?;
        let (_, logits) = named(outputs.get(&names.logits))?.try_extract_tensor::<f32>()?;
        let last = logits.len().checked_sub(layout.vocabulary);
        let last = last.ok_or_else(|| ort::Error::new("fewer logits than the vocabulary has tokens"))?;
        let logits = logits[last..].to_vec();
        let mut past = Vec::with_capacity(self.pairs.len());
        for (_, present) in &self.pairs {
            let tensor = named(outputs.remove(present))?.downcast::<TensorValueType<f32>>()?;
            if tensor.extract_tensor().1.len() != total * self.heads * self.head_size {
                return Err(ort::Error::new("the graph's present is not as long as its past and its input"));
            }
            past.push(Past::Given(tensor));
        }
        self.rows[row] = Row { len: total, past, logits };
        Ok(())
    }

    /// The logits after a row's last token; none before its first run.
    pub(super) fn logits(&self, row: usize) -> &[f32] {
        &self.rows[row].logits
    }

    /// Tokens that a row holds.
    pub(super) fn len(&self, row: usize) -> usize {
        self.rows[row].len
    }

    /// Forgets what lies past `len`.
    pub(super) fn truncate(&mut self, row: usize, len: usize) {
        if len >= self.rows[row].len {
            return;
        }
        let (cut, full) = (len * self.head_size, self.rows[row].len * self.head_size);
        let row = &mut self.rows[row];
        row.len = len;
        if len == 0 {
            *row = Row::default();
        }
        for past in &mut row.past {
            let heads = past.numbers().chunks_exact(full);
            *past = Past::Made(heads.flat_map(|head| &head[..cut]).copied().collect());
        }
    }

    /// Keys and values of a row's tokens `range`: for each tensor and head in order, tokens after tokens.
    pub(super) fn read(&self, row: usize, range: &Range<usize>, into: &mut [f32]) {
        let row = &self.rows[row];
        let heads = row.past.iter().flat_map(|past| past.numbers().chunks_exact(row.len * self.head_size));
        for (head, to) in heads.zip(into.chunks_exact_mut((range.len() * self.head_size).max(1))) {
            to.copy_from_slice(&head[range.start * self.head_size..range.end * self.head_size]);
        }
    }

    /// Appends blocks, each of `tokens` tokens as [`Self::read`] gave them, and copies what the row holds once; leaves no
    /// logits.
    pub(super) fn append(&mut self, row: usize, tokens: usize, blocks: &[&[f32]]) {
        if tokens == 0 || blocks.is_empty() {
            return;
        }
        let (old, more) = (self.rows[row].len * self.head_size, tokens * self.head_size);
        let past = (0..self.pairs.len()).map(|tensor| {
            let mut joined = Vec::with_capacity(self.heads * (old + more * blocks.len()));
            for head in 0..self.heads {
                if let Some(past) = self.rows[row].past.get(tensor) {
                    joined.extend_from_slice(&past.numbers()[head * old..(head + 1) * old]);
                }
                let from = (tensor * self.heads + head) * more;
                for block in blocks {
                    joined.extend_from_slice(block.get(from..from + more).unwrap_or_default());
                }
            }
            Past::Made(joined)
        });
        let past: Vec<Past> = past.collect();
        #[cfg(test)]
        {
            self.copied += past.iter().map(|past| past.numbers().len()).sum::<usize>();
        }
        self.rows[row] = Row { len: self.rows[row].len + tokens * blocks.len(), past, logits: vec![] };
    }

    /// Makes the row `to` hold the first `len` tokens of the row `from`, and its logits.
    pub(super) fn copy_row(&mut self, from: usize, to: usize, len: usize) {
        let source = &self.rows[from];
        let past = source.past.iter().map(|past| Past::Made(past.numbers().to_vec())).collect();
        self.rows[to] = Row { len: source.len, past, logits: source.logits.clone() };
        self.truncate(to, len);
    }

    /// Makes tensors of what was put together here.
    fn hand_over(&mut self, row: usize) -> ort::Result<()> {
        let row = &mut self.rows[row];
        for past in &mut row.past {
            if let Past::Made(numbers) = past {
                let shape = [1, self.heads, row.len, self.head_size];
                *past = Past::Given(Tensor::from_array((shape, std::mem::take(numbers)))?);
            }
        }
        Ok(())
    }
}

/// One row of whole numbers.
fn line(numbers: Vec<i64>) -> ort::Result<Tensor<i64>> {
    Tensor::from_array(([1, numbers.len()], numbers))
}

fn named<T>(output: Option<T>) -> ort::Result<T> {
    output.ok_or_else(|| ort::Error::new("the graph gave no such output"))
}

#[cfg(test)]
mod tests;
