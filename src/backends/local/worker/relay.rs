//! The gateway's requests at one worker process: tickets become orders, reports become steps. Pure: bytes are appended
//! to a buffer that somebody else sends. Promises: steps reach a reader in order; a reader that is slow holds back its
//! own answers only; dropping the relay tells every reader that its engine has gone.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{OwnedPermit, Sender};

use super::super::AHEAD;
use super::super::queue::{Step, Ticket};
use super::frames::{Broken, Number, Order, Report, put};

/// Tokens that a reader has taken before the worker is told so: fewer frames, and still never a pause.
const TOLD_EVERY: u32 = AHEAD as u32 / 4;

/// Requests under way at one worker.
#[derive(Default)]
pub(super) struct Relay {
    open: HashMap<Number, Open>,
    next: Number,
}

/// One request under way.
struct Open {
    steps: Sender<Step>,
    ends: VecDeque<OwnedPermit<Step>>,
    enough: Arc<[AtomicBool]>,
    /// The worker knows that this answer is long enough.
    told: Vec<bool>,
    /// Steps that the reader has no room for yet.
    held: VecDeque<Step>,
    /// Tokens that the reader has taken and the worker does not know of.
    owed: u32,
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
    /// Answers under way.
    pub(super) fn answers(&self) -> usize {
        self.open.values().map(|open| open.ends.len()).sum()
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
        let waits = waits_until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        put(&Order::Job { number, waits, job }, out)?;
        let told = vec![false; enough.len()];
        self.open.insert(number, Open { steps, ends, enough, told, held: VecDeque::new(), owed: 0 });
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
                    open.ends.truncate(open.held.iter().filter(|step| is_end(step)).count());
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
        if !listens {
            self.open.remove(&number);
            return put(&Order::Cancel { number }, out);
        }
        for (index, enough) in (0..).zip(open.enough.iter()) {
            if enough.load(Relaxed) && !std::mem::replace(&mut open.told[index as usize], true) {
                put(&Order::Enough { number, index }, out)?;
            }
        }
        if open.owed >= TOLD_EVERY {
            put(&Order::More { number, tokens: std::mem::take(&mut open.owed) }, out)?;
        }
        if open.ends.is_empty() && open.held.is_empty() {
            self.open.remove(&number);
        }
        Ok(())
    }
}

fn is_end(step: &Step) -> bool {
    matches!(step, Step::End { .. })
}

impl Open {
    /// Gives the reader what it has room for; whether it still listens.
    fn hand_over(&mut self) -> bool {
        while let Some(step) = self.held.pop_front() {
            if is_end(&step) {
                if let Some(permit) = self.ends.pop_front() {
                    permit.send(step);
                }
                continue;
            }
            match self.steps.try_send(step) {
                Ok(()) => self.owed += 1,
                Err(TrySendError::Full(step)) => {
                    self.held.push_front(step);
                    break;
                }
                Err(TrySendError::Closed(_)) => return false,
            }
        }
        !self.steps.is_closed()
    }
}
