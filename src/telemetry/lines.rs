//! Lines on their way to standard error: whoever logs leaves a line in a bounded queue and goes on, one thread writes.
//! Promises: nobody waits for the reader, and the end of the process only for a while; what has no room or cannot be
//! written is dropped and counted; lines keep their order.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::metrics::line_lost;

/// Most lines that wait: a few tenths of a second of a busy gateway.
const MOST_LINES: usize = 2_048;
/// Most bytes that wait.
const MOST_BYTES: usize = 1 << 20;

/// Lines that wait to be written.
pub(super) struct Lines {
    state: Mutex<State>,
    came: Condvar,
    written: Condvar,
}

struct State {
    waiting: VecDeque<Vec<u8>>,
    /// Of all lines that wait.
    bytes: usize,
    /// Whether the writer holds a line that it took.
    writing: bool,
}

impl Lines {
    pub(super) const fn new() -> Self {
        let state = State { waiting: VecDeque::new(), bytes: 0, writing: false };
        Self { state: Mutex::new(state), came: Condvar::new(), written: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line, or drops and counts it when there is no room.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        if state.waiting.len() >= MOST_LINES || state.bytes + line.len() > MOST_BYTES {
            drop(state);
            return line_lost();
        }
        state.bytes += line.len();
        state.waiting.push_back(line.to_vec());
        let first = state.waiting.len() == 1;
        drop(state);
        // The writer sleeps only while there is nothing.
        if first {
            self.came.notify_one();
        }
    }

    /// Writes line after line, for as long as the process lives. One thread's whole work.
    pub(super) fn write_to(&self, mut out: impl Write) {
        loop {
            self.write_next(&mut out);
        }
    }

    /// Waits for a line and writes it; one that cannot be written is dropped and counted.
    pub(super) fn write_next(&self, out: &mut impl Write) {
        let line = self.take();
        if out.write_all(&line).is_err() {
            line_lost();
        }
        let mut state = self.lock();
        state.writing = false;
        let last = state.waiting.is_empty();
        drop(state);
        if last {
            self.written.notify_all();
        }
    }

    fn take(&self) -> Vec<u8> {
        let mut state = self.lock();
        loop {
            if let Some(line) = state.waiting.pop_front() {
                state.bytes -= line.len();
                state.writing = true;
                return line;
            }
            state = self.came.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until nothing waits any more, but no longer than this; whether that came to pass.
    pub(super) fn drain(&self, patience: Duration) -> bool {
        let busy = |state: &mut State| state.writing || !state.waiting.is_empty();
        let waited = self.written.wait_timeout_while(self.lock(), patience, busy);
        let (_state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        !timeout.timed_out()
    }
}

/// One call is one line: `tracing` hands over whole events.
impl Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, sync_channel};

    use super::*;
    use crate::metrics::lost_lines;

    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    /// Takes a line each time that it is woken, as a full pipe does whose reader sleeps.
    struct Sleepy {
        woken: Receiver<()>,
        page: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Sleepy {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.woken.recv().map_err(io::Error::other)?;
            self.page.lock().unwrap().write(line)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn d17_a_line_that_cannot_be_written_is_dropped_and_counted() {
        let (lines, before) = (Lines::new(), lost_lines());
        lines.push(b"into the void\n");
        lines.write_next(&mut Full);
        assert!(lost_lines() > before);
        assert!(lines.drain(Duration::ZERO), "nothing waits any more");
    }

    #[test]
    fn d17_a_line_without_room_is_dropped_and_counted() {
        let (lines, before) = (Lines::new(), lost_lines());
        for _ in 0..MOST_LINES + 3 {
            lines.push(b"x\n");
        }
        assert_eq!(lines.lock().waiting.len(), MOST_LINES);
        assert!(lost_lines() >= before + 3);

        let (lines, before) = (Lines::new(), lost_lines());
        lines.push("x".repeat(MOST_BYTES).as_bytes());
        lines.push(b"x\n");
        assert_eq!(lines.lock().bytes, MOST_BYTES);
        assert!(lost_lines() > before);
    }

    #[test]
    fn d17_a_reader_that_sleeps_holds_up_nobody_for_long_and_misses_nothing_that_waits() {
        let (wake, woken) = sync_channel(2);
        let page = Arc::new(Mutex::new(vec![]));
        let (lines, out) = (Arc::new(Lines::new()), Sleepy { woken, page: Arc::clone(&page) });
        let writer = Arc::clone(&lines);
        std::thread::spawn(move || writer.write_to(out));
        lines.push(b"one\n");
        lines.push(b"two\n");
        assert!(!lines.drain(Duration::from_millis(20)), "the end does not wait for ever");
        wake.send(()).unwrap();
        wake.send(()).unwrap();
        assert!(lines.drain(Duration::from_secs(20)));
        assert_eq!(*page.lock().unwrap(), b"one\ntwo\n");
    }
}
