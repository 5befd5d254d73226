//! Who is next, who is refused, and what the counts say.

use tokio::sync::mpsc::Receiver;

use super::*;
use crate::backends::local::tests::greedy;

fn queue(waiting: usize, slots: usize) -> Queue {
    Queue::new(waiting, slots, Arc::new(Metrics::new().unwrap()))
}

/// A ticket of `owner` whose prompt is `mark`, and the reader's end of its line.
fn ticket(owner: Option<&str>, mark: u32) -> (Ticket, Receiver<Step>) {
    let (steps, reader) = tokio::sync::mpsc::channel(4);
    let job = Job {
        prompt: [mark].into(),
        choice: greedy(),
        max_tokens: 1,
        answers: 1,
        grammar: None,
        owner: owner.map(Into::into),
        scope: None,
    };
    let ends = reserve_ends(&steps, 1).unwrap();
    let enough = [AtomicBool::new(false)].into();
    (Ticket { job, steps, ends, enough, waits_until: Instant::now(), group: None }, reader)
}

/// The marks of all that waits, in the order in which it is taken while `busy` has so many answers under way.
fn order(queue: &Queue, busy: &str, answers: usize) -> Vec<u32> {
    let under_way = |owner: Option<&str>| if owner == Some(busy) { answers } else { 0 };
    std::iter::from_fn(|| queue.pop(Some(Duration::ZERO), under_way))
        .map(|ticket| ticket.job.prompt[0])
        .collect()
}

/// Queues these and keeps their readers.
fn push_all(queue: &Queue, tickets: &[(Option<&str>, u32)]) -> Vec<Receiver<Step>> {
    tickets
        .iter()
        .map(|(owner, mark)| {
            let (ticket, reader) = ticket(*owner, *mark);
            queue.push(ticket).unwrap();
            reader
        })
        .collect()
}

#[test]
fn d12_owners_take_turns_and_each_keeps_its_order() {
    let queue = queue(100, 8);
    let flood: Vec<_> = (0..20).map(|mark| (Some("flood"), mark)).collect();
    let _readers = push_all(&queue, &flood);
    let _others = push_all(&queue, &[(Some("calm"), 100), (None, 200), (Some("calm"), 101)]);
    assert_eq!(order(&queue, "nobody", 0)[..6], [0, 100, 200, 1, 101, 2]);
}

#[test]
fn d21_an_engine_that_panics_leaves_nobody_waiting() {
    let queue = Arc::new(queue(4, 1));
    let mut readers = push_all(&queue, &[(None, 1)]);
    queue.set_running(true);
    queue.set_active(1);
    let closing = Closing(Arc::clone(&queue));
    let engine = std::thread::spawn(move || {
        let _closing = closing;
        panic!("on purpose");
    });
    assert!(engine.join().is_err());
    assert_eq!(readers[0].blocking_recv(), None, "its ticket is dropped");
    assert_eq!(queue.push(ticket(None, 2).0), Err(Refused::Closed));
    assert_eq!((queue.running_for(), queue.load().active), (None, 0));
}

#[test]
fn d12_who_has_least_under_way_goes_first() {
    let queue = queue(100, 8);
    let _readers = push_all(&queue, &[(Some("a"), 1), (Some("a"), 2), (Some("b"), 10), (Some("b"), 11)]);
    assert_eq!(order(&queue, "a", 7), [10, 11, 1, 2]);
}

#[test]
fn d12_a_key_cannot_fill_the_queue_alone() {
    let queue = queue(8, 1);
    let flood: Vec<_> = (0..6).map(|mark| (Some("flood"), mark)).collect();
    let mut readers = push_all(&queue, &flood);
    assert_eq!(queue.push(ticket(Some("flood"), 7).0), Err(Refused::Full), "three quarters of eight");
    assert!(!queue.is_full());
    let _calm = push_all(&queue, &[(Some("calm"), 100)]);
    // A place whose caller has left is no place taken.
    readers.remove(0);
    assert!(queue.push(ticket(Some("flood"), 8).0).is_ok());
    let free = self::queue(8, 1);
    let _anonymous = push_all(&free, &[(None, 0); 9]);
    assert!(free.is_full(), "where there are no keys, nobody is kept out");
}

#[test]
fn d9_a_queue_of_callers_who_left_is_not_full() {
    let queue = queue(2, 1);
    let mut readers = push_all(&queue, &[(None, 1), (Some("a"), 2), (None, 3)]);
    assert!(queue.is_full());
    readers.remove(1);
    assert!(!queue.is_full());
    assert_eq!((queue.load().queued, order(&queue, "nobody", 0)), (2, vec![1, 3]));
}

#[test]
fn d12_what_is_put_back_is_first_of_its_own_and_yields_to_who_has_less_under_way() {
    let queue = queue(100, 8);
    let _readers = push_all(&queue, &[(Some("many"), 1), (Some("many"), 2), (Some("calm"), 10)]);
    let first = queue.pop(Some(Duration::ZERO), |_| 0).unwrap();
    assert_eq!((first.job.prompt[0], queue.load().queued), (1, 2));
    queue.put_back(first);
    assert_eq!(queue.load().queued, 3);
    assert_eq!(order(&queue, "many", 1), [10, 1, 2]);
    // A lane of which it was the last is there again, too.
    let (last, reader) = ticket(Some("many"), 3);
    queue.put_back(last);
    assert_eq!((queue.load().queued, order(&queue, "many", 1)), (1, vec![3]));
    drop(reader);
    let (late, reader) = ticket(Some("many"), 4);
    queue.close();
    queue.put_back(late);
    assert!(reader.is_closed() && queue.load().queued == 0, "a closed queue takes nothing back");
}

#[test]
fn a_wait_grows_with_the_work_ahead() {
    let queue = queue(100, 2);
    queue.set_rates(&Rates { prefill: 10.0, decode: 50.0, answer: 100.0 });
    assert_eq!(queue.load().wait, Duration::ZERO);
    queue.set_active(2);
    queue.set_active_prompt(19);
    let _reader = push_all(&queue, &[(None, 1)]);
    // 20 prompt tokens at 10 a second; two answers of 100 tokens have to end, at 50 a second.
    assert_eq!(queue.load().wait, Duration::from_secs(2 + 4));
    assert_eq!((queue.load().active, queue.load().queued), (2, 1));
}

#[test]
fn a_run_under_way_shows_for_how_long() {
    let queue = queue(1, 1);
    assert_eq!(queue.running_for(), None);
    queue.set_running(true);
    while queue.running_for().is_some_and(|time| time < Duration::from_millis(1)) {
        std::hint::spin_loop();
    }
    assert!(queue.running_for().is_some());
    queue.set_running(false);
    assert_eq!(queue.running_for(), None);
}
