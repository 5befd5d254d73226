//! Text files that a promptfoo file names with `file://`, read from its own folder downwards. Scripts, tables and
//! globs are refused: they would have to be run or understood, and not only read.

use std::path::{Component, Path, PathBuf};

/// Largest file that is read, in bytes.
const LARGEST: u64 = 1 << 20;
/// Endings of files that are texts and nothing else.
const TEXTS: [&str; 4] = ["txt", "md", "markdown", "json"];

/// The folder of a promptfoo file.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// The folder that `file` stands in.
    pub(super) fn of(file: &Path) -> Self {
        Self(file.parent().map(Path::to_owned).unwrap_or_default())
    }

    /// What stands in the file that `text` names, or `text` itself where it names none.
    ///
    /// # Errors
    /// A file that is no text, stands outside the folder, is too large or cannot be read.
    pub(super) fn text(&self, text: &str) -> Result<String, String> {
        match text.trim().strip_prefix("file://") {
            None => Ok(text.to_owned()),
            Some(path) => self.read(path),
        }
    }

    fn read(&self, path: &str) -> Result<String, String> {
        let relative = Path::new(path);
        let ending = relative.extension().and_then(|it| it.to_str()).unwrap_or_default();
        if !TEXTS.contains(&ending) {
            let texts = TEXTS.join(", .");
            return Err(format!("the file `{path}` is not supported: only texts are read, .{texts}"));
        }
        if !relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(format!("the file `{path}` stands outside the set's folder: paste its text"));
        }
        let file = self.0.join(relative);
        let blame = |problem: &dyn std::fmt::Display| format!("the file `{path}` cannot be read: {problem}");
        let size = std::fs::metadata(&file).map_err(|error| blame(&error))?.len();
        if size > LARGEST {
            return Err(blame(&format_args!("it is larger than {LARGEST} bytes")));
        }
        std::fs::read_to_string(&file).map_err(|error| blame(&error))
    }
}
