//! Hashed character n-grams of a text, bucket for bucket as `training/classifier/features.py` defines them: what the
//! graph's linear part reads. Keeps its table between calls, so a call costs one pass over the cut text.

use serde::Deserialize;

/// Bytes of the shortest n-gram.
const SHORTEST: usize = 2;
/// Bytes of the longest.
const LONGEST: usize = 5;
/// Slots that counts are kept in.
const BUCKETS: usize = 1 << 17;
const HASH: &str = "fnv1a-32, upper half folded onto the lower";
const FNV_OFFSET: u32 = 0x811c_9dc5;
const FNV_PRIME: u32 = 0x0100_0193;

/// How `config.json` describes them; a model that wants others is refused.
#[derive(Debug, Deserialize)]
pub(super) struct Spec {
    min_bytes: usize,
    max_bytes: usize,
    buckets: usize,
    hash: String,
}

impl Spec {
    /// Whether this version computes them so.
    pub(super) fn is_ours(&self) -> bool {
        (self.min_bytes, self.max_bytes, self.buckets, self.hash.as_str())
            == (SHORTEST, LONGEST, BUCKETS, HASH)
    }
}

/// The n-grams of the last text.
pub(super) struct Ngrams {
    counts: Vec<u16>,
    padded: Vec<u8>,
    /// Distinct buckets, in the order in which they first appear.
    pub(super) ids: Vec<i64>,
    /// For each bucket 1 + ln(count), divided by the Euclidean norm of them all.
    pub(super) weights: Vec<f32>,
}

impl Ngrams {
    pub(super) fn new() -> Self {
        Self { counts: vec![0; BUCKETS], padded: vec![], ids: vec![], weights: vec![] }
    }

    /// Reads `cut`; words are longest runs without ASCII whitespace. A text without words is bucket 0 with weight 0.
    pub(super) fn read(&mut self, cut: &str) {
        self.ids.clear();
        self.weights.clear();
        for word in cut.as_bytes().split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()) {
            self.count(word);
        }
        let mut squares = 0.0;
        for id in &self.ids {
            let slot = &mut self.counts[*id as usize];
            let weight = 1.0 + f64::from(*slot).ln();
            squares += weight * weight;
            self.weights.push(weight as f32);
            *slot = 0;
        }
        if self.ids.is_empty() {
            self.ids.push(0);
            self.weights.push(0.0);
        } else {
            let norm = f64::sqrt(squares) as f32;
            self.weights.iter_mut().for_each(|weight| *weight /= norm);
        }
    }

    /// Counts one word's n-grams, a space on either side.
    fn count(&mut self, word: &[u8]) {
        self.padded.clear();
        self.padded.push(b' ');
        self.padded.extend(word.iter().map(u8::to_ascii_lowercase));
        self.padded.push(b' ');
        for start in 0..=self.padded.len() - SHORTEST {
            let mut hash = FNV_OFFSET;
            for (at, byte) in self.padded[start..].iter().take(LONGEST).enumerate() {
                hash = (hash ^ u32::from(*byte)).wrapping_mul(FNV_PRIME);
                if at + 1 >= SHORTEST {
                    let bucket = (hash ^ (hash >> 16)) as usize % BUCKETS;
                    let slot = &mut self.counts[bucket];
                    if *slot == 0 {
                        self.ids.push(bucket as i64);
                    }
                    // A cut text has at most 4 * 4,098 n-grams.
                    *slot = slot.saturating_add(1);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<i64>, Vec<f32>) {
        let mut ngrams = Ngrams::new();
        ngrams.read(text);
        (ngrams.ids, ngrams.weights)
    }

    #[test]
    fn a_word_gives_its_substrings_with_a_space_on_either_side() {
        // By the training code's own doc test.
        assert_eq!(read("a").0, [81151, 27768, 38592]);
        assert_eq!(read("abcd").0.len(), 14);
        assert_eq!(read(" ABCD\t").0, read("abcd").0);
    }

    #[test]
    fn a_text_without_words_is_one_bucket_of_no_weight() {
        assert_eq!(read(" \n"), (vec![0], vec![0.0]));
    }

    #[test]
    fn weights_have_norm_one_and_repeat_from_call_to_call() {
        let mut ngrams = Ngrams::new();
        ngrams.read("the cat and the dog and the bird");
        let first = (ngrams.ids.clone(), ngrams.weights.clone());
        let norm: f32 = first.1.iter().map(|weight| weight * weight).sum();
        assert!((norm - 1.0).abs() < 1e-5, "{norm}");
        assert!(first.1.iter().any(|weight| *weight > first.1[first.1.len() - 1]), "counts matter");
        ngrams.read("something else entirely");
        ngrams.read("the cat and the dog and the bird");
        assert_eq!((ngrams.ids, ngrams.weights), first);
    }
}
