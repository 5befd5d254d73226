//! Records against folders: what passes, what is named, and what is hashed again.

use super::*;

const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn record(path: &str) -> Record {
    Record {
        schema_version: 1,
        hub: "https://hub.invalid".to_owned(),
        repository: "org/repo".to_owned(),
        revision: "main".to_owned(),
        commit: "0".repeat(40),
        folder: String::new(),
        licence: Some("MIT".to_owned()),
        pulled_at: "2026-01-01T00:00:00Z".to_owned(),
        files: vec![Recorded { path: path.to_owned(), size: 3, sha256: ABC.to_owned() }],
    }
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("onnx")).unwrap();
    std::fs::write(folder.path().join("onnx/model.onnx"), b"abc").unwrap();
    record("onnx/model.onnx").write(folder.path()).unwrap();
    folder
}

#[test]
fn a_record_comes_back_as_it_was_written() {
    let folder = folder();
    assert_eq!(Record::read(folder.path()).unwrap(), Some(record("onnx/model.onnx")));
    assert_eq!(Record::read(&folder.path().join("onnx")).unwrap(), None);
    Record::check(&folder.path().join("onnx")).unwrap();
}

#[test]
fn d20_an_altered_file_is_named_with_the_commands_that_mend_it() {
    let folder = folder();
    Record::check(folder.path()).unwrap();
    for (bytes, word) in [(&b"abd"[..], "SHA-256"), (b"ab", "2 bytes")] {
        std::fs::write(folder.path().join("onnx/model.onnx"), bytes).unwrap();
        let text = Record::check(folder.path()).unwrap_err().to_string();
        for word in ["onnx/model.onnx", word, "crossover models verify", "crossover models pull"] {
            assert!(text.contains(word), "`{word}` is missing in {text}");
        }
        let record = Record::read(folder.path()).unwrap().unwrap();
        assert_eq!(record.verify(folder.path())[0].1, Standing::Altered);
    }
    std::fs::remove_file(folder.path().join("onnx/model.onnx")).unwrap();
    assert!(Record::check(folder.path()).unwrap_err().to_string().contains("cannot be read"));
    let record = Record::read(folder.path()).unwrap().unwrap();
    assert_eq!(record.verify(folder.path())[0].1, Standing::Missing);
}

#[test]
fn an_edit_behind_a_restored_modification_time_is_seen() {
    let folder = folder();
    Record::check(folder.path()).unwrap();
    let path = folder.path().join("onnx/model.onnx");
    let before = std::fs::metadata(&path).unwrap().modified().unwrap();
    // A kernel tells change times in ticks of a few milliseconds; wait until the clock has moved on.
    let changed = |path: &Path| {
        use std::os::unix::fs::MetadataExt as _;
        let data = std::fs::metadata(path).unwrap();
        (data.ctime(), data.ctime_nsec())
    };
    let first = changed(&path);
    while changed(&path) == first {
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        std::io::Write::write_all(&mut &file, b"abd").unwrap();
        file.set_modified(before).unwrap();
    }
    assert!(Record::check(folder.path()).is_err());
}

#[test]
fn what_was_hashed_and_not_touched_is_not_read_again() {
    let folder = folder();
    let path = folder.path().join("onnx/model.onnx");
    Record::check(folder.path()).unwrap();
    let stamps = Stamps::read(folder.path());
    assert!(stamps.holds(folder.path(), "onnx/model.onnx", ABC));
    assert!(!stamps.holds(folder.path(), "onnx/model.onnx", &"0".repeat(64)), "bound to the digest");
    std::fs::write(&path, b"abcd").unwrap();
    assert!(!stamps.holds(folder.path(), "onnx/model.onnx", ABC), "bound to the file's marks");
}

#[test]
fn what_was_found_altered_is_not_trusted_for_what_is_remembered() {
    let folder = folder();
    std::fs::write(folder.path().join("onnx/model.onnx"), b"abd").unwrap();
    // As if the content had changed on the disk itself, behind the marks.
    let mut stamps = Stamps::default();
    stamps.add(folder.path(), "onnx/model.onnx", ABC);
    stamps.write(folder.path());
    Record::check(folder.path()).unwrap();
    let record = Record::read(folder.path()).unwrap().unwrap();
    assert_eq!(record.verify(folder.path())[0].1, Standing::Altered);
    assert!(Record::check(folder.path()).is_err());
}

#[test]
fn what_was_not_hashed_now_stays_remembered() {
    let folder = folder();
    std::fs::write(folder.path().join("other"), b"abc").unwrap();
    let mut stamps = Stamps::default();
    stamps.add(folder.path(), "other", ABC);
    stamps.write(folder.path());
    Record::check(folder.path()).unwrap();
    let stamps = Stamps::read(folder.path());
    assert!(["other", "onnx/model.onnx"].iter().all(|file| stamps.holds(folder.path(), file, ABC)));
}

#[test]
fn f11_a_record_that_points_outside_is_refused() {
    let folder = folder();
    record("../abc").write(folder.path()).unwrap();
    assert!(Record::check(folder.path()).unwrap_err().to_string().contains("outside"));
    std::fs::write(folder.path().join(Record::FILE), "schema-version = 1\nfiels = 3\n").unwrap();
    assert!(Record::check(folder.path()).is_err());
}
