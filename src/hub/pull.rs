//! Pulls a model: pins the revision, chooses the files, checks the room, fetches one after the other, records, swaps.
//! Promises: until everything is here and right, the old folder stays as it is; an interrupted pull goes on where it was;
//! files that are here already are not fetched again; a folder holds what its record lists and nothing that an earlier
//! pull left; a name stands for one repository.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::choice::{Choice, Chosen, choose, names};
use super::client::{Event, Snapshot};
use super::digest::Digest;
use super::fetch::{Errand, part_of};
use super::record::{Record, Recorded, Standing};
use super::store::files_below;
use super::{Hub, HubError, Lock, Reference, Store};

/// What an unfinished pull is of; in its folder.
const PLAN: &str = ".crossover-pull.json";

/// What is to be pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The name to keep it under.
    pub name: String,
    /// Repository and revision.
    pub reference: Reference,
    /// The folder of the repository that becomes the model's; empty: the usual one.
    pub folder: String,
    /// Patterns of files; empty: the usual ones.
    pub files: Vec<String>,
    /// The licence, where the catalogue knows it.
    pub licence: Option<String>,
}

/// A model that is here, whole.
#[derive(Debug)]
pub struct Pulled {
    /// What it is.
    pub record: Record,
    /// Whether it was here before.
    pub already: bool,
    /// Whether the hub calls it an embedding model; it was not asked where nothing may be fetched.
    pub embeds: bool,
}

#[derive(PartialEq, Eq, Deserialize, Serialize)]
struct Plan {
    repository: String,
    commit: String,
    folder: String,
    /// The paths of its files, each with what the hub said of its content.
    #[serde(default)]
    files: BTreeMap<String, Digest>,
}

impl Plan {
    /// What the unfinished pull in this folder is of; `None` where there is none, or it cannot be told.
    fn read(staging: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(staging.join(PLAN)).ok()?).ok()
    }
}

/// Pulls a model, or finds that it is here already.
///
/// # Errors
/// Whatever kept it from being whole; what has arrived is kept for the next time.
pub async fn pull(hub: &Hub, store: &Store, wanted: &Wanted) -> Result<Pulled, HubError> {
    let lock = store.lock(&wanted.name)?;
    let place = store.path(&wanted.name);
    let current = Record::read(&place).unwrap_or_default();
    if place.exists() && current.is_none() && !place.join(Record::FILE).exists() {
        let why = "is a folder of your own in the store of pulled models; choose another with --name";
        return Err(HubError::Name { name: wanted.name.clone(), why });
    }
    check_name(store, wanted, current.as_ref())?;
    if hub.is_offline() {
        let here = current.filter(|record| record.is_of(wanted) && record.is_whole(&place));
        let pulled = here.map(|record| Pulled { record, already: true, embeds: false });
        return pulled.ok_or_else(|| HubError::Offline { what: wanted.name.clone() });
    }
    let snapshot = hub.snapshot(&wanted.reference).await?;
    let embeds = snapshot.embeds;
    let mut choice = choose(&wanted.reference.repository, &snapshot, &wanted.folder, &wanted.files)?;
    for file in &mut choice.files {
        if file.remote.size.is_none() || file.remote.digest == Digest::Unknown {
            hub.look_up(&wanted.reference, &snapshot.commit, &mut file.remote).await?;
        }
    }
    let fits = |record: &Record| record.commit == snapshot.commit && record.has(&choice);
    if let Some(record) = current.clone().filter(|record| fits(record) && record.is_whole(&place)) {
        return Ok(Pulled { record, already: true, embeds });
    }
    let staging = store.staging(&wanted.name);
    prepare(&staging, wanted, &snapshot.commit, &choice)?;
    if let Some(current) = &current {
        reuse(current, &place, &staging, &choice.files);
    }
    let files = fetch(hub, store, wanted, (&snapshot, &choice)).await?;
    let record = Record {
        schema_version: 1,
        hub: hub.origin(),
        repository: wanted.reference.repository.clone(),
        revision: wanted.reference.revision.clone(),
        commit: snapshot.commit,
        folder: choice.folder,
        licence: wanted.licence.clone().or(snapshot.licence),
        pulled_at: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        files,
    };
    finish(store, wanted, &record, &lock)?;
    Ok(Pulled { record, already: false, embeds })
}

/// Refuses a name under which another repository is kept, or has begun to arrive.
fn check_name(store: &Store, wanted: &Wanted, current: Option<&Record>) -> Result<(), HubError> {
    let name = &wanted.name;
    let begun = Plan::read(&store.staging(name)).map(|plan| plan.repository);
    let known = [current.map(|record| record.repository.clone()), begun];
    match known.into_iter().flatten().find(|other| *other != wanted.reference.repository) {
        None => Ok(()),
        Some(other) => {
            let why = format!(
                "`{name}` is the name of {other} here: choose another with --name, or remove that one first with \
                 `crossover models rm {name}`"
            );
            Err(HubError::Choice { repository: wanted.reference.repository.clone(), why })
        }
    }
}

impl Record {
    /// Whether it is of what is wanted now, as far as that can be told without asking the hub.
    fn is_of(&self, wanted: &Wanted) -> bool {
        let revision = wanted.reference.revision.as_str();
        let folder = wanted.folder.trim_matches('/');
        let is_usual = folder.is_empty() && wanted.files.is_empty();
        let has = |pattern: &String| self.files.iter().any(|file| names(pattern, &file.path));
        self.repository == wanted.reference.repository
            && (self.revision == revision || self.commit == revision)
            && (self.folder == folder || is_usual)
            && wanted.files.iter().all(has)
    }

    fn is_whole(&self, place: &Path) -> bool {
        self.verify(place).iter().all(|(_, standing)| *standing == Standing::Verified)
    }

    fn has(&self, choice: &Choice) -> bool {
        self.folder == choice.folder
            && choice.files.iter().all(|file| self.files.iter().any(|known| known.path == file.path))
    }
}

/// An empty folder for this pull, or one that holds nothing but files and parts of files that an earlier attempt at the same
/// repository, at whatever commit, left of the very content that is wanted now.
fn prepare(staging: &Path, wanted: &Wanted, commit: &str, choice: &Choice) -> Result<(), HubError> {
    let plan = Plan {
        repository: wanted.reference.repository.clone(),
        commit: commit.to_owned(),
        folder: choice.folder.clone(),
        files: choice.files.iter().map(|file| (file.path.clone(), file.remote.digest.clone())).collect(),
    };
    let disk = |error: io::Error| HubError::disk(staging, &error);
    match Plan::read(staging) {
        Some(before) if before.repository == plan.repository && before.folder == plan.folder => {
            let same = |(path, digest): &(&String, &Digest)| {
                let known = **digest != Digest::Unknown || before.commit == plan.commit;
                known && before.files.get(*path) == Some(*digest)
            };
            let kept = plan.files.iter().filter(same).map(|(path, _)| staging.join(path));
            let kept: Vec<_> = kept.flat_map(|file| [part_of(&file), file]).collect();
            for file in files_below(staging).iter().filter(|file| !kept.contains(file)) {
                std::fs::remove_file(file).map_err(disk)?;
            }
        }
        _ if staging.exists() => std::fs::remove_dir_all(staging).map_err(disk)?,
        _ => {}
    }
    std::fs::create_dir_all(staging).map_err(disk)?;
    let text = serde_json::to_vec(&plan).map_err(|error| disk(error.into()))?;
    std::fs::write(staging.join(PLAN), text).map_err(disk)
}

/// Links files of the old folder that the new one has too; what cannot be linked is fetched.
fn reuse(current: &Record, place: &Path, staging: &Path, files: &[Chosen]) {
    for file in files {
        let Digest::Sha256(wanted) = &file.remote.digest else { continue };
        let Some(known) = current.files.iter().find(|known| known.sha256 == *wanted) else { continue };
        let to = staging.join(&file.path);
        if to.exists() || to.parent().is_none_or(|parent| std::fs::create_dir_all(parent).is_err()) {
            continue;
        }
        // The digest is checked where the file is found, as of any file of an earlier attempt.
        let _ = std::fs::hard_link(place.join(&known.path), to);
    }
}

async fn fetch(
    hub: &Hub,
    store: &Store,
    wanted: &Wanted,
    (snapshot, choice): (&Snapshot, &Choice),
) -> Result<Vec<Recorded>, HubError> {
    let staging = store.staging(&wanted.name);
    let places: Vec<_> = choice.files.iter().map(|file| staging.join(&file.path)).collect();
    let errands: Vec<Errand<'_>> = choice
        .files
        .iter()
        .zip(&places)
        .map(|(file, to)| Errand {
            wanted: &wanted.reference,
            commit: &snapshot.commit,
            path: &file.remote.path,
            size: file.remote.size.unwrap_or(0),
            digest: &file.remote.digest,
            to,
        })
        .collect();
    let total = errands.iter().map(|errand| errand.size).fold(0, u64::saturating_add);
    let here: u64 = errands.iter().map(Errand::here).sum();
    let (needed, free) = (total - here, store.free()?);
    if needed > free {
        return Err(HubError::Space { folder: staging, needed, free });
    }
    hub.transport().tell(Event::Planned { total, here, files: errands.len() });
    let mut recorded = vec![];
    for (errand, file) in errands.iter().zip(&choice.files) {
        hub.transport().tell(Event::File { path: &file.path });
        let sha256 = errand.run(hub).await?;
        recorded.push(Recorded { path: file.path.clone(), size: errand.size, sha256 });
    }
    Ok(recorded)
}

/// Records, drops what earlier attempts at other files left, and swaps. The marks are taken last: dropping the old folder
/// changes those of files that both had.
fn finish(store: &Store, wanted: &Wanted, record: &Record, lock: &Lock) -> Result<(), HubError> {
    let staging = store.staging(&wanted.name);
    let disk = |error: io::Error| HubError::disk(&staging, &error);
    record.write(&staging).map_err(disk)?;
    let kept: Vec<_> = record.files.iter().map(|file| staging.join(&file.path)).collect();
    let [own, plan] = [Record::FILE, PLAN].map(|name| staging.join(name));
    for file in files_below(&staging).iter().filter(|file| !kept.contains(file)) {
        if *file != own && *file != plan {
            std::fs::remove_file(file).map_err(disk)?;
        }
    }
    std::fs::remove_file(plan).map_err(disk)?;
    let place = store.settle(&wanted.name, lock)?;
    record.stamp(&place);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_of_the_folder_and_the_files_that_are_wanted() {
        let recorded = |path: &str| Recorded { path: path.to_owned(), size: 1, sha256: String::new() };
        let record = |folder: &str| Record {
            schema_version: 1,
            hub: String::new(),
            repository: "o/r".to_owned(),
            revision: "main".to_owned(),
            commit: "0".repeat(40),
            folder: folder.to_owned(),
            licence: None,
            pulled_at: String::new(),
            files: vec![recorded("config.json"), recorded("onnx/model_q4.onnx")],
        };
        let is_of = |record: &Record, folder: &str, files: &[&str]| {
            record.is_of(&Wanted {
                name: "r".to_owned(),
                reference: Reference::parse("o/r").unwrap(),
                folder: folder.to_owned(),
                files: files.iter().map(|file| (*file).to_owned()).collect(),
                licence: None,
            })
        };
        let (whole, deep) = (record(""), record("cpu/int4"));
        assert!(is_of(&whole, "", &[]) && is_of(&deep, "", &[]), "the usual choice");
        assert!(is_of(&deep, "cpu/int4/", &[]) && !is_of(&deep, "cuda", &[]));
        assert!(is_of(&whole, "", &["onnx/model_q4.onnx"]) && is_of(&whole, "", &["onnx/*.onnx"]));
        assert!(!is_of(&whole, "", &["onnx/model.onnx"]) && !is_of(&deep, "", &["onnx/model_q4.onnx"]));
    }
}
