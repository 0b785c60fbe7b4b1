//! From changed leaves and edges to every verdict they affect, and no other.
//!
//! Each map is monotone, so the verdicts are the least fixpoint. What gets worse only raises, from where it is. What
//! may get better could be holding itself up over a cycle: those that stand on it are set back to their own status
//! first and raised again. Only a service whose verdict is worse than its own status can stand on another, and only on
//! one that is as bad; so the set back stays within what the change can affect, and no condensation of the graph is
//! kept.

use ward_model::Status;

use super::{Edges, Need, Rollup, edges::Edge};
use crate::once::Once;

/// Lists that are kept from one time to the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Work {
    /// Set back, to be raised again.
    reset: Once,
    /// Raised, and their dependents not yet.
    open: Vec<u32>,
    /// The verdicts as they were told last.
    told: Vec<Status>,
    /// Whose verdict was touched; once all is done, whose moved.
    moved: Vec<u32>,
    own_moved: Vec<u32>,
}

impl Work {
    pub(super) fn resize(&mut self, places: usize) {
        self.reset.resize(places);
        self.told.resize(places, Status::Unknown);
    }

    pub(super) fn forget(&mut self, service: usize) {
        self.told[service] = Status::Unknown;
    }
}

impl Rollup {
    /// Carries what changed since the last time to every verdict it affects; [`Self::moved`] tells which moved.
    #[inline]
    pub fn propagate(&mut self) {
        self.work.own_moved.clear();
        self.work.moved.clear();
        if !self.changed.is_empty() || !self.rewired.is_empty() {
            self.carry();
        }
        self.tally.settle();
    }

    /// The services whose verdict moved in the last [`Self::propagate`], each once, in no order.
    #[inline]
    pub fn moved(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.work.moved.iter().map(|&service| service as usize)
    }

    /// Those whose own status did.
    pub(crate) fn own_moved(&self) -> impl Iterator<Item = usize> + '_ {
        self.work.own_moved.iter().map(|&service| service as usize)
    }

    /// Those that have other edges than at the last [`Self::propagate`].
    pub(crate) fn rewired(&self) -> impl Iterator<Item = usize> + '_ {
        self.rewired.iter()
    }

    /// Those that need a service and that something bad reaches from it.
    pub(crate) fn heirs(&self, service: usize) -> impl Iterator<Item = usize> + '_ {
        let verdict = self.verdicts[service];
        let ends = self.edges.needed_by(service).iter();
        let bad = ends.filter(move |end| self.edges.contribution(end, verdict, &self.verdicts).is_bad());
        bad.map(Edge::at)
    }

    /// The needs over which something bad reaches a service: all of a group that does.
    pub(crate) fn bad_needs(&self, service: usize) -> impl Iterator<Item = Need> + '_ {
        let done = self.edges.contributions(service, &self.verdicts);
        let needs = self.edges.needs(service).zip(done);
        needs.filter(|(_, done)| done.is_bad()).map(|(need, _)| need)
    }

    /// Every verdict from the leaves alone, which are these, in whatever state all were before. What the others are held
    /// against, and too slow to be used for a change.
    pub fn recompute(&mut self, leaves: impl IntoIterator<Item = (usize, Status)>) {
        self.leaves.iter_mut().for_each(|leaves| leaves.counts = [0; 4]);
        for (service, status) in leaves {
            self.leaves[service].counts[status as usize] += 1;
        }
        for (own, leaves) in self.own.iter_mut().zip(&self.leaves) {
            *own = leaves.own();
        }
        self.verdicts.copy_from_slice(&self.own);
        let bad = (0..).zip(&self.own).filter(|(_, own)| own.is_bad());
        self.work.open.extend(bad.map(|(service, _): (u32, _)| service));
        let (edges, verdicts) = (&self.edges, &mut self.verdicts);
        spread(edges, verdicts, &mut self.work.open, |_| {});
        self.changed.clear();
        self.rewired.clear();
        self.work.told.copy_from_slice(&self.verdicts);
        self.tally.recount(&self.verdicts);
    }

    fn carry(&mut self) {
        self.refresh_own();
        for service in self.rewired.iter() {
            self.work.reset.note(service);
        }
        self.changed.clear();
        self.rewired.clear();
        self.set_back();
        self.raise();
        self.tell_apart();
    }

    /// Brings own statuses up to date and notes whose verdict may have to fall with them.
    fn refresh_own(&mut self) {
        for service in self.changed.iter() {
            let (own, before) = (self.leaves[service].own(), self.own[service]);
            if own == before {
                continue;
            }
            self.own[service] = own;
            self.work.own_moved.push(service as u32);
            if own < before && self.verdicts[service] == before {
                self.work.reset.note(service);
            }
        }
    }

    /// Sets back what was noted and all that may stand on it.
    fn set_back(&mut self) {
        let mut place = 0;
        while let Some(service) = self.work.reset.get(place) {
            place += 1;
            let before = self.verdicts[service];
            // Where its own status rose, the raising tells its dependents.
            self.verdicts[service] = before.min(self.own[service]);
            self.work.moved.push(service as u32);
            for dependent in self.edges.needed_by(service) {
                let (at, verdict) = (dependent.at(), self.verdicts[dependent.at()]);
                if verdict > self.own[at] && dependent.through(before) >= verdict {
                    self.work.reset.note(at);
                }
            }
        }
    }

    /// Raises verdicts until none rises any more: at most three times each, there being four statuses.
    fn raise(&mut self) {
        for service in self.work.reset.iter() {
            let done = self.edges.contributions(service, &self.verdicts);
            let verdict = done.fold(self.own[service], Status::join);
            if verdict > self.verdicts[service] {
                self.verdicts[service] = verdict;
                self.work.open.push(service as u32);
            }
        }
        self.work.reset.clear();
        let Work {
            own_moved,
            open,
            moved,
            ..
        } = &mut self.work;
        for &service in &*own_moved {
            let (own, verdict) = (self.own[service as usize], &mut self.verdicts[service as usize]);
            if own > *verdict {
                *verdict = own;
                moved.push(service);
                open.push(service);
            }
        }
        spread(&self.edges, &mut self.verdicts, open, |service| {
            moved.push(service)
        });
    }

    /// Tells what moved from what came back to where it was, each once.
    fn tell_apart(&mut self) {
        let (verdicts, tally) = (&self.verdicts, &mut self.tally);
        let Work { told, moved, .. } = &mut self.work;
        moved.retain(|&service| {
            let service = service as usize;
            let before = std::mem::replace(&mut told[service], verdicts[service]);
            let moved = before != verdicts[service];
            if moved {
                tally.turn(service, before, verdicts[service]);
            }
            moved
        });
    }
}

/// Carries the verdicts of `open` to all whom they raise; `raised` is told of each.
fn spread(edges: &Edges, verdicts: &mut [Status], open: &mut Vec<u32>, mut raised: impl FnMut(u32)) {
    while let Some(service) = open.pop() {
        let verdict = verdicts[service as usize];
        for dependent in edges.needed_by(service as usize) {
            let at = dependent.at();
            let done = edges.contribution(dependent, verdict, verdicts);
            if done > verdicts[at] {
                verdicts[at] = done;
                raised(at as u32);
                open.push(at as u32);
            }
        }
    }
}
