//! The log as its owner has it: a handle to one writer.

use std::{
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::watch;
use ward_chassis::Clock;
use ward_model::{Epoch, Revision};
use ward_tlog::{Head, Verifier};

use crate::{
    event::{Draft, Kind},
    files::{Disk, Files, ROOT},
    layout::RESERVE,
    open_error::OpenError,
    press::Press,
    queue::{AppendError, Body, Place, Receipt, State},
    read::Reader,
    recover::{Opened, recover},
    shared::Shared,
    tail::{Sizes, Tail},
    writer::{Guard, Writer, publish},
};

/// How a log is opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    pub(crate) sizes: Sizes,
}

/// Who opens it.
#[derive(Clone, Debug)]
pub struct Start {
    /// What the log's own events are timed by; the same as the caller's drafts.
    pub clock: Clock,
    /// The boot of this machine. See [`boot_id`].
    pub boot_id: String,
    /// The life of the aggregator.
    pub epoch: Epoch,
}

/// How a log stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether events are written.
    pub state: State,
    /// How many wait.
    pub queued: u64,
    /// How many were left out since it was opened.
    pub left_out: u64,
    /// How many are durable.
    pub size: u64,
    /// For how long the disk has been at the batch that is written now; a good one takes milliseconds.
    pub held_up: Duration,
}

/// A log that this process writes. Clones are the same log.
#[derive(Clone, Debug)]
pub struct Log {
    shared: Arc<Shared>,
    owner: Arc<Owner>,
}

/// Ends the threads with the last handle.
#[derive(Debug)]
struct Owner {
    shared: Arc<Shared>,
    files: Arc<dyn Files>,
    verifier: Verifier,
    boot: String,
    clock: Clock,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// The id that the system gave to this boot; empty where it gives none.
pub fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

impl Log {
    /// Opens the log in `dir`, or makes it. What a crash tore is cut, kept aside, and said in the log before this returns.
    /// Blocks for some milliseconds, whatever the size of the log.
    ///
    /// # Errors
    ///
    /// If it is not this process's, or not what it was: then nothing is changed.
    pub fn open(dir: &Path, options: Options, start: Start) -> Result<(Self, Opened), OpenError> {
        Self::open_in(Arc::new(Disk::new(dir)), options, start)
    }

    /// The same on any file system.
    pub(crate) fn open_in(
        files: Arc<dyn Files>,
        options: Options,
        start: Start,
    ) -> Result<(Self, Opened), OpenError> {
        let refused = |doing| {
            let path = files.path(ROOT);
            move |source| OpenError::file(crate::files::FileError { doing, path, source })
        };
        files.create_dir(ROOT).map_err(refused("make"))?;
        let lock = files.lock().map_err(refused("lock"))?;
        let lock = lock.ok_or_else(|| OpenError::Held {
            path: files.path(ROOT),
        })?;
        let begun = Begun::new(&files, options, &start).or_else(|error| {
            // What was kept for the words that there is no room is room to open it; the writer says them then.
            let full = matches!(error, OpenError::Full { .. });
            match full && files.remove(RESERVE).is_ok() {
                true => Begun::new(&files, options, &start),
                false => Err(error),
            }
        })?;
        let shared = begun.writer.shared.clone();
        let verifier = begun.press.verifier().clone();
        let threads = start_threads(begun.writer, begun.press, lock)?;
        let owner = Owner {
            shared: shared.clone(),
            files,
            verifier,
            boot: start.boot_id,
            clock: start.clock,
            threads: Mutex::new(threads),
        };
        Ok((
            Self {
                shared,
                owner: Arc::new(owner),
            },
            begun.opened,
        ))
    }

    /// Has an event written soon. Never waits. `false` if it was left out, for want of room or because the log is not
    /// written: that is counted, and said in the log as soon as it can be.
    pub fn record(&self, draft: Draft) -> bool {
        let place = (draft.epoch, draft.revision);
        self.shared.queue.record(place, || self.written(draft).1)
    }

    /// Whether somebody who can wait should, before the next [`record`](Self::record): much waits to be written.
    pub fn is_busy(&self) -> bool {
        self.shared.queue.is_busy()
    }

    /// Has an event written, and returns when it is durable. When dropped before, the event may be written all the same.
    ///
    /// # Errors
    ///
    /// If it is not, or may not be, in the log.
    pub async fn append(&self, draft: Draft) -> Result<Receipt, AppendError> {
        let (place, body) = self.written(draft);
        let answer = self.shared.queue.append(place, body)?;
        answer.await.unwrap_or(Err(AppendError::Closed))
    }

    /// The same for those who are no task.
    ///
    /// # Errors
    ///
    /// If it is not, or may not be, in the log.
    pub fn append_blocking(&self, draft: Draft) -> Result<Receipt, AppendError> {
        let (place, body) = self.written(draft);
        let answer = self.shared.queue.append(place, body)?;
        answer.blocking_recv().unwrap_or(Err(AppendError::Closed))
    }

    /// By whoever calls, not by the writer: others wait for that one.
    fn written(&self, draft: Draft) -> (Place, Body) {
        ((draft.epoch, draft.revision), draft.body(&self.owner.boot))
    }

    /// The durable head, as it grows.
    pub fn heads(&self) -> watch::Receiver<Head> {
        self.shared.heads.subscribe()
    }

    /// The durable head.
    pub fn head(&self) -> Head {
        self.shared.head()
    }

    /// The name of the log.
    pub fn origin(&self) -> &str {
        self.owner.verifier.name()
    }

    /// The key that its checkpoints are verified with.
    pub fn verifier(&self) -> &Verifier {
        &self.owner.verifier
    }

    /// A signed checkpoint that covers what is durable now, as it stands on disk.
    ///
    /// # Errors
    ///
    /// If it could not be written.
    pub async fn checkpoint(&self) -> Result<Arc<str>, AppendError> {
        let mut checkpoint = self.shared.checkpoint.subscribe();
        let size = self.shared.ask();
        loop {
            let there = checkpoint.borrow_and_update().clone();
            if there.size >= size {
                return Ok(there.text);
            }
            // In this order: what fails does so before it ends, and was not closed.
            let is_ended = self.shared.is_ended();
            match self.shared.queue.state() {
                State::Writing if is_ended => return Err(AppendError::Closed),
                State::Writing => {}
                State::Full => return Err(AppendError::Full),
                State::Failed(why) => return Err(AppendError::Failed(why)),
            }
            // The sender is in `self`.
            drop(checkpoint.changed().await);
        }
    }

    /// How it stands.
    pub fn standing(&self) -> Standing {
        let (queued, left_out) = self.shared.queue.counts();
        Standing {
            state: self.shared.queue.state(),
            queued,
            left_out,
            size: self.head().size,
            held_up: self.shared.held_up(self.owner.clock.mono()),
        }
    }

    /// Reads it, also what is not published yet.
    pub fn reader(&self) -> Reader {
        Reader::live(
            self.owner.files.clone(),
            self.owner.verifier.clone(),
            self.shared.clone(),
        )
    }

    /// Writes what waits, publishes all of it, and ends the writer. Blocks meanwhile. Other handles can still read.
    ///
    /// # Errors
    ///
    /// If something could not be written.
    pub fn close(&self) -> Result<(), AppendError> {
        self.shared.queue.close();
        for thread in std::mem::take(&mut *self.owner.threads.lock()) {
            if thread.join().is_err() {
                return Err(AppendError::Failed("its thread panicked".to_owned()));
            }
        }
        match self.shared.queue.state() {
            State::Writing if self.shared.first().0 == self.head().size => Ok(()),
            State::Failed(why) => Err(AppendError::Failed(why)),
            State::Writing | State::Full => Err(AppendError::Full),
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.queue.close();
    }
}

/// A log that was opened, before its threads run.
pub(crate) struct Begun {
    pub(crate) writer: Writer,
    press: Press,
    opened: Opened,
}

impl Begun {
    pub(crate) fn new(files: &Arc<dyn Files>, options: Options, start: &Start) -> Result<Self, OpenError> {
        let recovered = recover(files, start.clock.wall())?;
        let mut writer = Writer {
            files: files.clone(),
            shared: Arc::new(Shared::new(recovered.tree.head(), recovered.checkpoint)),
            tail: Tail::begin(files.clone(), options.sizes).map_err(OpenError::file)?,
            tree: recovered.tree,
            last: recovered.last,
            boot: start.boot_id.clone(),
            buffer: Vec::new(),
            clock: start.clock.clone(),
            place: (start.epoch, Revision::default()),
        };
        if let Some(torn) = &recovered.opened.torn {
            let evidence = [("bytes", torn.bytes.to_string()), ("kept", torn.kept.clone())];
            writer
                .first(Kind::LogRecovered, &evidence)
                .map_err(OpenError::file)?;
        }
        Ok(Self {
            writer,
            press: recovered.press,
            opened: recovered.opened,
        })
    }
}

/// The lock goes with the last of both.
fn start_threads(
    writer: Writer,
    press: Press,
    lock: Box<dyn std::fmt::Debug + Send>,
) -> Result<Vec<JoinHandle<()>>, OpenError> {
    let (shared, files) = (writer.shared.clone(), writer.files.clone());
    let lock = Arc::new(Mutex::new(lock));
    let also = lock.clone();
    let publishing = thread::Builder::new()
        .name("audit-press".to_owned())
        .spawn(move || {
            let _guard = Guard(shared.clone());
            publish(press, &shared, &*files);
            drop(lock);
        });
    let shared = writer.shared.clone();
    let writing = thread::Builder::new()
        .name("audit-writer".to_owned())
        .spawn(move || {
            let _guard = Guard(writer.shared.clone());
            writer.run();
            drop(also);
        });
    match (publishing, writing) {
        (Ok(publishing), Ok(writing)) => Ok(vec![writing, publishing]),
        (Err(error), _) | (_, Err(error)) => {
            shared.queue.close();
            shared.close();
            Err(OpenError::Thread(error))
        }
    }
}
