//! The gateway's requests at one worker process: tickets become orders, reports become steps. Pure: bytes are appended
//! to a buffer that somebody else sends. Promises: steps reach a reader in order; a reader that is slow holds back its
//! own answers only, and those no longer than answers may take; dropping the relay tells every reader that its engine
//! has gone.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{OwnedPermit, Sender};

use super::super::AHEAD;
use super::super::queue::{End, Step, Ticket};
use super::frames::{Broken, Number, Order, Report, put};

/// Tokens that a reader has taken before the worker is told so: fewer frames, and still never a pause.
const TOLD_EVERY: u32 = AHEAD as u32 / 4;
/// What a worker may need beyond an answer's time to end it.
const GRACE: Duration = Duration::from_secs(1);

/// Requests under way at one worker.
pub(super) struct Relay {
    open: HashMap<Number, Open>,
    next: Number,
    /// Answers that the worker runs at the same time.
    slots: usize,
    /// Longest generation of one answer.
    longest: Duration,
}

/// One request under way.
struct Open {
    steps: Sender<Step>,
    answers: Vec<Answer>,
    enough: Arc<[AtomicBool]>,
    /// Steps that the reader has no room for yet.
    held: VecDeque<Step>,
    /// Tokens that the reader has taken and the worker does not know of.
    owed: u32,
    /// By then the worker has ended every answer.
    until: Instant,
}

/// One answer to a request.
struct Answer {
    /// The place for its end while it is under way: until that was handed over, or the worker was told that there is
    /// enough of it and sends none.
    end: Option<OwnedPermit<Step>>,
    /// Tokens that the reader was given.
    given: u64,
}

/// A report that no worker of this version makes.
#[derive(Debug, thiserror::Error)]
pub(super) enum Strange {
    #[error("it loaded a model again")]
    Again,
    #[error("it sent more tokens than there was room for")]
    Flood,
    #[error(transparent)]
    Broken(#[from] Broken),
}

impl Relay {
    /// No requests yet, at a worker that runs `slots` answers at the same time, each for at most `longest`.
    pub(super) fn new(slots: usize, longest: Duration) -> Self {
        Self { open: HashMap::new(), next: 0, slots, longest }
    }

    /// Answers under way.
    pub(super) fn answers(&self) -> usize {
        self.open.values().map(Open::under_way).sum()
    }

    /// Whether a reader is behind.
    pub(super) fn is_held(&self) -> bool {
        self.open.values().any(|open| !open.held.is_empty())
    }

    /// Sends a ticket on its way.
    pub(super) fn accept(&mut self, ticket: Ticket, out: &mut BytesMut) -> Result<(), Broken> {
        if ticket.steps.is_closed() {
            return Ok(());
        }
        let Ticket { job, steps, ends, enough, waits_until, .. } = ticket;
        let number = self.next;
        self.next += 1;
        let now = Instant::now();
        let waits = waits_until.saturating_duration_since(now).max(Duration::from_millis(1));
        put(&Order::Job { number, waits, job }, out)?;
        // Where there are more answers than slots, they take turns.
        let turns = (self.answers() + ends.len()).div_ceil(self.slots.max(1));
        let until = now + waits + self.longest * u32::try_from(turns).unwrap_or(u32::MAX) + GRACE;
        let answers = ends.into_iter().map(|end| Answer { end: Some(end), given: 0 }).collect();
        self.open.insert(number, Open { steps, answers, enough, held: VecDeque::new(), owed: 0, until });
        Ok(())
    }

    /// Takes in a report.
    pub(super) fn report(&mut self, report: Report, out: &mut BytesMut) -> Result<(), Strange> {
        match report {
            Report::Step { number, step } => {
                // A request that was cancelled has steps on their way still.
                let Some(open) = self.open.get_mut(&number) else { return Ok(()) };
                // The ends have room of their own.
                if open.held.len() > AHEAD + open.enough.len() {
                    return Err(Strange::Flood);
                }
                open.held.push_back(step);
                self.settle(number, out)?;
            }
            Report::Gone { number } => {
                if let Some(open) = self.open.get_mut(&number) {
                    // What it still holds goes first.
                    let due: Vec<u32> = open.held.iter().filter_map(end_of).collect();
                    for (index, answer) in (0..).zip(&mut open.answers) {
                        if !due.contains(&index) {
                            answer.end = None;
                        }
                    }
                    if open.held.is_empty() {
                        self.open.remove(&number);
                    }
                }
            }
            Report::Beat { .. } => {}
            Report::Ready(_) | Report::Refused { .. } => return Err(Strange::Again),
        }
        Ok(())
    }

    /// Looks after every request: who has left, who has enough, who has room again.
    pub(super) fn look(&mut self, out: &mut BytesMut) -> Result<(), Broken> {
        let numbers: Vec<Number> = self.open.keys().copied().collect();
        numbers.into_iter().try_for_each(|number| self.settle(number, out))
    }

    fn settle(&mut self, number: Number, out: &mut BytesMut) -> Result<(), Broken> {
        let Some(open) = self.open.get_mut(&number) else { return Ok(()) };
        let listens = open.hand_over();
        let stalls = !open.held.is_empty() && Instant::now() >= open.until;
        if stalls {
            open.cut();
        }
        if stalls || !listens {
            self.open.remove(&number);
            return put(&Order::Cancel { number }, out);
        }
        for (index, (enough, answer)) in (0..).zip(open.enough.iter().zip(&mut open.answers)) {
            if enough.load(Relaxed) && answer.end.take().is_some() {
                put(&Order::Enough { number, index }, out)?;
            }
        }
        if open.owed >= TOLD_EVERY {
            put(&Order::More { number, tokens: std::mem::take(&mut open.owed) }, out)?;
        }
        if open.under_way() == 0 && open.held.is_empty() {
            self.open.remove(&number);
        }
        Ok(())
    }
}

/// Whose end this is, if it is one.
fn end_of(step: &Step) -> Option<u32> {
    match step {
        Step::End { index, .. } => Some(*index),
        Step::Token { .. } => None,
    }
}

impl Open {
    fn under_way(&self) -> usize {
        self.answers.iter().filter(|answer| answer.end.is_some()).count()
    }

    /// Gives the reader what it has room for; whether it still listens.
    fn hand_over(&mut self) -> bool {
        while let Some(step) = self.held.pop_front() {
            let (Step::Token { index, .. } | Step::End { index, .. }) = step;
            let answer = self.answers.get_mut(index as usize);
            if end_of(&step).is_some() {
                // Without a place it crossed the word that there is enough.
                if let Some(place) = answer.and_then(|answer| answer.end.take()) {
                    place.send(step);
                }
                continue;
            }
            match self.steps.try_send(step) {
                Ok(()) => {
                    self.owed += 1;
                    if let Some(answer) = answer {
                        answer.given += 1;
                    }
                }
                Err(TrySendError::Full(step)) => {
                    self.held.push_front(step);
                    break;
                }
                Err(TrySendError::Closed(_)) => return false,
            }
        }
        !self.steps.is_closed()
    }

    /// Ends every answer where the reader is, as an engine does whose reader has not come back in time.
    fn cut(&mut self) {
        let held: Vec<Step> = self.held.drain(..).collect();
        // Known where the worker has told an end; an end that it was not let to tell says nothing of it.
        let cached_of = |answer: u32| {
            held.iter().find_map(|step| match step {
                Step::End { index, cached, .. } if *index == answer => Some(*cached),
                _ => None,
            })
        };
        for (index, answer) in (0..).zip(&mut self.answers) {
            if let Some(place) = answer.end.take() {
                let cached = cached_of(index).unwrap_or(0);
                place.send(Step::End { index, end: End::Length, tokens: answer.given, cached });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::{Receiver, channel};

    use super::super::super::queue::{Job, reserve_ends};
    use super::super::super::sampler::Token;
    use super::super::super::tests::greedy;
    use super::super::frames::take;
    use super::*;

    const LONGEST: Duration = Duration::from_secs(60);

    /// A relay to a worker of two slots with one request under way, what its reader reads, and what that has enough of.
    fn under_way(answers: usize) -> (Relay, Receiver<Step>, Arc<[AtomicBool]>) {
        let (steps, reader) = channel(AHEAD + answers);
        let enough: Arc<[AtomicBool]> = (0..answers).map(|_| AtomicBool::new(false)).collect();
        let job = Job {
            prompt: [0].into(),
            choice: greedy(),
            max_tokens: 99,
            answers,
            grammar: None,
            owner: None,
            scope: None,
        };
        let (ends, kept) = (reserve_ends(&steps, answers).unwrap(), Arc::clone(&enough));
        let ticket = Ticket { job, steps, ends, enough, waits_until: Instant::now(), group: None };
        let mut relay = Relay::new(2, LONGEST);
        relay.accept(ticket, &mut BytesMut::new()).unwrap();
        assert_eq!(relay.answers(), answers);
        (relay, reader, kept)
    }

    fn end(index: u32) -> Step {
        Step::End { index, end: End::Stop, tokens: 65, cached: 0 }
    }

    #[test]
    fn a_reader_that_stalls_keeps_its_place_no_longer_than_an_answer_may_take() {
        let (mut relay, mut reader, _enough) = under_way(1);
        let mut out = BytesMut::new();
        let token = Token { id: 7, confidence: None, logprobs: None, last: false };
        let tokens = (0..2 * AHEAD).map(|_| Step::Token { index: 0, token: token.clone(), cached: 64 });
        let end = Step::End { index: 0, end: End::Stop, tokens: 2 * AHEAD as u64, cached: 64 };
        for step in tokens.chain([end]) {
            relay.report(Report::Step { number: 0, step }, &mut out).unwrap();
        }
        relay.look(&mut out).unwrap();
        assert_eq!((relay.answers(), relay.is_held()), (1, true), "it has time");
        out.clear();
        relay.open.get_mut(&0).unwrap().until = Instant::now();
        relay.look(&mut out).unwrap();
        assert_eq!((relay.answers(), relay.is_held()), (0, false));
        assert_eq!(take::<Order>(&mut out), Ok(Some(Order::Cancel { number: 0 })));
        for _ in 0..AHEAD {
            assert!(matches!(reader.try_recv(), Ok(Step::Token { index: 0, .. })));
        }
        let cut = Step::End { index: 0, end: End::Length, tokens: AHEAD as u64, cached: 64 };
        assert_eq!(reader.try_recv(), Ok(cut));
        assert!(reader.try_recv().is_err());
    }

    #[test]
    fn answers_that_take_turns_have_the_time_of_as_many() {
        for (answers, turns) in [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3)] {
            let before = Instant::now();
            let (relay, _reader, _enough) = under_way(answers);
            let time = relay.open[&0].until - LONGEST * turns;
            assert!(time > before && time < Instant::now() + GRACE * 2, "{answers}");
        }
    }

    #[test]
    fn an_answer_that_is_long_enough_keeps_no_place_until_the_others_end() {
        let (mut relay, mut reader, enough) = under_way(2);
        let mut out = BytesMut::new();
        enough[0].store(true, Relaxed);
        for _ in 0..2 {
            relay.look(&mut out).unwrap();
            assert_eq!(relay.answers(), 1);
        }
        assert_eq!(take::<Order>(&mut out), Ok(Some(Order::Enough { number: 0, index: 0 })));
        assert!(out.is_empty(), "told once");
        // The first end crossed it on the wire.
        for (index, left) in [(0, 1), (1, 0)] {
            relay.report(Report::Step { number: 0, step: end(index) }, &mut out).unwrap();
            assert_eq!(relay.answers(), left);
        }
        assert_eq!(reader.try_recv(), Ok(end(1)));
        assert!(reader.try_recv().is_err());
    }
}
