//! Reading and writing of the file. Unknown, missing and misspelt keys are errors that say which.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Calibration, CalibrationError};

impl Calibration {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Names the file and the key that is missing, unknown, of the wrong kind or out of range.
    pub fn read(file: &Path) -> Result<Self, CalibrationError> {
        let blame = |why: String| CalibrationError { file: file.to_owned(), why };
        let bytes = std::fs::read(file).map_err(|error| blame(format!("cannot be read: {error}")))?;
        let keys: BTreeMap<String, Value> = serde_json::from_slice(&bytes)
            .map_err(|error| blame(format!("is not a calibration: {error}")))?;
        let mut calibration = parse(keys).map_err(blame)?;
        calibration.flaw().map_or(Ok(()), |flaw| Err(blame(flaw)))?;
        calibration.id = id(&bytes);
        Ok(calibration)
    }

    /// Writes the file, whole or not at all, and takes its id.
    ///
    /// # Errors
    /// A calibration that could not be read again, and a file that cannot be written.
    pub fn write(&mut self, file: &Path) -> Result<(), CalibrationError> {
        let blame = |why: String| CalibrationError { file: file.to_owned(), why };
        self.flaw().map_or(Ok(()), |flaw| Err(blame(flaw)))?;
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|error| blame(error.to_string()))?;
        bytes.push(b'\n');
        let unwritten = |error: std::io::Error| blame(format!("cannot be written: {error}"));
        if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(unwritten)?;
        }
        let mut half = file.as_os_str().to_owned();
        half.push(format!(".{}.part", std::process::id()));
        std::fs::write(&half, &bytes).and_then(|()| std::fs::rename(&half, file)).map_err(|error| {
            // What is left of a failed attempt helps nobody.
            let _ = std::fs::remove_file(&half);
            unwritten(error)
        })?;
        self.id = id(&bytes);
        Ok(())
    }
}

fn id(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// Key by key, because the parser's own errors for a whole struct do not say which key holds the wrong value.
fn parse(mut keys: BTreeMap<String, Value>) -> Result<Calibration, String> {
    // First of all, or a newer form would be called misspelt.
    let schema_version = take(&mut keys, "schema-version")?;
    if schema_version != super::SCHEMA {
        return Err(format!("schema-version: is {schema_version}, this version reads {}", super::SCHEMA));
    }
    let calibration = Calibration {
        schema_version,
        made_at: take(&mut keys, "made-at")?,
        made_by: take(&mut keys, "made-by")?,
        goal: take(&mut keys, "goal")?,
        threshold: take(&mut keys, "threshold")?,
        why_none: take(&mut keys, "why-none")?,
        head: take(&mut keys, "head")?,
        head_choice: take(&mut keys, "head-choice")?,
        bound: take(&mut keys, "bound")?,
        score_histogram: take(&mut keys, "score-histogram")?,
        rows: take(&mut keys, "rows")?,
        measured: take(&mut keys, "measured")?,
        id: String::new(),
    };
    match keys.keys().next() {
        Some(unknown) => Err(format!("{unknown}: there is no such key")),
        None => Ok(calibration),
    }
}

fn take<T: DeserializeOwned>(keys: &mut BTreeMap<String, Value>, key: &str) -> Result<T, String> {
    let value = keys.remove(key).ok_or_else(|| format!("{key}: is missing"))?;
    serde_json::from_value(value).map_err(|error| format!("{key}: {error}"))
}
