//! Whether a good answer needs to know what is going on now: news, prices, weather, scores, offices, versions, dates
//! beyond what models have read. Word lists (`fresh/words.rs`) and a few rules, one pass over at most 120 words.
//! A guess: figures on a suite of our own stand in `evals/signals/README.md`. Text that is quoted or given to be worked
//! on does not count; what people say of themselves does not either.

mod words;

use std::collections::HashMap;
use std::sync::LazyLock;

use self::words::{ENTRIES, Sign};

/// Years from this one on lie beyond what the models in use have read well.
const BEYOND: u32 = 2025;
/// Later numbers are no years that people ask about.
const LAST_YEAR: u32 = 2035;
/// Bytes read of the beginning, and of the end where a text is longer.
const HEAD: usize = 480;
const TAIL: usize = 200;
/// Words that are looked at.
const WORDS: usize = 120;
/// Colons and line breaks that are looked at: an instruction is short.
const BREAKS: usize = 4;
/// The most words of a search query without a verb.
const QUERY: usize = 4;
/// How near a word for now must stand to its topic where a text is to be worked on.
const NEAR: usize = 3;

/// Who says one of these speaks of himself.
const MYSELF: &[&str] = &["i", "i'm", "i've", "my", "we", "our"];
/// Who asks for a person begins with one of these.
const WHO: &[&str] = &["who", "wer", "qui", "quién", "quien", "chi", "quem"];
/// How questions begin.
const QUESTIONS: &[&str] = &[
    "who", "what", "which", "when", "where", "how", "is", "are", "did", "has", "have", "will", "does", "do",
    "any", "can", "was", "were", "wer", "was", "wann", "wo", "wie", "ist", "qui", "que", "quel", "quelle",
    "quels", "quelles", "qué", "cuál", "quién", "chi", "che", "quale", "quali",
];

type Entry = (Vec<&'static str>, Sign);

/// Entries by their first word.
static LEXICON: LazyLock<HashMap<&'static str, Vec<Entry>>> = LazyLock::new(|| {
    let mut lexicon: HashMap<&'static str, Vec<Entry>> = HashMap::new();
    for (sign, entries) in ENTRIES {
        for entry in entries.split(',') {
            let mut words = entry.split_ascii_whitespace();
            if let Some(first) = words.next() {
                lexicon.entry(first).or_default().push((words.collect(), *sign));
            }
        }
    }
    lexicon
});

/// What was found, by place of the word.
#[derive(Default)]
struct Found {
    now: Vec<usize>,
    lately: Vec<usize>,
    topic: Vec<usize>,
    office: Vec<usize>,
    strong: bool,
    query: bool,
    status: bool,
    transform: bool,
    timeless: bool,
    /// A year beyond the models' knowledge.
    late_year: bool,
    /// Numbers that are no years: two of them make it a sum.
    numbers: usize,
    words: usize,
}

/// Whether the text asks for what only somebody who can look it up knows.
pub(super) fn needs_fresh_knowledge(text: &str) -> bool {
    let head = &text[..text.floor_char_boundary(HEAD)];
    // Of a text that is little longer than the head the end begins where the head ends: nothing lies between.
    let tail = &text[text.ceil_char_boundary(text.len().saturating_sub(TAIL).max(head.len()))..];
    let asked = without_given_text(head);
    let words = split(&asked);
    if judge(&Found::of(&words), &words) {
        return true;
    }
    // The question may stand behind a long text: its last sentence.
    let last = last_question(tail);
    let words = split(last);
    !last.is_empty() && judge(&Found::of(&words), &words)
}

fn judge(found: &Found, words: &[String]) -> bool {
    if found.timeless || found.numbers >= 2 && !found.strong {
        return false;
    }
    let now = || found.now.iter().chain(&found.lately);
    let first = words.first().map_or("", |first| bare(first));
    if found.transform {
        let near = now().any(|now| found.topic.iter().any(|topic| now.abs_diff(*topic) <= NEAR));
        return near && !MYSELF.contains(&first);
    }
    let changing = !found.topic.is_empty() || !found.office.is_empty();
    let personal = words.iter().any(|word| MYSELF.contains(&word.as_str()));
    let holder = WHO.contains(&first)
        && found.office.iter().any(|at| *at <= 6)
        && words.get(1).is_some_and(|verb| !matches!(verb.as_str(), "was" | "were"));
    found.strong
        || holder
        || changing && (now().next().is_some() || found.late_year)
        || !found.now.is_empty() && QUESTIONS.contains(&first) && !personal
        || matches!(first, "is" | "are") && found.status
        || matches!(first, "has" | "have") && words.iter().any(|word| word == "yet")
        || found.query && words.len() <= QUERY
}

impl Found {
    fn of(words: &[String]) -> Self {
        let mut found = Self { words: words.len(), ..Self::default() };
        for at in 0..found.words {
            found.number(&words[at]);
            let word = words[at].as_str();
            let stem = bare(word);
            let whole = LEXICON.get(word).into_iter().flatten();
            let stripped =
                (stem.len() < word.len()).then(|| LEXICON.get(stem)).flatten().into_iter().flatten();
            for (rest, sign) in whole.chain(stripped) {
                let follows = words[at + 1..]
                    .iter()
                    .zip(rest)
                    .filter(|(word, wanted)| bare(word) == **wanted || *word == *wanted)
                    .count();
                if follows == rest.len() {
                    found.note(*sign, at);
                }
            }
        }
        found
    }

    fn note(&mut self, sign: Sign, at: usize) {
        match sign {
            Sign::Now => self.now.push(at),
            Sign::Lately => self.lately.push(at),
            Sign::Topic => self.topic.push(at),
            Sign::Office => self.office.push(at),
            Sign::Strong => self.strong = true,
            Sign::Status => self.status = true,
            Sign::Query => self.query = true,
            Sign::Transform => self.transform = true,
            Sign::Timeless => self.timeless = true,
        }
    }

    fn number(&mut self, word: &str) {
        if !word.bytes().all(|byte| byte.is_ascii_digit()) {
            return;
        }
        match word.parse::<u32>() {
            Ok(year) if word.len() == 4 && (BEYOND..=LAST_YEAR).contains(&year) => self.late_year = true,
            Ok(year) if word.len() == 4 && (1000..BEYOND).contains(&year) => {}
            _ => self.numbers += 1,
        }
    }
}

/// A word without its possessive `'s`.
fn bare(word: &str) -> &str {
    word.strip_suffix("'s").unwrap_or(word)
}

/// Words in lower case, with apostrophes and hyphens inside.
fn split(text: &str) -> Vec<String> {
    let inside = |it: char| it.is_alphanumeric() || matches!(it, '\'' | '’' | '-' | '_');
    text.split(|it: char| !inside(it))
        .map(|word| word.trim_matches(['\'', '’', '-', '_']))
        .filter(|word| !word.is_empty())
        .take(WORDS)
        .map(|word| word.to_lowercase().replace('’', "'"))
        .collect()
}

/// The text without fenced code, quotations, and what follows a colon or, behind an instruction to work on a text, a
/// line break. A question behind a colon is kept.
fn without_given_text(text: &str) -> String {
    let end = text.find("```").unwrap_or(text.len());
    let text = &text[..end];
    let works_on_text = |at: usize| Found::of(&split(&text[..at])).transform;
    let asks = |at: usize| {
        let next = text[at + 1..].split_whitespace().next().unwrap_or("").to_lowercase();
        QUESTIONS.contains(&bare(&next))
    };
    let gives = |at: usize, sign: char| match sign {
        ':' if text[at + 1..].starts_with([' ', '\n']) => {
            works_on_text(at) || text[..at].contains(' ') && !asks(at)
        }
        '\n' => works_on_text(at),
        _ => false,
    };
    let breaks = text.char_indices().filter(|(_, sign)| matches!(sign, ':' | '\n')).take(BREAKS);
    let cut = breaks.into_iter().find(|(at, sign)| gives(*at, *sign)).map_or(text.len(), |(at, _)| at);
    unquoted(&text[..cut])
}

/// The text without what stands in quotation marks. An apostrophe inside a word is none.
fn unquoted(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut closing = None;
    let mut before = ' ';
    let mut signs = text.chars().peekable();
    while let Some(sign) = signs.next() {
        let ends_word = !signs.peek().is_some_and(|next| next.is_alphanumeric());
        match closing {
            Some(close) if sign == close && (close != '\'' || ends_word) => closing = None,
            Some(_) => {}
            None => match sign {
                '"' => closing = Some('"'),
                '“' | '„' => closing = Some('”'),
                '«' => closing = Some('»'),
                '\'' | '‘' if !before.is_alphanumeric() => {
                    closing = Some(if sign == '‘' { '’' } else { '\'' });
                }
                other => kept.push(other),
            },
        }
        before = sign;
    }
    // A quotation that never ends is none: the text is read as it stands.
    if closing.is_some() { text.to_owned() } else { kept }
}

/// The last sentence of a text, where it is a question.
fn last_question(tail: &str) -> &str {
    let trimmed = tail.trim_end();
    let Some(body) = trimmed.strip_suffix('?') else { return "" };
    let start = body.rfind(['.', '!', '?', '\n']).map_or(0, |at| at + 1);
    &body[start..]
}

#[cfg(test)]
mod tests;
