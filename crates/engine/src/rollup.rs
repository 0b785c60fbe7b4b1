//! The roll-up: what the verdicts rest on, as dense arrays, and the verdicts.
//!
//! Services are places in arrays here. The room knows no names, no times, no reasons and nothing of what anybody is told;
//! so a leaf that turns costs what a few array accesses cost, however much is known of the service beside it. Who drives
//! it says which leaves turned and which edges are others, calls [`Rollup::propagate`], and is told which verdicts moved.
//!
//! It keeps no leaf, only how many there are at each status: whoever owns a leaf knows what it was before. The same
//! figures as fields of all else that is known of a service were not kept: each step of a cascade then misses the cache,
//! and nothing of it can be measured or tested without the rest.

mod edges;
mod ends;
mod own;
mod places;
mod tables;
mod tally;
#[cfg(test)]
mod tests;
mod verdicts;

use ward_model::{Criticality, MinHealthy, ServiceCounts, Status};

use crate::once::Once;
use edges::Edges;
use own::Leaves;
use tally::Tally;

pub use edges::Need;
pub(crate) use own::Source;
pub(crate) use tables::{Counts, through_check, through_dependency, worst};

/// The counts, edges and verdicts of all services, each at its place. Public for the suite of measurements; the engine
/// stands on this very type.
#[derive(Clone, Debug, Default)]
pub struct Rollup {
    leaves: Vec<Leaves>,
    edges: Edges,
    own: Vec<Status>,
    verdicts: Vec<Status>,
    tally: Tally,
    /// Whose own status may be another, since the last [`Self::propagate`].
    changed: Once,
    /// Whose edges are others, since then.
    rewired: Once,
    work: verdicts::Work,
}

impl Rollup {
    /// Puts a service at a free place: without leaves and edges, important, Unknown.
    pub fn insert(&mut self, service: usize) {
        if service >= self.leaves.len() {
            let places = service + 1;
            self.leaves.resize_with(places, Leaves::default);
            self.own.resize(places, Status::Unknown);
            self.verdicts.resize(places, Status::Unknown);
            self.edges.resize(places);
            self.changed.resize(places);
            self.rewired.resize(places);
            self.work.resize(places);
        }
        self.tally.weigh(
            service,
            Some((Criticality::default(), false)),
            self.verdicts[service],
        );
        self.rewired.note(service);
    }

    /// Takes away a service that nobody needs. The place is free afterwards.
    pub(crate) fn remove(&mut self, service: usize) {
        self.edges.replace(service, &[]);
        self.leaves[service] = Leaves::default();
        self.tally.weigh(service, None, self.verdicts[service]);
        self.tally.settle();
        (self.own[service], self.verdicts[service]) = (Status::Unknown, Status::Unknown);
        self.work.forget(service);
        self.changed.strike(service);
        self.rewired.strike(service);
    }

    /// Moves a leaf of a service from one status to another; `None` is where it was not yet, or is no more.
    #[inline]
    pub fn count(&mut self, service: usize, from: Option<Status>, to: Option<Status>) {
        recount(&mut self.leaves[service].counts, from, to);
        self.compare(service);
    }

    /// The same for what somebody else's check says about it.
    pub(crate) fn count_evidence(&mut self, service: usize, from: Option<Status>, to: Option<Status>) {
        recount(&mut self.leaves[service].evidence, from, to);
        self.compare(service);
    }

    /// Of how many services those checks are.
    pub(crate) fn set_observers(&mut self, service: usize, observers: usize) {
        self.leaves[service].observers = u32::try_from(observers).unwrap_or(u32::MAX);
        self.compare(service);
    }

    /// How many of its leaves must be well, and what one counts as that is not there.
    pub(crate) fn want(&mut self, service: usize, wanted: MinHealthy, missing: Status) {
        let leaves = &mut self.leaves[service];
        (leaves.wanted, leaves.missing) = (wanted, missing);
        self.compare(service);
    }

    /// Notes a service whose own status may be another. Most leaves that turn are one of many and change nothing: those end
    /// here.
    #[inline]
    fn compare(&mut self, service: usize) {
        if self.leaves[service].own() != self.own[service] {
            self.changed.note(service);
        }
    }

    /// How much it matters to the system.
    pub(crate) fn weigh(&mut self, service: usize, criticality: Criticality, in_maintenance: bool) {
        let weight = Some((criticality, in_maintenance));
        self.tally.weigh(service, weight, self.verdicts[service]);
    }

    /// Makes these the edges of a service, whose targets must all be there.
    pub fn set_needs(&mut self, service: usize, needs: &[Need]) {
        self.edges.replace(service, needs);
        self.rewired.note(service);
    }

    /// What it needs, in the order in which that was said.
    pub(crate) fn needs(&self, service: usize) -> impl ExactSizeIterator<Item = Need> + '_ {
        self.edges.needs(service)
    }

    /// Who needs it, in no order; twice who has two edges to it.
    pub(crate) fn dependents(&self, service: usize) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.edges.dependents(service)
    }

    /// How many of its leaves are at each status.
    pub(crate) fn counts(&self, service: usize) -> &Counts {
        &self.leaves[service].counts
    }

    /// How many leaves it has.
    pub(crate) fn counted(&self, service: usize) -> usize {
        self.leaves[service].counted()
    }

    /// How many of them must be well.
    pub(crate) fn wanted(&self, service: usize) -> usize {
        self.leaves[service].wanted()
    }

    /// How many of the checks about it say what.
    pub(crate) fn evidence(&self, service: usize) -> &Counts {
        &self.leaves[service].evidence
    }

    /// By its leaves and observers alone.
    pub(crate) fn own(&self, service: usize) -> Status {
        self.own[service]
    }

    /// What its own status would be with other counts of its leaves.
    pub(crate) fn own_with(&self, service: usize, counts: &Counts) -> Status {
        self.leaves[service].own_with(counts)
    }

    /// Where its own status comes from.
    pub(crate) fn source(&self, service: usize) -> Source {
        self.leaves[service].source()
    }

    /// Its own status joined with what it needs.
    pub fn verdict(&self, service: usize) -> Status {
        self.verdicts[service]
    }

    /// The verdict about the system.
    pub fn system(&self) -> Status {
        self.tally.status()
    }

    /// How many services have which verdict.
    pub(crate) fn totals(&self) -> ServiceCounts {
        self.tally.totals()
    }

    /// Services that make the system bad, the worst first, of equally bad ones by their places.
    pub(crate) fn culprits(&self) -> impl Iterator<Item = usize> + '_ {
        self.tally.culprits()
    }

    /// Critical services that are Unknown, by their places.
    pub(crate) fn critical_unknown(&self) -> impl Iterator<Item = usize> + '_ {
        self.tally.critical_unknown()
    }
}

#[inline]
fn recount(counts: &mut Counts, from: Option<Status>, to: Option<Status>) {
    if let Some(from) = from {
        counts[from as usize] -= 1;
    }
    if let Some(to) = to {
        counts[to as usize] += 1;
    }
}
