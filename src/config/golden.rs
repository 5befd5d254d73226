//! `[golden]`: golden sets that the gateway runs by itself now and then, to watch the quality of its backends.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::load::Problem;

/// Backends that may be run.
const TIERS: [&str; 2] = ["local", "remote"];

/// `[golden]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct GoldenConfig {
    /// Folders of golden sets to run; none: nothing is run.
    pub suites: Vec<PathBuf>,
    /// Time from the end of one run to the next: a number and `s`, `m`, `h` or `d`. The first run comes at start.
    pub every: String,
    /// Most rows of a set, spread over it; 0: all.
    pub limit: usize,
    /// Backends to run them on, each by itself: `local`, `remote`.
    pub tiers: Vec<String>,
    /// Whether `remote` may be among them: each run then costs money.
    pub ask_remote: bool,
}

impl Default for GoldenConfig {
    fn default() -> Self {
        Self {
            suites: vec![],
            every: "6h".to_owned(),
            limit: 100,
            tiers: vec!["local".to_owned()],
            ask_remote: false,
        }
    }
}

impl GoldenConfig {
    pub(super) fn check(&self, problems: &mut Vec<Problem>) {
        let mut add = |key: &str, message: String| problems.push(Problem::key(key, message));
        if span(&self.every).is_none() {
            let message =
                format!("`{}` is no span of time: write a number and s, m, h or d, such as 6h", self.every);
            add("golden.every", message);
        }
        if self.tiers.is_empty() {
            add("golden.tiers", format!("is empty; known: {}", TIERS.join(", ")));
        }
        for tier in &self.tiers {
            if !TIERS.contains(&tier.as_str()) {
                add("golden.tiers", format!("`{tier}` is no backend; known: {}", TIERS.join(", ")));
            }
            if tier == "remote" && !self.ask_remote {
                let message =
                    "names `remote`, which costs money: set golden.ask-remote = true, or leave it out";
                add("golden.tiers", message.to_owned());
            }
        }
    }

    /// Time between runs.
    pub fn every(&self) -> Duration {
        span(&self.every).unwrap_or(Duration::from_secs(6 * 3_600))
    }
}

fn span(text: &str) -> Option<Duration> {
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let count: u32 = text[..text.len() - 1].parse().ok()?;
    (count > 0).then(|| Duration::from_secs(u64::from(count) * unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_named_with_its_key() {
        let config = GoldenConfig {
            every: "6 h".to_owned(),
            tiers: vec!["remote".to_owned(), "cloud".to_owned()],
            ..GoldenConfig::default()
        };
        let mut problems = vec![];
        config.check(&mut problems);
        let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(all[0].starts_with("golden.every: `6 h` is no span of time"), "{all:?}");
        assert!(all[1].contains("set golden.ask-remote = true"), "{all:?}");
        assert!(all[2].contains("`cloud` is no backend; known: local, remote"), "{all:?}");
        assert_eq!(all.len(), 3);
    }

    #[test]
    fn it_is_off_by_default_and_spans_are_read() {
        let config = GoldenConfig::default();
        let mut problems = vec![];
        config.check(&mut problems);
        assert!(problems.is_empty() && config.suites.is_empty());
        assert_eq!(config.every(), Duration::from_secs(21_600));
        for wrong in ["", "h", "0h", "-1h", "1.5h", "h6", "7é", "99999999999d"] {
            assert_eq!(span(wrong), None, "{wrong}");
        }
    }
}
