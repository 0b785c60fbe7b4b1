//! One watcher's place: what it was told, and what it is being told.
//!
//! Pure and synchronous; [`super::Watcher`] adds waiting. Nothing queues here but the rest of the one step under way,
//! and that as references. `from` of each step is what the watcher was told up to, by a step or a bookmark, so that it
//! can check the chain even where its filter left revisions out.

use std::{collections::VecDeque, mem, sync::Arc};

use ward_model::{AuditHead, Epoch, Revision};
use ward_proto::v1::DeltaKind;

use super::{
    filter::Filter,
    frame::{Encoding, Frame, Outgoing},
    ring::{Cursor, Pieces, Ring, Snapshot, Step},
};

/// The step under way.
#[derive(Debug)]
enum Pending {
    Nothing,
    /// Messages of one step; the header of each is the same but for `last`.
    Delta(Frame, VecDeque<Pieces>),
    Snapshot(Box<Snapshot>),
}

/// One watcher's place.
#[derive(Debug)]
pub(crate) struct Reader {
    filter: Arc<Filter>,
    encoding: Encoding,
    /// The watcher knows that it has everything up to here.
    told: Option<Cursor>,
    /// There is nothing for the watcher up to here; at or behind `told`.
    read: Option<Cursor>,
    pending: Pending,
    /// It reads what others of this encoding and level read as well.
    shares: bool,
}

impl Reader {
    /// One who goes on behind `resume`, or knows nothing.
    pub(crate) fn new(filter: Filter, encoding: Encoding, resume: Option<Cursor>) -> Self {
        Self {
            filter: Arc::new(filter),
            encoding,
            told: resume,
            read: resume,
            pending: Pending::Nothing,
            shares: true,
        }
    }

    /// One who sends nothing: no message is made and kept for its sake.
    pub(crate) fn alone(self) -> Self {
        Self {
            shares: false,
            ..self
        }
    }

    /// A step has begun and its last message has not been taken yet.
    pub(crate) fn is_within_step(&self) -> bool {
        !matches!(self.pending, Pending::Nothing)
    }

    /// There may be something for [`Self::next`].
    pub(crate) fn is_behind(&self, ring: &Ring) -> bool {
        self.is_within_step()
            || self.read
                != Some(Cursor {
                    epoch: ring.epoch(),
                    revision: ring.head(),
                })
    }

    /// Lets go of what is held for the step under way; the watcher has to resume.
    pub(crate) fn release(&mut self) {
        self.pending = Pending::Nothing;
    }

    /// The next message; `None` when all is told up to the head of `ring`, or while a part of that is still to come.
    pub(crate) fn next(&mut self, ring: &Ring) -> Option<Frame> {
        if !self.is_within_step() && ring.is_whole_for(self.filter.level) {
            if let Some(frame) = self.next_shared(ring) {
                return Some(frame);
            }
            self.begin(ring);
        }
        match mem::replace(&mut self.pending, Pending::Nothing) {
            Pending::Nothing => None,
            Pending::Delta(frame, messages) => Some(self.go_on(frame, messages)),
            Pending::Snapshot(snapshot) => Some(self.go_on_with_snapshot(snapshot)),
        }
    }

    /// A mark up to where the watcher has been told everything; only between steps, and behind the first.
    pub(crate) fn bookmark(&mut self, ring: &Ring, audit: Option<Arc<AuditHead>>) -> Option<Outgoing> {
        let read = self
            .read
            .filter(|read| read.epoch == ring.epoch() && !self.is_within_step())?;
        self.told = Some(read);
        Some(Outgoing::Bookmark {
            epoch: read.epoch,
            revision: read.revision,
            observer: ring.observer(),
            audit,
        })
    }

    /// The next revision for one who leaves nothing out and is hardly behind, as most are: the same message for all of
    /// them, made once.
    fn next_shared(&mut self, ring: &Ring) -> Option<Frame> {
        let is_like_others = self.encoding == Encoding::Protobuf && self.filter.leaves_nothing_out();
        if !self.shares || !is_like_others || self.read != self.told {
            return None;
        }
        let frame = ring.next_shared(self.told?, self.filter.level)?;
        self.done(frame.epoch, frame.to);
        Some(frame)
    }

    fn begin(&mut self, ring: &Ring) {
        match ring.read(self.read, &self.filter, self.encoding) {
            Step::Idle(revision) => {
                self.read = Some(Cursor {
                    epoch: ring.epoch(),
                    revision,
                })
            }
            Step::Later => {}
            Step::Snapshot(snapshot) => self.pending = Pending::Snapshot(Box::new(snapshot)),
            Step::Delta {
                to,
                coalesced,
                messages,
            } => {
                let kind = if coalesced.is_some() {
                    DeltaKind::Coalesced
                } else {
                    DeltaKind::Revision
                };
                let from = self.told.map_or(Revision(0), |told| told.revision);
                let skipped = coalesced.unwrap_or(0);
                let frame = Frame {
                    epoch: ring.epoch(),
                    from,
                    to,
                    kind,
                    skipped,
                    last: false,
                    entities: Vec::new(),
                    shared: None,
                };
                self.pending = Pending::Delta(frame, messages.into());
            }
        }
    }

    fn go_on(&mut self, frame: Frame, mut messages: VecDeque<Pieces>) -> Frame {
        let entities = messages.pop_front().unwrap_or_default();
        let last = messages.is_empty();
        if last {
            self.done(frame.epoch, frame.to);
        } else {
            self.pending = Pending::Delta(frame.clone(), messages);
        }
        Frame {
            last,
            entities,
            ..frame
        }
    }

    fn go_on_with_snapshot(&mut self, mut snapshot: Box<Snapshot>) -> Frame {
        let (entities, last) = snapshot.next_message();
        let Cursor { epoch, revision: to } = snapshot.at;
        if last {
            self.done(epoch, to);
        } else {
            self.pending = Pending::Snapshot(snapshot);
        }
        Frame {
            epoch,
            from: Revision(0),
            to,
            kind: DeltaKind::Snapshot,
            skipped: 0,
            last,
            entities,
            shared: None,
        }
    }

    fn done(&mut self, epoch: Epoch, revision: Revision) {
        self.told = Some(Cursor { epoch, revision });
        self.read = self.told;
    }
}
