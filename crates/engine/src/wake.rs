//! Moments at which something must be looked at though nothing happens: startup deadlines, ends of flapping and of
//! maintenance, forgetting.
//!
//! A wake only says "look again": what it finds decides, so that one too many, or one for a place that has another
//! holder by now, does no harm.

use std::{cmp::Reverse, collections::BinaryHeap};

use ward_model::Mono;

use crate::world::{InstanceIx, ServiceIx};

/// What to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wake {
    Instance(InstanceIx),
    Service(ServiceIx),
    System,
}

/// The wakes to come. Bounded by what asks: an instance and a service ask again only when the one before has come.
#[derive(Debug, Default)]
pub(crate) struct Wakes(BinaryHeap<Reverse<(Mono, Wake)>>);

impl Wakes {
    pub(crate) fn push(&mut self, at: Mono, wake: Wake) {
        self.0.push(Reverse((at, wake)));
    }

    /// The next one that has come.
    pub(crate) fn pop(&mut self, now: Mono) -> Option<Wake> {
        let Reverse((at, _)) = self.0.peek()?;
        if *at > now {
            return None;
        }
        self.0.pop().map(|Reverse((_, wake))| wake)
    }
}
