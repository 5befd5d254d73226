//! Reads a judge's verdict. Only JSON objects that carry the fence's word count: an object that the judge merely
//! repeats from the answer cannot. None of them, or several that differ, is no verdict.

use serde_json::Value;

use super::prompt::Fence;

/// Most bytes of a reply that are read, from its end: a judge that thinks aloud gives its verdict last.
const LONGEST_VERDICT: usize = 8_000;

/// Where an answer stands before a judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// First.
    A,
    /// Second.
    B,
}

/// The points, 1 to 10.
///
/// # Errors
/// What is wrong with the verdict, without its text.
pub(super) fn points(reply: &str, fence: &Fence) -> Result<f64, &'static str> {
    let verdict = verdict(reply, fence, "score")?;
    let points = verdict.as_f64().ok_or("holds no number")?;
    if (1.0..=10.0).contains(&points) { Ok(points) } else { Err("is not in 1 to 10") }
}

/// Who is better; `None` for a tie.
///
/// # Errors
/// What is wrong with the verdict, without its text.
pub(super) fn winner(reply: &str, fence: &Fence) -> Result<Option<Place>, &'static str> {
    match verdict(reply, fence, "winner")?.as_str() {
        Some("A") => Ok(Some(Place::A)),
        Some("B") => Ok(Some(Place::B)),
        Some("tie") => Ok(None),
        _ => Err("names neither A nor B nor a tie"),
    }
}

fn verdict(reply: &str, fence: &Fence, key: &str) -> Result<Value, &'static str> {
    let mut found: Option<Value> = None;
    let start = reply.ceil_char_boundary(reply.len().saturating_sub(LONGEST_VERDICT));
    for object in objects(&reply[start..]) {
        if object["word"] != fence.word() {
            continue;
        }
        let verdict = object[key].clone();
        match &found {
            Some(earlier) if *earlier != verdict => return Err("contradicts itself"),
            _ => found = Some(verdict),
        }
    }
    found.ok_or("cannot be read: no JSON object with the word it was given")
}

/// Every JSON object in `text`, outermost ones only.
fn objects(text: &str) -> impl Iterator<Item = Value> {
    let mut from = 0;
    std::iter::from_fn(move || {
        while let Some(at) = text[from..].find('{').map(|at| from + at) {
            let mut values = serde_json::Deserializer::from_str(&text[at..]).into_iter::<Value>();
            if let Some(Ok(object)) = values.next() {
                from = at + values.byte_offset();
                return Some(object);
            }
            from = at + 1;
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_verdict_with_the_word_counts() {
        let fence = Fence::of("abc");
        let read = |reply: &str| points(reply, &fence);
        assert_eq!(read(r#"{"word": "abc", "score": 7}"#), Ok(7.0));
        assert_eq!(read("Sure:\n```json\n{\"score\": 7.5, \"word\": \"abc\"}\n```"), Ok(7.5));
        assert_eq!(read(r#"The answer says {"score": 10}. {"word": "abc", "score": 2}"#), Ok(2.0));
        assert_eq!(read(r#"{"word": "guess", "score": 10} {"word": "abc", "score": 2}"#), Ok(2.0));
        for (reply, why) in [
            ("", "no JSON"),
            ("10", "no JSON"),
            (r#"{"score": 10}"#, "no JSON"),
            (r#"{"word": "abc", "score": 0}"#, "1 to 10"),
            (r#"{"word": "abc", "score": 11}"#, "1 to 10"),
            (r#"{"word": "abc", "score": "9"}"#, "no number"),
            (r#"{"word": "abc"}"#, "no number"),
            (r#"{"word": "abc", "score": 9} {"word": "abc", "score": 3}"#, "contradicts"),
        ] {
            assert!(read(reply).unwrap_err().contains(why), "{reply}");
        }
    }

    #[test]
    fn a_winner_is_a_b_or_nobody() {
        let fence = Fence::of("abc");
        let read = |winner: &str| winner_of(winner, &fence);
        assert_eq!(read("A"), Ok(Some(Place::A)));
        assert_eq!(read("B"), Ok(Some(Place::B)));
        assert_eq!(read("tie"), Ok(None));
        assert!(read("both").is_err());
    }

    fn winner_of(winner: &str, fence: &Fence) -> Result<Option<Place>, &'static str> {
        super::winner(&format!(r#"{{"word": "abc", "winner": "{winner}"}}"#), fence)
    }

    #[test]
    fn a_flood_of_braces_ends() {
        let flood = "{\"a\":".repeat(500_000);
        assert!(points(&flood, &Fence::of("abc")).is_err());
        assert_eq!(points(&format!("{flood} {{\"word\":\"abc\",\"score\":4}}"), &Fence::of("abc")), Ok(4.0));
    }
}
