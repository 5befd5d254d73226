//! Who is next: each owner has a lane of its own, first come first served; between owners, who has the least under way
//! goes first, and equals take turns. So a flood waits for itself. Promises: nothing is lost, no lane is passed for ever.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Ticket;

/// Tickets in lanes, by owner.
#[derive(Default)]
pub(super) struct Lanes {
    /// The lane whose turn is furthest away comes last; none is empty.
    lanes: VecDeque<Lane>,
    /// Tickets that nothing of runs yet: what is half admitted takes no place in the queue.
    tickets: usize,
    /// Prompt tokens of these.
    prompt: usize,
}

struct Lane {
    owner: Option<Arc<str>>,
    tickets: VecDeque<Ticket>,
}

impl Lanes {
    pub(super) fn len(&self) -> usize {
        self.tickets
    }

    /// All tickets, half-admitted ones included.
    pub(super) fn held(&self) -> usize {
        self.lanes.iter().map(|lane| lane.tickets.len()).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// Prompt tokens that wait.
    pub(super) fn prompt_tokens(&self) -> usize {
        self.prompt
    }

    /// Tickets of one owner that nothing of runs yet.
    pub(super) fn len_of(&self, owner: Option<&str>) -> usize {
        let lane = self.lanes.iter().find(|lane| lane.owner.as_deref() == owner);
        lane.map_or(0, |lane| lane.tickets.iter().filter(|ticket| ticket.is_new()).count())
    }

    /// Behind all others of its owner's.
    pub(super) fn push(&mut self, ticket: Ticket) {
        self.lane_of(&ticket).push_back(ticket);
    }

    /// Before all others of its owner's.
    pub(super) fn put_back(&mut self, ticket: Ticket) {
        self.lane_of(&ticket).push_front(ticket);
    }

    /// Where the ticket belongs; counts it.
    fn lane_of(&mut self, ticket: &Ticket) -> &mut VecDeque<Ticket> {
        if ticket.is_new() {
            self.tickets += 1;
            self.prompt += ticket.job.prompt.len();
        }
        let at = self.lanes.iter().position(|lane| lane.owner == ticket.job.owner);
        let at = at.unwrap_or_else(|| {
            let owner = ticket.job.owner.clone();
            self.lanes.push_back(Lane { owner, tickets: VecDeque::new() });
            self.lanes.len() - 1
        });
        &mut self.lanes[at].tickets
    }

    /// The next ticket; `under_way` says how many answers of an owner run.
    pub(super) fn pop(&mut self, under_way: impl Fn(Option<&str>) -> usize) -> Option<Ticket> {
        let next = (0..self.lanes.len()).min_by_key(|at| under_way(self.lanes[*at].owner.as_deref()))?;
        let mut lane = self.lanes.remove(next)?;
        let ticket = lane.tickets.pop_front()?;
        if ticket.is_new() {
            self.tickets -= 1;
            self.prompt -= ticket.job.prompt.len();
        }
        if !lane.tickets.is_empty() {
            self.lanes.push_back(lane);
        }
        Some(ticket)
    }

    /// Drops tickets whose caller has left.
    pub(super) fn sweep(&mut self) {
        for lane in &mut self.lanes {
            lane.tickets.retain(|ticket| !ticket.steps.is_closed());
        }
        self.lanes.retain(|lane| !lane.tickets.is_empty());
        let tickets = || self.lanes.iter().flat_map(|lane| &lane.tickets).filter(|ticket| ticket.is_new());
        self.prompt = tickets().map(|ticket| ticket.job.prompt.len()).sum();
        self.tickets = tickets().count();
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
