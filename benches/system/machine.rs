//! The machine: what it is, how many cores it has, and how to keep a process on one of them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

/// What measured.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    kernel: String,
    /// Average load of the minute before: above 0.5 somebody else was at work.
    load_before: f64,
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, cores, kernel, load_before } = self;
        write!(f, "{cpu}, {cores} cores, Linux {kernel}, load before {load_before:.1}")
    }
}

pub(crate) fn describe() -> Machine {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let cpu = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    Machine {
        cpu: cpu.map_or_else(|| "unknown CPU".to_owned(), |(_, name)| name.to_owned()),
        cores: cores(),
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        load_before: read("/proc/loadavg")
            .split(' ')
            .next()
            .and_then(|load| load.parse().ok())
            .unwrap_or(0.0),
    }
}

/// Cores that this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A path of the repository.
pub(crate) fn path(name: &str) -> PathBuf {
    root().join(name)
}

/// A command that stays on one core, where `taskset` and a second core are to be had; else the plain command.
pub(crate) fn on_core(core: usize, program: &Path) -> Command {
    if !can_pin() {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.arg("--cpu-list").arg(core.to_string()).arg(program);
    command
}

/// Whether [`on_core`] pins.
pub(crate) fn can_pin() -> bool {
    let known = Command::new("taskset").arg("--version").output().is_ok_and(|output| output.status.success());
    known
        && std::fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.matches("processor\t").count() > 1)
}

/// The core furthest from 0.
pub(crate) fn last_core() -> usize {
    let online = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default().matches("processor\t").count();
    online.saturating_sub(1)
}
