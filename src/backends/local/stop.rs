//! Stop sequences, found across token borders: text that may be the beginning of one is held back.
//! Promises: no part of a met stop sequence comes out; nothing is held once the answer ends.

/// Watches one answer's text for its stop sequences.
#[derive(Debug)]
pub(super) struct StopWatch {
    stops: Vec<String>,
    held: String,
}

/// What may be shown of new text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// This much is safe; the answer goes on.
    Text(String),
    /// A stop sequence was met; this is the last text.
    Stopped(String),
}

impl StopWatch {
    /// Watches for `stops`; empty ones are ignored.
    pub(super) fn new(stops: &[String]) -> Self {
        let stops = stops.iter().filter(|stop| !stop.is_empty()).cloned().collect();
        Self { stops, held: String::new() }
    }

    /// Takes new text.
    pub(super) fn push(&mut self, text: String) -> Seen {
        if self.stops.is_empty() {
            return Seen::Text(text);
        }
        self.held.push_str(&text);
        let met = self.stops.iter().filter_map(|stop| self.held.find(stop.as_str())).min();
        if let Some(at) = met {
            self.held.truncate(at);
            return Seen::Stopped(std::mem::take(&mut self.held));
        }
        let safe = self.held.len() - self.longest_beginning();
        let rest = self.held.split_off(safe);
        Seen::Text(std::mem::replace(&mut self.held, rest))
    }

    /// What was still held, when the answer ends by itself.
    pub(super) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Length of the longest end of the held text with which a stop sequence begins.
    fn longest_beginning(&self) -> usize {
        let longest = self.stops.iter().map(String::len).max().unwrap_or(0);
        let mut from = self.held.len().saturating_sub(longest.saturating_sub(1));
        while !self.held.is_char_boundary(from) {
            from += 1;
        }
        let ends = self.held[from..].char_indices().map(|(at, _)| &self.held[from + at..]);
        ends.into_iter().find(|end| self.stops.iter().any(|stop| stop.starts_with(end))).map_or(0, str::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(stops: &[&str], pieces: &[&str]) -> (Vec<String>, bool) {
        let stops: Vec<String> = stops.iter().map(ToString::to_string).collect();
        let mut watch = StopWatch::new(&stops);
        let mut shown = vec![];
        for piece in pieces {
            match watch.push((*piece).to_owned()) {
                Seen::Text(text) => shown.push(text),
                Seen::Stopped(text) => {
                    shown.push(text);
                    return (shown, true);
                }
            }
        }
        shown.push(watch.finish());
        (shown, false)
    }

    #[test]
    fn a_stop_across_three_tokens_never_shows() {
        let (shown, stopped) = run(&["END."], &["so E", "N", "D. more"]);
        assert_eq!((shown, stopped), (vec!["so ".into(), String::new(), String::new()], true));
    }

    #[test]
    fn a_false_beginning_comes_out_as_soon_as_it_is_one() {
        let (shown, stopped) = run(&["END."], &["a E", "N", "Dless"]);
        assert_eq!(
            (shown, stopped),
            (vec!["a ".into(), String::new(), "ENDless".into(), String::new()], false)
        );
    }

    #[test]
    fn a_beginning_at_the_end_comes_out_at_the_end() {
        let (shown, stopped) = run(&["\n\n"], &["line\n"]);
        assert_eq!((shown.concat(), stopped), ("line\n".into(), false));
    }

    #[test]
    fn the_earliest_of_several_stops_wins() {
        let (shown, stopped) = run(&["zz", "b"], &["abzz"]);
        assert_eq!((shown.concat(), stopped), ("a".into(), true));
    }

    #[test]
    fn overlapping_beginnings_and_wide_characters() {
        assert_eq!(run(&["aab"], &["a", "a", "a", "b", "x"]).0.concat(), "a");
        assert_eq!(run(&["→→!"], &["x→", "→", "→!"]).0.concat(), "x→");
        assert_eq!(run(&["é!"], &["caf", "é", "?"]).0.concat(), "café?");
    }

    #[test]
    fn empty_stops_stop_nothing() {
        assert_eq!(run(&["", ""], &["a", "b"]), (vec!["a".into(), "b".into(), String::new()], false));
    }
}
