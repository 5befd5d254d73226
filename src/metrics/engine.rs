//! The figures of a local engine that runs in another process: read there, and followed here.

use serde::{Deserialize, Serialize};

use super::Metrics;

/// What one engine says of itself in its own process's metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineFigures {
    kv_bytes: i64,
    prefix_bytes: i64,
    preempted: u64,
    prefill: u64,
    prefix_lookups: u64,
    prefix_hits: u64,
}

impl Metrics {
    /// What the local engine of this process says.
    pub fn engine(&self) -> EngineFigures {
        EngineFigures {
            kv_bytes: self.local_kv_bytes.get(),
            prefix_bytes: self.local_prefix_bytes.get(),
            preempted: self.local_preempted_total.get(),
            prefill: self.local_prefill_tokens_total.get(),
            prefix_lookups: self.local_prefix_lookup_tokens_total.get(),
            prefix_hits: self.local_prefix_hit_tokens_total.get(),
        }
    }

    /// Takes over what an engine elsewhere says `now`, having said `before`: gauges as they are, counters as they grew.
    pub fn follow_engine(&self, before: &EngineFigures, now: &EngineFigures) {
        self.local_kv_bytes.set(now.kv_bytes);
        self.local_prefix_bytes.set(now.prefix_bytes);
        let counters = [
            (&self.local_preempted_total, before.preempted, now.preempted),
            (&self.local_prefill_tokens_total, before.prefill, now.prefill),
            (&self.local_prefix_lookup_tokens_total, before.prefix_lookups, now.prefix_lookups),
            (&self.local_prefix_hit_tokens_total, before.prefix_hits, now.prefix_hits),
        ];
        for (counter, before, now) in counters {
            counter.inc_by(now.saturating_sub(before));
        }
    }

    /// An engine elsewhere is gone: its gauges fall to 0, its counters stay.
    pub fn forget_engine(&self) {
        self.local_kv_bytes.set(0);
        self.local_prefix_bytes.set(0);
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
        here.follow_engine(&first, &there.engine());
        assert_eq!((here.local_prefill_tokens_total.get(), here.local_kv_bytes.get()), (7, 7));
        here.forget_engine();
        assert_eq!((here.local_prefill_tokens_total.get(), here.local_kv_bytes.get()), (7, 0));
    }
}
