//! Moments at which something must be looked at though nothing happens: startup deadlines, ends of flapping and of
//! maintenance, forgetting.
//!
//! A wake only says "look again": what it finds decides. Each holder has one at most, the earliest it needs, and asks
//! anew when that has come; so there are never more wakes than things.

use std::collections::BTreeSet;

use ward_model::Mono;

use crate::world::{InstanceIx, ServiceIx};

/// What to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wake {
    Instance(InstanceIx),
    Service(ServiceIx),
    System,
}

/// The wakes to come.
#[derive(Debug, Default)]
pub(crate) struct Wakes(BTreeSet<(Mono, Wake)>);

impl Wakes {
    /// Makes `at` the one moment at which `wake` comes; `asked` is what its holder asked for so far.
    pub(crate) fn ask(&mut self, asked: &mut Option<Mono>, at: Option<Mono>, wake: Wake) {
        if *asked == at {
            return;
        }
        if let Some(before) = std::mem::replace(asked, at) {
            self.0.remove(&(before, wake));
        }
        if let Some(at) = at {
            self.0.insert((at, wake));
        }
    }

    /// The next one that has come. Its holder is to forget what it asked for.
    pub(crate) fn pop(&mut self, now: Mono) -> Option<Wake> {
        let &(at, wake) = self.0.first()?;
        if at > now {
            return None;
        }
        self.0.pop_first();
        Some(wake)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
