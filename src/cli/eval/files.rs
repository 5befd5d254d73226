//! What eval commands warn of and write.

use std::path::Path;

use anyhow::Context as _;

/// Warns of a file of answers that does not say which local model gave them.
pub(in crate::cli) fn warn_of_unnamed_model(answers: &Path) {
    let file = answers.display();
    eprintln!("{file} does not say which local model answered; it is taken for the installed one");
}

/// Whole or not at all.
pub(super) fn write(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let blame = || format!("cannot write {}", file.display());
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).with_context(blame)?;
    }
    let mut half = file.as_os_str().to_owned();
    half.push(".part");
    std::fs::write(&half, bytes).with_context(blame)?;
    std::fs::rename(&half, file).with_context(blame)
}
