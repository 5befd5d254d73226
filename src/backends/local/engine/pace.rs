//! How fast the engine is: tokens of the last second, and smoothed rates that tell how long a queue will take.
//! Measures nothing itself; is told what ran for how long.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// How often the speed is told anew.
pub(super) const WINDOW: Duration = Duration::from_secs(1);
/// Weight of the newest figure in a smoothed one.
const NEWEST: f64 = 0.1;

/// Tokens per second, over windows of one second.
#[derive(Default)]
pub(super) struct Speed {
    since: Option<Instant>,
    tokens: usize,
    last: f64,
}

impl Speed {
    pub(super) fn add(&mut self, tokens: usize) {
        if tokens > 0 {
            self.since.get_or_insert_with(Instant::now);
            self.tokens += tokens;
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.since.is_some()
    }

    /// A new figure, once a window is over.
    pub(super) fn measure(&mut self, idle: bool) -> Option<f64> {
        let elapsed = self.since?.elapsed();
        if elapsed < WINDOW {
            return None;
        }
        self.last = self.tokens as f64 / elapsed.as_secs_f64();
        self.tokens = 0;
        self.since = (!idle || self.last > 0.0).then(Instant::now);
        Some(self.last)
    }
}

/// Smoothed figures of work done; 0 before anything was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::backends::local) struct Rates {
    /// Prompt tokens per second of prefill.
    pub(in crate::backends::local) prefill: f64,
    /// Tokens per second of decoding, of all answers together.
    pub(in crate::backends::local) decode: f64,
    /// Tokens of an answer.
    pub(in crate::backends::local) answer: f64,
}

impl Rates {
    pub(super) fn prefilled(&mut self, tokens: usize, took: Duration) {
        smooth(&mut self.prefill, per_second(tokens, took));
    }

    pub(super) fn decoded(&mut self, tokens: usize, took: Duration) {
        smooth(&mut self.decode, per_second(tokens, took));
    }

    pub(super) fn answered(&mut self, tokens: usize) {
        smooth(&mut self.answer, tokens as f64);
    }

    /// How long the next request will wait for its first token: `prompt` tokens are prefilled before it, and `ahead`
    /// answers have to end first.
    pub(in crate::backends::local) fn wait(&self, prompt: usize, ahead: usize) -> Duration {
        let part = |work: f64, rate: f64| if rate > 0.0 { work / rate } else { 0.0 };
        let seconds = part(prompt as f64, self.prefill) + part(ahead as f64 * self.answer, self.decode);
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

fn per_second(tokens: usize, took: Duration) -> f64 {
    tokens as f64 / took.as_secs_f64().max(1e-9)
}

fn smooth(figure: &mut f64, newest: f64) {
    *figure = if *figure > 0.0 { *figure + NEWEST * (newest - *figure) } else { newest };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_the_work_ahead_over_the_rates() {
        let mut rates = Rates::default();
        assert_eq!(rates.wait(1000, 10), Duration::ZERO, "nothing is known yet");
        rates.prefilled(200, Duration::from_secs(1));
        rates.decoded(50, Duration::from_secs(1));
        rates.answered(100);
        assert_eq!(rates.wait(400, 3), Duration::from_secs(2 + 6));
        rates.decoded(150, Duration::from_secs(1));
        assert!((rates.decode - 60.0).abs() < 1e-9, "smoothed");
    }
}
