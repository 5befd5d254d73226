//! Three parts that share no prompt: fit, calibrate, test. Which part a row is in follows from its id and its task alone,
//! so the same set is always split the same way; prompts that differ only in case, spaces and punctuation stay together.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Row;

/// Where a row goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// Fits the head, fixes the grid.
    Fit,
    /// Chooses the threshold.
    Calibrate,
    /// Measures.
    Test,
}

/// Shares of the rows. A promise needs rows to test with as much as a head needs rows to be fitted on.
const SHARES: [(Part, f64); 3] = [(Part::Fit, 0.35), (Part::Calibrate, 0.4), (Part::Test, 0.25)];

/// What a text may end with and be a copy all the same.
const CLOSING: [char; 7] = ['.', '!', '?', '…', '。', '！', '？'];

/// The rows' share that goes to the calibrate part.
pub const CALIBRATE_SHARE: f64 = SHARES[1].1;

/// The part of every row. Groups of equal prompts go one after the other, by task and then by the hash of their first
/// id, to the part that lacks most: so every part has its share of every task.
pub(super) fn split(rows: &[Row]) -> Vec<Part> {
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        groups.entry(row.prompt.as_str()).or_default().push(at);
    }
    let mut ordered: Vec<(&str, [u8; 32], Vec<usize>)> = groups
        .into_values()
        .filter_map(|group| {
            let first = group.iter().min_by_key(|at| &rows[**at].id)?;
            Some((rows[*first].task.as_str(), hash(&rows[*first].id), group))
        })
        .collect();
    ordered.sort();
    let mut parts = vec![Part::Fit; rows.len()];
    let mut lack = SHARES.map(|(part, _)| (part, 0.0));
    for (_, _, group) in ordered {
        let size = group.len() as f64;
        lack.iter_mut().zip(SHARES).for_each(|((_, lack), (_, share))| *lack += share * size);
        let Some((part, most)) = lack.iter_mut().max_by(|a, b| a.1.total_cmp(&b.1)) else { continue };
        *most -= size;
        group.iter().for_each(|at| parts[*at] = *part);
    }
    parts
}

/// Which of `folds` parts a row of the fit part is in for cross-validation: by its prompt, so that equal ones stay
/// together.
pub(super) fn fold(row: &Row, folds: usize, salt: &str) -> usize {
    let digest = hash(&format!("{salt}\n{}", row.prompt));
    usize::from(u16::from_le_bytes([digest[0], digest[1]])) % folds
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

fn texts(messages: &[Value]) -> impl Iterator<Item = &str> {
    messages.iter().flat_map(|message| match &message["content"] {
        Value::String(text) => vec![text.as_str()],
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => vec![],
    })
}

/// A conversation's texts as one line of lower-case words: what near-duplicates have in common.
pub(super) fn normalised(messages: &[Value]) -> String {
    let mut line = String::new();
    for text in texts(messages) {
        for word in text.split(|it: char| !it.is_alphanumeric()).filter(|word| !word.is_empty()) {
            line.push_str(&word.to_lowercase());
            line.push(' ');
        }
    }
    line
}

/// A conversation's texts, one a line, in lower case, with single spaces and without closing punctuation: what copies
/// have in common. Symbols stay: `12 + 5` and `12 - 5` are two questions.
pub(super) fn exact(messages: &[Value]) -> String {
    let mut lines = String::new();
    for text in texts(messages) {
        let text = text.trim_end_matches(|it: char| it.is_whitespace() || CLOSING.contains(&it));
        for word in text.split_whitespace() {
            lines.push_str(&word.to_lowercase());
            lines.push(' ');
        }
        lines.push('\n');
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::row;
    use super::*;

    fn rows(n: usize) -> Vec<Row> {
        let task = |at: usize| if at.is_multiple_of(4) { "rare" } else { "usual" };
        (0..n).map(|at| Row { task: task(at).to_owned(), ..row(&format!("r{at}"), 0.5, 1.0) }).collect()
    }

    fn count(rows: &[Row], parts: &[Part], of: Part, task: &str) -> usize {
        rows.iter().zip(parts).filter(|(row, part)| **part == of && row.task == task).count()
    }

    #[test]
    fn every_part_has_its_share_of_every_task() {
        let rows = rows(1_000);
        let parts = split(&rows);
        for (part, share) in SHARES {
            for (task, size) in [("rare", 250.0), ("usual", 750.0)] {
                let found = count(&rows, &parts, part, task) as f64;
                assert!((found - share * size).abs() <= 2.0, "{part:?} {task}: {found}");
            }
        }
        assert!((CALIBRATE_SHARE - 0.4).abs() < 1e-12);
    }

    #[test]
    fn a_row_s_part_follows_from_its_id_not_from_its_place() {
        let mut rows = rows(200);
        let before: BTreeMap<String, Part> =
            rows.iter().map(|row| row.id.clone()).zip(split(&rows)).collect();
        rows.reverse();
        let after: BTreeMap<String, Part> = rows.iter().map(|row| row.id.clone()).zip(split(&rows)).collect();
        assert_eq!(before, after);
    }

    #[test]
    fn near_duplicates_never_straddle_parts_nor_folds() {
        let mut rows = rows(300);
        for (at, row) in rows.iter_mut().enumerate() {
            row.prompt = format!("prompt {}", at % 60);
        }
        let parts = split(&rows);
        for at in 60..300 {
            assert_eq!(parts[at], parts[at % 60]);
            assert_eq!(fold(&rows[at], 5, "outer"), fold(&rows[at % 60], 5, "outer"));
        }
    }

    #[test]
    fn near_duplicates_are_equal_but_for_case_space_and_punctuation() {
        let of = |text: &str| normalised(&[json!({"role": "user", "content": text})]);
        assert_eq!(of("What is  3+4?"), of("what is 3 + 4 !\n"));
        assert_ne!(of("What is 3 + 4?"), of("What is 3 + 5?"));
        let parts = json!({"role": "user", "content": [{"type": "text", "text": "What is 3 + 4"}]});
        assert_eq!(normalised(&[parts]), of("what is 3 4"));
    }

    #[test]
    fn copies_are_equal_but_for_case_space_and_closing_punctuation() {
        let of = |text: &str| exact(&[json!({"role": "user", "content": text})]);
        assert_eq!(of("What is  3 + 4?"), of("what is 3\n+ 4 !\n"));
        assert_ne!(of("What is 3 + 4?"), of("What is 3 - 4?"));
        assert_ne!(of("Close it: ([<"), of("Close it: ([{"));
        let parts = json!({"role": "user", "content": [{"type": "text", "text": "What is 3 + 4"}]});
        assert_eq!(exact(&[parts]), of("what is 3 + 4."));
    }
}
