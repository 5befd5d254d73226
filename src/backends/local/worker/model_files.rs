//! Whether a model folder still holds the files that the gateway has read. Promises: files of a pull count by the digests
//! of its record, so that the same model may be pulled again; all others by size and time of modification, so that no
//! weights are read. Cards, hidden files and the record itself do not count. Looks at no content: who loads a model does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::hub::Record;

/// The files of a folder, and of the folders in it, as they were.
#[derive(Clone, Debug)]
pub(super) struct ModelFiles {
    root: PathBuf,
    marks: BTreeMap<String, Mark>,
}

/// What stands for a file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Mark {
    /// Its recorded digest.
    Pulled(String),
    /// Its size in bytes, and when it was last modified.
    Own(u64, Option<SystemTime>),
}

impl ModelFiles {
    pub(super) fn of(root: &Path) -> Self {
        Self { root: root.to_path_buf(), marks: marks(root) }
    }

    /// A file that is not what it was, has gone or is new, by its path below the folder; one of them, if there are any.
    pub(super) fn changed(&self) -> Option<String> {
        let now = marks(&self.root);
        let was = self.marks.iter().find(|(name, mark)| now.get(*name) != Some(*mark));
        let new = || now.keys().find(|name| !self.marks.contains_key(*name));
        was.map(|(name, _)| name).or_else(new).cloned()
    }
}

fn marks(root: &Path) -> BTreeMap<String, Mark> {
    let counts = |name: &str| !name.starts_with('.') && !name.ends_with(".md") && name != Record::FILE;
    let (mut marks, mut open) = (BTreeMap::new(), vec![root.to_path_buf()]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            // Hubs keep files elsewhere, behind links.
            let Ok(data) = std::fs::metadata(&path) else { continue };
            if !counts(&entry.file_name().to_string_lossy()) {
                continue;
            }
            if data.is_file() {
                let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
                marks.insert(name, Mark::Own(data.len(), data.modified().ok()));
            } else if folder == root {
                open.push(path);
            }
        }
    }
    let pulled = Record::read(root).ok().flatten().map(|record| record.files).unwrap_or_default();
    let pulled = pulled.into_iter().filter(|file| counts(&file.path));
    marks.extend(pulled.map(|file| (file.path, Mark::Pulled(file.sha256))));
    marks
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn an_own_file_counts_by_its_size_and_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("onnx")).unwrap();
        for name in ["config.json", "onnx/model.onnx"] {
            fs::write(path(name), "a").unwrap();
        }
        let files = ModelFiles::of(folder.path());
        for name in ["README.md", ".hidden"] {
            fs::write(path(name), "a").unwrap();
        }
        assert_eq!(files.changed(), None);
        let graph = fs::File::options().write(true).open(path("onnx/model.onnx")).unwrap();
        let modified = graph.metadata().unwrap().modified().unwrap();
        graph.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(files.changed().as_deref(), Some("onnx/model.onnx"));
        graph.set_modified(modified).unwrap();
        assert_eq!(files.changed(), None, "put back");
        fs::write(path("chat_template.jinja"), "a").unwrap();
        assert_eq!(files.changed().as_deref(), Some("chat_template.jinja"));
        fs::remove_file(path("config.json")).unwrap();
        assert_eq!(files.changed().as_deref(), Some("config.json"));
    }

    #[test]
    fn a_pulled_file_counts_by_its_recorded_digest() {
        let folder = tempfile::tempdir().unwrap();
        let pull = |day: u32, digest: &str| {
            let record = format!(
                "schema-version = 1\nhub = \"https://hub.invalid\"\nrepository = \"o/r\"\n\
                 revision = \"main\"\ncommit = \"0\"\npulled-at = \"2026-01-0{day}T00:00:00Z\"\n\
                 [[file]]\npath = \"tokenizer.json\"\nsize = 3\nsha256 = \"{digest}\"\n"
            );
            fs::write(folder.path().join(Record::FILE), record).unwrap();
            fs::write(folder.path().join("tokenizer.json"), "a".repeat(day as usize)).unwrap();
        };
        pull(1, "0");
        let files = ModelFiles::of(folder.path());
        pull(2, "0");
        assert_eq!(files.changed(), None, "what is altered is said by who holds it against the record");
        pull(2, "1");
        assert_eq!(files.changed().as_deref(), Some("tokenizer.json"));
    }
}
