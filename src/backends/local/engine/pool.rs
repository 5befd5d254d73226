//! How much of the KV cache is promised to whom, in blocks of tokens. Promises: never more than the budget.
//! A promise grows with its sequence, block by block: a caller who asks for no limit would else keep everybody out for
//! an answer that is short in the end. Who gets nothing is the engine's affair.

/// Tokens in one block.
pub(crate) const BLOCK: usize = 64;

/// The budget.
pub(super) struct Pool {
    blocks: usize,
    used: usize,
}

/// One sequence's part of the budget.
#[derive(Default)]
#[must_use]
pub(crate) struct Share {
    blocks: usize,
}

impl Share {
    /// Tokens that it holds room for.
    pub(super) fn tokens(&self) -> usize {
        self.blocks * BLOCK
    }
}

impl Pool {
    /// A budget of so many tokens, in whole blocks.
    pub(super) fn new(tokens: usize) -> Self {
        Self { blocks: tokens / BLOCK, used: 0 }
    }

    /// What nobody was promised, in tokens.
    pub(super) fn left(&self) -> usize {
        (self.blocks - self.used) * BLOCK
    }

    /// What is promised, in tokens.
    pub(super) fn promised(&self) -> usize {
        self.used * BLOCK
    }

    /// Lets a share grow until it holds `tokens`; false, and nothing changed, where the budget does not allow it.
    pub(super) fn grow(&mut self, share: &mut Share, tokens: usize) -> bool {
        let more = tokens.div_ceil(BLOCK).saturating_sub(share.blocks);
        if self.used + more > self.blocks {
            return false;
        }
        self.used += more;
        share.blocks += more;
        true
    }

    /// Takes a share back.
    pub(super) fn take_back(&mut self, share: &mut Share) {
        self.used -= std::mem::take(share).blocks;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_never_exceeded_and_comes_back() {
        let mut pool = Pool::new(3 * BLOCK + 1);
        let (mut one, mut two) = (Share::default(), Share::default());
        assert!(pool.grow(&mut one, 1) && pool.grow(&mut one, BLOCK));
        assert_eq!(pool.promised(), BLOCK, "a block holds 64");
        assert!(pool.grow(&mut two, 2 * BLOCK));
        assert!(!pool.grow(&mut one, BLOCK + 1));
        assert_eq!((pool.promised(), pool.left(), two.tokens()), (3 * BLOCK, 0, 2 * BLOCK));
        pool.take_back(&mut two);
        assert!(pool.grow(&mut one, BLOCK + 1) && !pool.grow(&mut two, BLOCK + 1));
        pool.take_back(&mut one);
        pool.take_back(&mut one);
        assert_eq!(pool.promised(), 0);
    }
}
