//! What attempts leave in metrics, log and breakers, on a paused clock.

use super::*;
use crate::backends::Retry;
use crate::backends::remote::profile;
use crate::config::RemoteConfig;
use crate::telemetry::page::logged;

const HOUR: Duration = Duration::from_secs(3_600);

/// Whose breakers open at the first failure.
pub(in crate::backends::remote) fn books(metrics: &Arc<Metrics>) -> Arc<Books> {
    let breaker = || Breaker::new(1, Duration::from_secs(10));
    Books::new(&profile(&RemoteConfig::default()), breaker, Arc::clone(metrics))
}

#[tokio::test(start_paused = true)]
async fn b2_who_is_dropped_before_the_content_is_due_counts_as_nothing() {
    let metrics = Arc::new(Metrics::new().unwrap());
    let books = books(&metrics);
    for (waits, counted) in [(40, 0), (300, 1)] {
        let account = books.begin("m", Instant::now() + Duration::from_secs(300)).ok().unwrap();
        tokio::time::advance(Duration::from_secs(waits)).await;
        drop(account);
        let labels = ["remote", Kind::FirstTokenTimeout.label()];
        assert_eq!(metrics.upstream_failures_total.with_label_values(&labels).get(), counted);
        assert_eq!(books.closed_for("m").is_some(), counted > 0);
    }
}

#[tokio::test(start_paused = true)]
async fn d17_each_kind_of_failure_is_logged_once_a_minute_and_a_refusal_never() {
    let books = books(&Arc::new(Metrics::new().unwrap()));
    let fail = |kind, fault, words: &str| {
        let mut account = books.begin("m", Instant::now() + HOUR).ok().unwrap();
        account.fail(&BackendError::new(&books.backend, kind, fault, Retry::Elsewhere, words));
    };
    let log = logged(|| {
        fail(Kind::UpstreamAuth, Fault::Us, "the key is not accepted");
        fail(Kind::UpstreamAuth, Fault::Us, "the key is not accepted");
        fail(Kind::RateLimited, Fault::Upstream, "too many");
        fail(Kind::Rejected, Fault::Caller, "canary");
    });
    assert!(log.lines().count() == 2 && !log.contains("canary"), "{log}");
    assert!(log.contains("kind=\"upstream_auth\"") && log.contains("not accepted"), "{log}");
    tokio::time::advance(UNTOLD).await;
    let log = logged(|| fail(Kind::UpstreamAuth, Fault::Us, "the key is not accepted"));
    assert_eq!(log.lines().count(), 1, "{log}");
}

#[tokio::test(start_paused = true)]
async fn d4_a_head_closes_the_lines_breaker_before_the_answer_is_whole() {
    let books = books(&Arc::new(Metrics::new().unwrap()));
    let until = Instant::now() + HOUR;
    let lost = BackendError::new(&books.backend, Kind::Connect, Fault::Upstream, Retry::Elsewhere, "lost");
    books.begin("m", until).ok().unwrap().fail(&lost);
    tokio::time::advance(Duration::from_secs(13)).await;
    let mut probe = books.begin("m", until).ok().unwrap();
    assert!(books.closed_for("m").is_some());
    probe.reached();
    assert_eq!(books.closed_for("m"), None);
}
