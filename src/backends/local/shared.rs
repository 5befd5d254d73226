//! The KV cache of graphs that read and write it in place: one row a sequence, all rows in one slab for each layer's
//! keys and values. Promises: a decode step allocates nothing here; what stands in other rows, how wide the mask is
//! and who ran before change no bit of a row's result; rows take memory only as far as they are filled.

mod verify;

use std::iter;
use std::ops::Range;

use ort::session::{RunOptions, Session};

use self::verify::Verify;
use super::layout::Layout;
use super::slab::{Area, Port, Slab, UNIT, Wiring};

/// Narrowest attention mask of a decode step, in tokens.
const NARROWEST: usize = 256;

/// Places before the first row's. The one there is is nobody's: it holds no token, and takes memory only where it runs.
const SPARE: usize = 1;

/// Rows of cache and the tensors of a run.
pub(super) struct Shared {
    slab: Slab,
    /// Keys and values of every layer, each `[places, kv_heads, capacity, head_size]`, in the order of
    /// [`super::folder::Names::cache_pairs`].
    tensors: Vec<Area<f32>>,
    shape: Shape,
    rows: Vec<Row>,
    /// Whether a step that is to be alike in any company takes the spare place beside an odd number of rows.
    pairs: bool,
    /// `[places, vocabulary]`.
    logits: Area<f32>,
    /// Logits of a prefill whose graph gives them for every position.
    all_logits: Option<(Area<f32>, usize)>,
    /// 1: how many positions' logits are wanted, of graphs that ask.
    keep: Area<i64>,
    prompt: Prompt,
    step: StepInputs,
    /// For each number of rows, what a decode step of the present width runs over: these alone, and with the spare place.
    wirings: Vec<[Option<Wiring>; 2]>,
    /// What a verify form runs over, once one has run.
    verify: Option<Verify>,
    /// The same for the present width.
    verify_wiring: Option<Wiring>,
}

#[derive(Clone, Copy)]
struct Shape {
    heads: usize,
    capacity: usize,
    head: usize,
}

#[derive(Clone, Copy, Default)]
struct Row {
    /// Tokens that it holds.
    len: usize,
    /// Tokens up to which its memory may be there.
    touched: usize,
}

/// Inputs of a prefill.
struct Prompt {
    ids: Area<i64>,
    /// 1, 1, 1, ...; as far as it was needed yet.
    ones: Area<i64>,
    /// 0, 1, 2, ...; as far.
    positions: Area<i64>,
    filled: usize,
}

/// Inputs of a decode step, for all places; a step of n rows binds theirs.
struct StepInputs {
    ids: Area<i64>,
    positions: Area<i64>,
    /// `[places, width]`: a row's length is the sum of its mask.
    mask: Area<i64>,
    width: usize,
    /// Ones at each place of the mask.
    ones: Vec<usize>,
}

impl Shape {
    /// Numbers in one row of one tensor.
    fn row(self) -> usize {
        self.heads * self.capacity * self.head
    }

    /// Where a row begins in a tensor.
    fn start(self, row: usize) -> usize {
        (SPARE + row) * self.row()
    }

    /// Where the tokens `range` of one head of one row stand in a tensor.
    fn head(self, row: usize, head: usize, range: &Range<usize>) -> Range<usize> {
        let start = self.start(row) + head * self.capacity * self.head;
        start + range.start * self.head..start + range.end * self.head
    }
}

impl Shared {
    /// Empty rows, each for as many tokens as the layout's context.
    pub(super) fn new(layout: &Layout, rows: usize) -> ort::Result<Self> {
        let mut slab = Slab::new();
        let shape = Shape {
            heads: layout.kv_heads,
            // Rows of whole units can be given back to the last byte.
            capacity: layout.context.next_multiple_of(tokens_per_unit(layout.kv_heads * layout.head_size)),
            head: layout.head_size,
        };
        let places = SPARE + rows;
        let tensors =
            (0..layout.layers * 2).map(|_| slab.area(places * shape.row())).collect::<ort::Result<_>>()?;
        let (capacity, logits) = (shape.capacity, slab.area(places * layout.vocabulary)?);
        let keep: Area<i64> = slab.area(1)?;
        slab.get_mut(keep).fill(1);
        let prompt = Prompt {
            ids: slab.area(capacity)?,
            ones: slab.area(capacity)?,
            positions: slab.area(capacity)?,
            filled: 0,
        };
        let step = StepInputs {
            ids: slab.area(places)?,
            positions: slab.area(places)?,
            mask: slab.area(places * capacity.next_power_of_two().max(NARROWEST))?,
            width: 0,
            ones: vec![0; places],
        };
        Ok(Self {
            slab,
            tensors,
            shape,
            rows: vec![Row::default(); rows],
            pairs: false,
            logits,
            all_logits: None,
            keep,
            prompt,
            step,
            wirings: (0..rows).map(|_| [None, None]).collect(),
            verify: None,
            verify_wiring: None,
        })
    }

    pub(super) fn pairs(&self) -> bool {
        self.pairs
    }

    /// Whether steps that are to be alike run over an even number of rows from now on, nobody's beside an odd number.
    pub(super) fn pair(&mut self, pairs: bool) {
        self.pairs = pairs;
    }

    /// Appends `ids` to a row, which must fit, and leaves the logits of the last one where the graph gives any. One run of
    /// batch 1.
    pub(super) fn prefill(
        &mut self,
        (session, options): (&mut Session, &RunOptions),
        layout: &Layout,
        row: usize,
        ids: &[u32],
    ) -> ort::Result<()> {
        let (past, more) = (self.rows[row].len, ids.len());
        let total = past + more;
        if more == 0 || total > layout.context {
            return Err(ort::Error::new("the sequence is longer than the context, or nothing is fed"));
        }
        self.fill_prompt(ids, total);
        let mut wiring = Wiring::new(session, &self.slab)?;
        self.wire_cache(&mut wiring, layout, SPARE + row, 1)?;
        let (names, slab) = (&layout.names, &self.slab);
        wiring.bind(slab, Port::Input(&names.input_ids), (self.prompt.ids, 0), &[1, more])?;
        wiring.bind(slab, Port::Input(&names.attention_mask), (self.prompt.ones, 0), &[1, total])?;
        if layout.position_ids {
            wiring.bind(slab, Port::Input(&names.position_ids), (self.prompt.positions, past), &[1, more])?;
        }
        self.wire_keep(&mut wiring, session, layout, self.keep)?;
        let own = (SPARE + row) * layout.vocabulary;
        if !session.outputs().iter().any(|output| output.name() == names.logits) {
            self.slab.run(session, &wiring, options)?;
        } else if layout.pruned {
            let shape = [1, 1, layout.vocabulary];
            wiring.bind(slab, Port::Output(&names.logits), (self.logits, own), &shape)?;
            self.slab.run(session, &wiring, options)?;
        } else {
            let all = self.room_for_logits(more * layout.vocabulary)?;
            let shape = [1, more, layout.vocabulary];
            wiring.bind(&self.slab, Port::Output(&names.logits), (all, 0), &shape)?;
            self.slab.run(session, &wiring, options)?;
            let last = self.slab.get(all)[(more - 1) * layout.vocabulary..][..layout.vocabulary].to_vec();
            self.slab.get_mut(self.logits)[own..][..layout.vocabulary].copy_from_slice(&last);
            self.slab.release(all, 0..usize::MAX);
        }
        self.set_len(row, total);
        Ok(())
    }

    /// Appends one token to each of the rows `0..ids.len()` and leaves their logits; `alike` as [`super::kv::Kv::decode`]
    /// has it. One run for all.
    pub(super) fn decode(
        &mut self,
        (session, options): (&mut Session, &RunOptions),
        layout: &Layout,
        ids: &[u32],
        alike: bool,
    ) -> ort::Result<()> {
        let count = ids.len();
        let longest = self.rows[..count].iter().map(|row| row.len).max().unwrap_or(0) + 1;
        if count == 0 || longest > layout.context {
            return Err(ort::Error::new("a row is longer than the context, or nothing is fed"));
        }
        self.fit_width(longest, layout.context);
        let step = &mut self.step;
        for (at, (own, id)) in self.slab.get_mut(step.ids)[SPARE..].iter_mut().zip(ids).enumerate() {
            *own = i64::from(*id);
            debug_assert!(self.rows[at].len < layout.context);
        }
        for (own, row) in self.slab.get_mut(step.positions)[SPARE..].iter_mut().zip(&self.rows[..count]) {
            *own = i64::try_from(row.len).unwrap_or(i64::MAX);
        }
        let masks = self.slab.get_mut(step.mask).chunks_exact_mut(step.width);
        let held = iter::repeat_n(0, SPARE).chain(self.rows[..count].iter().map(|row| row.len));
        for ((mask, ones), held) in masks.zip(&mut step.ones).zip(held) {
            show(mask, ones, held + 1);
        }
        let spare = if alike && self.pairs { count % 2 } else { 0 };
        if self.wirings[count - 1][spare].is_none() {
            self.wirings[count - 1][spare] = Some(self.wire_step(session, layout, spare, count)?);
        }
        let Some(wiring) = &self.wirings[count - 1][spare] else {
            return Err(ort::Error::new("nothing is wired"));
        };
        self.slab.run(session, wiring, options)?;
        for row in 0..count {
            self.set_len(row, self.rows[row].len + 1);
        }
        Ok(())
    }

    /// The logits after a row's last token; of the last run that the row took part in.
    pub(super) fn logits(&self, layout: &Layout, row: usize) -> &[f32] {
        &self.slab.get(self.logits)[(SPARE + row) * layout.vocabulary..][..layout.vocabulary]
    }

    /// Tokens that a row holds.
    pub(super) fn len(&self, row: usize) -> usize {
        self.rows[row].len
    }

    /// Forgets what lies past `len`.
    pub(super) fn truncate(&mut self, row: usize, len: usize) {
        // What the memory still holds lies past the row's length, where nothing reads.
        self.rows[row].len = self.rows[row].len.min(len);
    }

    /// Keys and values of some tokens of a row: for each tensor and head in order, tokens after tokens.
    pub(super) fn read(&self, row: usize, range: &Range<usize>, into: &mut [f32]) {
        let (piece, heads) = (range.len() * self.shape.head, self.shape.heads);
        for (at, to) in into.chunks_exact_mut(piece.max(1)).enumerate() {
            let from = self.shape.head(row, at % heads, range);
            to.copy_from_slice(&self.slab.get(self.tensors[at / heads])[from]);
        }
    }

    /// Appends `tokens` tokens as [`Self::read`] gave them.
    pub(super) fn write(&mut self, row: usize, tokens: usize, from: &[f32]) {
        let (len, heads) = (self.rows[row].len, self.shape.heads);
        let piece = tokens * self.shape.head;
        for (at, from) in from.chunks_exact(piece.max(1)).enumerate() {
            let to = self.shape.head(row, at % heads, &(len..len + tokens));
            self.slab.get_mut(self.tensors[at / heads])[to].copy_from_slice(from);
        }
        self.set_len(row, len + tokens);
    }

    /// Makes `to` hold the first `len` tokens of `from`, and its logits.
    pub(super) fn copy_row(&mut self, layout: &Layout, from: usize, to: usize, len: usize) {
        let len = len.min(self.rows[from].len);
        for area in &self.tensors {
            let numbers = self.slab.get_mut(*area);
            for head in 0..self.shape.heads {
                let (from, to) =
                    (self.shape.head(from, head, &(0..len)), self.shape.head(to, head, &(0..len)));
                numbers.copy_within(from, to.start);
            }
        }
        let [own, other] = [from, to].map(|row| (SPARE + row) * layout.vocabulary);
        self.slab.get_mut(self.logits).copy_within(own..own + layout.vocabulary, other);
        self.rows[to].len = 0;
        self.set_len(to, len);
    }

    /// Gives memory of empty rows back, so that they hold at most `tokens` tokens' worth together.
    pub(super) fn trim(&mut self, tokens: usize) {
        let empty = self.rows.iter().filter(|row| row.len == 0);
        let mut held: usize = empty.map(|row| row.touched).sum();
        for row in (0..self.rows.len()).rev() {
            if held <= tokens {
                return;
            }
            held -= self.shrink(row, 0);
        }
    }

    /// Gives the memory of a row back if it is empty and holds more than `tokens` tokens' worth; how many it held then.
    pub(super) fn shrink(&mut self, row: usize, tokens: usize) -> usize {
        if self.rows[row].len > 0 || self.rows[row].touched <= tokens {
            return 0;
        }
        let range = self.shape.start(row)..self.shape.start(row + 1);
        for area in &self.tensors {
            self.slab.release(*area, range.clone());
        }
        std::mem::take(&mut self.rows[row].touched)
    }

    /// Tokens whose memory is held, in rows in use and in empty ones.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.rows.iter().map(|row| row.touched).sum()
    }

    fn set_len(&mut self, row: usize, len: usize) {
        let row = &mut self.rows[row];
        row.len = len;
        row.touched = row.touched.max(len);
    }

    fn fill_prompt(&mut self, ids: &[u32], total: usize) {
        let prompt = &mut self.prompt;
        for (own, id) in self.slab.get_mut(prompt.ids).iter_mut().zip(ids) {
            *own = i64::from(*id);
        }
        if total > prompt.filled {
            self.slab.get_mut(prompt.ones)[prompt.filled..total].fill(1);
            for (own, position) in self.slab.get_mut(prompt.positions)[..total].iter_mut().zip(0..) {
                *own = position;
            }
            prompt.filled = total;
        }
    }

    /// The mask as wide as the next power of two: seldom anew, and not much wider than needed for long. Never wider than
    /// the context: some graphs choose their rotary factors by the width.
    fn fit_width(&mut self, longest: usize, context: usize) {
        let wanted = longest.next_power_of_two().max(NARROWEST).min(context);
        if wanted > self.step.width || wanted * 4 <= self.step.width {
            self.step.width = wanted;
            self.slab.get_mut(self.step.mask)[..wanted * (SPARE + self.rows.len())].fill(0);
            self.step.ones.fill(0);
            self.wirings.fill_with(|| [None, None]);
            self.verify_wiring = None;
        }
    }

    /// Binds the cache of `count` places, of which `place` is the first.
    fn wire_cache(
        &self,
        wiring: &mut Wiring,
        layout: &Layout,
        place: usize,
        count: usize,
    ) -> ort::Result<()> {
        let (start, shape) =
            (place * self.shape.row(), [count, self.shape.heads, self.shape.capacity, self.shape.head]);
        let pairs = (0..layout.layers).flat_map(|layer| layout.names.cache_pairs(layer));
        for ((past, present), area) in pairs.zip(&self.tensors) {
            wiring.bind(&self.slab, Port::Input(&past), (*area, start), &shape)?;
            wiring.bind(&self.slab, Port::Output(&present), (*area, start), &shape)?;
        }
        Ok(())
    }

    /// Binds for how many positions logits are `wanted`, where this form of the graph asks.
    fn wire_keep(
        &self,
        wiring: &mut Wiring,
        session: &Session,
        layout: &Layout,
        wanted: Area<i64>,
    ) -> ort::Result<()> {
        match layout.keep_of(session) {
            Some(keep) => wiring.bind(&self.slab, Port::Input(&keep.name), (wanted, 0), keep.shape()),
            None => Ok(()),
        }
    }

    /// Binds a decode step of `count` rows, and of `spare` places before them.
    fn wire_step(
        &self,
        session: &Session,
        layout: &Layout,
        spare: usize,
        count: usize,
    ) -> ort::Result<Wiring> {
        let mut wiring = Wiring::new(session, &self.slab)?;
        let (first, count) = (SPARE - spare, spare + count);
        self.wire_cache(&mut wiring, layout, first, count)?;
        let (names, slab, step) = (&layout.names, &self.slab, &self.step);
        let mask = (step.mask, first * step.width);
        wiring.bind(slab, Port::Input(&names.input_ids), (step.ids, first), &[count, 1])?;
        wiring.bind(slab, Port::Input(&names.attention_mask), mask, &[count, step.width])?;
        if layout.position_ids {
            wiring.bind(slab, Port::Input(&names.position_ids), (step.positions, first), &[count, 1])?;
        }
        self.wire_keep(&mut wiring, session, layout, self.keep)?;
        let (logits, shape) = (first * layout.vocabulary, [count, 1, layout.vocabulary]);
        wiring.bind(slab, Port::Output(&names.logits), (self.logits, logits), &shape)?;
        Ok(wiring)
    }

    fn room_for_logits(&mut self, len: usize) -> ort::Result<Area<f32>> {
        match self.all_logits {
            Some((area, room)) if room >= len => Ok(area),
            _ => {
                let area = self.slab.area(len)?;
                self.all_logits = Some((area, len));
                Ok(area)
            }
        }
    }
}

/// Makes the first `wanted` numbers of a row's mask ones, and no others.
fn show(mask: &mut [i64], ones: &mut usize, wanted: usize) {
    if *ones < wanted {
        mask[*ones..wanted].fill(1);
    } else {
        mask[wanted..*ones].fill(0);
    }
    *ones = wanted;
}

/// Tokens whose numbers in one tensor row fill whole units.
fn tokens_per_unit(numbers: usize) -> usize {
    let unit = UNIT / size_of::<f32>();
    // Powers of two only: what `numbers` has of them, up to the unit.
    unit >> numbers.trailing_zeros().min(unit.trailing_zeros())
}

#[cfg(test)]
pub(super) use self::tests::resident;

#[cfg(test)]
mod tests;
