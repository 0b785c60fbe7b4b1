//! What keeps its order while it waits, and what becomes of it when there is no room.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    mem,
};

use ward_model::{Name, Wall};

use super::{AT_ONCE, NAMES};
use crate::batch::{KeptRecord, KeptTransition, not_recorded};

/// Transitions that wait: some 20 MB. An hour without a database, with eighteen of them a second.
pub(in crate::queue) const TRANSITIONS: usize = 65_536;
/// Records that wait: some 30 MB. Each is of one moment of one service, for trying rules out later: a hole in them is no harm
/// to what is decided now, and is told to whoever reads them.
pub(in crate::queue) const RECORDS: usize = 65_536;

/// Transitions in order, and what became of those that found no room.
#[derive(Debug, Default)]
pub(super) struct Transitions {
    waiting: VecDeque<KeptTransition>,
    pushed: u64,
    /// Of each subject that lost some: when its unknown time begins, and the last that was left out, with which it ends.
    left_out: HashMap<Option<Name>, (KeptTransition, KeptTransition)>,
}

impl Transitions {
    /// Makes room by the oldest, and says whether one is left out for it: what is newer says more about now. A subject keeps
    /// the last that it lost, so that only the time between is unknown and not all that follows.
    pub(super) fn push(&mut self, kept: KeptTransition) -> bool {
        self.waiting.push_back(kept);
        self.pushed += 1;
        if self.waiting.len() <= TRANSITIONS {
            return false;
        }
        let Some(oldest) = self.waiting.pop_front() else {
            return false;
        };
        let room = self.left_out.len() < NAMES;
        match self.left_out.entry(oldest.subject.clone()) {
            Entry::Occupied(mut lost) => lost.get_mut().1 = oldest,
            Entry::Vacant(_) if !room => {}
            Entry::Vacant(place) => {
                place.insert((not_recorded(oldest.clone()), oldest));
                // One alone is not lost: it is both.
                return false;
            }
        }
        true
    }

    /// All that ever came.
    pub(super) fn pushed(&self) -> u64 {
        self.pushed
    }

    /// The oldest, how many of them were counted, and how far that reaches.
    pub(super) fn take(&mut self) -> (Vec<KeptTransition>, usize, u64) {
        let mut taken = Vec::new();
        let most = self.waiting.len().min(AT_ONCE);
        let counted = self.left_out.len() + most;
        for (begins, last) in mem::take(&mut self.left_out).into_values() {
            if (begins.epoch, begins.revision) != (last.epoch, last.revision) {
                taken.push(begins);
            }
            taken.push(last);
        }
        taken.extend(self.waiting.drain(..most));
        (taken, counted, self.pushed - self.waiting.len() as u64)
    }
}

/// Records in order.
#[derive(Debug, Default)]
pub(super) struct Records {
    waiting: VecDeque<KeptRecord>,
    /// The number of the next.
    pushed: u64,
    /// The last of each subject that found no room: behind it is known again how that one is.
    left_out: HashMap<Option<Name>, KeptRecord>,
    /// The end of the hole, if some are dropped for good.
    hole: Option<Wall>,
}

/// The oldest, with the end of the hole in them if there is one, and how far that reaches.
pub(super) type TakenRecords = (Vec<KeptRecord>, Option<Wall>, u64);

impl Records {
    /// Makes room by the oldest, and says whether one is dropped for it.
    pub(super) fn push(&mut self, at: Wall, subject: Option<Name>, body: String) -> bool {
        let seq = self.pushed;
        self.pushed += 1;
        let record = KeptRecord {
            at,
            seq,
            subject,
            body,
        };
        self.waiting.push_back(record);
        if self.waiting.len() <= RECORDS {
            return false;
        }
        let oldest = self.waiting.pop_front();
        oldest.is_some_and(|oldest| self.leave_out(oldest))
    }

    /// Whether another one is dropped for it, or it is.
    fn leave_out(&mut self, oldest: KeptRecord) -> bool {
        let (at, has_room) = (oldest.at, self.left_out.len() < NAMES);
        let dropped = match self.left_out.entry(oldest.subject.clone()) {
            Entry::Occupied(mut last) => {
                last.insert(oldest);
                true
            }
            Entry::Vacant(_) if !has_room => true,
            Entry::Vacant(place) => {
                place.insert(oldest);
                false
            }
        };
        if dropped {
            self.hole = self.hole.max(Some(at));
        }
        dropped
    }

    /// All that ever came.
    pub(super) fn pushed(&self) -> u64 {
        self.pushed
    }

    pub(super) fn take(&mut self) -> TakenRecords {
        let most = self.waiting.len().min(AT_ONCE);
        let mut taken: Vec<_> = mem::take(&mut self.left_out).into_values().collect();
        taken.extend(self.waiting.drain(..most));
        (taken, self.hole.take(), self.pushed - self.waiting.len() as u64)
    }
}
