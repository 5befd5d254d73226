//! How many log lines this process has lost. One count for the process, as the log is: it begins before any gateway's
//! metrics do, and each of those catches up when it is read.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::Metrics;

static LOST: AtomicU64 = AtomicU64::new(0);

/// Counts a log line that was dropped.
pub fn line_lost() {
    LOST.fetch_add(1, Relaxed);
}

/// Log lines that were dropped since the process began.
pub fn lost_lines() -> u64 {
    LOST.load(Relaxed)
}

impl Metrics {
    /// Brings the counter up to what was lost. Two scrapes at once add nothing twice.
    pub(super) fn follow_log(&self) {
        let lost = lost_lines();
        let told = self.lines_told.fetch_max(lost, Relaxed);
        self.log_lines_lost_total.inc_by(lost.saturating_sub(told));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d17_whoever_scrapes_sees_every_lost_line_once() {
        let early = Metrics::new().unwrap();
        let text = String::from_utf8(early.render().unwrap()).unwrap();
        assert!(text.contains("\ncrossover_log_lines_lost_total "), "it is there before a line is lost");
        let before = early.log_lines_lost_total.get();
        line_lost();
        let late = Metrics::new().unwrap();
        for metrics in [&early, &late] {
            metrics.render().unwrap();
            metrics.render().unwrap();
            let told = metrics.log_lines_lost_total.get();
            // Other tests of this process may lose lines at the same time.
            assert!((before + 1..=lost_lines()).contains(&told), "{told}");
        }
    }
}
