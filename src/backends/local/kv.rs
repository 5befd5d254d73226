//! The KV cache of one engine, as its scheduler sees it: rows that are appended to, cut, copied and read.
//! Two kinds, by what the graph does with its cache: written in place, or given back longer. Knows no requests.

use std::ops::Range;

use ort::session::{RunOptions, Session};

use super::growing::Growing;
use super::layout::Layout;
use super::shared::Shared;

/// Rows of cache; every row is empty at first.
pub(super) enum Kv {
    /// The graph writes into the cache.
    Shared(Box<Shared>),
    /// The graph gives a longer one back.
    Growing(Growing),
}

impl Kv {
    /// Cache for `rows` sequences, each as long as the layout's context at most.
    pub(super) fn new(layout: &Layout, rows: usize) -> ort::Result<Self> {
        if layout.growing {
            return Ok(Self::Growing(Growing::new(layout, rows)));
        }
        Ok(Self::Shared(Box::new(Shared::new(layout, rows)?)))
    }

    /// Appends `ids` to a row in one run, alone, and leaves the logits of the last one. An error leaves the row as it
    /// was.
    pub(super) fn prefill(
        &mut self,
        run: (&mut Session, &RunOptions),
        layout: &Layout,
        row: usize,
        ids: &[u32],
    ) -> ort::Result<()> {
        match self {
            Self::Shared(rows) => rows.prefill(run, layout, row, ids),
            Self::Growing(rows) => rows.prefill(run, layout, row, ids),
        }
    }

    /// Whether a step over several rows is one run.
    pub(super) fn runs_together(&self, layout: &Layout) -> bool {
        matches!(self, Self::Shared(_)) && !layout.mixes
    }

    /// Whether such a run takes an even number of rows where it is to be alike.
    pub(super) fn pairs(&self) -> bool {
        matches!(self, Self::Shared(rows) if rows.pairs())
    }

    /// Whether such a run takes an even number of rows from now on where it is to be alike, nobody's beside an odd number.
    pub(super) fn pair(&mut self, pairs: bool) {
        match self {
            Self::Shared(rows) => rows.pair(pairs),
            Self::Growing(_) => {}
        }
    }

    /// Appends one token to each of the rows `0..ids.len()` and leaves their logits. Where they are to be `alike`, each row's
    /// result has the same bits in any company, if the graph's kernels sum a row alike among any number, or in all pairs and
    /// these are [paired](Self::pair). An error leaves the rows as they were.
    pub(super) fn decode(
        &mut self,
        run: (&mut Session, &RunOptions),
        layout: &Layout,
        ids: &[u32],
        alike: bool,
    ) -> ort::Result<()> {
        match self {
            Self::Shared(rows) if !layout.mixes => rows.decode(run, layout, ids, alike),
            Self::Shared(_) | Self::Growing(_) => self.decode_alone(run, layout, ids),
        }
    }

    /// Each row in a run of its own: for graphs whose rows have caches of their own, or change each other's numbers.
    fn decode_alone(
        &mut self,
        (session, options): (&mut Session, &RunOptions),
        layout: &Layout,
        ids: &[u32],
    ) -> ort::Result<()> {
        for (row, id) in ids.iter().enumerate() {
            if let Err(error) = self.prefill((session, options), layout, row, &[*id]) {
                (0..row).for_each(|row| self.truncate(row, self.len(row) - 1));
                return Err(error);
            }
        }
        Ok(())
    }

    /// Appends `ids` to row 0 in one run of a verify form, and leaves logits for each. An error leaves the row as it was.
    pub(super) fn verify(
        &mut self,
        run: (&mut Session, &RunOptions),
        layout: &Layout,
        ids: &[u32],
    ) -> ort::Result<()> {
        match self {
            Self::Shared(rows) => rows.verify(run, layout, ids),
            Self::Growing(_) => Err(ort::Error::new("a verify form needs a cache that is written in place")),
        }
    }

    /// The logits after the token `at` of the last [`Self::verify`].
    pub(super) fn verified(&self, layout: &Layout, at: usize) -> &[f32] {
        match self {
            Self::Shared(rows) => rows.verified(layout, at),
            Self::Growing(_) => &[],
        }
    }

    /// The logits after the row's last token, of the last run that it took part in.
    pub(super) fn logits(&self, layout: &Layout, row: usize) -> &[f32] {
        match self {
            Self::Shared(rows) => rows.logits(layout, row),
            Self::Growing(rows) => rows.logits(row),
        }
    }

    /// Tokens that the row holds.
    pub(super) fn len(&self, row: usize) -> usize {
        match self {
            Self::Shared(rows) => rows.len(row),
            Self::Growing(rows) => rows.len(row),
        }
    }

    /// Forgets the row's tokens from `len` on.
    pub(super) fn truncate(&mut self, row: usize, len: usize) {
        match self {
            Self::Shared(rows) => rows.truncate(row, len),
            Self::Growing(rows) => rows.truncate(row, len),
        }
    }

    /// Keys and values of the row's tokens `range`: for each layer keys, then values; in each, head after head.
    /// `into` has room for exactly [`Layout::numbers_per_token`] times the tokens.
    pub(super) fn read(&self, row: usize, range: &Range<usize>, into: &mut [f32]) {
        match self {
            Self::Shared(rows) => rows.read(row, range, into),
            Self::Growing(rows) => rows.read(row, range, into),
        }
    }

    /// Appends `tokens` tokens to the row as [`Self::read`] gave them. Leaves no logits.
    pub(super) fn write(&mut self, row: usize, tokens: usize, from: &[f32]) {
        self.append(row, tokens, &[from]);
    }

    /// Appends blocks to the row, each of `tokens` tokens as [`Self::read`] gave them: what the row holds is copied once at
    /// most. Leaves no logits.
    pub(super) fn append(&mut self, row: usize, tokens: usize, blocks: &[&[f32]]) {
        match self {
            Self::Shared(rows) => blocks.iter().for_each(|block| rows.write(row, tokens, block)),
            Self::Growing(rows) => rows.append(row, tokens, blocks),
        }
    }

    /// Makes the row `to` hold the first `len` tokens of the row `from`, and its logits.
    pub(super) fn copy_row(&mut self, layout: &Layout, from: usize, to: usize, len: usize) {
        match self {
            Self::Shared(rows) => rows.copy_row(layout, from, to, len),
            Self::Growing(rows) => rows.copy_row(from, to, len),
        }
    }

    /// Gives memory of empty rows back, so that they hold no more than `tokens` tokens' worth together.
    pub(super) fn trim(&mut self, tokens: usize) {
        match self {
            Self::Shared(rows) => rows.trim(tokens),
            // Empty rows hold nothing.
            Self::Growing(_) => {}
        }
    }

    /// Makes an empty row ready to be filled with `tokens` tokens: where it holds more memory than that, it is given back.
    pub(super) fn shrink(&mut self, row: usize, tokens: usize) {
        if let Self::Shared(rows) = self {
            rows.shrink(row, tokens);
        }
    }

    /// Numbers that were copied to append to rows that are not written in place.
    #[cfg(test)]
    pub(super) fn copied(&self) -> usize {
        match self {
            Self::Shared(_) => 0,
            Self::Growing(rows) => rows.copied,
        }
    }

    /// Tokens whose memory rows hold that are written in place.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        match self {
            Self::Shared(rows) => rows.held(),
            Self::Growing(_) => 0,
        }
    }
}
