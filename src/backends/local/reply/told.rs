//! Log probabilities on their way out: each leaves with the text that it is of.
//! Promises: a token is told when all its text is shown, or the part of it before a stop sequence; never one whose text
//! is withheld for good.

use std::collections::VecDeque;

use crate::chat::TokenLogprob;

/// What is told of one answer's tokens.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Where each token's text begins and ends in the answer.
    waiting: VecDeque<(usize, usize, TokenLogprob)>,
    /// Tokens that have made no text yet: half a character, or what may become thoughts.
    halves: Vec<TokenLogprob>,
    made: usize,
    shown: usize,
    closed: bool,
}

impl Told {
    /// Takes a token that made so many bytes of text.
    pub(super) fn push(&mut self, token: TokenLogprob, bytes: usize) {
        if self.closed {
            return;
        }
        self.halves.push(token);
        self.complete(bytes);
    }

    /// So many bytes of text were made of the tokens that had made none.
    pub(super) fn complete(&mut self, bytes: usize) {
        if bytes > 0 {
            let (from, to) = (self.made, self.made + bytes);
            self.waiting.extend(self.halves.drain(..).map(|token| (from, to, token)));
            self.made = to;
        }
    }

    /// What to tell after so many more bytes were shown; with `over`, of the last token also where a part was shown.
    pub(super) fn show(&mut self, bytes: usize, over: bool) -> Vec<TokenLogprob> {
        self.shown += bytes;
        let is_out =
            |(from, to, _): &(usize, usize, TokenLogprob)| *to <= self.shown || (over && *from < self.shown);
        let out = self.waiting.iter().take_while(|token| is_out(token)).count();
        self.waiting.drain(..out).map(|(_, _, token)| token).collect()
    }

    /// Forgets the tokens that have made no text: they will make none.
    pub(super) fn drop_halves(&mut self) {
        self.halves.clear();
    }

    /// Tells nothing more: what follows is no text.
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.waiting.clear();
        self.halves.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(name: &str) -> TokenLogprob {
        TokenLogprob { bytes: name.into(), logprob: 0.0, top: vec![] }
    }

    fn names(tokens: Vec<TokenLogprob>) -> String {
        tokens.into_iter().map(|token| String::from_utf8(token.bytes).unwrap()).collect()
    }

    #[test]
    fn a_token_is_told_with_its_text() {
        let mut told = Told::default();
        told.push(token("a"), 3);
        assert_eq!(names(told.show(3, false)), "a");
        told.push(token("b"), 4);
        assert_eq!(names(told.show(0, false)), "", "withheld");
        told.push(token("c"), 1);
        assert_eq!(names(told.show(5, false)), "bc");
    }

    #[test]
    fn a_stop_sequence_leaves_what_it_cuts_and_drops_what_it_holds() {
        let mut told = Told::default();
        told.push(token("a"), 3);
        told.push(token("b"), 2);
        // One byte of "a" is before the stop sequence.
        assert_eq!(names(told.show(1, true)), "a");
    }

    #[test]
    fn half_characters_go_with_the_token_that_completes_them() {
        let mut told = Told::default();
        told.push(token("1"), 0);
        told.push(token("2"), 0);
        assert_eq!(names(told.show(0, false)), "");
        told.push(token("3"), 4);
        told.push(token("4"), 0);
        assert_eq!(names(told.show(4, true)), "123", "the last one never became a character");
    }

    #[test]
    fn nothing_is_told_of_what_is_no_text() {
        let mut told = Told::default();
        told.push(token("a"), 1);
        told.close();
        told.push(token("b"), 1);
        assert_eq!(names(told.show(2, true)), "");
    }
}
