//! Thoughts at an answer's beginning, told from the text behind them: `<think>`, anything, `</think>`.
//! Promises: an answer that begins with anything else passes untouched; thoughts and text come without the white space
//! at the thoughts' ends; thoughts that are not closed are thoughts to the end, or to a tool call that is vouched for.

/// What opens and closes thoughts.
const OPENER: &str = "<think>";
const CLOSER: &str = "</think>";

/// Reads one answer. The default looks for no thoughts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Thoughts {
    place: Place,
    /// May belong to a mark, or be white space that goes.
    held: String,
    /// Thoughts were given.
    given: bool,
    /// What opens a tool call, where it opens nothing else.
    call: Option<&'static str>,
}

/// How far the answer has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Nothing was seen but white space and what may be the opener.
    Before,
    Inside,
    /// The thoughts are closed, and nothing was seen since but white space.
    Behind,
    #[default]
    Text,
}

/// What new text is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Split {
    pub(super) thoughts: String,
    pub(super) text: String,
}

impl Thoughts {
    /// What opens thoughts, and what closes them.
    pub(crate) const MARKS: [&str; 2] = [OPENER, CLOSER];

    /// For a model that may think.
    pub(crate) fn awaited() -> Self {
        Self { place: Place::Before, ..Self::default() }
    }

    /// For an answer that begins inside its thoughts.
    pub(crate) fn begun() -> Self {
        Self { place: Place::Inside, ..Self::default() }
    }

    /// Whether a chat template knows of thoughts.
    pub(crate) fn are_known_to(template: &str) -> bool {
        template.contains(CLOSER)
    }

    /// Whether a prompt that ends so has opened the thoughts.
    pub(crate) fn are_opened_by(prompt: &[u8]) -> bool {
        prompt.trim_ascii_end().ends_with(OPENER.as_bytes())
    }

    /// Thoughts end, too, where `opener` opens a tool call: no grammar lets anything else follow.
    pub(super) fn end_with_calls(&mut self, opener: &'static str) {
        self.call = Some(opener);
    }

    /// The text of a token that opens or closes thoughts, which has to be seen even where it is a special one.
    pub(super) fn mark(&self, name: &[u8]) -> Option<&'static str> {
        let matter = self.place != Place::Text;
        Self::MARKS.into_iter().find(|mark| matter && mark.as_bytes() == name)
    }

    /// Whether what was read last belongs to thoughts, or is white space behind them.
    pub(super) fn are_under_way(&self) -> bool {
        matches!(self.place, Place::Inside | Place::Behind)
    }

    /// Whether the thoughts are closed, and nothing but white space has come since.
    pub(super) fn are_just_over(&self) -> bool {
        self.place == Place::Behind
    }

    /// Takes new text.
    pub(super) fn push(&mut self, text: String) -> Split {
        if self.place == Place::Text {
            return Split { text, ..Split::default() };
        }
        self.held.push_str(&text);
        if self.place == Place::Before {
            self.open();
        }
        let thoughts = if self.place == Place::Inside { self.think() } else { String::new() };
        if self.place == Place::Behind {
            self.held.drain(..self.held.len() - self.held.trim_start().len());
            if !self.held.is_empty() {
                self.place = Place::Text;
            }
        }
        let text = if self.place == Place::Text { std::mem::take(&mut self.held) } else { String::new() };
        Split { thoughts, text }
    }

    /// What was still held, when the answer ends.
    pub(super) fn finish(&mut self) -> Split {
        let held = std::mem::take(&mut self.held);
        match self.place {
            Place::Inside => Split { thoughts: self.give(held.trim_end()), text: String::new() },
            Place::Before | Place::Behind | Place::Text => Split { thoughts: String::new(), text: held },
        }
    }

    fn open(&mut self) {
        let begun = self.held.trim_start();
        if let Some(inside) = begun.strip_prefix(OPENER) {
            self.held = inside.to_owned();
            self.place = Place::Inside;
        } else if !OPENER.starts_with(begun) {
            self.place = Place::Text;
        }
    }

    /// Takes from what is held what are thoughts for sure.
    fn think(&mut self) -> String {
        let marks = [Some(CLOSER), self.call].into_iter().flatten();
        let begun = |mark: &str| {
            let of = |letters: &usize| mark.get(..*letters).is_some_and(|part| self.held.ends_with(part));
            (1..mark.len()).rev().find(of)
        };
        let found = marks.clone().filter_map(|mark| Some((self.held.find(mark)?, mark))).min();
        let open = marks.filter_map(begun).max().unwrap_or(0);
        let end = found.map_or(self.held.len() - open, |(at, _)| at);
        let sure = self.held[..end].trim_end().len();
        let behind = match found {
            Some((at, CLOSER)) => {
                self.place = Place::Behind;
                at + CLOSER.len()
            }
            Some((at, _)) => {
                self.place = Place::Text;
                at
            }
            None => sure,
        };
        let rest = self.held.split_off(behind);
        let held = std::mem::replace(&mut self.held, rest);
        self.give(&held[..sure])
    }

    fn give(&mut self, thoughts: &str) -> String {
        let thoughts = if self.given { thoughts } else { thoughts.trim_start() };
        self.given |= !thoughts.is_empty();
        thoughts.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out of an answer in pieces of so many bytes.
    fn read(mut thoughts: Thoughts, answer: &str, size: usize) -> Split {
        let mut all = Split::default();
        let mut take = |split: Split| {
            all.thoughts.push_str(&split.thoughts);
            all.text.push_str(&split.text);
        };
        for piece in answer.as_bytes().chunks(size) {
            take(thoughts.push(String::from_utf8(piece.to_vec()).unwrap()));
        }
        take(thoughts.finish());
        all
    }

    #[test]
    fn thoughts_are_told_from_text_however_the_answer_is_cut() {
        let cases = [
            ("<think>\na\n\n b </b>\n</think>\n\nYes </think> \n", "a\n\n b </b>", "Yes </think> \n"),
            (" \n<think></think>x", "", "x"),
            ("<think>a</think>", "a", ""),
            ("<think> a </thin", "a </thin", ""),
            ("<think>a \n", "a", ""),
            ("  <thin> a", "", "  <thin> a"),
            ("Yes <think>a</think>", "", "Yes <think>a</think>"),
            ("{\"a\": 1}", "", "{\"a\": 1}"),
            (" \n", "", " \n"),
            ("<thin", "", "<thin"),
            ("", "", ""),
        ];
        for (answer, thoughts, text) in cases {
            for size in [1, 2, 3, 7, 100] {
                let split = read(Thoughts::awaited(), answer, size);
                assert_eq!(
                    (split.thoughts.as_str(), split.text.as_str()),
                    (thoughts, text),
                    "{answer} {size}"
                );
            }
        }
        let split = read(Thoughts::begun(), "\na</think>\nb", 3);
        assert_eq!((split.thoughts.as_str(), split.text.as_str()), ("a", "b"));
        let split = read(Thoughts::default(), "<think>a</think>b", 3);
        assert_eq!((split.thoughts.as_str(), split.text.as_str()), ("", "<think>a</think>b"));
    }

    #[test]
    fn a_call_that_is_vouched_for_ends_thoughts() {
        let mut thoughts = Thoughts::begun();
        thoughts.end_with_calls("<tool_call>");
        for size in [1, 3, 100] {
            let split = read(thoughts.clone(), "\nI <tool\n<tool_call>\n{}", size);
            assert_eq!(
                (split.thoughts.as_str(), split.text.as_str()),
                ("I <tool", "<tool_call>\n{}"),
                "{size}"
            );
            let split = read(thoughts.clone(), "I</think>\n<tool_call>", size);
            assert_eq!((split.thoughts.as_str(), split.text.as_str()), ("I", "<tool_call>"), "{size}");
        }
    }

    #[test]
    fn a_prompt_opens_thoughts_by_its_last_words() {
        assert!(Thoughts::are_opened_by(b"<|Assistant|><think>\n"));
        assert!(!Thoughts::are_opened_by(b"<think>\n\n</think>\n\n"));
        assert!(!Thoughts::are_opened_by(b"<think> or not"));
    }
}
