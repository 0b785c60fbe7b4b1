//! An engine and the writer's side of the hub: what is decided is published, the verdict first.
//!
//! The states of a hundred thousand instances take longer to encode than the verdict about them takes to find. So who
//! watches the system and its services is told before those are made, and who watches instances once they are; a
//! revision is whole for either. Another thread for the states was not taken: it would read what the next event changes.

use ward_engine::{Engine, Event, Outcome};
use ward_model::{ChangeSet, Now};

use crate::hub::Publisher;

/// So many instances are told together with the verdict: their states take less than a millisecond, and waking all
/// watchers a second time may take more.
const TOLD_AT_ONCE: usize = 256;

/// What is decided, said.
#[derive(Debug)]
pub(crate) struct Voice {
    engine: Engine,
    publisher: Publisher,
    /// Published, with the states of instances still to come.
    verdict: Option<ChangeSet>,
}

/// What came of an event.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) outcome: Outcome,
    /// There is a revision of it.
    pub(crate) published: bool,
}

impl Voice {
    pub(crate) fn new(engine: Engine, publisher: Publisher) -> Self {
        Self {
            engine,
            publisher,
            verdict: None,
        }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Has an event decided, and publishes the verdict. [`Self::tell`] is to follow.
    pub(crate) fn decide(&mut self, event: Event, now: Now) -> Said {
        self.tell();
        let mut outcome = self.engine.decide(event, now);
        let changes = outcome.changes.take();
        let published = changes.is_some();
        if let Some(changes) = changes {
            if self.engine.untold() > TOLD_AT_ONCE {
                self.publisher.announce(&changes);
                self.publisher.wake();
                self.verdict = Some(changes);
            } else {
                self.complete(changes);
            }
        }
        Said { outcome, published }
    }

    /// Publishes what the last revision says of instances, if that was left to say.
    pub(crate) fn tell(&mut self) {
        if let Some(verdict) = self.verdict.take() {
            self.complete(verdict);
        }
    }

    /// Wakes who watches for all that was published: behind the last of several events.
    pub(crate) fn wake(&mut self) {
        self.publisher.wake();
    }

    fn complete(&mut self, mut set: ChangeSet) {
        set.changes.extend(self.engine.tell());
        self.publisher.publish(&set);
    }
}
