//! What proves that a file is the right one: the SHA-256 of its bytes, or the id that Git gives its content.
//! Promises: reads large files in pieces, never whole.

use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// Bytes read at once.
const PIECE: usize = 1 << 18;

/// What a hub says of a file's content.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) enum Digest {
    /// SHA-256 of large files, which lie outside of Git.
    Sha256(String),
    /// Git's blob id (SHA-1 of a short header and the content) of small ones.
    Git(String),
    /// It says nothing.
    Unknown,
}

impl Digest {
    /// What an entity tag means: 64 hexadecimal digits are a SHA-256, 40 are a blob id.
    pub(super) fn of_tag(tag: &str) -> Self {
        let tag = tag.trim().trim_start_matches("W/").trim_matches('"').to_ascii_lowercase();
        match (tag.bytes().all(|byte| byte.is_ascii_hexdigit()), tag.len()) {
            (true, 64) => Self::Sha256(tag),
            (true, 40) => Self::Git(tag),
            _ => Self::Unknown,
        }
    }
}

/// Both digests of bytes that come in pieces.
pub(super) struct Hasher {
    sha256: Sha256,
    git: Sha1,
}

/// The digests of a whole file, in lower-case hexadecimal digits.
pub(super) struct Digests {
    pub(super) sha256: String,
    git: String,
}

impl Hasher {
    /// For a file of this size, which Git's blob id starts with.
    pub(super) fn new(size: u64) -> Self {
        let mut git = Sha1::new();
        git.update(format!("blob {size}\0"));
        Self { sha256: Sha256::new(), git }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.git.update(bytes);
    }

    /// Reads what `source` still holds; the number of bytes.
    pub(super) fn read(&mut self, source: &mut impl Read) -> io::Result<u64> {
        let mut piece = vec![0; PIECE];
        let mut total = 0;
        loop {
            match source.read(&mut piece)? {
                0 => return Ok(total),
                read => {
                    self.update(&piece[..read]);
                    total += read as u64;
                }
            }
        }
    }

    pub(super) fn finish(self) -> Digests {
        Digests { sha256: hex(&self.sha256.finalize()), git: hex(&self.git.finalize()) }
    }
}

impl Digests {
    /// The pair of wanted and found digests where they differ.
    pub(super) fn against(&self, wanted: &Digest) -> Option<(String, String)> {
        let (wanted, found) = match wanted {
            Digest::Sha256(wanted) => (wanted, &self.sha256),
            Digest::Git(wanted) => (wanted, &self.git),
            Digest::Unknown => return None,
        };
        (!wanted.eq_ignore_ascii_case(found)).then(|| (wanted.clone(), found.clone()))
    }
}

/// A file's SHA-256.
pub(super) fn sha256(file: &Path) -> io::Result<String> {
    let mut source = std::fs::File::open(file)?;
    let mut piece = vec![0; PIECE];
    let mut digest = Sha256::new();
    loop {
        match source.read(&mut piece)? {
            0 => return Ok(hex(&digest.finalize())),
            read => digest.update(&piece[..read]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        hex.extend([byte >> 4, byte & 15].map(|half| char::from(b"0123456789abcdef"[usize::from(half)])));
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_digests_are_those_of_git_and_sha256sum() {
        // `printf abc | git hash-object --stdin`, `printf abc | sha256sum`
        let mut hasher = Hasher::new(3);
        hasher.update(b"a");
        assert_eq!(hasher.read(&mut &b"bc"[..]).unwrap(), 2);
        let found = hasher.finish();
        assert_eq!(found.git, "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f");
        assert_eq!(found.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(found.against(&Digest::Unknown).is_none());
        assert!(found.against(&Digest::Git("0".repeat(40))).is_some());
    }

    #[test]
    fn a_tag_says_which_digest_it_is() {
        let (long, short) = ("Ab".repeat(32), "0f".repeat(20));
        assert_eq!(Digest::of_tag(&format!("\"{long}\"")), Digest::Sha256(long.to_lowercase()));
        assert_eq!(Digest::of_tag(&format!("W/\"{short}\"")), Digest::Git(short));
        assert_eq!(Digest::of_tag("\"etag-of-something\""), Digest::Unknown);
    }
}
