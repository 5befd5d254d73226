//! The things that stand by themselves: machine, ONNX Runtime, model files, ports, state folder, ledger.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::Path;

use super::{Finding, is_live};
use crate::config::{Config, LedgerConfig, Paths, ServerConfig, model_root};
use crate::hub::Record;
use crate::ledger::{self, By, LedgerError, Query};
use crate::onnx::{self, Manifest};

/// What the shipped models need at least, in MiB free.
const LEAST_FREE_MIB: u64 = 256;

/// Cores, instructions, memory.
pub(super) fn machine() -> Vec<Finding> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    vec![Finding::good("cores", format!("{cores}")), instructions(), memory()]
}

#[cfg(target_arch = "x86_64")]
fn instructions() -> Finding {
    let known = [
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("fma", std::arch::is_x86_feature_detected!("fma")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
        ("avx512vnni", std::arch::is_x86_feature_detected!("avx512vnni")),
        ("avxvnni", std::arch::is_x86_feature_detected!("avxvnni")),
    ];
    let there: Vec<&str> = known.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect();
    if there.contains(&"avx2") {
        return Finding::good("instructions", format!("x86_64 with {}", there.join(", ")));
    }
    Finding::note(
        "instructions",
        "x86_64 without avx2: local answers will be many times slower than elsewhere",
    )
}

#[cfg(not(target_arch = "x86_64"))]
fn instructions() -> Finding {
    let mend = "set ORT_DYLIB_PATH to an ONNX Runtime built for it";
    Finding::note(
        "instructions",
        format!("{}: `make setup` fetches for x86_64 only; {mend}", std::env::consts::ARCH),
    )
}

fn memory() -> Finding {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let mib = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib / 1024)
    };
    match (mib("MemTotal:"), mib("MemAvailable:")) {
        (Some(all), Some(free)) if free < LEAST_FREE_MIB => Finding::note(
            "memory",
            format!("{all} MiB, only {free} MiB free: the shipped models may not fit"),
        ),
        (Some(all), Some(free)) => Finding::good("memory", format!("{all} MiB, {free} MiB free")),
        _ => Finding::note("memory", "this system does not say"),
    }
}

/// The ONNX Runtime library.
pub(super) fn runtime() -> Finding {
    match onnx::runtime() {
        Ok(runtime) => {
            Finding::good("ONNX Runtime", format!("{} at {}", onnx::VERSION, runtime.library().display()))
        }
        Err(error) => Finding::bad("ONNX Runtime", error.to_string()),
    }
}

/// The files of the models in use, against the manifest.
pub(super) fn models(config: &Config, paths: &Paths) -> Vec<Finding> {
    let local = config.local.all().map(|name| ("local model", config.local.enabled, name));
    let classifier = ("classifier", config.classifier.enabled, config.classifier.model.as_str());
    local
        .chain([classifier])
        .map(|(subject, enabled, name)| {
            if !enabled {
                return Finding::note(subject, "switched off in the configuration");
            }
            let path = paths.model(name);
            let folder = model_root(&path).map_or(path.as_path(), |(root, _)| root);
            let listed = folder.parent().map_or(Ok(false), |models| {
                Manifest::read(models).map(|manifest| {
                    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
                    name.is_some_and(|name| manifest.get(&name).is_some())
                })
            });
            match Record::read(folder).and_then(|record| Record::check(folder).map(|()| record)) {
                Ok(None) => {}
                Ok(Some(record)) => {
                    let commit = record.commit.get(..12).unwrap_or_default();
                    let source = format!("{} at {commit}", record.repository);
                    let text = format!("{}: every file is as pulled from {source}", folder.display());
                    return Finding::good(subject, text);
                }
                Err(error) => return Finding::bad(subject, error.to_string()),
            }
            match (listed, Manifest::check(folder)) {
                (Err(error), _) | (_, Err(error)) => Finding::bad(subject, error.to_string()),
                (Ok(true), Ok(())) => Finding::good(
                    subject,
                    format!("{}: every file is what the manifest says", folder.display()),
                ),
                (Ok(false), Ok(())) => Finding::note(
                    subject,
                    format!("{}: not in the manifest, so unverified", folder.display()),
                ),
            }
        })
        .collect()
}

/// Whether both addresses can be bound now.
pub(super) fn ports(server: &ServerConfig) -> Vec<Finding> {
    let gateway = is_live(server.admin_listen).is_ok();
    let both = [("server.listen", server.listen), ("server.admin-listen", server.admin_listen)];
    both.into_iter()
        .map(|(key, address)| match TcpListener::bind(address) {
            Ok(_) => Finding::good("port", format!("{address} is free")),
            Err(error) if error.kind() == ErrorKind::AddrInUse && gateway => {
                Finding::note("port", format!("{address} is in use; a gateway is alive here"))
            }
            Err(error) => Finding::bad("port", format!("{address}: {error}; choose another with {key}")),
        })
        .collect()
}

/// Whether files can be written in the state folder, or where it would be made. Leaves nothing behind.
pub(super) fn state_folder(state: &Path) -> Finding {
    match writable(state) {
        Ok(there) if there == state => {
            Finding::good("state folder", format!("{} can be written", state.display()))
        }
        Ok(_) => Finding::good("state folder", format!("{} can be made", state.display())),
        Err(error) => {
            let mend = "choose another with --state or CROSSOVER_STATE";
            Finding::bad("state folder", format!("{}: cannot be written: {error}; {mend}", state.display()))
        }
    }
}

/// Tries to write in `folder` or, before it is made, in the nearest one above it that is there; returns the one tried.
/// Leaves nothing behind.
fn writable(folder: &Path) -> std::io::Result<&Path> {
    let there = folder.ancestors().find(|above| above.exists()).unwrap_or(Path::new("."));
    let probe = there.join(format!(".crossover-doctor-{}", std::process::id()));
    std::fs::write(&probe, b"").and_then(|()| std::fs::remove_file(&probe)).map(|()| there)
}

/// Whether the ledger can be written, or where it would be made, and how many requests it holds. SQLite also writes
/// beside its file.
pub(super) fn ledger(config: &LedgerConfig, state: &Path) -> Finding {
    let file = ledger::file(config, state);
    let mut tried = writable(file.parent().unwrap_or(Path::new("."))).map(|_| ());
    if tried.is_ok() && file.exists() {
        tried = OpenOptions::new().write(true).open(&file).map(drop);
    }
    if let Err(error) = tried {
        let mend = "set ledger.path to a file in a folder that can be written";
        return Finding::bad("ledger", format!("{}: cannot be written: {error}; {mend}", file.display()));
    }
    if !file.exists() {
        return Finding::good("ledger", format!("{}: none yet, `serve` makes it", file.display()));
    }
    match ledger::summarize(&file, &Query { since_ms: 0, by: By::Policy, origin: None }) {
        Ok(summary) => {
            Finding::good("ledger", format!("{}: {} request(s)", file.display(), summary.total.requests))
        }
        // `serve` brings it forward.
        Err(error @ LedgerError::Older { .. }) => Finding::note("ledger", error.to_string()),
        Err(error) => Finding::bad("ledger", error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn a_port_in_use_is_missing_unless_a_gateway_has_it() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = ServerConfig { listen: taken.local_addr().unwrap(), ..ServerConfig::default() };
        let admin = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let found = ports(&ServerConfig { admin_listen: admin, ..server });
        assert_eq!((found[0].state, found[1].state), (State::Bad, State::Good));
        assert!(found[0].text.contains("server.listen"), "{}", found[0]);
    }

    #[test]
    fn a_graph_that_is_named_is_looked_for_in_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("tiny/onnx")).unwrap();
        std::fs::write(at("tiny/onnx/model.onnx"), b"graph").unwrap();
        let mut config = Config::default();
        config.local.model = at("tiny/onnx/model.onnx").display().to_string();
        let paths = Paths { state: at("state"), models: at(""), policies: at("policies") };
        let found = models(&config, &paths);
        let unlisted = format!("{}: not in the manifest, so unverified", at("tiny").display());
        assert_eq!((found[0].state, found[0].text.as_str()), (State::Note, unlisted.as_str()));
    }

    #[test]
    fn a_state_folder_is_probed_without_a_trace() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("deep/state");
        assert_eq!(state_folder(&state).state, State::Good);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        std::fs::write(folder.path().join("deep"), b"a file").unwrap();
        assert_eq!(state_folder(&state).state, State::Bad, "a file stands where a folder is to be");
        assert_eq!(state_folder(Path::new("/proc/self/nowhere")).state, State::Bad);
    }

    #[test]
    fn a_file_that_is_no_ledger_is_named() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(ledger(&LedgerConfig::default(), folder.path()).state, State::Good);
        std::fs::write(folder.path().join("ledger.sqlite"), b"not a database").unwrap();
        let found = ledger(&LedgerConfig::default(), folder.path());
        assert_eq!(found.state, State::Bad);
        assert!(found.text.contains("ledger.sqlite"), "{found}");
    }

    #[test]
    fn a_ledger_that_cannot_be_written_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("ledger.sqlite")).unwrap();
        let no_file = ledger(&LedgerConfig::default(), folder.path());
        let nowhere = Some(Path::new("/proc/self/nowhere/l.sqlite").to_owned());
        let no_folder = ledger(&LedgerConfig { path: nowhere, ..LedgerConfig::default() }, folder.path());
        for found in [no_file, no_folder] {
            assert_eq!(found.state, State::Bad, "{found}");
            assert!(found.text.contains("set ledger.path"), "{found}");
        }
    }
}
