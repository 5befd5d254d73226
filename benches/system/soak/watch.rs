//! Memory, descriptors and threads of the gateway and its worker over time.

use std::fs;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::super::figures::{Report, median};
use super::super::process;

/// How often memory is read.
const EVERY: Duration = Duration::from_secs(1);
/// Share of the time that is warming up: buffers and caches reach their sizes.
const WARM_UP: f64 = 0.25;
/// Growth from the middle half of the time to its last quarter that is noise.
const NOISE_MB: f64 = 16.0;
const NOISE_SHARE: f64 = 0.05;

/// What a process and its children hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holdings {
    pub(super) descriptors: usize,
    pub(super) threads: usize,
}

impl Holdings {
    pub(super) fn of(pid: u32) -> Self {
        let count = |what: &str| {
            let entries = family(pid).into_iter().map(|pid| fs::read_dir(format!("/proc/{pid}/{what}")));
            entries.map(|entries| entries.map_or(0, Iterator::count)).sum()
        };
        Self { descriptors: count("fd"), threads: count("task") }
    }
}

/// The process and its children.
fn family(pid: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let children = processes.filter_map(|entry| {
        let child: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let parent: u32 = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
        (parent == pid).then_some(child)
    });
    std::iter::once(pid).chain(children).collect()
}

fn memory(pid: u32) -> f64 {
    family(pid).into_iter().filter_map(|pid| process::memory(pid).ok()).map(|(now, _)| now).sum()
}

/// Reads the memory of a process until told to finish.
pub(super) struct Watch {
    samples: Arc<Mutex<Vec<(f64, f64)>>>,
    task: JoinHandle<()>,
}

impl Watch {
    pub(super) fn start(pid: u32) -> Self {
        let samples: Arc<Mutex<Vec<_>>> = Arc::default();
        let (kept, began) = (Arc::clone(&samples), Instant::now());
        let task = tokio::spawn(async move {
            loop {
                let sample = (began.elapsed().as_secs_f64(), memory(pid));
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
                tokio::time::sleep(EVERY).await;
            }
        });
        Self { samples, task }
    }

    pub(super) fn now(&self) -> String {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        samples.last().map_or_else(String::new, |(_, megabytes)| format!("{megabytes:.0} MB"))
    }

    pub(super) async fn finish(self) -> Memory {
        self.task.abort();
        // An aborted task is all that there can be.
        let _ = self.task.await;
        let samples = std::mem::take(&mut *self.samples.lock().unwrap_or_else(PoisonError::into_inner));
        Memory::of(&samples)
    }
}

/// How memory went, in MB.
pub(super) struct Memory {
    most: f64,
    /// Middle value of the time between warm-up and the last quarter, and of that quarter.
    middle: f64,
    last: f64,
    slope_per_hour: f64,
}

impl Memory {
    fn of(samples: &[(f64, f64)]) -> Self {
        let count = samples.len() as f64;
        let warm = &samples[(count * WARM_UP) as usize..];
        let last = (warm.len() as f64 * 2.0 / 3.0) as usize;
        let values = |samples: &[(f64, f64)]| samples.iter().map(|(_, mb)| *mb).collect::<Vec<_>>();
        Self {
            most: values(samples).into_iter().fold(0.0, f64::max),
            middle: median(&values(&warm[..last])),
            last: median(&values(&warm[last..])),
            slope_per_hour: slope(warm) * 3600.0,
        }
    }

    pub(super) fn violations(&self) -> Option<String> {
        let allowed = NOISE_MB.max(self.middle * NOISE_SHARE);
        let grew = self.last - self.middle;
        (grew > allowed).then(|| {
            format!("memory grew from {:.0} to {:.0} MB, {allowed:.0} MB are noise", self.middle, self.last)
        })
    }

    pub(super) fn add_to(&self, report: &mut Report) {
        report.add("memory, most", self.most, "MB");
        report.add("memory, after warming up", self.middle, "MB");
        report.add("memory, last quarter", self.last, "MB");
        report.add("memory, slope after warming up", self.slope_per_hour, "MB/hour");
    }
}

/// Slope of the least-squares line; 0 of fewer than two points.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    let together: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    if spread > 0.0 { together / spread } else { 0.0 }
}
