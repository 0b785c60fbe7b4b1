//! An engine and the writer's side of the hub: what is decided is published, the verdict first.
//!
//! The hub keeps states of instances only while somebody watches them. They are then copied into it a part at a time,
//! between events; what changes meanwhile gets there by itself.
//!
//! The states of a hundred thousand instances take longer to encode than the verdict about them takes to find. So who
//! watches the system and its services is told before those are made, and who watches instances once they are; a
//! revision is whole for either. Another thread for the states was not taken: it would read what the next event changes.

use std::thread;

use ward_engine::{Engine, Event, Outcome};
use ward_model::{ChangeSet, Now};

use crate::{
    hub::Publisher,
    memory::Ear,
    story::{self, Transition},
};

/// So many instances are told together with the verdict: their states take less than a millisecond, and waking all
/// watchers a second time may take more.
const TOLD_AT_ONCE: usize = 256;

/// So many instances are copied into the hub at once: less than a quarter of a tick.
const COPIED_AT_ONCE: usize = 2_048;

/// Behind so many ticks without anybody who watches instances their states are let go: some ten minutes. Who comes back
/// sooner need not wait for them.
const UNWATCHED: u32 = 60_000;

/// What is decided, said.
#[derive(Debug)]
pub(crate) struct Voice {
    engine: Engine,
    publisher: Publisher,
    /// Hears what was published, to remember it.
    ear: Ear,
    /// The moment of the last event.
    now: Now,
    instances: Instances,
    /// Published, with the states of instances still to come.
    verdict: Option<ChangeSet>,
}

/// How far the hub has the states of instances.
#[derive(Clone, Copy, Debug)]
enum Instances {
    None,
    /// Up to this place.
    Some(usize),
    /// All of them, and nobody wanted them for so many ticks.
    All(u32),
}

/// What came of an event.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) outcome: Outcome,
    /// There is a revision of it.
    pub(crate) published: bool,
    /// The verdicts that are others than before, where somebody traces.
    pub(crate) transitions: Vec<Transition>,
}

impl Voice {
    pub(crate) fn new(engine: Engine, publisher: Publisher, ear: Ear) -> Self {
        Self {
            engine,
            publisher,
            ear,
            now: Now::default(),
            instances: Instances::None,
            verdict: None,
        }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Has an event decided, and publishes the verdict. [`Self::tell`] is to follow.
    pub(crate) fn decide(&mut self, event: Event, now: Now) -> Said {
        self.tell();
        self.now = now;
        let mut outcome = self.engine.decide(event, now);
        let changes = outcome.changes.take();
        let published = changes.is_some();
        let transitions = changes.as_ref().map_or_else(Vec::new, story::transitions);
        if let Some(changes) = changes {
            if self.engine.untold() > TOLD_AT_ONCE {
                self.publisher.announce(&changes);
                self.publisher.wake();
                self.verdict = Some(changes);
            } else {
                self.complete(changes);
            }
        }
        Said {
            outcome,
            published,
            transitions,
        }
    }

    /// Publishes what the last revision says of instances, if that was left to say.
    pub(crate) fn tell(&mut self) {
        if let Some(verdict) = self.verdict.take() {
            self.complete(verdict);
        }
    }

    /// Copies states of instances into the hub if somebody wants them there, and lets go of them if nobody does. To be
    /// called once a tick.
    pub(crate) fn tend(&mut self) {
        self.tell();
        self.instances = match self.instances {
            Instances::None if self.publisher.wants_instances() => self.copy(0),
            Instances::None => Instances::None,
            Instances::Some(from) => self.copy(from),
            Instances::All(_) if self.publisher.is_watched_deep() => Instances::All(0),
            Instances::All(UNWATCHED) => {
                let states = self.publisher.empty();
                // A thread that cannot be had drops them here.
                drop(thread::Builder::new().spawn(move || drop(states)));
                Instances::None
            }
            Instances::All(ticks) => Instances::All(ticks + 1),
        };
    }

    fn copy(&mut self, from: usize) -> Instances {
        let (states, next) = self.engine.instances_from(from, COPIED_AT_ONCE);
        self.publisher.fill(states, next.is_none());
        next.map_or(Instances::All(0), Instances::Some)
    }

    /// Wakes who watches for all that was published: behind the last of several events.
    pub(crate) fn wake(&mut self) {
        self.publisher.wake();
        self.ear.wake();
    }

    fn complete(&mut self, mut set: ChangeSet) {
        self.engine.tell(&mut set.changes);
        self.publisher.publish(&set);
        self.ear.hear(self.engine.epoch(), set, self.now);
    }
}
