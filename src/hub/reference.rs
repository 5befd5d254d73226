//! Names out of a command line or a hub's answer, before anything is made of them: repositories, revisions, model names,
//! licences and file paths. Promises: what passes here can neither leave a folder nor change a URL's meaning.

use super::HubError;
use super::fetch::PART;

/// Longest part of a repository's, a revision's or a model's name, in bytes.
const LONGEST: usize = 128;
/// Longest part of a path, in bytes: what usual file systems take, with the ending of a file that is not whole.
const LONGEST_PART: usize = 255 - PART.len();

/// A repository at a revision: `organisation/repository@revision`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// `organisation/repository`.
    pub repository: String,
    /// A branch, a tag or a commit; `main` where none is given.
    pub revision: String,
}

impl Reference {
    /// Reads `organisation/repository[@revision]`.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, HubError> {
        let (repository, revision) = text.split_once('@').unwrap_or((text, "main"));
        let bad = |why| HubError::Name { name: text.to_owned(), why };
        let parts: Vec<&str> = repository.split('/').collect();
        if parts.len() != 2 || !parts.iter().all(|part| is_plain(part)) {
            return Err(bad("a repository is written as organisation/repository"));
        }
        if revision.is_empty() || !revision.split('/').all(is_plain) {
            return Err(bad("after the `@` stands a branch, a tag or a commit"));
        }
        Ok(Self { repository: repository.to_owned(), revision: revision.to_owned() })
    }

    /// The repository's two parts.
    pub(super) fn parts(&self) -> (&str, &str) {
        self.repository.split_once('/').unwrap_or((&self.repository, ""))
    }
}

/// The name under which a model is kept: letters, digits, `.`, `_` and `-`, no dot first.
///
/// # Errors
/// When it is none.
pub fn name_of(text: &str) -> Result<String, HubError> {
    if is_plain(text) {
        return Ok(text.to_owned());
    }
    let why = "a model's name has letters, digits, `.`, `_` and `-` only, and no dot first";
    Err(HubError::Name { name: text.to_owned(), why })
}

/// Whether this is a commit's whole id.
pub(super) fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A licence's name without what no such name has; `None` where nothing is left.
pub(super) fn licence_name(text: &str) -> Option<String> {
    let known = |letter: &char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '+' | '_' | '-');
    let name: String = text.chars().filter(known).collect();
    (!name.is_empty()).then_some(name)
}

/// A file's path inside a repository, if it stays inside any folder that it is put below.
pub(super) fn is_confined(path: &str) -> bool {
    let stays = |part: &str| {
        !matches!(part, "" | "." | "..")
            && !part.contains(|letter: char| letter.is_control() || letter == '\\')
    };
    path.split('/').all(stays)
}

/// Whether file systems take such a path.
pub(super) fn is_storable(path: &str) -> bool {
    path.split('/').all(|part| part.len() <= LONGEST_PART && !part.contains(':'))
}

fn is_plain(part: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !part.is_empty() && part.len() <= LONGEST && !part.starts_with('.') && part.bytes().all(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_has_a_revision() {
        let reference = Reference::parse("org/repo").unwrap();
        assert_eq!((reference.repository.as_str(), reference.revision.as_str()), ("org/repo", "main"));
        assert_eq!(Reference::parse("org/repo@refs/pr/3").unwrap().revision, "refs/pr/3");
        assert_eq!(reference.parts(), ("org", "repo"));
        for bad in
            ["", "repo", "a/b/c", "../b", "a/..", "a/b@", "a/b@..", "a/b@x/../y", "a/b?x", "a /b", "/b"]
        {
            assert!(Reference::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn f11_names_and_paths_stay_inside() {
        for bad in ["", ".", "..", ".hidden", "a/b", "a\\b", "a\0", "é", &"a".repeat(200)] {
            assert!(name_of(bad).is_err(), "{bad}");
        }
        assert_eq!(name_of("Qwen2.5-0.5B_x").unwrap(), "Qwen2.5-0.5B_x");
        for good in ["a", "onnx/model_q4.onnx", ".gitattributes", "a b", &"a".repeat(240)] {
            assert!(is_confined(good) && is_storable(good), "{good}");
        }
        for bad in ["", "/a", "a/", "a//b", "../a", "a/../b", "./a", "a\\b", "a\n"] {
            assert!(!is_confined(bad), "{bad:?}");
        }
        for odd in ["c:a", "img/10:20.png", &"a".repeat(241)] {
            assert!(is_confined(odd) && !is_storable(odd), "{odd}");
        }
        assert!(is_commit(&"a1".repeat(20)) && !is_commit("main"));
    }

    #[test]
    fn a_licence_is_told_without_control_characters() {
        assert_eq!(licence_name("apache-2.0").as_deref(), Some("apache-2.0"));
        assert_eq!(licence_name("m\u{1b}[31mit\n").as_deref(), Some("m31mit"));
        assert_eq!(licence_name("\u{202e} "), None);
    }
}
