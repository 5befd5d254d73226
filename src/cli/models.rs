//! `crossover models`: the model folders that are installed, and whether they are what the manifest says.
//! Promises: reads files only; exit code 1 when a listed model is missing or altered.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use super::Context;
use crate::onnx::{Listed, Manifest, sha256};

/// Arguments of `crossover models`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(clap::Subcommand)]
enum Action {
    /// List the installed models: files, sizes, digests, licence
    List,
}

pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let (_config, paths) = context.load()?;
    match args.action {
        Some(Action::List) | None => list(&paths.models),
    }
}

fn list(models: &Path) -> anyhow::Result<ExitCode> {
    let rows = rows(models)?;
    if rows.is_empty() {
        println!("No models in {}.", models.display());
        return Ok(ExitCode::SUCCESS);
    }
    print!("{}", table(&rows));
    let good = rows.iter().all(|row| !row.state.is_fault());
    if !good {
        println!("\nRun `git checkout models/` to restore the shipped models.");
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How a file stands to the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Verified,
    Unlisted,
    Altered,
    Missing,
}

impl State {
    fn is_fault(self) -> bool {
        matches!(self, Self::Altered | Self::Missing)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Verified => "verified",
            Self::Unlisted => "not in manifest",
            Self::Altered => "ALTERED",
            Self::Missing => "MISSING",
        })
    }
}

/// One file of one model.
#[derive(Debug)]
struct Row {
    model: String,
    kind: String,
    licence: String,
    file: String,
    bytes: Option<u64>,
    sha256: String,
    state: State,
}

fn rows(models: &Path) -> anyhow::Result<Vec<Row>> {
    let manifest = Manifest::read(models)?;
    let mut folders: Vec<PathBuf> = std::fs::read_dir(models)
        .with_context(|| {
            format!(
                "{}: the models folder cannot be read; set `models-dir` in the configuration",
                models.display()
            )
        })?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.is_dir())
        .collect();
    folders.extend(
        manifest.models.iter().map(|listed| models.join(&listed.name)).filter(|folder| !folder.is_dir()),
    );
    folders.sort();
    let mut rows = vec![];
    for folder in folders {
        let name = folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        rows.extend(model_rows(&folder, &name, manifest.get(&name))?);
    }
    Ok(rows)
}

fn model_rows(folder: &Path, name: &str, listed: Option<&Listed>) -> anyhow::Result<Vec<Row>> {
    let mut files: Vec<String> = match std::fs::read_dir(folder) {
        Ok(entries) => entries
            .filter_map(|entry| entry.ok().filter(|entry| entry.path().is_file()))
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect(),
        Err(_) => vec![],
    };
    let absent = listed.iter().flat_map(|listed| listed.files.keys());
    let absent: Vec<String> = absent.filter(|file| !files.contains(file)).cloned().collect();
    files.extend(absent);
    files.sort();
    files.iter().map(|file| row(folder, name, file, listed)).collect()
}

fn row(folder: &Path, name: &str, file: &str, listed: Option<&Listed>) -> anyhow::Result<Row> {
    let path = folder.join(file);
    let wanted = listed.and_then(|listed| listed.files.get(file));
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
    Ok(Row {
        model: name.to_owned(),
        kind: listed.map_or_else(|| guess_kind(folder).to_owned(), |listed| listed.kind.clone()),
        licence: listed.map_or_else(|| "unknown".to_owned(), |listed| listed.licence.clone()),
        file: file.to_owned(),
        bytes,
        sha256: digest,
        state,
    })
}

/// What an unlisted folder looks like.
fn guess_kind(folder: &Path) -> &'static str {
    let has = |file: &str| folder.join(file).is_file();
    if has("genai_config.json") || has("generation_config.json") {
        "language"
    } else if has("model.onnx") {
        "classifier"
    } else {
        "unknown"
    }
}

/// Columns as wide as their widest cell; a model's name, kind and licence stand on its first line only.
fn table(rows: &[Row]) -> String {
    let mut cells = vec![["MODEL", "KIND", "LICENCE", "FILE", "SIZE", "SHA-256", "STATE"].map(str::to_owned)];
    let mut last = None;
    for row in rows {
        let first = last != Some(&row.model);
        last = Some(&row.model);
        let once = |text: &String| if first { text.clone() } else { String::new() };
        cells.push([
            once(&row.model),
            once(&row.kind),
            once(&row.licence),
            row.file.clone(),
            row.bytes.map_or_else(String::new, size),
            row.sha256.get(..16).unwrap_or_default().to_owned(),
            row.state.to_string(),
        ]);
    }
    let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..7).map(width).collect();
    let line = |row: &[String; 7]| {
        let padded: Vec<String> = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(
                |(column, (cell, width))| {
                    if column == 4 { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
                },
            )
            .collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    cells.iter().map(line).collect()
}

/// Bytes in the unit that leaves one to three digits before the point.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn models() -> tempfile::TempDir {
        let models = tempfile::tempdir().unwrap();
        for (folder, file) in [("tiny", "model.onnx"), ("tiny", "extra.json"), ("own", "genai_config.json")] {
            std::fs::create_dir_all(models.path().join(folder)).unwrap();
            std::fs::write(models.path().join(folder).join(file), b"abc").unwrap();
        }
        let manifest = format!(
            "schema-version = 1\n[[model]]\nname = \"tiny\"\nkind = \"classifier\"\nsource = \"here\"\nlicence = \"MIT\"\n[model.files]\n\"model.onnx\" = \"{ABC}\"\n"
        );
        std::fs::write(models.path().join("manifest.toml"), manifest).unwrap();
        models
    }

    #[test]
    fn lists_every_file_with_its_state() {
        let models = models();
        let text = table(&rows(models.path()).unwrap());
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1][..4], ["own", "language", "unknown", "genai_config.json"]);
        assert_eq!(lines[2][..4], ["tiny", "classifier", "MIT", "extra.json"]);
        assert_eq!(lines[3], ["model.onnx", "3", "B", &ABC[..16], "verified"]);
    }

    #[test]
    fn d20_altered_and_missing_files_are_faults() {
        let models = models();
        let model = models.path().join("tiny/model.onnx");
        std::fs::write(&model, b"abd").unwrap();
        let state = |rows: &[Row]| {
            rows.iter().find(|row| row.file == "model.onnx").map(|row| (row.state, row.state.is_fault()))
        };
        assert_eq!(state(&rows(models.path()).unwrap()), Some((State::Altered, true)));
        std::fs::remove_file(&model).unwrap();
        assert_eq!(state(&rows(models.path()).unwrap()), Some((State::Missing, true)));
        std::fs::remove_dir_all(models.path().join("tiny")).unwrap();
        assert_eq!(state(&rows(models.path()).unwrap()), Some((State::Missing, true)));
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!(
            [999, 63_109, 4_244_480, 2_000_000_000].map(size),
            ["999 B", "63.1 kB", "4.2 MB", "2.0 GB"]
        );
    }
}
