//! Every file of a model against what vouches for it: the manifest, or the record of its pull.

use std::fmt;

use anyhow::Context as _;

use super::inventory::{Model, Origin};
use super::size;
use crate::cli::table::Table;
use crate::hub::{Record, Standing, files_below};
use crate::onnx::sha256;

/// How a file stands to what vouches for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Verified,
    Unlisted,
    Altered,
    Missing,
}

impl State {
    pub(super) fn is_fault(self) -> bool {
        matches!(self, Self::Altered | Self::Missing)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Verified => "verified",
            Self::Unlisted => "not listed",
            Self::Altered => "ALTERED",
            Self::Missing => "MISSING",
        })
    }
}

/// One file of one model.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) file: String,
    pub(super) bytes: Option<u64>,
    pub(super) sha256: String,
    pub(super) state: State,
}

/// Hashes every file of a model.
pub(super) fn rows(model: &Model) -> anyhow::Result<Vec<Row>> {
    match &model.origin {
        Origin::Pulled(record) => pulled(model, record),
        Origin::Shipped(listed) => {
            let listed = listed.files.iter().map(|(file, digest)| (file.as_str(), digest.as_str()));
            against(model, &listed.collect::<Vec<_>>())
        }
        Origin::Broken(_) | Origin::Own => against(model, &[]),
    }
}

/// What the record lists, then what lies beside it.
fn pulled(model: &Model, record: &Record) -> anyhow::Result<Vec<Row>> {
    let state = |standing| match standing {
        Standing::Verified => State::Verified,
        Standing::Altered => State::Altered,
        Standing::Missing => State::Missing,
    };
    let row = |(file, standing): (&crate::hub::Recorded, Standing)| Row {
        file: file.path.clone(),
        bytes: (standing != Standing::Missing).then_some(file.size),
        sha256: file.sha256.clone(),
        state: state(standing),
    };
    let mut rows: Vec<Row> = record.verify(&model.folder).into_iter().map(row).collect();
    let is_ours = |file: &str| file == Record::FILE || file.starts_with(".crossover-");
    for file in names(model).into_iter().filter(|file| !is_ours(file)) {
        if !rows.iter().any(|row| row.file == file) {
            // Nothing depends on it: what cannot be read, or is no file, is named all the same.
            let path = model.folder.join(&file);
            let is_file = std::fs::metadata(&path).is_ok_and(|data| data.is_file());
            let row = is_file.then(|| found(model, file.clone(), None).ok()).flatten();
            let unread = || Row { file, bytes: None, sha256: String::new(), state: State::Unlisted };
            rows.push(row.unwrap_or_else(unread));
        }
    }
    Ok(rows)
}

fn against(model: &Model, listed: &[(&str, &str)]) -> anyhow::Result<Vec<Row>> {
    let mut names = names(model);
    names.extend(listed.iter().map(|(file, _)| (*file).to_owned()));
    names.sort();
    names.dedup();
    let row = |file: String| {
        let wanted = listed.iter().find(|(name, _)| *name == file).map(|(_, digest)| *digest);
        found(model, file, wanted)
    };
    names.into_iter().map(row).collect()
}

/// A file as it is, against the digest that is wanted of it.
fn found(model: &Model, file: String, wanted: Option<&str>) -> anyhow::Result<Row> {
    let path = model.folder.join(&file);
    let bytes = std::fs::metadata(&path).ok().map(|data| data.len());
    let digest = match bytes {
        Some(_) => sha256(&path).with_context(|| format!("{}: cannot be read", path.display()))?,
        None => String::new(),
    };
    let state = match wanted {
        _ if bytes.is_none() => State::Missing,
        None => State::Unlisted,
        Some(wanted) if wanted.eq_ignore_ascii_case(&digest) => State::Verified,
        Some(_) => State::Altered,
    };
    Ok(Row { file, bytes, sha256: digest, state })
}

/// The paths of all files of a model's folder, below it.
fn names(model: &Model) -> Vec<String> {
    let below = |path: &std::path::PathBuf| {
        path.strip_prefix(&model.folder).map(|path| path.to_string_lossy().into_owned()).ok()
    };
    files_below(&model.folder).iter().filter_map(below).collect()
}

/// The files of several models; a model's name stands on its first line only.
pub(super) fn table(models: &[(&Model, Vec<Row>)]) -> Table {
    let mut table = Table::new(["MODEL", "FILE", "SIZE", "SHA-256", "STATE"]);
    for (model, rows) in models {
        for (at, row) in rows.iter().enumerate() {
            table = table.row([
                if at == 0 { model.name.clone() } else { String::new() },
                row.file.clone(),
                row.bytes.map_or_else(String::new, size),
                row.sha256.get(..16).unwrap_or_default().to_owned(),
                row.state.to_string(),
            ]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::inventory::models;
    use super::*;
    use crate::config::Paths;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn house() -> (tempfile::TempDir, Paths) {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let paths = Paths { state: path("state"), models: path("models"), policies: path("policies") };
        for (model, file) in [("tiny", "model.onnx"), ("tiny", "extra.json"), ("own", "genai_config.json")] {
            std::fs::create_dir_all(paths.models.join(model)).unwrap();
            std::fs::write(paths.models.join(model).join(file), b"abc").unwrap();
        }
        let manifest = format!(
            "schema-version = 1\n[[model]]\nname = \"tiny\"\nkind = \"classifier\"\nsource = \"here\"\nlicence = \"MIT\"\n[model.files]\n\"model.onnx\" = \"{ABC}\"\n"
        );
        std::fs::write(paths.models.join("manifest.toml"), manifest).unwrap();
        (folder, paths)
    }

    #[test]
    fn lists_every_file_with_its_state() {
        let (_folder, paths) = house();
        let models = models(&paths).unwrap();
        let rows: Vec<_> = models.iter().map(|model| (model, rows(model).unwrap())).collect();
        let text = table(&rows).to_string();
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1], ["own", "genai_config.json", "3", "B", &ABC[..16], "not", "listed"]);
        assert_eq!(lines[2][..2], ["tiny", "extra.json"]);
        assert_eq!(lines[3], ["model.onnx", "3", "B", &ABC[..16], "verified"]);
        assert_eq!((models[1].from(), models[1].kind().as_str()), ("shipped", "classifier"));
    }

    #[test]
    fn d20_altered_and_missing_files_are_faults() {
        let (_folder, paths) = house();
        let model = paths.models.join("tiny/model.onnx");
        let state = || {
            let models = models(&paths).unwrap();
            let tiny = models.iter().find(|model| model.name == "tiny").unwrap();
            let rows = rows(tiny).unwrap();
            rows.iter().find(|row| row.file == "model.onnx").map(|row| (row.state, row.state.is_fault()))
        };
        std::fs::write(&model, b"abd").unwrap();
        assert_eq!(state(), Some((State::Altered, true)));
        std::fs::remove_file(&model).unwrap();
        assert_eq!(state(), Some((State::Missing, true)));
        std::fs::remove_dir_all(paths.models.join("tiny")).unwrap();
        assert_eq!(state(), Some((State::Missing, true)));
    }
}
