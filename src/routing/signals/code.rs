//! Whether a text holds code: a fence, or at least two lines that look like code. A guess; one pass, no copy.
//! One such line is not enough: prose has lines that end in a semicolon.

use memchr::memmem;

/// Lines that must look like code where there is no fence.
const LINES: usize = 2;

/// How lines of common languages begin.
const STARTS: &[&str] = &[
    "def ",
    "fn ",
    "pub fn ",
    "func ",
    "function ",
    "class ",
    "struct ",
    "enum ",
    "impl ",
    "import ",
    "from ",
    "#include",
    "#define",
    "using namespace",
    "package ",
    "public ",
    "private ",
    "protected ",
    "static ",
    "const ",
    "let ",
    "var ",
    "return ",
    "if (",
    "for (",
    "while (",
    "} else",
    "else {",
    "elif ",
    "SELECT ",
    "INSERT INTO ",
    "UPDATE ",
    "CREATE TABLE ",
    "</",
    "#!/",
    "$ ",
    "print(",
    "console.log(",
    "@",
];

/// Beginnings that prose shares ("from Monday on", "let us"): the line must also hold one of these signs.
const SIGNS: &[u8] = b"=(){}[];<>:#\"'";

/// Whether the text holds code.
pub(super) fn holds_code(text: &str) -> bool {
    if memmem::find(text.as_bytes(), b"```").is_some() {
        return true;
    }
    text.lines().filter(|line| is_code_line(line.trim())).take(LINES).count() == LINES
}

pub(super) fn is_code_line(line: &str) -> bool {
    let bytes = line.as_bytes();
    match bytes {
        [] => return false,
        [.., b';' | b'{' | b'}'] => {
            return bytes.len() == 1 || bytes.iter().any(|byte| b"=(){}[]<>".contains(byte));
        }
        _ => {}
    }
    let starts = STARTS.iter().any(|start| line.starts_with(start));
    let import = line.starts_with("import ") || (line.starts_with("from ") && line.contains(" import "));
    import && line.split_ascii_whitespace().count() <= 8
        || starts
            && !line.starts_with("from ")
            && bytes[1..].iter().any(|byte| SIGNS.contains(byte))
            && !prose(line)
}

/// A sentence: ends like one and has more words than a statement usually has.
fn prose(line: &str) -> bool {
    line.ends_with(['.', '?', '!', ',']) && line.split_ascii_whitespace().count() > 5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_fences_and_lines_of_code() {
        for text in [
            "Fix this:\n```\nx\n```",
            "def first(xs):\n    return xs[0]",
            "#include <stdio.h>\nint main() { run(); }",
            "import os\nimport sys",
            "from typing import List\nimport json",
            "SELECT name FROM users WHERE id = 3\nUPDATE users SET name = 'x'",
            "if (a > b) {\n  a = b;\n}",
            "<ul>\n</ul>\n</div>",
            "const a = 1\nlet b = 2",
        ] {
            assert!(holds_code(text), "{text}");
        }
    }

    #[test]
    fn leaves_prose_alone() {
        for text in [
            "",
            "What is the capital of France?",
            "First, buy milk;\nthen, buy bread;\nthen go home.",
            "let us go\nfrom here to there\nreturn to me",
            "from Monday on we import goods\nimport duties are due when the goods arrive in the port",
            "A. one\nB. two\nC. three",
            "public opinion (as of today) has changed a lot.\nprivate matters (as ever) have not changed a bit.",
            "How do I return a value?",
        ] {
            assert!(!holds_code(text), "{text}");
        }
    }
}
