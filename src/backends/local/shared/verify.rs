//! A run of several tokens of row 0 by a verify form, which gives logits for each and the cache after each.

use ort::session::{RunOptions, Session};

use super::{SPARE, Shared, show};
use crate::backends::local::layout::Layout;
use crate::backends::local::slab::{Area, Port, Slab, Wiring};

/// The tensors of such a run beside the cache and the mask, which are a decode step's.
#[derive(Clone, Copy)]
pub(super) struct Verify {
    ids: Area<i64>,
    positions: Area<i64>,
    /// How many tokens there are: all their logits are wanted.
    keep: Area<i64>,
    /// `[tokens, vocabulary]`.
    logits: Area<f32>,
}

impl Verify {
    fn new(slab: &mut Slab, tokens: usize, vocabulary: usize) -> ort::Result<Self> {
        let keep: Area<i64> = slab.area(1)?;
        slab.get_mut(keep).fill(i64::try_from(tokens).unwrap_or(i64::MAX));
        Ok(Self {
            ids: slab.area(tokens)?,
            positions: slab.area(tokens)?,
            keep,
            logits: slab.area(tokens * vocabulary)?,
        })
    }
}

impl Shared {
    /// Appends `ids` to row 0, which must fit, and leaves logits for each; always as many as the first time.
    pub(in crate::backends::local) fn verify(
        &mut self,
        (session, options): (&mut Session, &RunOptions),
        layout: &Layout,
        ids: &[u32],
    ) -> ort::Result<()> {
        let past = self.rows[0].len;
        let total = past + ids.len();
        if total > layout.context {
            return Err(ort::Error::new("the sequence is longer than the context"));
        }
        self.fit_width(total, layout.context);
        let verify = match self.verify {
            Some(verify) => verify,
            None => *self.verify.insert(Verify::new(&mut self.slab, ids.len(), layout.vocabulary)?),
        };
        for (own, id) in self.slab.get_mut(verify.ids).iter_mut().zip(ids) {
            *own = i64::from(*id);
        }
        for (own, position) in self.slab.get_mut(verify.positions).iter_mut().zip(past..) {
            *own = i64::try_from(position).unwrap_or(i64::MAX);
        }
        let mask = &mut self.slab.get_mut(self.step.mask)[SPARE * self.step.width..][..self.step.width];
        show(mask, &mut self.step.ones[SPARE], total);
        if self.verify_wiring.is_none() {
            self.verify_wiring = Some(self.wire_verify(session, layout, verify, ids.len())?);
        }
        let Some(wiring) = &self.verify_wiring else {
            return Err(ort::Error::new("nothing is wired"));
        };
        self.slab.run(session, wiring, options)?;
        self.set_len(0, total);
        Ok(())
    }

    /// The logits after the token `at` of the last run of [`Self::verify`].
    pub(in crate::backends::local) fn verified(&self, layout: &Layout, at: usize) -> &[f32] {
        let logits = self.verify.as_ref().map(|verify| self.slab.get(verify.logits));
        logits.map_or(&[], |logits| &logits[at * layout.vocabulary..][..layout.vocabulary])
    }

    fn wire_verify(
        &self,
        session: &Session,
        layout: &Layout,
        verify: Verify,
        tokens: usize,
    ) -> ort::Result<Wiring> {
        let mut wiring = Wiring::new(session, &self.slab)?;
        self.wire_cache(&mut wiring, layout, SPARE, 1)?;
        let (names, slab, step) = (&layout.names, &self.slab, &self.step);
        let row = [1, self.shape.heads, self.shape.capacity, self.shape.head];
        let pairs = (0..layout.layers).flat_map(|layer| layout.names.cache_pairs(layer));
        for ((_, present), area) in pairs.zip(&self.tensors) {
            // The cache after each token but the last: the same memory, so that nothing is copied.
            for token in 0..tokens - 1 {
                wiring.bind(
                    slab,
                    Port::Output(&format!("{present}.{token}")),
                    (*area, self.shape.start(0)),
                    &row,
                )?;
            }
        }
        wiring.bind(slab, Port::Input(&names.input_ids), (verify.ids, 0), &[1, tokens])?;
        let mask = (step.mask, SPARE * step.width);
        wiring.bind(slab, Port::Input(&names.attention_mask), mask, &[1, step.width])?;
        if layout.position_ids {
            wiring.bind(slab, Port::Input(&names.position_ids), (verify.positions, 0), &[1, tokens])?;
        }
        self.wire_keep(&mut wiring, session, layout, verify.keep)?;
        let shape = [1, tokens, layout.vocabulary];
        wiring.bind(slab, Port::Output(&names.logits), (verify.logits, 0), &shape)?;
        Ok(wiring)
    }
}
