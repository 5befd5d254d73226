//! How a command prints its result.

use std::io::Write as _;

/// Prints `text` as it is, without a line's end of its own; a reader that has seen enough (`| head`) is no failure.
pub(super) fn say(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
