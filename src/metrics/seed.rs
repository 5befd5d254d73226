//! Series that exist from the start. A counter that is born at 1 has no increase, so that a dashboard would miss every
//! first request, retry or fallback; and an idle gateway shows 0 instead of nothing.
//! Does not know the sets themselves: whoever builds the house hands them in.

use super::Metrics;

/// The closed sets that label values come from.
#[derive(Clone, Copy, Debug)]
pub struct ClosedSets<'a> {
    /// The policies' names.
    pub policies: &'a [&'a str],
    /// The backends' names.
    pub backends: &'a [&'a str],
    /// Why a request goes where it goes.
    pub reasons: &'a [&'a str],
    /// Reasons for which a preferred backend is passed over without being asked.
    pub passed_over: &'a [&'a str],
    /// Kinds of failure.
    pub failures: &'a [&'a str],
    /// The name that embeddings go by, where a model makes them.
    pub embedder: Option<&'a str>,
}

impl Metrics {
    /// Lets every series that these sets can give rise to exist, at 0. Requests are seeded as answered well: which
    /// errors occur is known only when they do.
    pub fn seed(&self, sets: &ClosedSets<'_>) {
        for policy in sets.policies {
            for outcome in ["answered", "failed", "dropped", "void"] {
                self.shadow_samples_total.with_label_values(&[policy, outcome]);
            }
            for backend in sets.backends {
                self.requests_total.with_label_values(&[policy, backend, "200", "none"]);
                for verdict in ["good", "neutral", "bad"] {
                    self.feedback_total.with_label_values(&[policy, backend, verdict]);
                }
                for reason in sets.reasons {
                    self.decisions_total.with_label_values(&[policy, backend, reason]);
                }
            }
        }
        for failure in sets.failures {
            self.retries_total.with_label_values(&[failure]);
        }
        for backend in sets.backends.iter().chain(&sets.embedder) {
            for outcome in ["ok", "cancelled"].iter().chain(sets.failures) {
                self.attempts_total.with_label_values(&[backend, outcome]);
            }
        }
        for backend in sets.backends {
            for other in sets.backends.iter().filter(|other| *other != backend) {
                for reason in sets.failures.iter().chain(sets.passed_over) {
                    self.fallback_total.with_label_values(&[backend, other, reason]);
                }
            }
        }
        if let Some(embedder) = sets.embedder {
            self.seed_embedder(embedder);
        }
    }

    /// What an answered embedding counts in: no policy decides on it, and it has a prompt alone.
    fn seed_embedder(&self, backend: &str) {
        self.requests_total.with_label_values(&["none", backend, "200", "none"]);
        self.request_duration_seconds.with_label_values(&[backend]);
        self.cost_usd_total.with_label_values(&[backend]);
        self.tokens_total.with_label_values(&[backend, "prompt", "false"]);
    }

    /// What does not depend on settings.
    pub(super) fn seed_fixed(&self) {
        for backend in ["local", "remote"] {
            self.request_duration_seconds.with_label_values(&[backend]);
            self.first_chunk_seconds.with_label_values(&[backend]);
            self.cost_usd_total.with_label_values(&[backend]);
            self.unpriced_requests_total.with_label_values(&[backend]);
            self.breaker_open.with_label_values(&[backend]);
            self.backend_ready.with_label_values(&[backend]);
            for kind in ["prompt", "cached_prompt", "completion"] {
                for estimated in ["false", "true"] {
                    self.tokens_total.with_label_values(&[backend, kind, estimated]);
                }
            }
        }
        for kind in ["hung", "failing", "died", "refused"] {
            self.local_faults_total.with_label_values(&[kind]);
        }
        for outcome in ["done", "skipped", "failed"] {
            self.golden_runs_total.with_label_values(&[outcome]);
        }
        for kind in ["agreement", "preference"] {
            self.shadow_grade.with_label_values(&[kind]);
        }
        for backend in ["local", "remote"] {
            for origin in ["shadow", "golden"] {
                self.background_cost_usd_total.with_label_values(&[origin, backend]);
            }
        }
        for outcome in ["ok", "late", "broken", "off"] {
            self.classifier_outcomes_total.with_label_values(&[outcome]);
        }
        for state in ["written", "dropped"] {
            self.ledger_rows_total.with_label_values(&[state]);
        }
        self.build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_a_closed_set_is_there_at_zero() {
        let metrics = Metrics::new().unwrap();
        metrics.seed(&ClosedSets {
            policies: &["p", "q"],
            backends: &["local", "remote"],
            reasons: &["default"],
            passed_over: &["no_remote"],
            failures: &["backend_down"],
            embedder: Some("embeddings"),
        });
        let text = String::from_utf8(metrics.render().unwrap()).unwrap();
        for line in [
            r#"requests_total{backend="local",error="none",policy="q",status="200"} 0"#,
            r#"decisions_total{policy="p",reason="default",target="remote"} 0"#,
            r#"retries_total{reason="backend_down"} 0"#,
            r#"fallback_total{from="local",reason="backend_down",to="remote"} 0"#,
            r#"fallback_total{from="remote",reason="no_remote",to="local"} 0"#,
            r#"attempts_total{backend="remote",outcome="cancelled"} 0"#,
            r#"attempts_total{backend="embeddings",outcome="backend_down"} 0"#,
            r#"requests_total{backend="embeddings",error="none",policy="none",status="200"} 0"#,
            r#"tokens_total{backend="embeddings",estimated="false",kind="prompt"} 0"#,
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
        assert!(!text.contains(r#"from="local",reason="no_remote",to="local""#));
        assert!(!text.contains(r#"from="embeddings""#), "an embedding moves to nobody");
    }
}
