//! What of a text goes into the classifier: its head and tail when it is long, in bytes before and in tokens after
//! tokenising, so that a decision's cost is bounded whatever the prompt's length.

use std::borrow::Cow;

/// A longer text is cut, in bytes.
pub(super) const CUT_ABOVE: usize = 4096;
/// Bytes kept of a cut text's head, and of its tail.
pub(super) const KEEP: usize = 2048;

/// The whole text up to 4,096 bytes, else its first and last 2,048, at character boundaries inside them.
pub(super) fn cut(text: &str) -> Cow<'_, str> {
    if text.len() <= CUT_ABOVE {
        return Cow::Borrowed(text);
    }
    let head = text.floor_char_boundary(KEEP);
    let tail = text.ceil_char_boundary(text.len() - KEEP);
    Cow::Owned([&text[..head], &text[tail..]].concat())
}

/// Writes at most `head + tail` ids to `to`: all, or the first `head` and last `tail`; `pad` alone for none.
pub(super) fn token_window(ids: &[u32], (head, tail): (usize, usize), pad: i64, to: &mut Vec<i64>) {
    to.clear();
    if ids.len() > head + tail {
        to.extend(ids[..head].iter().chain(&ids[ids.len() - tail..]).map(|id| i64::from(*id)));
    } else {
        to.extend(ids.iter().map(|id| i64::from(*id)));
    }
    if to.is_empty() {
        to.push(pad);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_at_character_boundaries() {
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&"a".repeat(4096)).len(), 4096);
        assert_eq!(cut(&"a".repeat(100_000)).len(), 4096);
        let text = format!("{}é{}", "x".repeat(2047), "y".repeat(3000));
        assert_eq!((cut(&text).len(), &cut(&text)[2046..2049]), (4095, "xyy"));
        let text = format!("{}é{}", "x".repeat(3000), "y".repeat(2047));
        assert_eq!(cut(&text).len(), 4095);
    }

    #[test]
    fn keeps_the_first_and_last_tokens() {
        let mut window = vec![9];
        token_window(&[], (256, 256), 0, &mut window);
        assert_eq!(window, [0]);
        let ids: Vec<u32> = (0..1000).collect();
        token_window(&ids, (256, 256), 0, &mut window);
        assert_eq!((window.len(), window[255], window[256], window[511]), (512, 255, 744, 999));
        token_window(&ids[..512], (256, 256), 0, &mut window);
        assert_eq!((window.len(), window[256]), (512, 256));
    }
}
