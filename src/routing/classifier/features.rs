//! The hand-made features of a text, number for number as `training/classifier/features.py` defines them.
//! "Character" is a Unicode scalar value; whitespace is ASCII whitespace. Held to the golden file within 1e-5.

use memchr::{memchr_iter, memmem};

use super::window;

/// The features in the order of the model's input; a model that lists others is refused.
pub(super) const NAMES: [&str; 12] = [
    "ln_chars",
    "ln_words",
    "ln_newlines",
    "ends_with_question",
    "share_digits",
    "share_punctuation",
    "share_uppercase",
    "share_non_ascii",
    "share_math",
    "has_code",
    "ln_option_lines",
    "mean_word_length",
];

const MATH: &[u8] = b"+-*/=<>^\\$%|";

/// The features of `text`, whose cut (see [`window::cut`]) is `cut`; `code_marks` are the model's own.
pub(super) fn compute(text: &str, cut: &str, code_marks: &[String]) -> [f32; NAMES.len()] {
    let part = Counts::of(cut);
    // Nearly every text is its own cut: count once.
    let [chars, words, newlines] = match text.len() <= window::CUT_ABOVE {
        true => [part.chars, part.words, part.newlines],
        false => sizes(text),
    };
    let share = |count: u32| f64::from(count) / f64::from(part.chars.max(1));
    let word_length = match part.words {
        0 => 0.0,
        words => (f64::from(part.solid) / (10.0 * f64::from(words))).min(2.0),
    };
    let code = code_marks.iter().any(|mark| memmem::find(cut.as_bytes(), mark.as_bytes()).is_some());
    let question = text.trim_ascii_end().ends_with('?');
    [
        f64::from(chars).ln_1p(),
        f64::from(words).ln_1p(),
        f64::from(newlines).ln_1p(),
        f64::from(u8::from(question)),
        share(part.digits),
        share(part.punctuation),
        share(part.uppercase),
        share(part.non_ascii),
        share(part.math),
        f64::from(u8::from(code)),
        f64::from(option_lines(cut.as_bytes())).ln_1p(),
        word_length,
    ]
    .map(|value| value as f32)
}

/// Characters of a text by class.
#[derive(Default)]
struct Counts {
    chars: u32,
    words: u32,
    newlines: u32,
    digits: u32,
    punctuation: u32,
    uppercase: u32,
    non_ascii: u32,
    math: u32,
    solid: u32,
}

impl Counts {
    fn of(text: &str) -> Self {
        let mut counts = Self::default();
        let mut in_word = false;
        for byte in text.bytes() {
            let starts = byte & 0xC0 != 0x80;
            let space = byte.is_ascii_whitespace();
            counts.chars += u32::from(starts);
            counts.words += u32::from(!space && !in_word);
            counts.newlines += u32::from(byte == b'\n');
            counts.digits += u32::from(byte.is_ascii_digit());
            counts.punctuation += u32::from(byte.is_ascii_punctuation());
            counts.uppercase += u32::from(byte.is_ascii_uppercase());
            counts.non_ascii += u32::from(starts && !byte.is_ascii());
            counts.math += u32::from(MATH.contains(&byte));
            counts.solid += u32::from(starts && !space);
            in_word = !space;
        }
        counts
    }
}

/// Characters, words and newlines alone: what a long text is asked for, at a few bytes a clock tick.
fn sizes(text: &str) -> [u32; 3] {
    let bytes = text.as_bytes();
    let begins = |pair: &&[u8]| pair[0].is_ascii_whitespace() & !pair[1].is_ascii_whitespace();
    let first = bytes.first().is_some_and(|byte| !byte.is_ascii_whitespace());
    let words = usize::from(first) + bytes.windows(2).filter(begins).count();
    [text.chars().count(), words, memchr_iter(b'\n', bytes).count()].map(|count| count as u32)
}

/// Lines that begin like an option of a multiple-choice question: `A.` to `J)`.
fn option_lines(text: &[u8]) -> u32 {
    let is_option = |line: &[u8]| matches!(line, [b'A'..=b'J', b'.' | b')', ..]);
    let later = memchr_iter(b'\n', text).filter(|at| is_option(&text[at + 1..])).count();
    u32::from(is_option(text)) + later as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_text_is_all_zero() {
        assert_eq!(compute("", "", &[]), [0.0; 12]);
    }

    #[test]
    fn a_long_text_s_sizes_are_counted_as_a_short_one_s() {
        for text in ["", " ", "a", " a", "a b\n\tcé 日本\n", "\x0c x\r\n y\u{a0}z ", "\n\n"] {
            let counts = Counts::of(text);
            assert_eq!(sizes(text), [counts.chars, counts.words, counts.newlines], "{text:?}");
        }
    }

    #[test]
    fn a_small_example_by_hand() {
        let text = "Is 2 + 2 = 4?\nA. yes\nB) no \n";
        let values = compute(text, text, &["==".to_owned()]);
        let expected = [
            29_f32.ln(),
            11_f32.ln(),
            4_f32.ln(),
            0.0,
            3.0 / 28.0,
            5.0 / 28.0,
            3.0 / 28.0,
            0.0,
            2.0 / 28.0,
            0.0,
        ];
        for (name, (value, expected)) in NAMES.iter().zip(values.iter().zip(expected)) {
            assert!((value - expected).abs() < 1e-6, "{name}: {value} is not {expected}");
        }
        assert_eq!((values[10], values[11]), (3_f32.ln(), 0.17));
    }
}
