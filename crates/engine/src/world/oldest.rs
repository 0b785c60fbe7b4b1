//! Since when the longest-running instance of a service runs: the few that run longest, in order.
//!
//! All others began later than these, and are asked only when all of these are over. A heap of all was not taken: it
//! takes 16 bytes of each instance, for the one on top. Who ends is not told either: that is seen when one is first.

use ward_model::Wall;

use super::InstanceIx;

/// So many are kept in order. All instances are asked once for so many that end, which is little beside the ends.
const KEPT: usize = 32;

type Start = (Wall, InstanceIx);

#[derive(Debug, Default)]
pub(crate) struct Oldest {
    first: Vec<Start>,
    /// There may be others, all of them behind these.
    more: bool,
}

impl Oldest {
    /// Since when the first of them runs, as it was found last.
    pub(crate) fn since(&self) -> Option<Wall> {
        self.first.first().map(|&(started, _)| started)
    }

    /// An instance runs since then.
    pub(super) fn begin(&mut self, start: Start) {
        let place = self.first.partition_point(|&other| other < start);
        if place == self.first.len() && self.more || self.first.get(place) == Some(&start) {
            return;
        }
        if self.first.is_empty() {
            // Most services have one.
            self.first.reserve_exact(1);
        }
        self.first.insert(place, start);
        if self.first.len() > KEPT {
            self.first.pop();
            self.more = true;
        }
    }

    /// Lets go of those in front that are over. True if none is left and [`Self::fill`] is to follow.
    pub(super) fn drop_over(&mut self, runs: impl Fn(Start) -> bool) -> bool {
        let over = self.first.iter().take_while(|&&start| !runs(start)).count();
        self.first.drain(..over);
        self.first.is_empty() && self.more
    }

    /// Takes the first of all that run.
    pub(super) fn fill(&mut self, mut running: Vec<Start>) {
        self.more = running.len() > KEPT;
        if self.more {
            running.select_nth_unstable(KEPT);
            running.truncate(KEPT);
        }
        running.sort_unstable();
        running.shrink_to_fit();
        self.first = running;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Beside a set of all: some begin, some end, and now and then all but a few.
        #[test]
        fn is_the_first_of_all(steps in prop::collection::vec((0..500i64, 0..200usize, 0..4u8), 1..400)) {
            let (mut oldest, mut all) = (Oldest::default(), BTreeSet::new());
            for (started, ix, what) in steps {
                match what {
                    0 => all = all.split_off(&(Wall(started), 0)),
                    1 => drop(all.pop_first()),
                    _ => {
                        all.insert((Wall(started), ix));
                        oldest.begin((Wall(started), ix));
                    }
                }
                if started % 3 == 0 {
                    continue;
                }
                if oldest.drop_over(|start| all.contains(&start)) {
                    oldest.fill(all.iter().copied().collect());
                }
                prop_assert_eq!(oldest.since(), all.first().map(|&(started, _)| started));
                prop_assert!(oldest.first.len() <= KEPT);
            }
        }
    }
}
