//! The one thread that owns an embedding model. It takes one batch of each request in turn, so that a long list holds up
//! nobody for longer than a batch. Promises: a request whose caller has left is dropped before its next batch; a batch
//! that fails, even by a panic, ends its request and nothing else.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;

use ort::session::RunOptions;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::model::Model;
use super::pulse::Pulse;

/// Tokens of a usual run, at most.
const USUAL: usize = 4096;

/// The model failed; the log says more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failed;

/// One request under way.
pub(super) struct Job {
    texts: Vec<Vec<u32>>,
    /// Places in `texts`, short ones first: texts of one length stand together.
    order: Vec<usize>,
    /// How many of `order` are done.
    done: usize,
    vectors: Vec<Vec<f32>>,
    reply: oneshot::Sender<Result<Vec<Vec<f32>>, Failed>>,
    /// Whether the run under way is one of its own, for who waits for it.
    pub(super) runs: Arc<AtomicBool>,
    /// Its place among the requests that may be at work or wait.
    _place: OwnedSemaphorePermit,
}

impl Job {
    pub(super) fn new(
        texts: Vec<Vec<u32>>,
        reply: oneshot::Sender<Result<Vec<Vec<f32>>, Failed>>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|at| texts[*at].len());
        let vectors = vec![vec![]; texts.len()];
        Self { texts, order, done: 0, vectors, reply, runs: Arc::default(), _place: place }
    }

    /// How many times as long as a usual run its largest may take.
    pub(super) fn times(&self) -> f64 {
        times(1, self.texts.iter().map(Vec::len).max().unwrap_or(0))
    }

    /// The places of the next batch: texts of one length, and no more tokens than `most`, but one text at least.
    fn batch(&self, most: usize) -> &[usize] {
        let left = &self.order[self.done..];
        let length = left.first().map_or(1, |at| self.texts[*at].len());
        let same = left.iter().take_while(|at| self.texts[**at].len() == length).count();
        &left[..same.min((most / length.max(1)).max(1))]
    }

    fn step(&mut self, model: &mut Model, most: usize, pulse: &Pulse) -> Result<(), Failed> {
        let places = self.batch(most).to_vec();
        let texts: Vec<&[u32]> = places.iter().map(|at| self.texts[*at].as_slice()).collect();
        let run = |options: &RunOptions| catch_unwind(AssertUnwindSafe(|| model.run(&texts, options)));
        self.runs.store(true, Ordering::Relaxed);
        let ended = pulse.run(times(texts.len(), texts.first().map_or(0, |text| text.len())), run);
        self.runs.store(false, Ordering::Relaxed);
        let vectors = match ended {
            Ok(Ok(vectors)) if vectors.len() == places.len() => vectors,
            Ok(Ok(_)) => return Err(failed("it gave another number of vectors")),
            Ok(Err(error)) => {
                tracing::error!(code = ?error.code(), "the embedding model failed on one batch");
                return Err(Failed);
            }
            Err(_) => return Err(failed("it panicked")),
        };
        for (at, vector) in places.iter().zip(vectors) {
            self.vectors[*at] = vector;
        }
        self.done += places.len();
        Ok(())
    }
}

/// Nobody waits for longer runs than so many usual ones: everybody waits behind them.
const MOST_TIMES: f64 = 4.0;

/// How many times as long as a usual run one of so many texts of one length may take: most work grows with the tokens,
/// attention with the length of each text besides.
fn times(rows: usize, length: usize) -> f64 {
    let usual = |tokens: usize| (tokens as f64 / USUAL as f64).max(1.0);
    (usual(rows.saturating_mul(length)) * usual(length)).min(MOST_TIMES)
}

fn failed(why: &str) -> Failed {
    tracing::error!("the embedding model failed on one batch: {why}");
    Failed
}

/// Works until nobody can send jobs any more.
pub(super) fn work(mut model: Model, jobs: &Receiver<Job>, most: usize, pulse: &Pulse) {
    let mut under_way = VecDeque::new();
    loop {
        if under_way.is_empty() {
            match jobs.recv() {
                Ok(job) => under_way.push_back(job),
                Err(_) => return,
            }
        }
        under_way.extend(jobs.try_iter());
        let Some(mut job) = under_way.pop_front() else { continue };
        if job.reply.is_closed() {
            continue;
        }
        match job.step(&mut model, most, pulse) {
            Ok(()) if job.done < job.order.len() => under_way.push_back(job),
            // Nobody waits any more: nothing to do.
            Ok(()) => drop(job.reply.send(Ok(job.vectors))),
            Err(failed) => drop(job.reply.send(Err(failed))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;

    fn job(lengths: &[usize]) -> Job {
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        Job::new(lengths.iter().map(|length| vec![0; *length]).collect(), oneshot::channel().0, place)
    }

    #[test]
    fn a_run_may_take_longer_the_larger_it_is() {
        assert_eq!([times(1, 3), times(1, USUAL), times(USUAL / 2, 2)], [1.0; 3], "a batch as it ships");
        assert_eq!([times(1, 2 * USUAL), times(USUAL, 3), times(USUAL, 8)], [4.0, 3.0, MOST_TIMES]);
        assert_eq!(job(&[2 * USUAL, 3]).times(), 4.0);
        assert_eq!(job(&[1; 3]).times(), 1.0);
    }

    #[test]
    fn batches_hold_texts_of_one_length_and_no_more_tokens_than_allowed() {
        let mut job = job(&[5, 2, 5, 2, 2, 9]);
        let mut batches = vec![];
        while job.done < job.order.len() {
            let batch = job.batch(5).to_vec();
            job.done += batch.len();
            batches.push(batch);
        }
        assert_eq!(batches, [vec![1, 3], vec![4], vec![0], vec![2], vec![5]]);
    }
}
