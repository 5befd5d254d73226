//! Rust files as the tidy test reads them: code with comments and the insides of strings blanked, line by line.

use std::path::{Path, PathBuf};

/// One source file.
pub(super) struct Source {
    /// Below the repository's root.
    pub(super) path: PathBuf,
    pub(super) text: String,
    /// The same text, line by line, with comments and the insides of strings blanked.
    pub(super) code: String,
}

impl Source {
    pub(super) fn new(path: PathBuf, text: String) -> Self {
        let code = blank(&text);
        Self { path, text, code }
    }

    /// `["routing", "policy", "plan"]` of `src/routing/policy/plan.rs`; empty for `lib.rs` and for tests.
    pub(super) fn module(&self) -> Vec<String> {
        let Ok(inside) = self.path.strip_prefix("src") else { return vec![] };
        let mut parts: Vec<String> =
            inside.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if matches!(parts.last().map(String::as_str), Some("mod" | "lib")) {
            parts.pop();
        }
        parts
    }

    /// The line on which an inline `mod tests {` begins, counted from 0.
    pub(super) fn tests_from(&self) -> Option<usize> {
        self.code.lines().position(|line| line.trim_start().starts_with("mod tests {"))
    }

    /// A file of tests and nothing else.
    pub(super) fn is_test_file(&self) -> bool {
        self.path.starts_with("tests") || self.module().iter().any(|part| part == "tests")
    }

    /// Lines that are no tests; all of them for a file of tests.
    pub(super) fn length(&self) -> usize {
        self.tests_from().unwrap_or_else(|| self.text.lines().count())
    }

    pub(super) fn at(&self, line: usize) -> String {
        format!("{}:{}", self.path.display(), line + 1)
    }
}

/// Every Rust file of the project.
pub(super) fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = vec![];
    let mut folders: Vec<PathBuf> = ["src", "tests", "benches"].map(|name| root.join(name)).to_vec();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.expect("a readable folder").path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("a readable file");
                found.push(Source::new(path.strip_prefix(root).expect("below the root").to_path_buf(), text));
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(found.len() > 100, "only {} files found below {}", found.len(), root.display());
    found
}

/// Replaces comments and the insides of strings and characters by blanks; every line keeps its number.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => find(bytes, at, b"\n").unwrap_or(bytes.len()),
            b'/' if bytes[at..].starts_with(b"/*") => {
                find(bytes, at, b"*/").map_or(bytes.len(), |end| end + 2)
            }
            b'r' | b'b' if !before_is_word(bytes, at) => match raw_string(bytes, at) {
                Some(end) => end,
                None => at,
            },
            b'"' => plain_string(bytes, at + 1),
            b'\'' => character(bytes, at),
            _ => at,
        };
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    String::from_utf8(out).unwrap_or_default()
}

fn find(bytes: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    bytes[from..].windows(what.len()).position(|window| window == what).map(|found| from + found)
}

pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn before_is_word(bytes: &[u8], at: usize) -> bool {
    at > 0 && is_word(bytes[at - 1])
}

/// The end of `r"..."`, `r#"..."#`, `br"..."`; `None` where none begins.
fn raw_string(bytes: &[u8], at: usize) -> Option<usize> {
    let start = at + usize::from(bytes[at] == b'b');
    (bytes.get(start) == Some(&b'r')).then_some(())?;
    let hashes = bytes[start + 1..].iter().take_while(|byte| **byte == b'#').count();
    (bytes.get(start + 1 + hashes) == Some(&b'"')).then_some(())?;
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    Some(find(bytes, start + 2 + hashes, &close).map_or(bytes.len(), |end| end + close.len()))
}

fn plain_string(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The end of a character; `at` itself for a lifetime.
fn character(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at + 1) {
        Some(b'\\') => find(bytes, at + 3, b"'").map_or(bytes.len(), |end| end + 1),
        // One character has at most four bytes.
        Some(_) => (2..=5).find(|n| bytes.get(at + n) == Some(&b'\'')).map_or(at, |n| at + n + 1),
        None => at,
    }
}

/// Every place where `word` stands as a word of its own, as byte offsets.
pub(super) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let bytes = code.as_bytes();
        !before_is_word(bytes, *at) && !bytes.get(at + word.len()).copied().is_some_and(is_word)
    })
}

pub(super) fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count()
}

/// The first names of a path or of a group: `["a", "b"]` of `a::x` (only `a`) or `{a::{x, y}, b}`.
pub(super) fn heads(rest: &str) -> Vec<&str> {
    let first = |text: &str| {
        let text = text.trim_start();
        let end = text.bytes().position(|byte| !is_word(byte)).unwrap_or(text.len());
        text.split_at(end).0.len()
    };
    let Some(group) = rest.strip_prefix('{') else { return vec![&rest[..first(rest)]] };
    let (mut depth, mut from, mut found) = (0, 0, vec![]);
    for (at, byte) in group.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b',' | b'}' if depth == 0 => {
                let item = group[from..at].trim();
                found.push(&item[..first(item)]);
                from = at + 1;
                if byte == b'}' {
                    break;
                }
            }
            b'}' => depth -= 1,
            _ => {}
        }
    }
    found.retain(|head| !head.is_empty());
    found
}
