//! The figures of local engines, which share their gauges: each adds its own part and takes it back when it goes. Those of
//! an engine in another process are read there, and followed here.

use prometheus::IntGauge;
use serde::{Deserialize, Serialize};

use super::Metrics;

/// What one engine says of itself in its own process's metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineFigures {
    kv_bytes: i64,
    prefix_bytes: i64,
    preempted: u64,
    prefill: u64,
    drafted: u64,
    accepted: u64,
    prefix_lookups: u64,
    prefix_hits: u64,
}

/// What one engine adds to a gauge that several share; dropping it takes it back.
pub struct GaugePart {
    gauge: IntGauge,
    part: i64,
}

impl GaugePart {
    /// Nothing, to begin with.
    pub fn new(gauge: &IntGauge) -> Self {
        Self { gauge: gauge.clone(), part: 0 }
    }

    /// Makes this the part, whatever it was before.
    pub fn set(&mut self, part: usize) {
        let part = i64::try_from(part).unwrap_or(i64::MAX);
        self.gauge.add(part - self.part);
        self.part = part;
    }
}

impl Drop for GaugePart {
    fn drop(&mut self) {
        self.gauge.sub(self.part);
    }
}

impl Metrics {
    /// What the local engine of this process says.
    pub fn engine(&self) -> EngineFigures {
        EngineFigures {
            kv_bytes: self.local_kv_bytes.get(),
            prefix_bytes: self.local_prefix_bytes.get(),
            preempted: self.local_preempted_total.get(),
            prefill: self.local_prefill_tokens_total.get(),
            drafted: self.local_drafted_tokens_total.get(),
            accepted: self.local_accepted_tokens_total.get(),
            prefix_lookups: self.local_prefix_lookup_tokens_total.get(),
            prefix_hits: self.local_prefix_hit_tokens_total.get(),
        }
    }

    /// Takes over what an engine elsewhere says `now`, having said `before`: all figures as they changed.
    pub fn follow_engine(&self, before: &EngineFigures, now: &EngineFigures) {
        self.local_kv_bytes.add(now.kv_bytes - before.kv_bytes);
        self.local_prefix_bytes.add(now.prefix_bytes - before.prefix_bytes);
        let counters = [
            (&self.local_preempted_total, before.preempted, now.preempted),
            (&self.local_prefill_tokens_total, before.prefill, now.prefill),
            (&self.local_drafted_tokens_total, before.drafted, now.drafted),
            (&self.local_accepted_tokens_total, before.accepted, now.accepted),
            (&self.local_prefix_lookup_tokens_total, before.prefix_lookups, now.prefix_lookups),
            (&self.local_prefix_hit_tokens_total, before.prefix_hits, now.prefix_hits),
        ];
        for (counter, before, now) in counters {
            counter.inc_by(now.saturating_sub(before));
        }
    }

    /// An engine elsewhere is gone that said this `last`: its part of the gauges goes, its counters stay.
    pub fn forget_engine(&self, last: &EngineFigures) {
        self.local_kv_bytes.sub(last.kv_bytes);
        self.local_prefix_bytes.sub(last.prefix_bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_grow_by_what_was_added_and_survive_a_restart() {
        let (there, here) = (Metrics::new().unwrap(), Metrics::new().unwrap());
        there.local_prefill_tokens_total.inc_by(5);
        there.local_kv_bytes.set(7);
        let first = there.engine();
        here.follow_engine(&EngineFigures::default(), &first);
        there.local_prefill_tokens_total.inc_by(2);
        let second = there.engine();
        here.follow_engine(&first, &second);
        assert_eq!((here.local_prefill_tokens_total.get(), here.local_kv_bytes.get()), (7, 7));
        here.forget_engine(&second);
        assert_eq!((here.local_prefill_tokens_total.get(), here.local_kv_bytes.get()), (7, 0));
    }

    #[test]
    fn engines_share_their_gauges() {
        let (there, here) = (Metrics::new().unwrap(), Metrics::new().unwrap());
        let (mut one, mut other) =
            (GaugePart::new(&here.local_kv_bytes), GaugePart::new(&here.local_kv_bytes));
        one.set(10);
        other.set(5);
        one.set(3);
        there.local_kv_bytes.set(7);
        let elsewhere = there.engine();
        here.follow_engine(&EngineFigures::default(), &elsewhere);
        assert_eq!(here.local_kv_bytes.get(), 3 + 5 + 7);
        drop(one);
        here.forget_engine(&elsewhere);
        assert_eq!(here.local_kv_bytes.get(), 5);
    }
}
