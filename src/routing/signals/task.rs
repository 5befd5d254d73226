//! The tasks that policies may name, and a guess by keywords, for when the classifier's task head does not answer.
//! Precision before recall: what it does not recognise is no task. It is a list of English phrases, nothing learned.

use std::fmt;

use serde::{Serialize, Serializer};

/// A task that policies may name. The classifier's task head knows all of them, the keywords only the first two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Choose one of given labels.
    Classification,
    /// Copy given fields out of a text.
    Extraction,
    /// Answer a question, from a given text or from knowledge.
    QuestionAnswering,
    /// Say a given text in fewer words.
    Summarising,
    /// Say a given text in other words.
    Rewriting,
    /// Say a given text in another language.
    Translation,
    /// Write, explain or mend a program or a command.
    Code,
    /// Compute, solve or prove.
    Maths,
    /// Draw conclusions: puzzles, plans, weighing of arguments.
    Reasoning,
    /// Invent: stories, poems, slogans, messages.
    Creative,
    /// Small talk, and talk about the talk.
    Conversation,
    /// None of these.
    Other,
}

impl Task {
    /// Every task.
    pub const ALL: [Self; 12] = [
        Self::Classification,
        Self::Extraction,
        Self::QuestionAnswering,
        Self::Summarising,
        Self::Rewriting,
        Self::Translation,
        Self::Code,
        Self::Maths,
        Self::Reasoning,
        Self::Creative,
        Self::Conversation,
        Self::Other,
    ];

    /// The name in policies.
    pub fn label(self) -> &'static str {
        match self {
            Self::Classification => "classification",
            Self::Extraction => "extraction",
            Self::QuestionAnswering => "question_answering",
            Self::Summarising => "summarising",
            Self::Rewriting => "rewriting",
            Self::Translation => "translation",
            Self::Code => "code",
            Self::Maths => "maths",
            Self::Reasoning => "reasoning",
            Self::Creative => "creative",
            Self::Conversation => "conversation",
            Self::Other => "other",
        }
    }

    /// Whether keywords can tell it; the others only the classifier knows.
    pub(in crate::routing) fn has_keywords(self) -> bool {
        matches!(self, Self::Classification | Self::Extraction)
    }

    /// The task of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|task| task.label() == name)
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

impl Serialize for Task {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.label())
    }
}

/// Instructions stand at a prompt's beginning or end: so many bytes of each are read.
const WINDOW: usize = 768;

const CLASSIFICATION: &[&str] = &[
    "classify",
    "categorize",
    "categorise",
    "sentiment of",
    "the sentiment",
    "sentiment (",
    "which label",
    "which category",
    "which intent",
    "which of the following intents",
    "which of the following labels",
    "which of these intents",
    "what is the intent",
    "intent detection",
    "labels:",
    "label:",
    "intents:",
    "intent:",
    "categories:",
    "category:",
    "exactly one category",
    "exactly one label",
    "one of these labels",
    "one of the labels",
    "one of the following labels",
    "one of the following categories",
    "detect the language",
    "positive or negative",
    "positive, negative",
    "spam or not",
];

const EXTRACTION: &[&str] = &[
    "extract",
    "pull out",
    "named entities",
    "json object with the keys",
    "json with the keys",
    "json with keys",
    "with the fields",
    "fields:",
    "slots:",
    "slot filling",
    "fill the slots",
    "find all names",
    "find every name",
    "mentioned above",
    "mentioned in the text",
];

/// Beginnings that ask to make something, whatever words follow: "write a program that can classify ...".
const OTHER_WORK: &[&str] = &[
    "write ",
    "explain ",
    "prove ",
    "implement ",
    "design ",
    "describe ",
    "why ",
    "how ",
    "create ",
    "build ",
    "compare ",
    "summarize ",
    "summarise ",
    "translate ",
    "draft ",
    "develop ",
];

/// The task whose phrase stands first in `text`, or `None`. At the end of `text`, behind the instructions, stands what
/// the user asks: where it asks to make something, only instructions that name a task count.
pub(super) fn guess(text: &str, asked: &str) -> Option<Task> {
    let instructions = text.strip_suffix(asked).unwrap_or_default();
    if begins_other_work(text) || begins_other_work(asked) && named(instructions).is_none() {
        return None;
    }
    named(text)
}

fn begins_other_work(text: &str) -> bool {
    let text = text.trim_ascii_start().as_bytes();
    let begins = |start: &[u8]| text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start));
    OTHER_WORK.iter().any(|start| begins(start.as_bytes()))
}

/// The task whose phrase stands first in the beginning of a text, else in its end.
fn named(text: &str) -> Option<Task> {
    let trimmed = text.trim_ascii_start();
    first_phrase(&window(trimmed.as_bytes(), true)).or_else(|| {
        let tail = if trimmed.len() > WINDOW { window(trimmed.as_bytes(), false) } else { vec![] };
        first_phrase(&tail)
    })
}

fn window(text: &[u8], head: bool) -> Vec<u8> {
    let part = if text.len() <= WINDOW {
        text
    } else if head {
        &text[..WINDOW]
    } else {
        &text[text.len() - WINDOW..]
    };
    part.to_ascii_lowercase()
}

/// One pass over the beginnings of words: a search for each phrase would cost more than all other signals together.
fn first_phrase(text: &[u8]) -> Option<Task> {
    (0..text.len()).filter(|&at| begins_word(text, at)).find_map(|at| {
        let rest = &text[at..];
        if any_begins(CLASSIFICATION, rest) {
            return Some(Task::Classification);
        }
        any_begins(EXTRACTION, rest).then_some(Task::Extraction)
    })
}

/// Every phrase begins with a small letter.
fn begins_word(text: &[u8], at: usize) -> bool {
    text[at].is_ascii_lowercase() && (at == 0 || !text[at - 1].is_ascii_alphanumeric())
}

/// Whether `text` begins with one of `phrases`; looks at the first byte before it compares.
fn any_begins(phrases: &[&str], text: &[u8]) -> bool {
    phrases
        .iter()
        .map(|phrase| phrase.as_bytes())
        .any(|phrase| phrase[0] == text[0] && text.starts_with(phrase))
}

#[cfg(test)]
mod tests;
