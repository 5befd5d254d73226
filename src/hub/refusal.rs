//! Every way in which a model cannot be pulled or kept: what, where, and what mends it. Never holds a token, nor a URL's
//! query, in which content networks carry credentials.

use std::path::{Path, PathBuf};

use super::RecordError;

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// An environment variable is wrong.
    #[error("{variable}: {why}")]
    Setting {
        /// Its name.
        variable: &'static str,
        /// What is wrong, and what is right.
        why: String,
    },
    /// A name that is none.
    #[error("`{name}`: {why}")]
    Name {
        /// As it was written.
        name: String,
        /// What is right.
        why: &'static str,
    },
    /// Nothing may be fetched.
    #[error(
        "HF_HUB_OFFLINE is set, and {what} is not here whole. Unset it to pull, or copy the folder from elsewhere"
    )]
    Offline {
        /// What was wanted.
        what: String,
    },
    /// The hub has none of that name.
    #[error(
        "{what} does not exist at {hub}, or is private. Check the name, or set HF_TOKEN to a token that may read it"
    )]
    NotFound {
        /// Repository, revision or file.
        what: String,
        /// The hub's origin.
        hub: String,
    },
    /// The licence must be accepted first.
    #[error(
        "{repository} is gated: accept its licence at {page}, and set HF_TOKEN to a token of that account"
    )]
    Gated {
        /// The repository.
        repository: String,
        /// Where its licence is accepted.
        page: String,
    },
    /// The token is not accepted.
    #[error("{hub} does not accept the token in HF_TOKEN: make a new one, or unset it for public models")]
    Token {
        /// The hub's origin.
        hub: String,
    },
    /// The hub answers, but not with what was asked for.
    #[error("{place}: {why}")]
    Answer {
        /// Origin and path.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// The hub says no, or says nothing, for too long.
    #[error("{place}: {why}. What has arrived is kept: run the same command again to go on")]
    Unreachable {
        /// Origin and path.
        place: String,
        /// What happened.
        why: String,
    },
    /// A file that is not what the hub says it is.
    #[error(
        "{file}: arrived with the digest {found}, but the hub lists {wanted}, twice. It was not kept; try again later, or tell the repository's owner"
    )]
    Corrupt {
        /// The file in the repository.
        file: String,
        /// The hub's digest.
        wanted: String,
        /// What arrived.
        found: String,
    },
    /// A file whose path leaves the folder.
    #[error(
        "the repository lists {file:?}, which would lie outside of the model's folder; nothing was pulled"
    )]
    Escapes {
        /// As listed.
        file: String,
    },
    /// Nothing in the repository fits.
    #[error("{repository}: {why}")]
    Choice {
        /// The repository.
        repository: String,
        /// What to say instead.
        why: String,
    },
    /// Too little room.
    #[error("{}: {needed} bytes are needed, {free} are free. Make room, or choose another state folder with --state", folder.display())]
    Space {
        /// Where.
        folder: PathBuf,
        /// Bytes still to come.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// The file system says no.
    #[error("{}: {why}", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// What it says, and what mends it.
        why: String,
    },
    /// Somebody else is at it.
    #[error("another process is pulling or removing `{name}` now; wait for its end")]
    Locked {
        /// The model.
        name: String,
    },
    /// The record of a pulled model is unreadable, or a file is not what it says.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl HubError {
    /// What the file system said.
    pub(super) fn disk(path: &Path, error: &std::io::Error) -> Self {
        let mend = match error.kind() {
            std::io::ErrorKind::StorageFull
            | std::io::ErrorKind::QuotaExceeded
            | std::io::ErrorKind::FileTooLarge => {
                "; what has arrived is kept: make room and run the same command again to go on"
            }
            _ => "",
        };
        Self::Disk { path: path.to_path_buf(), why: format!("{error}{mend}") }
    }
}
