//! The language of what the user asks, as an ISO 639-1 code: letter statistics (crate `whatlang`) where the text is
//! long enough, lists of frequent words where it is short. Precision before recall: too short, names only, code or
//! figures only, and too close to call are all "unknown". Reads at most 600 characters, so the cost is bounded.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use serde::{Serialize, Serializer};
use whatlang::{Lang, Script};

use self::words::WORDS;
use super::code;

mod words;

/// Characters that are read.
const READ: usize = 600;
/// Fewer letters than this say nothing in an alphabet that several languages share.
const FEWEST: usize = 4;
/// From so many letters on, statistics alone are trusted where they call themselves reliable.
const ENOUGH: usize = 48;
/// The most languages that a word may point to; no word stands in more lists.
const SHARED: usize = 16;

/// A language, or that it is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Language(Option<&'static str>);

impl Language {
    /// What stands for "not known" in policies and explanations.
    pub const UNKNOWN: &'static str = "unknown";

    /// ISO 639-1 code (two letters), or `unknown`.
    pub fn label(self) -> &'static str {
        self.0.unwrap_or(Self::UNKNOWN)
    }

    /// Whether it is known.
    pub fn is_known(self) -> bool {
        self.0.is_some()
    }

    /// The language of that label; `None` for a code that can never be found.
    pub fn parse(label: &str) -> Option<Self> {
        if label == Self::UNKNOWN {
            return Some(Self(None));
        }
        let listed = WORDS.iter().map(|(code, _)| *code);
        let code = listed.chain(Lang::all().iter().filter_map(|lang| iso(*lang))).find(|code| *code == label);
        code.map(|code| Self(Some(code)))
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

impl Serialize for Language {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.label())
    }
}

/// The language of a text.
pub(super) fn detect(text: &str) -> Language {
    let prose = prose(text);
    let letters = prose.chars().filter(|it| it.is_alphabetic()).count();
    let Some(script) = whatlang::detect_script(&prose) else { return Language::default() };
    if !shared(script) {
        let found = if letters < 2 { None } else { whatlang::detect_lang(&prose).and_then(iso) };
        return Language(found);
    }
    if letters < FEWEST || (script == Script::Latin && only_names(&prose)) {
        return Language::default();
    }
    Language(among_many(&prose, letters))
}

/// Alphabets that several languages of ours are written in.
fn shared(script: Script) -> bool {
    matches!(script, Script::Latin | Script::Cyrillic | Script::Arabic | Script::Devanagari)
}

/// Frequent words first, statistics where they leave it open.
fn among_many(prose: &str, letters: usize) -> Option<&'static str> {
    let Votes { best, second, leader, words } = vote(prose);
    // Two words that only one language has, and a sixth of the text: a foreign phrase in it has fewer.
    if best >= 2 && best > second && best * 6 >= words {
        return leader;
    }
    let info = whatlang::detect(prose)?;
    let guess = iso(info.lang())?;
    let backed = best > 0 && hits(prose, guess) == best;
    if backed && (words <= 4 || info.is_reliable() || best >= 2) {
        return Some(guess);
    }
    let listed = WORDS.iter().any(|(code, _)| *code == guess);
    let plausible = !listed || best == 0 && letters >= 2 * ENOUGH;
    if letters >= ENOUGH && info.is_reliable() && plausible {
        return Some(guess);
    }
    // One word, but nobody else claims a word and the text is short: "merci", "hola amigo".
    (best >= 1 && second == 0 && words <= 4).then_some(leader).flatten()
}

/// How the word lists vote on a text.
struct Votes {
    best: usize,
    second: usize,
    leader: Option<&'static str>,
    words: usize,
}

/// Which lists hold a word, by place in `WORDS`.
static LISTS: LazyLock<HashMap<&'static str, Vec<u8>>> = LazyLock::new(|| {
    let mut lists: HashMap<&'static str, Vec<u8>> = HashMap::new();
    for (place, (_, words)) in WORDS.iter().enumerate() {
        for word in words.split_ascii_whitespace() {
            let places = lists.entry(word).or_default();
            let place = u8::try_from(place).unwrap_or(u8::MAX);
            if !places.contains(&place) && places.len() < SHARED {
                places.push(place);
            }
        }
    }
    lists
});

fn vote(prose: &str) -> Votes {
    let mut counts = [0_usize; 64];
    let mut words = 0;
    for word in split(prose) {
        words += 1;
        for place in LISTS.get(word.as_str()).into_iter().flatten() {
            counts[usize::from(*place) % 64] += 1;
        }
    }
    let mut order: Vec<usize> = (0..WORDS.len()).collect();
    order.sort_by_key(|place| std::cmp::Reverse(counts[*place]));
    let leader = order.first().filter(|place| counts[**place] > 0).map(|place| WORDS[*place].0);
    Votes { best: counts[order[0]], second: counts[order[1]], leader, words }
}

/// How many words of the text stand in one language's list.
fn hits(prose: &str, code: &str) -> usize {
    let Some(place) = WORDS.iter().position(|(own, _)| *own == code) else { return 0 };
    let stands = |word: &String| {
        LISTS.get(word.as_str()).is_some_and(|places| places.iter().any(|it| usize::from(*it) == place))
    };
    split(prose).filter(stands).count()
}

/// Words in lower case; an apostrophe is part of a word.
fn split(prose: &str) -> impl Iterator<Item = String> {
    prose
        .split(|it: char| !(it.is_alphabetic() || it == '\'' || it == '’' || is_mark(it)))
        .filter(|word| word.chars().any(char::is_alphabetic))
        .map(|word| word.trim_matches(['\'', '’']).replace('’', "'").to_lowercase())
}

/// Vowel signs of Devanagari and joiners stand inside words and are no letters.
fn is_mark(it: char) -> bool {
    matches!(it, '\u{0900}'..='\u{0903}' | '\u{093a}'..='\u{094f}' | '\u{200c}' | '\u{200d}')
}

/// Every word begins with a capital and is not written in capitals alone: names, or a heading.
fn only_names(prose: &str) -> bool {
    let mut words = prose.split_whitespace().filter(|word| word.starts_with(char::is_alphabetic)).peekable();
    let several = {
        let mut ahead = words.clone();
        ahead.next();
        ahead.next().is_some()
    };
    several
        && words.all(|word| {
            let mut letters = word.chars().filter(|it| it.is_alphabetic());
            letters.next().is_some_and(char::is_uppercase) && letters.clone().any(char::is_lowercase)
                || word.chars().filter(|it| it.is_alphabetic()).count() == 1
        })
}

/// What people wrote of the text's beginning: no fenced code, no lines of code, no addresses.
fn prose(text: &str) -> String {
    // Code and addresses are passed over, but not without end.
    let text = &text[..text.floor_char_boundary(64 * READ)];
    let mut prose = String::new();
    let mut fenced = false;
    let mut left = READ;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        if fenced || code::is_code_line(line.trim()) {
            continue;
        }
        for word in line.split_whitespace().filter(|word| !is_address(word)) {
            prose.extend(word.chars().take(left));
            prose.push(' ');
            left = left.saturating_sub(word.chars().count() + 1);
            if left == 0 {
                return prose;
            }
        }
    }
    prose
}

fn is_address(word: &str) -> bool {
    word.contains("://") || word.contains('@') || word.starts_with("www.")
}

/// ISO 639-1 code of a language that the statistics know.
fn iso(lang: Lang) -> Option<&'static str> {
    const CODES: &str = "epo eo eng en rus ru cmn zh spa es por pt ita it ben bn fra fr deu de ukr uk kat ka ara ar hin \
                         hi jpn ja heb he yid yi pol pl amh am jav jv kor ko nob no dan da swe sv fin fi tur tr nld nl \
                         hun hu ces cs ell el bul bg bel be mar mr kan kn ron ro slv sl hrv hr srp sr mkd mk lit lt \
                         lav lv est et tam ta vie vi urd ur tha th guj gu uzb uz pan pa aze az ind id tel te pes fa \
                         mal ml ori or mya my nep ne sin si khm km tuk tk aka ak zul zu sna sn afr af lat la slk sk \
                         cat ca tgl tl hye hy cym cy";
    let mut codes = CODES.split_ascii_whitespace();
    codes.find(|code| *code == lang.code())?;
    codes.next()
}

#[cfg(test)]
mod tests;
