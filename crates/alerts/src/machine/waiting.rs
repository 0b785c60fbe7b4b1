//! What waits for time: at most one moment for each rule about each thing, in order.
//!
//! Not a timer wheel: there are as many as there are alerts that may yet change by themselves, and an ordered set also says
//! what is next, so that idle time need not be stepped through.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use ward_model::{AlertKey, Wall};

/// `duration` after `from`.
pub(super) fn after(from: Wall, duration: Duration) -> Wall {
    Wall(
        from.0
            .saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
    )
}

/// Bounded by the rules about each thing that is known.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    moments: BTreeSet<(Wall, AlertKey)>,
    of: BTreeMap<AlertKey, Wall>,
}

impl Waiting {
    /// Takes the place of what it waited for before.
    pub(super) fn set(&mut self, key: &AlertKey, at: Option<Wall>) {
        let before = match at {
            Some(at) => self.of.insert(key.clone(), at),
            None => self.of.remove(key),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.moments.remove(&(before, key.clone()));
        }
        if let Some(at) = at {
            self.moments.insert((at, key.clone()));
        }
    }

    /// Takes out all whose moment has come.
    pub(super) fn take(&mut self, now: Wall) -> Vec<AlertKey> {
        let mut due = Vec::new();
        while self.next().is_some_and(|next| next <= now) {
            let Some((_, key)) = self.moments.pop_first() else {
                break;
            };
            self.of.remove(&key);
            due.push(key);
        }
        due
    }

    /// The next moment.
    pub(super) fn next(&self) -> Option<Wall> {
        self.moments.first().map(|(at, _)| *at)
    }
}
