//! Keys and values of prompt beginnings that were computed before, in blocks of one prefill chunk.
//! Promises: a block is found only through the very tokens before it, within one scope; the least recently used
//! leaves make room, so that no block stands without its beginning. Holds no text, and nothing of who asked but a scope.

use std::collections::HashMap;
use std::sync::Arc;

use super::layout::Layout;
use crate::metrics::{GaugePart, Metrics};

/// Blocks of all scopes.
pub(super) struct Prefixes {
    blocks: HashMap<Key, Block>,
    /// How many blocks continue each block.
    children: HashMap<u64, usize>,
    /// Numbers in one block.
    size: usize,
    /// Most blocks.
    room: usize,
    clock: u64,
    bytes: GaugePart,
    metrics: Arc<Metrics>,
}

/// Where a chain of blocks has come to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Link {
    /// The beginning of all prompts of one scope.
    Scope(Arc<str>),
    /// After this block.
    Block(u64),
}

/// A block is what follows the same link with the same tokens; the tokens themselves are compared.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    after: Link,
    tokens: Box<[u32]>,
}

struct Block {
    id: u64,
    numbers: Box<[f32]>,
    used: u64,
}

impl Prefixes {
    /// Room for `bytes`, in blocks of `chunk` tokens.
    pub(super) fn new(layout: &Layout, chunk: usize, bytes: usize, metrics: Arc<Metrics>) -> Self {
        let size = layout.numbers_per_token() * chunk;
        Self {
            blocks: HashMap::new(),
            children: HashMap::new(),
            size,
            room: bytes / (size * size_of::<f32>()).max(1),
            clock: 0,
            bytes: GaugePart::new(&metrics.local_prefix_bytes),
            metrics,
        }
    }

    /// Whether nothing can ever be kept.
    pub(super) fn is_off(&self) -> bool {
        self.room == 0
    }

    /// The blocks of `tokens` after `link`, `chunk` tokens in each, as many as stand one after another; and the link to what
    /// follows them.
    pub(super) fn find(&mut self, link: &Link, tokens: &[u32], chunk: usize) -> (Link, Vec<&[f32]>) {
        let (mut after, mut keys) = (link.clone(), vec![]);
        for tokens in tokens.chunks_exact(chunk) {
            self.clock += 1;
            let key = Key { after: after.clone(), tokens: tokens.into() };
            let Some(block) = self.blocks.get_mut(&key) else { break };
            block.used = self.clock;
            self.metrics.local_prefix_hit_tokens_total.inc_by(tokens.len() as u64);
            after = Link::Block(block.id);
            keys.push(key);
        }
        let blocks = &self.blocks;
        let numbers = keys.iter().filter_map(|key| blocks.get(key)).map(|block| &*block.numbers);
        (after, numbers.collect())
    }

    /// Keeps the block of `tokens` after `link`, whose numbers `fill` writes. `None` where there is no room, or the
    /// chain before it has been dropped meanwhile.
    pub(super) fn keep(
        &mut self,
        link: &Link,
        tokens: &[u32],
        fill: impl FnOnce(&mut [f32]),
    ) -> Option<Link> {
        let parent = match link {
            Link::Block(id) if !self.children.contains_key(id) => return None,
            Link::Block(id) => Some(*id),
            Link::Scope(_) => None,
        };
        let key = Key { after: link.clone(), tokens: tokens.into() };
        if let Some(block) = self.blocks.get(&key) {
            return Some(Link::Block(block.id));
        }
        let mut numbers = self.space(parent)?;
        fill(&mut numbers);
        self.clock += 1;
        let id = self.clock;
        self.blocks.insert(key, Block { id, numbers, used: id });
        self.children.insert(id, 0);
        if let Some(children) = parent.and_then(|parent| self.children.get_mut(&parent)) {
            *children += 1;
        }
        self.count();
        Some(Link::Block(id))
    }

    /// Memory for one more block; that of the least recently used leaf where all room is taken.
    fn space(&mut self, keep: Option<u64>) -> Option<Box<[f32]>> {
        if self.blocks.len() < self.room {
            return Some(vec![0.0; self.size].into());
        }
        let leaves = self.blocks.iter().filter(|(_, block)| {
            Some(block.id) != keep && self.children.get(&block.id).is_none_or(|children| *children == 0)
        });
        let oldest = leaves.min_by_key(|(_, block)| block.used)?.1.id;
        let (key, block) = self.blocks.extract_if(|_, block| block.id == oldest).next()?;
        self.children.remove(&block.id);
        if let Link::Block(parent) = key.after
            && let Some(children) = self.children.get_mut(&parent)
        {
            *children -= 1;
        }
        Some(block.numbers)
    }

    fn count(&mut self) {
        self.bytes.set(self.blocks.len() * self.size * size_of::<f32>());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixes(blocks: usize) -> Prefixes {
        let metrics = Arc::new(Metrics::new().unwrap());
        Prefixes {
            blocks: HashMap::new(),
            children: HashMap::new(),
            size: 1,
            room: blocks,
            clock: 0,
            bytes: GaugePart::new(&metrics.local_prefix_bytes),
            metrics,
        }
    }

    fn scope(name: &str) -> Link {
        Link::Scope(name.into())
    }

    /// Keeps a chain of one-token blocks, each holding `mark`.
    fn keep(prefixes: &mut Prefixes, root: &str, tokens: &[u32], mark: f32) {
        let mut link = scope(root);
        for token in tokens {
            link = prefixes.keep(&link, &[*token], |numbers| numbers.fill(mark)).unwrap();
        }
    }

    /// How many blocks of the chain are found, and the last one's number.
    fn found(prefixes: &mut Prefixes, root: &str, tokens: &[u32]) -> (usize, f32) {
        let (_, blocks) = prefixes.find(&scope(root), tokens, 1);
        (blocks.len(), blocks.last().map_or(0.0, |numbers| numbers[0]))
    }

    #[test]
    fn a_chain_is_found_by_its_own_tokens_and_scope_only() {
        let mut prefixes = prefixes(10);
        keep(&mut prefixes, "a", &[1, 2, 3], 1.0);
        assert_eq!(found(&mut prefixes, "a", &[1, 2, 3, 4]), (3, 1.0));
        assert_eq!(found(&mut prefixes, "a", &[1, 9, 3]), (1, 1.0));
        assert_eq!(found(&mut prefixes, "a", &[2, 3]).0, 0, "the middle is no beginning");
        assert_eq!(found(&mut prefixes, "b", &[1, 2, 3]).0, 0, "another scope");
        assert_eq!(prefixes.metrics.local_prefix_hit_tokens_total.get(), 4);
    }

    #[test]
    fn the_same_block_is_kept_once() {
        let mut prefixes = prefixes(10);
        keep(&mut prefixes, "a", &[1, 2], 1.0);
        keep(&mut prefixes, "a", &[1, 3], 2.0);
        assert_eq!(prefixes.blocks.len(), 3);
        assert_eq!(found(&mut prefixes, "a", &[1, 2]), (2, 1.0));
        assert_eq!(found(&mut prefixes, "a", &[1, 3]), (2, 2.0));
        assert_eq!(prefixes.metrics.local_prefix_bytes.get(), 12);
    }

    #[test]
    fn the_leaf_that_was_used_least_recently_makes_room() {
        let mut prefixes = prefixes(3);
        keep(&mut prefixes, "a", &[1, 2, 3], 1.0);
        keep(&mut prefixes, "b", &[7], 2.0);
        assert_eq!(
            found(&mut prefixes, "a", &[1, 2, 3]).0,
            2,
            "the end of the chain went, not its beginning"
        );
        assert_eq!(found(&mut prefixes, "b", &[7]), (1, 2.0));
        assert_eq!(prefixes.blocks.len(), 3);
    }

    #[test]
    fn a_chain_longer_than_the_room_ends_where_the_room_does() {
        let mut prefixes = prefixes(2);
        let first = prefixes.keep(&scope("a"), &[1], |_| ()).unwrap();
        let second = prefixes.keep(&first, &[2], |_| ()).unwrap();
        assert_eq!(prefixes.keep(&second, &[3], |_| ()), None, "its own beginning is not dropped for it");
    }

    #[test]
    fn without_room_nothing_is_kept() {
        let mut prefixes = prefixes(0);
        assert!(prefixes.is_off() && prefixes.keep(&scope("a"), &[1], |_| ()).is_none());
    }

    #[test]
    fn a_chain_whose_beginning_was_dropped_is_not_continued() {
        let mut prefixes = prefixes(1);
        let first = prefixes.keep(&scope("a"), &[1], |_| ()).unwrap();
        prefixes.keep(&scope("b"), &[1], |_| ()).unwrap();
        assert_eq!(prefixes.keep(&first, &[2], |_| ()), None);
    }
}
