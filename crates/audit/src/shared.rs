//! What the writer, the press and readers have in common: the durable head, and the entries of it that are not published.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;
use ward_model::Mono;
use ward_tlog::Head;

use crate::{layout::Entry, queue::Queue};

/// How old a change may get before a checkpoint covers it.
pub(crate) const PRESS_AFTER: Duration = Duration::from_secs(1);

/// The checkpoint that is on disk.
#[derive(Clone, Debug)]
pub(crate) struct Checkpoint {
    pub(crate) size: u64,
    pub(crate) text: Arc<str>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) queue: Queue,
    pub(crate) heads: watch::Sender<Head>,
    pub(crate) checkpoint: watch::Sender<Checkpoint>,
    recent: Mutex<Recent>,
    changed: Condvar,
    /// When the writer began with what it writes, in the clock's nanoseconds; zero while it waits for work.
    writing_since: AtomicU64,
}

/// Durable entries that are not published. As many as the tail holds at most, see `tail::Sizes`.
#[derive(Debug)]
struct Recent {
    entries: VecDeque<Entry>,
    /// The index of the first of them: what is published.
    first: u64,
    head: Head,
    /// Somebody waits for a checkpoint.
    asked: bool,
    /// The press found no room: it tries again when the writer tells it to.
    stuck: bool,
    closing: bool,
    ended: bool,
}

/// What the press is to publish.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) entries: Vec<Entry>,
    pub(crate) head: Head,
}

impl Shared {
    pub(crate) fn new(head: Head, checkpoint: String) -> Self {
        let recent = Recent {
            entries: VecDeque::new(),
            first: head.size,
            head,
            asked: false,
            stuck: false,
            closing: false,
            ended: false,
        };
        let checkpoint = Checkpoint {
            size: head.size,
            text: checkpoint.into(),
        };
        Self {
            queue: Queue::new(),
            heads: watch::Sender::new(head),
            checkpoint: watch::Sender::new(checkpoint),
            recent: Mutex::new(recent),
            changed: Condvar::new(),
            writing_since: AtomicU64::new(0),
        }
    }

    /// The writer begins with something.
    pub(crate) fn writes(&self, now: Mono) {
        self.writing_since.store(now.0.max(1), Ordering::Relaxed);
    }

    /// It is through with it.
    pub(crate) fn rests(&self) {
        self.writing_since.store(0, Ordering::Relaxed);
    }

    /// For how long it has been at the same thing.
    pub(crate) fn held_up(&self, now: Mono) -> Duration {
        match self.writing_since.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => now.since(Mono(since)),
        }
    }

    /// The writer has made entries durable.
    pub(crate) fn durable(&self, entries: Vec<Entry>, head: Head) {
        let mut recent = self.recent.lock();
        let was_empty = recent.entries.is_empty();
        recent.entries.extend(entries);
        recent.head = head;
        drop(recent);
        if was_empty {
            self.changed.notify_all();
        }
        self.heads.send_replace(head);
    }

    /// The press waits until there is something to publish, and it is time; `None` when there is nothing and the log is
    /// closing.
    pub(crate) fn pending(&self) -> Option<Pending> {
        let mut recent = self.recent.lock();
        loop {
            let idle = |recent: &mut Recent| !recent.closing && (recent.stuck || recent.entries.is_empty());
            self.changed.wait_while(&mut recent, idle);
            if recent.entries.is_empty() {
                return None;
            }
            let early = |recent: &mut Recent| !recent.asked && !recent.closing;
            self.changed.wait_while_for(&mut recent, early, PRESS_AFTER);
            if !recent.stuck || recent.closing {
                recent.asked = false;
                return Some(Pending {
                    entries: recent.entries.iter().cloned().collect(),
                    head: recent.head,
                });
            }
        }
    }

    /// The press has published what it was given.
    pub(crate) fn published(&self, size: u64, text: String) {
        let mut recent = self.recent.lock();
        let count = usize::try_from(size - recent.first).expect("as many as are in memory");
        recent.entries.drain(..count);
        recent.first = size;
        self.checkpoint.send_replace(Checkpoint {
            size,
            text: text.into(),
        });
        drop(recent);
        self.changed.notify_all();
    }

    /// The press found no room.
    pub(crate) fn stick(&self) {
        self.recent.lock().stuck = true;
        self.tell();
    }

    /// Those who wait for a checkpoint look anew.
    fn tell(&self) {
        self.changed.notify_all();
        self.checkpoint.send_modify(|_| {});
    }

    /// It is to try again. Says whether it has what it needs by now: nothing left to publish.
    pub(crate) fn unstick(&self) -> bool {
        let mut recent = self.recent.lock();
        if !recent.stuck {
            return true;
        }
        (recent.stuck, recent.asked) = (false, true);
        self.changed.notify_all();
        self.changed.wait_while(&mut recent, |recent| {
            !recent.stuck && !recent.entries.is_empty() && !recent.ended
        });
        !recent.stuck
    }

    /// Asks for a checkpoint that covers what is durable now, and says what that is.
    pub(crate) fn ask(&self) -> u64 {
        let mut recent = self.recent.lock();
        if !recent.entries.is_empty() {
            recent.asked = true;
            self.changed.notify_all();
        }
        recent.head.size
    }

    /// Waits until all before `size` is published. `false` if that cannot be now.
    pub(crate) fn wait_published(&self, size: u64) -> bool {
        let mut recent = self.recent.lock();
        if recent.first < size && size <= recent.head.size {
            recent.asked = true;
            self.changed.notify_all();
            self.changed.wait_while(&mut recent, |recent| {
                recent.first < size && !recent.stuck && !recent.ended
            });
        }
        recent.first >= size
    }

    /// What is published, and whether the press is at rest for want of room.
    pub(crate) fn first(&self) -> (u64, bool) {
        let recent = self.recent.lock();
        (recent.first, recent.stuck)
    }

    pub(crate) fn head(&self) -> Head {
        *self.heads.borrow()
    }

    /// An entry that is not published yet.
    pub(crate) fn entry(&self, index: u64) -> Option<Entry> {
        let recent = self.recent.lock();
        let at = usize::try_from(index.checked_sub(recent.first)?).ok()?;
        recent.entries.get(at).cloned()
    }

    /// All that is written is written: the press publishes it and ends.
    pub(crate) fn close(&self) {
        self.recent.lock().closing = true;
        self.changed.notify_all();
    }

    /// The press has ended.
    pub(crate) fn ended(&self) {
        self.recent.lock().ended = true;
        self.tell();
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.recent.lock().closing
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.recent.lock().ended
    }
}
