//! What waits for the writer.
//!
//! One lock, held for a push or for taking a batch, never across anything that waits: [`Queue::record`] is called where
//! nobody may wait. A channel was not taken: the writer has to look at all that waits to decide whether somebody waits for
//! it, and what is left out has to be told in its place in the order.

use std::{collections::VecDeque, time::Duration};

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;
use ward_model::{Epoch, Revision};
use ward_tlog::Hash;

/// Most events that wait. A roll-up of a large system changes some thousand things at once; of 1 KiB, as most are, these are
/// 4 MiB, and 64 MiB of the longest that there may be.
const RECORDS: usize = 4096;
/// Callers that wait for their event have room of their own, so that a burst of records does not turn an operator away.
/// Each is a call that somebody made and holds.
const APPENDS: usize = 1024;
/// Most events of a batch: one more write costs less than the sync that follows from here on.
pub(crate) const BATCH: usize = 64;
/// How long records wait for company when nobody waits for them: a sync for each would keep the disk busy for nothing.
const GATHER: Duration = Duration::from_millis(5);
/// How often a full disk is looked at again.
const RETRY: Duration = Duration::from_secs(1);

/// Where a durable event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its place in the log.
    pub index: u64,
    /// Its leaf hash.
    pub hash: Hash,
}

/// Why an event is not in the log, or may not be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The disk is full.
    #[error("write to the audit log: its disk is full; it goes on by itself once there is room")]
    Full,
    /// The writer has ended.
    #[error(
        "write to the audit log: its writer has ended ({0}); restart the process once the disk is well: the log is \
             verified when it is opened"
    )]
    Failed(String),
    /// Too many callers wait.
    #[error("write to the audit log: {APPENDS} callers wait already; try again later")]
    Busy,
    /// The log was closed.
    #[error("write to the audit log: it is closed")]
    Closed,
}

/// Whether events are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// They are.
    Writing,
    /// Not until there is room on the disk.
    Full,
    /// Not in this life: why.
    Failed(String),
}

/// Events that are not in the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) count: u64,
    pub(crate) first: (Epoch, Revision),
    pub(crate) last: (Epoch, Revision),
}

impl Gap {
    pub(crate) fn add(&mut self, place: Place) {
        if self.count == 0 {
            self.first = place;
        }
        self.last = place;
        self.count += 1;
    }
}

/// In the order of changes.
pub(crate) type Place = (Epoch, Revision);

pub(crate) type Answer = oneshot::Sender<Result<Receipt, AppendError>>;

/// One thing to write.
#[derive(Debug)]
pub(crate) enum Item {
    Event(Place, Body, Option<Answer>),
    /// Something was left out here.
    Gap(Gap),
}

/// Of an entry, all but its beginning: whoever has it written encodes it, so that the one who writes waits for the disk and
/// for next to nothing else.
pub(crate) type Body = Vec<u8>;

/// What the writer is to do.
#[derive(Debug)]
pub(crate) enum Work {
    Write(Vec<Item>),
    /// Say that there is no room.
    Full,
    /// See whether there is room again.
    Retry,
    Close,
}

#[derive(Debug)]
struct Waiting {
    items: VecDeque<Item>,
    /// Of these, those somebody waits for.
    answers: usize,
    /// What was left out behind the last item.
    gap: Gap,
    left_out: u64,
    state: State,
    /// The press found no room.
    no_room: bool,
    closing: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    work: Condvar,
}

impl Queue {
    pub(crate) fn new() -> Self {
        let waiting = Waiting {
            items: VecDeque::new(),
            answers: 0,
            gap: Gap::default(),
            left_out: 0,
            state: State::Writing,
            no_room: false,
            closing: false,
        };
        Self {
            waiting: Mutex::new(waiting),
            work: Condvar::new(),
        }
    }

    /// Takes it, or leaves it out. What is left out is not encoded: that may be all there is, while the disk is full.
    pub(crate) fn record(&self, place: Place, encode: impl FnOnce() -> Body) -> bool {
        if self.waiting.lock().refuses(place) {
            return false;
        }
        // Others go on meanwhile.
        let body = encode();
        let mut waiting = self.waiting.lock();
        if waiting.refuses(place) {
            return false;
        }
        waiting.push(Item::Event(place, body, None));
        // While records gather the writer wakes by itself.
        if matches!(waiting.items.len(), 1 | BATCH) {
            self.work.notify_one();
        }
        true
    }

    /// Half of the room for records is taken, and there will be more.
    pub(crate) fn is_busy(&self) -> bool {
        let waiting = self.waiting.lock();
        waiting.state == State::Writing && waiting.items.len() - waiting.answers >= RECORDS / 2
    }

    /// Takes it; the answer comes when it is durable, or cannot be.
    pub(crate) fn append(
        &self,
        place: Place,
        body: Body,
    ) -> Result<oneshot::Receiver<Result<Receipt, AppendError>>, AppendError> {
        let mut waiting = self.waiting.lock();
        match &waiting.state {
            State::Writing if waiting.closing => return Err(AppendError::Closed),
            State::Writing if waiting.answers >= APPENDS => return Err(AppendError::Busy),
            State::Writing => {}
            State::Full => {
                waiting.leave_out(place);
                return Err(AppendError::Full);
            }
            State::Failed(why) => return Err(AppendError::Failed(why.clone())),
        }
        let (answer, answered) = oneshot::channel();
        waiting.push(Item::Event(place, body, Some(answer)));
        waiting.answers += 1;
        self.work.notify_one();
        Ok(answered)
    }

    /// Waits for work.
    pub(crate) fn take(&self) -> Work {
        let mut waiting = self.waiting.lock();
        loop {
            if matches!(waiting.state, State::Failed(_)) {
                return Work::Close;
            }
            if waiting.state == State::Full {
                if waiting.closing {
                    return Work::Close;
                }
                let full = |waiting: &mut Waiting| !waiting.closing && waiting.state == State::Full;
                self.work.wait_while_for(&mut waiting, full, RETRY);
                return Work::Retry;
            }
            if std::mem::take(&mut waiting.no_room) {
                return Work::Full;
            }
            let missing = std::mem::take(&mut waiting.gap);
            if missing.count > 0 {
                waiting.items.push_back(Item::Gap(missing));
            }
            if waiting.items.is_empty() {
                if waiting.closing {
                    return Work::Close;
                }
                self.work.wait(&mut waiting);
                continue;
            }
            let alone = |waiting: &mut Waiting| {
                waiting.answers == 0 && waiting.items.len() < BATCH && !(waiting.closing || waiting.no_room)
            };
            self.work.wait_while_for(&mut waiting, alone, GATHER);
            // The press may have ended it meanwhile: nothing waits then, and a batch of nothing would be read as a torn one.
            if !waiting.no_room && !waiting.items.is_empty() {
                return Work::Write(waiting.drain());
            }
        }
    }

    /// Has the writer say that there is no room.
    pub(crate) fn no_room(&self) {
        let mut waiting = self.waiting.lock();
        waiting.no_room = waiting.state == State::Writing;
        self.work.notify_all();
    }

    /// Ends the writing of events until there is room. What waits is answered.
    pub(crate) fn full(&self) {
        self.stop(State::Full, &AppendError::Full);
    }

    /// Ends it for good.
    pub(crate) fn fail(&self, why: &str) {
        self.stop(
            State::Failed(why.to_owned()),
            &AppendError::Failed(why.to_owned()),
        );
    }

    fn stop(&self, state: State, error: &AppendError) {
        let mut waiting = self.waiting.lock();
        if matches!(waiting.state, State::Failed(_)) {
            return;
        }
        (waiting.state, waiting.no_room) = (state, false);
        let items = std::mem::take(&mut waiting.items);
        waiting.give_up_all(items, error);
        waiting.answers = 0;
        self.work.notify_all();
    }

    /// What could not be written is left out.
    pub(crate) fn give_up(&self, items: Vec<Item>, error: &AppendError) {
        self.waiting.lock().give_up_all(items, error);
    }

    /// Events are written again.
    pub(crate) fn resume(&self) {
        let mut waiting = self.waiting.lock();
        if waiting.state == State::Full {
            waiting.state = State::Writing;
        }
    }

    pub(crate) fn close(&self) {
        self.waiting.lock().closing = true;
        self.work.notify_all();
    }

    pub(crate) fn state(&self) -> State {
        self.waiting.lock().state.clone()
    }

    /// How many wait, and how many were left out in all.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let waiting = self.waiting.lock();
        (waiting.items.len() as u64, waiting.left_out)
    }
}

impl Waiting {
    /// Whether there is no room for a record, which is left out then.
    fn refuses(&mut self, place: Place) -> bool {
        let records = self.items.len() - self.answers;
        let refuses = self.closing || self.state != State::Writing || records >= RECORDS;
        if refuses {
            self.leave_out(place);
        }
        refuses
    }

    /// Behind what was left out before it.
    fn push(&mut self, item: Item) {
        let missing = std::mem::take(&mut self.gap);
        if missing.count > 0 {
            self.items.push_back(Item::Gap(missing));
        }
        self.items.push_back(item);
    }

    fn leave_out(&mut self, place: Place) {
        self.gap.add(place);
        self.left_out += 1;
    }

    /// They come before what was left out meanwhile.
    fn give_up_all(&mut self, items: impl IntoIterator<Item = Item>, error: &AppendError) {
        let later = std::mem::take(&mut self.gap);
        for item in items {
            self.give_up(item, error);
        }
        self.gap.join(later);
    }

    fn give_up(&mut self, item: Item, error: &AppendError) {
        match item {
            Item::Event(place, _, answer) => {
                self.leave_out(place);
                // Who does not wait any longer needs no answer.
                answer.map(|answer| answer.send(Err(error.clone())));
            }
            Item::Gap(gap) => self.gap.join(gap),
        }
    }

    fn drain(&mut self) -> Vec<Item> {
        let count = self.items.len().min(BATCH);
        let items: Vec<_> = self.items.drain(..count).collect();
        self.answers -= items
            .iter()
            .filter(|item| matches!(item, Item::Event(_, _, Some(_))))
            .count();
        items
    }
}

impl Gap {
    fn join(&mut self, later: Self) {
        if self.count == 0 {
            *self = later;
        } else if later.count > 0 {
            self.last = later.last;
            self.count += later.count;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn record(queue: &Queue, n: u64) -> bool {
        queue.record((Epoch(1), Revision(n)), Body::new)
    }

    #[test]
    fn nothing_is_no_batch() {
        for round in 0..100 {
            let queue = Queue::new();
            assert!(record(&queue, 0));
            let work = thread::scope(|scope| {
                let taking = scope.spawn(|| queue.take());
                // It takes the one, or waits for company.
                thread::sleep(Duration::from_micros(20 * round));
                queue.fail("the press failed");
                taking.join().unwrap()
            });
            match work {
                Work::Write(items) => assert_eq!(items.len(), 1, "round {round}"),
                Work::Close => {}
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn what_waits_when_the_disk_fills_is_missing_before_what_was_left_out() {
        let queue = Queue::new();
        let most = RECORDS as u64;
        assert!((0..most).all(|n| record(&queue, n)));
        assert!(!record(&queue, most), "there is no room");
        queue.full();
        assert!(!record(&queue, most + 1));
        let gap = queue.waiting.lock().gap.clone();
        let place = |n| (Epoch(1), Revision(n));
        assert_eq!(
            (gap.count, gap.first, gap.last),
            (most + 2, place(0), place(most + 1))
        );
    }

    /// Which may be all that there is to do, while the disk is full.
    #[test]
    fn what_is_left_out_is_not_encoded() {
        let queue = Queue::new();
        let place = (Epoch(1), Revision(1));
        assert!((0..RECORDS as u64).all(|n| record(&queue, n)));
        assert!(!queue.record(place, || panic!("there is no room")));
        queue.full();
        assert!(!queue.record(place, || panic!("the disk is full")));
        queue.resume();
        assert!(record(&queue, 1));
        queue.close();
        assert!(!queue.record(place, || panic!("it is closed")));
    }
}
