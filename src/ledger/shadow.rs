//! The way from a live answer to its shadow: a bounded channel, which only requests that may leave the boundary enter.
//! A place is taken before the die is cast, so that a full queue or a busy minute makes a probability of 0, which is
//! recorded, and not a sample that goes missing; one may still fail later, and is counted then. Texts pass through
//! memory only and are never part of `Debug`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::chat::{BackendId, ChatRequest, RequestId};
use crate::routing::{Decision, Shadow, Unconfined};

/// Samples that may wait or be under way.
const PLACES: usize = 64;

/// A request that the other target shall answer too.
pub struct Sample {
    /// The live request.
    pub id: RequestId,
    /// What was asked.
    pub request: Arc<ChatRequest>,
    /// The proof that it may be sent anywhere.
    pub leave: Unconfined,
    /// Who shall answer it now.
    pub target: BackendId,
    /// How the live request was decided.
    pub decision: Decision,
    /// What its policy wants.
    pub shadow: Shadow,
    /// The live answer's text, where it came whole and is not too long to be compared.
    pub answer: Option<String>,
}

impl fmt::Debug for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sample").field("id", &self.id).field("target", &self.target).finish_non_exhaustive()
    }
}

/// Where samples come out. Whoever holds it answers them one after the other.
pub type Samples = mpsc::Receiver<Sample>;

/// Where samples go in.
pub struct Shadows {
    sender: mpsc::Sender<Sample>,
    /// Samples that each policy may still draw, and when that was so.
    allowances: Mutex<BTreeMap<String, (f64, Instant)>>,
}

/// A place in the queue. Dropped unused, it is free again.
pub struct Place(mpsc::OwnedPermit<Sample>);

impl Place {
    /// Sends a sample on its way. Never waits.
    pub fn send(self, sample: Sample) {
        self.0.send(sample);
    }
}

impl Shadows {
    /// Both ends of the channel.
    pub fn channel() -> (Self, Samples) {
        let (sender, samples) = mpsc::channel(PLACES);
        (Self { sender, allowances: Mutex::default() }, samples)
    }

    /// A place for a sample of this policy, where there is one now and its minute has room.
    pub fn place(&self, policy: &str, shadow: &Shadow) -> Option<Place> {
        let place = self.sender.clone().try_reserve_owned().ok()?;
        let most = f64::from(shadow.max_per_minute);
        let now = Instant::now();
        let mut allowances = self.allowances.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, at) = allowances.entry(policy.to_owned()).or_insert((most, now));
        *left = (*left + (now - *at).as_secs_f64() * most / 60.0).min(most);
        *at = now;
        (*left >= 1.0).then_some(Place(place))
    }

    /// Counts a drawn sample against its policy's minute.
    pub fn drawn(&self, policy: &str) {
        let mut allowances = self.allowances.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((left, _)) = allowances.get_mut(policy) {
            *left -= 1.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::routing::Grade;

    #[tokio::test(start_paused = true)]
    async fn a_policy_draws_so_many_a_minute_and_the_queue_is_bounded() {
        let (shadows, samples) = Shadows::channel();
        let wish = Shadow { share: 1.0, max_per_minute: 6, grade: Grade::None };
        let draw = || shadows.place("p", &wish).map(|place| (shadows.drawn("p"), place).1);
        let held: Vec<_> = (0..10).filter_map(|_| draw()).collect();
        assert_eq!(held.len(), 6);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!((0..10).filter_map(|_| draw()).count(), 1, "six a minute are one in ten seconds");
        assert!(shadows.place("q", &wish).is_some(), "each policy has its own minute");
        let many = Shadow { max_per_minute: 1_000, ..wish };
        let all: Vec<_> = (0..100).filter_map(|_| shadows.place("r", &many)).collect();
        assert_eq!(all.len() + held.len(), PLACES);
        drop(samples);
        drop(all);
        assert!(shadows.place("r", &many).is_none(), "nobody listens any more");
    }
}
