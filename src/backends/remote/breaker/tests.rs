//! The breaker's states, on a paused clock.

use super::*;

const PAUSE: Duration = Duration::from_secs(10);

fn opened() -> Arc<Breaker> {
    let breaker = Breaker::new(3, PAUSE);
    for _ in 0..3 {
        breaker.admit().ok().unwrap().fail();
    }
    breaker
}

#[tokio::test(start_paused = true)]
async fn d4_opens_after_consecutive_failures_and_lets_one_probe_through() {
    let breaker = Breaker::new(3, PAUSE);
    for _ in 0..2 {
        breaker.admit().ok().unwrap().fail();
    }
    breaker.admit().ok().unwrap().succeed();
    for _ in 0..2 {
        breaker.admit().ok().unwrap().fail();
    }
    assert!(!breaker.is_open() && breaker.closed_for().is_none());
    breaker.admit().ok().unwrap().fail();
    assert!(breaker.is_open());
    let wait = breaker.admit().err().unwrap();
    assert!(wait >= PAUSE && wait <= PAUSE.mul_f64(1.25), "{wait:?}");

    tokio::time::advance(PAUSE.mul_f64(1.3)).await;
    assert_eq!(breaker.closed_for(), None);
    let mut probe = breaker.admit().ok().unwrap();
    assert!(breaker.admit().is_err() && breaker.closed_for().is_some());
    probe.content();
    assert!(!breaker.is_open());
    probe.succeed();
    breaker.admit().ok().unwrap().fail();
    assert!(!breaker.is_open());
}

#[tokio::test(start_paused = true)]
async fn d4_failed_probes_wait_longer_each_time() {
    let breaker = opened();
    let mut last = breaker.closed_for().unwrap();
    for _ in 0..3 {
        tokio::time::advance(last + Duration::from_millis(1)).await;
        breaker.admit().ok().unwrap().fail();
        let wait = breaker.closed_for().unwrap();
        assert!(wait > last.mul_f64(1.5), "{wait:?} after {last:?}");
        last = wait;
    }
}

#[tokio::test(start_paused = true)]
async fn d7_a_probe_that_breaks_off_opens_again_at_once_and_for_longer() {
    let breaker = opened();
    let mut last = breaker.closed_for().unwrap();
    for _ in 0..3 {
        tokio::time::advance(last + Duration::from_millis(1)).await;
        let mut probe = breaker.admit().ok().unwrap();
        probe.content();
        probe.fail();
        assert!(breaker.is_open());
        let wait = breaker.closed_for().unwrap();
        assert!(wait > last.mul_f64(1.5), "{wait:?} after {last:?}");
        last = wait;
    }
    tokio::time::advance(last + Duration::from_millis(1)).await;
    let mut probe = breaker.admit().ok().unwrap();
    probe.content();
    probe.succeed();
    for _ in 0..3 {
        breaker.admit().ok().unwrap().fail();
    }
    assert!(breaker.closed_for().unwrap() <= PAUSE.mul_f64(1.25), "a whole answer is a new beginning");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_probe_frees_its_place_and_late_verdicts_change_nothing() {
    let breaker = Breaker::new(1, PAUSE);
    let mut early = breaker.admit().ok().unwrap();
    let mut late = breaker.admit().ok().unwrap();
    early.fail();
    late.succeed();
    assert!(breaker.is_open());
    tokio::time::advance(PAUSE * 2).await;
    drop(breaker.admit().ok().unwrap());
    assert!(breaker.is_open());
    breaker.admit().ok().unwrap().succeed();
    assert!(!breaker.is_open());
}

#[tokio::test(start_paused = true)]
async fn d4_a_probe_without_a_verdict_keeps_others_out_for_one_pause() {
    let breaker = opened();
    tokio::time::advance(PAUSE * 2).await;
    let mut slow = breaker.admit().ok().unwrap();
    tokio::time::advance(PAUSE - Duration::from_millis(1)).await;
    assert!(breaker.admit().is_err() && breaker.closed_for().is_some());
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(breaker.closed_for(), None);
    assert!(breaker.is_open(), "nobody has answered yet");
    drop(breaker.admit().ok().unwrap());
    let later = breaker.admit().ok().unwrap();
    tokio::time::advance(PAUSE).await;
    let mut next = breaker.admit().ok().unwrap();
    drop(later);
    assert!(breaker.admit().is_err() && breaker.closed_for().is_some(), "the place is another's by now");
    next.fail();
    assert!(breaker.closed_for().unwrap() > PAUSE.mul_f64(1.5), "longer than before");
    slow.content();
    assert!(!breaker.is_open(), "an answer is an answer");
    breaker.admit().ok().unwrap().fail();
    assert!(breaker.closed_for().unwrap() > PAUSE.mul_f64(3.0), "until one is whole, longer");
}
