//! A service's own status: by its leaves, and by what others see of it.
//!
//! No more than a few counts and what is wanted of them; that a missing seat turns from Unknown to Unhealthy with time is
//! told from outside.

use ward_model::{MinHealthy, Status};

use super::tables::{Counts, as_second_opinion, by_instances, by_observers};

/// Where a service's own status comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    NoInstances,
    Instances,
    /// Not enough of them.
    Seats,
    Observers,
}

/// What the own status of one service rests on.
#[derive(Clone, Debug)]
pub(super) struct Leaves {
    pub(super) counts: Counts,
    /// What checks of others say about it.
    pub(super) evidence: Counts,
    /// Of how many services those are.
    pub(super) observers: u32,
    pub(super) wanted: MinHealthy,
    /// What a seat counts as that nobody takes.
    pub(super) missing: Status,
}

impl Default for Leaves {
    fn default() -> Self {
        Self {
            counts: Counts::default(),
            evidence: Counts::default(),
            observers: 0,
            wanted: MinHealthy::default(),
            missing: Status::Unknown,
        }
    }
}

impl Leaves {
    #[inline]
    pub(super) fn counted(&self) -> usize {
        self.counts.iter().map(|&count| count as usize).sum()
    }

    #[inline]
    pub(super) fn wanted(&self) -> usize {
        self.wanted.resolve(self.counted())
    }

    #[inline]
    pub(super) fn own(&self) -> Status {
        self.own_with(&self.counts)
    }

    #[inline]
    pub(super) fn own_with(&self, counts: &Counts) -> Status {
        if self.counted() == 0 {
            return self.observed().unwrap_or(Status::Unknown);
        }
        let reported = by_instances(counts, self.wanted(), self.missing);
        if self.evidence == [0; 4] {
            return reported;
        }
        reported.join(self.second_opinion())
    }

    pub(super) fn source(&self) -> Source {
        if self.counted() == 0 {
            return self.observed().map_or(Source::NoInstances, |_| Source::Observers);
        }
        let reported = by_instances(&self.counts, self.wanted(), self.missing);
        if self.second_opinion() > reported {
            Source::Observers
        } else if reported > by_instances(&self.counts, 1, self.missing) {
            Source::Seats
        } else {
            Source::Instances
        }
    }

    /// What observers say, if there are any.
    #[inline]
    fn observed(&self) -> Option<Status> {
        (self.evidence != [0; 4]).then(|| by_observers(&self.evidence))
    }

    #[inline]
    fn second_opinion(&self) -> Status {
        as_second_opinion(self.observed().unwrap_or_default(), self.observers)
    }
}
