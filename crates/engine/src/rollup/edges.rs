//! Who needs whom, both ways: each edge stands in the list of either end and knows its place in the other's.
//!
//! So an edge is taken away at once even where ten thousand services need one database.

use ward_model::{DependencyKind, Status};

use super::{ends::Ends, tables::through_dependency};

/// What a service needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// The other service.
    pub target: usize,
    /// What that does to the one that needs it.
    pub kind: DependencyKind,
    /// Needs of one service with the same number count as the best of them.
    pub any_of: Option<u16>,
}

/// One end of an edge: 8 bytes, so that those of most services share a cache line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    /// The service at the other end.
    at: u32,
    way: Way,
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Alone(DependencyKind),
    AnyOf(DependencyKind, u16),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Edges {
    /// What each service needs.
    needs: Ends,
    /// Who needs it.
    needed_by: Ends,
}

impl Edge {
    /// The other service.
    #[inline]
    pub(super) fn at(&self) -> usize {
        self.at as usize
    }

    /// What it does alone where the needed one is at `status`.
    #[inline]
    pub(super) fn through(&self, status: Status) -> Status {
        let (Way::Alone(kind) | Way::AnyOf(kind, _)) = self.way;
        through_dependency(kind, status)
    }

    fn group(&self) -> Option<u16> {
        match self.way {
            Way::Alone(_) => None,
            Way::AnyOf(_, group) => Some(group),
        }
    }
}

impl Edges {
    pub(super) fn resize(&mut self, places: usize) {
        self.needs.resize(places);
        self.needed_by.resize(places);
    }

    pub(super) fn replace(&mut self, service: usize, needs: &[Need]) {
        while let Some((edge, back)) = self.needs.pop(service) {
            if let Some((moved, place)) = self.needed_by.take(edge.at(), back) {
                self.needs.set_back(moved.at(), place, back);
            }
        }
        for &Need { target, kind, any_of } in needs {
            let way = any_of.map_or(Way::Alone(kind), |group| Way::AnyOf(kind, group));
            let edge = |at: usize| Edge { at: at as u32, way };
            let (place, back) = (self.needs.len(service), self.needed_by.len(target));
            self.needs.push(service, edge(target), back);
            self.needed_by.push(target, edge(service), place);
        }
    }

    pub(super) fn needs(&self, service: usize) -> impl ExactSizeIterator<Item = Need> + '_ {
        self.needs.of(service).iter().map(|edge| {
            let (Way::Alone(kind) | Way::AnyOf(kind, _)) = edge.way;
            Need {
                target: edge.at(),
                kind,
                any_of: edge.group(),
            }
        })
    }

    pub(super) fn dependents(&self, service: usize) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.needed_by.of(service).iter().map(Edge::at)
    }

    #[inline]
    pub(super) fn needed_by(&self, service: usize) -> &[Edge] {
        self.needed_by.of(service)
    }

    /// What the needs of a service do to it, each by its place.
    pub(super) fn contributions<'a>(
        &'a self,
        service: usize,
        verdicts: &'a [Status],
    ) -> impl Iterator<Item = Status> + 'a {
        let needs = self.needs.of(service);
        needs.iter().map(move |need| match need.way {
            Way::Alone(_) => need.through(verdicts[need.at()]),
            Way::AnyOf(_, group) => self.best(service, group, verdicts),
        })
    }

    /// What the end of an edge does to the service it leads to, the needed one being at `status`.
    #[inline]
    pub(super) fn contribution(&self, dependent: &Edge, status: Status, verdicts: &[Status]) -> Status {
        match dependent.way {
            Way::Alone(_) => dependent.through(status),
            Way::AnyOf(_, group) => self.best(dependent.at(), group, verdicts),
        }
    }

    /// A group does what the best of it does.
    fn best(&self, service: usize, group: u16, verdicts: &[Status]) -> Status {
        let needs = self.needs.of(service).iter();
        let members = needs.filter(|need| need.group() == Some(group));
        let statuses = members.map(|need| need.through(verdicts[need.at()]));
        statuses.min().unwrap_or_default()
    }
}
