//! Which models are in memory, which may come, and which must go for them: bookkeeping without threads or files.
//! Promises: never more than the budget, by estimate; one load at a time; a model that is in use or wanted is never sent
//! away; one that failed rests for longer each time, and keeps nobody else from coming.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// How long a model that failed is left alone: at first, and at most.
const REST: [Duration; 2] = [Duration::from_secs(30), Duration::from_secs(600)];

/// What one model is doing.
enum Room<T> {
    Away,
    Loading,
    Here { model: Arc<T>, bytes: u64, used: u64 },
    Resting { until: Instant, why: String },
}

/// All models, by their place in the configuration.
pub(super) struct Rooms<T> {
    rooms: Vec<Room<T>>,
    /// How long each rests after its next failure.
    rests: Vec<Duration>,
    budget: u64,
    clock: u64,
    /// Whether a model cannot be sent away: its memory would not come back.
    stays: fn(&T) -> bool,
}

/// What is to be done for somebody who wants a model.
pub(super) enum Next<T> {
    /// It is here.
    Here(Arc<T>),
    /// Send these away, load it, and say how that went.
    Load(Vec<(usize, Arc<T>)>),
    /// Wait for a change, then ask again.
    Wait,
    /// It failed: why, and for how long it is left alone.
    Resting(String, Duration),
}

/// What can be told of a model without changing anything.
pub(super) enum Seen<'r, T> {
    Here(&'r T),
    NotYet,
    Resting(String, Duration),
}

impl<T> Rooms<T> {
    /// Room for this many models, in `budget` bytes. A model of which `stays` is true is never sent away.
    pub(super) fn new(models: usize, budget: u64, stays: fn(&T) -> bool) -> Self {
        let rooms = (0..models).map(|_| Room::Away).collect();
        Self { rooms, rests: vec![REST[0]; models], budget, clock: 0, stays }
    }

    /// Lends a model instead of sharing it: whoever shares one keeps it here.
    pub(super) fn see(&self, at: usize, now: Instant) -> Seen<'_, T> {
        match &self.rooms[at] {
            Room::Here { model, .. } => Seen::Here(model),
            Room::Resting { until, why } if now < *until => Seen::Resting(why.clone(), *until - now),
            Room::Away | Room::Loading | Room::Resting { .. } => Seen::NotYet,
        }
    }

    /// What to do for somebody who wants the model at `at`, which needs so many bytes; `wanted` are those that others wait
    /// for. After [`Next::Load`] the caller owes a [`Self::settle`].
    pub(super) fn next(
        &mut self,
        at: usize,
        needs: u64,
        wanted: impl Fn(usize) -> bool,
        now: Instant,
    ) -> Next<T> {
        self.clock += 1;
        match &mut self.rooms[at] {
            Room::Here { model, used, .. } => {
                *used = self.clock;
                return Next::Here(Arc::clone(model));
            }
            Room::Resting { until, why } if now < *until => return Next::Resting(why.clone(), *until - now),
            Room::Loading => return Next::Wait,
            Room::Away | Room::Resting { .. } => {}
        }
        if self.rooms.iter().any(|room| matches!(room, Room::Loading)) {
            return Next::Wait;
        }
        let Some(leaving) = self.leaving(needs, wanted) else { return Next::Wait };
        self.rooms[at] = Room::Loading;
        Next::Load(leaving.into_iter().filter_map(|at| Some((at, self.send_away(at)?))).collect())
    }

    /// The models to send away, longest unused first, so that `needs` more bytes fit; `None` while those in use or wanted
    /// leave too little.
    fn leaving(&self, needs: u64, wanted: impl Fn(usize) -> bool) -> Option<Vec<usize>> {
        let mut total = self.bytes();
        let unwanted = (0..self.rooms.len()).filter(|at| !wanted(*at));
        let mut idle: Vec<(u64, usize, u64)> = unwanted.filter_map(|at| self.idle(at)).collect();
        idle.sort_unstable();
        let mut leaving = vec![];
        for (_, at, bytes) in idle {
            if total.saturating_add(needs) <= self.budget {
                break;
            }
            total -= bytes;
            leaving.push(at);
        }
        // A model that alone is too large is refused at start; should its measure exceed the estimate, it comes alone.
        let alone = total == 0;
        (alone || total.saturating_add(needs) <= self.budget).then_some(leaving)
    }

    fn send_away(&mut self, at: usize) -> Option<Arc<T>> {
        match std::mem::replace(&mut self.rooms[at], Room::Away) {
            Room::Here { model, .. } => Some(model),
            other => {
                self.rooms[at] = other;
                None
            }
        }
    }

    /// How a load went: the model and its bytes, or why it failed.
    pub(super) fn settle(&mut self, at: usize, loaded: Result<(Arc<T>, u64), String>, now: Instant) {
        self.clock += 1;
        match loaded {
            Ok((model, bytes)) => {
                self.rests[at] = REST[0];
                self.rooms[at] = Room::Here { model, bytes, used: self.clock };
            }
            Err(why) => self.rest(at, why, now),
        }
    }

    /// When an idle model was last used, its place, and its bytes. Whoever uses it shares it.
    fn idle(&self, at: usize) -> Option<(u64, usize, u64)> {
        match &self.rooms[at] {
            Room::Here { model, bytes, used } if Arc::strong_count(model) == 1 && !(self.stays)(model) => {
                Some((*used, at, *bytes))
            }
            _ => None,
        }
    }

    /// A model that `has_ended` by itself goes, and rests; `None` if it has not, or was gone already.
    pub(super) fn fall(
        &mut self,
        at: usize,
        has_ended: impl Fn(&T) -> bool,
        why: &str,
        now: Instant,
    ) -> Option<Arc<T>> {
        match &self.rooms[at] {
            Room::Here { model, .. } if has_ended(model) => {}
            _ => return None,
        }
        let model = self.send_away(at);
        self.rest(at, why.to_owned(), now);
        model
    }

    fn rest(&mut self, at: usize, why: String, now: Instant) {
        self.rooms[at] = Room::Resting { until: now + self.rests[at], why };
        self.rests[at] = (self.rests[at] * 2).min(REST[1]);
    }

    /// Bytes of all models that are here.
    fn bytes(&self) -> u64 {
        let bytes = |room: &Room<T>| if let Room::Here { bytes, .. } = room { *bytes } else { 0 };
        self.rooms.iter().map(bytes).sum()
    }

    /// The models that are here.
    pub(super) fn here(&self) -> impl Iterator<Item = &Arc<T>> {
        self.rooms
            .iter()
            .filter_map(|room| if let Room::Here { model, .. } = room { Some(model) } else { None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(rooms: &mut Rooms<usize>, at: usize, bytes: u64) -> Vec<usize> {
        match rooms.next(at, bytes, |_| false, Instant::now()) {
            Next::Load(away) => {
                rooms.settle(at, Ok((Arc::new(at), bytes)), Instant::now());
                away.into_iter().map(|(at, _)| at).collect()
            }
            Next::Here(_) => panic!("{at} is here already"),
            Next::Wait => panic!("{at} has to wait"),
            Next::Resting(..) => panic!("{at} rests"),
        }
    }

    fn hold(rooms: &mut Rooms<usize>, at: usize) -> Arc<usize> {
        let Next::Here(model) = rooms.next(at, 0, |_| false, Instant::now()) else { panic!("{at} is away") };
        model
    }

    fn waits(rooms: &mut Rooms<usize>, at: usize, bytes: u64) -> bool {
        matches!(rooms.next(at, bytes, |_| false, Instant::now()), Next::Wait)
    }

    #[test]
    fn the_longest_unused_goes_first_and_no_more_than_needed() {
        let mut rooms = Rooms::new(4, 100, |_| false);
        assert!(load(&mut rooms, 0, 40).is_empty());
        assert!(load(&mut rooms, 1, 40).is_empty());
        drop(hold(&mut rooms, 0));
        assert_eq!(load(&mut rooms, 2, 30), [1], "0 was used since");
        assert_eq!(load(&mut rooms, 3, 90), [0, 2]);
        assert_eq!(rooms.here().count(), 1);
    }

    #[test]
    fn a_model_in_use_stays_and_nobody_is_sent_away_in_vain() {
        let mut rooms = Rooms::new(3, 100, |_| false);
        load(&mut rooms, 0, 60);
        load(&mut rooms, 1, 30);
        let held = hold(&mut rooms, 0);
        assert!(waits(&mut rooms, 2, 80), "60 are in use");
        assert_eq!(rooms.here().count(), 2, "1 stays: sending it away would not have helped");
        assert_eq!(load(&mut rooms, 2, 35), [1]);
        drop(held);
        assert_eq!(load(&mut rooms, 1, 60), [0]);
    }

    #[test]
    fn a_model_whose_memory_would_not_come_back_stays_though_nobody_uses_it() {
        let mut rooms = Rooms::new(3, 100, |model| *model == 0);
        load(&mut rooms, 0, 60);
        load(&mut rooms, 1, 30);
        assert_eq!(load(&mut rooms, 2, 40), [1], "0 was unused for longer");
        assert!(waits(&mut rooms, 1, 60));
    }

    #[test]
    fn a_model_that_somebody_waits_for_stays_though_nobody_uses_it() {
        let mut rooms = Rooms::new(2, 100, |_| false);
        load(&mut rooms, 0, 60);
        assert!(matches!(rooms.next(1, 60, |at| at == 0, Instant::now()), Next::Wait));
        assert_eq!(load(&mut rooms, 1, 60), [0]);
    }

    #[test]
    fn one_load_at_a_time() {
        let mut rooms: Rooms<usize> = Rooms::new(2, 100, |_| false);
        assert!(matches!(rooms.next(0, 10, |_| false, Instant::now()), Next::Load(_)));
        assert!(waits(&mut rooms, 0, 10) && waits(&mut rooms, 1, 10));
        rooms.settle(0, Ok((Arc::new(0), 10)), Instant::now());
        load(&mut rooms, 1, 10);
    }

    #[test]
    fn a_model_that_failed_rests_longer_each_time_and_harms_nobody() {
        let mut rooms: Rooms<usize> = Rooms::new(2, 100, |_| false);
        let mut now = Instant::now();
        for expected in [30, 60, 120, 240, 480, 600, 600] {
            assert!(matches!(rooms.next(0, 10, |_| false, now), Next::Load(_)));
            rooms.settle(0, Err("broken".to_owned()), now);
            let Next::Resting(why, left) = rooms.next(0, 10, |_| false, now) else { panic!("it rests") };
            assert_eq!((why.as_str(), left), ("broken", Duration::from_secs(expected)));
            assert!(matches!(rooms.see(0, now), Seen::Resting(..)));
            now += left;
            assert!(matches!(rooms.see(0, now), Seen::NotYet));
        }
        load(&mut rooms, 1, 90);
    }

    #[test]
    fn a_model_that_stopped_goes_once() {
        let mut rooms = Rooms::new(1, 100, |_| false);
        load(&mut rooms, 0, 10);
        assert!(rooms.fall(0, |_| false, "stopped", Instant::now()).is_none(), "it runs");
        assert!(rooms.fall(0, |_| true, "stopped", Instant::now()).is_some());
        assert!(rooms.fall(0, |_| true, "stopped", Instant::now()).is_none());
        assert!(matches!(rooms.next(0, 10, |_| false, Instant::now()), Next::Resting(..)));
    }
}
