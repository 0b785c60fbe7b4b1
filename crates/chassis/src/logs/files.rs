//! The log in files: all lines, and errors apart, as JSON.
//!
//! Who logs puts a line into a queue and goes on. A thread of its own writes; a disk that is slow, hangs, is full or gone costs
//! the lines that find no room, which are counted. One that is full or gone is said once, on standard error, until it is
//! mended; of one that hangs or is slow the count tells, and a line when it goes on: who logs cannot log that a line is lost.

use std::{
    collections::VecDeque,
    io,
    mem::take,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use parking_lot::{Condvar, Mutex};
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;
use ward_model::Mono;

use super::{
    Dropped,
    rolling::{Bounds, Rolling},
};
use crate::Clock;

/// Bytes of lines that wait, beside as many that are being written: some ten thousand lines, a burst of all there is to say
/// at a start.
const QUEUE_BYTES: usize = 4 << 20;
/// How long after a failure files are left alone: lines come by the thousand when a machine is ill.
const REST: Duration = Duration::from_secs(1);
/// How long an end waits for what was logged to be in the files.
const LAST: Duration = Duration::from_secs(1);

/// The files of this process. Dropped, it writes what waits, for a second at most.
#[derive(Debug)]
pub(super) struct Files(Arc<Queue>);

#[derive(Debug)]
struct Queue {
    state: Mutex<State>,
    /// There is something to write, or an end.
    more: Condvar,
    /// All is written, and no more will be.
    done: Condvar,
    bytes: usize,
    dropped: Dropped,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<Line>,
    bytes: usize,
    /// Lines that found no room since lines were taken last.
    lost: u64,
    is_ending: bool,
    has_ended: bool,
}

#[derive(Debug)]
struct Line {
    text: Vec<u8>,
    is_error: bool,
}

impl Files {
    /// Begins to write into `dir`, which is made if it is not there. `dropped` counts what is not written.
    pub(super) fn begin(dir: &Path, clock: Clock, dropped: Dropped) -> io::Result<Self> {
        let queue = Arc::new(Queue::new(QUEUE_BYTES, dropped));
        let writing = Writing::new(dir, Bounds::default(), clock);
        let lines = Arc::clone(&queue);
        thread::Builder::new()
            .name("ward-logs".to_owned())
            .spawn(move || write_all(&lines, writing))?;
        Ok(Self(queue))
    }

    /// For the layer that writes lines.
    pub(super) fn writer(&self) -> Writer {
        Writer(Arc::clone(&self.0))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.is_ending = true;
        self.0.more.notify_one();
        self.0
            .done
            .wait_while_for(&mut state, |state| !state.has_ended, LAST);
    }
}

impl Queue {
    fn new(bytes: usize, dropped: Dropped) -> Self {
        Self {
            state: Mutex::default(),
            more: Condvar::new(),
            done: Condvar::new(),
            bytes,
            dropped,
        }
    }

    /// Never waits for a disk: the lock is held for as long as it takes to put or to take.
    fn put(&self, line: Line) {
        let mut state = self.state.lock();
        if state.is_ending || state.bytes + line.text.len() > self.bytes {
            state.lost += 1;
            drop(state);
            return self.dropped.add(1);
        }
        state.bytes += line.text.len();
        state.lines.push_back(line);
        self.more.notify_one();
    }

    /// Waits for lines; with how many found no room beside them. `None` at the end.
    fn take(&self) -> Option<(VecDeque<Line>, u64)> {
        let mut state = self.state.lock();
        self.more
            .wait_while(&mut state, |state| state.lines.is_empty() && !state.is_ending);
        if state.lines.is_empty() {
            state.has_ended = true;
            self.done.notify_all();
            return None;
        }
        state.bytes = 0;
        Some((take(&mut state.lines), take(&mut state.lost)))
    }
}

fn write_all(queue: &Queue, mut writing: Writing) {
    while let Some((lines, lost)) = queue.take() {
        if lost > 0 {
            // The queue is empty now: this one finds room.
            tracing::warn!(
                lines = lost,
                "the disk of the log files is too slow: lines were lost"
            );
        }
        for line in lines {
            writing.line(&line, &queue.dropped);
        }
    }
}

/// What the thread knows.
#[derive(Debug)]
struct Writing {
    dir: PathBuf,
    all: Rolling,
    errors: Rolling,
    clock: Clock,
    /// Since files cannot be written: until when they are left alone, and how many lines were lost.
    outage: Option<(Mono, u64)>,
}

impl Writing {
    fn new(dir: &Path, bounds: Bounds, clock: Clock) -> Self {
        Self {
            dir: dir.to_owned(),
            all: Rolling::new(dir, "ward", bounds),
            errors: Rolling::new(dir, "ward.error", bounds),
            clock,
            outage: None,
        }
    }

    fn line(&mut self, line: &Line, dropped: &Dropped) {
        let now = self.clock.now();
        let lost = match self.outage {
            Some((until, lost)) if now.mono < until => {
                self.outage = Some((until, lost + 1));
                return dropped.add(1);
            }
            Some((_, lost)) => lost,
            None => 0,
        };
        let mut written = self.all.write(&line.text, now.wall);
        if line.is_error {
            written = written.and(self.errors.write(&line.text, now.wall));
        }
        let Err(error) = written else {
            return self.mended(lost);
        };
        dropped.add(1);
        // What is said here comes back as a line, and is lost like any other.
        if self.outage.replace((now.mono + REST, lost + 1)).is_none() {
            let dir = self.dir.display();
            tracing::error!(%dir, %error, "cannot write the log files: until that is mended, lines are on standard error alone");
        }
    }

    fn mended(&mut self, lost: u64) {
        if self.outage.take().is_some() {
            tracing::warn!(lines = lost, "the log files are written again; lines were lost");
        }
    }
}

/// Puts each line into the queue.
#[derive(Debug)]
pub(super) struct Writer(Arc<Queue>);

impl<'a> MakeWriter<'a> for Writer {
    type Writer = Entry<'a>;

    fn make_writer(&'a self) -> Entry<'a> {
        Entry {
            queue: &self.0,
            is_error: false,
        }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Entry<'a> {
        Entry {
            queue: &self.0,
            is_error: *metadata.level() == Level::ERROR,
        }
    }
}

/// Takes one line, in one piece, as the layer of tracing-subscriber gives it.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    queue: &'a Queue,
    is_error: bool,
}

impl io::Write for Entry<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.queue.put(Line {
            text: text.to_vec(),
            is_error: self.is_error,
        });
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
