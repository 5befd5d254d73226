//! CPU time and memory of a running process, from `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::Context as _;

/// Length of a tick in `/proc/PID/stat`: `USER_HZ` is 100 on every Linux that this runs on.
const TICK: Duration = Duration::from_millis(10);

/// CPU time used so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cpu {
    /// Of the whole process, kernel time included.
    pub(crate) total: Duration,
    /// By thread name, threads that are alive.
    pub(crate) threads: BTreeMap<String, Duration>,
}

impl Cpu {
    /// What was used since `before`.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let earlier = |name: &String| before.threads.get(name).copied().unwrap_or_default();
        let threads =
            self.threads.iter().map(|(name, time)| (name.clone(), time.saturating_sub(earlier(name))));
        Self { total: self.total.saturating_sub(before.total), threads: threads.collect() }
    }

    /// Time of all threads of that name.
    pub(crate) fn thread(&self, name: &str) -> Duration {
        self.threads.get(name).copied().unwrap_or_default()
    }
}

/// Reads the CPU time of a process.
pub(crate) fn cpu(pid: u32) -> anyhow::Result<Cpu> {
    let mut threads: BTreeMap<String, Duration> = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        let folder = entry?.path();
        let Ok(name) = fs::read_to_string(folder.join("comm")) else { continue };
        let Ok(times) = fs::read_to_string(folder.join("schedstat")) else { continue };
        let ran = times.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0);
        *threads.entry(name.trim().to_owned()).or_default() += Duration::from_nanos(ran);
    }
    let alive: Duration = threads.values().sum();
    // Ticks are coarse, but count threads that have ended.
    Ok(Cpu { total: alive.max(ticks(pid)?), threads })
}

fn ticks(pid: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit_once(") ").context("no name in /proc/PID/stat")?.1;
    let ticks: u32 =
        after_name.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u32>().ok()).sum();
    Ok(TICK * ticks)
}

/// Resident memory in MB (10^6 bytes): now, and at most so far.
pub(crate) fn memory(pid: u32) -> anyhow::Result<(f64, f64)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| -> anyhow::Result<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no such field")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024.0 / 1e6)
    };
    Ok((field("VmRSS:")?, field("VmHWM:")?))
}
