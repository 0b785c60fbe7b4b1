//! Who needs whom, both ways: each edge stands in the list of either end and knows its place in the other's.
//!
//! So an edge is taken away at once even where ten thousand services need one database. Lists in one array after
//! another would be denser, and would have to be moved at each change of an edge.

use ward_model::{DependencyKind, Status};

use super::tables::through_dependency;

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

/// One end of an edge.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    /// The service at the other end.
    at: u32,
    /// The place in its list.
    back: u32,
    any_of: Option<u16>,
    kind: DependencyKind,
}

#[derive(Clone, Debug, Default)]
struct Ends {
    needs: Vec<Edge>,
    needed_by: Vec<Edge>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Edges(Vec<Ends>);

impl Edge {
    /// The other service.
    pub(super) fn at(&self) -> usize {
        self.at as usize
    }

    /// What it does alone where the needed one is at `status`.
    pub(super) fn through(&self, status: Status) -> Status {
        through_dependency(self.kind, status)
    }
}

impl Edges {
    pub(super) fn resize(&mut self, places: usize) {
        self.0.resize_with(places, Ends::default);
    }

    pub(super) fn replace(&mut self, service: usize, needs: &[Need]) {
        while let Some(edge) = self.0[service].needs.pop() {
            self.unlink(edge);
        }
        for &Need { target, kind, any_of } in needs {
            let [place, back] =
                [&self.0[service].needs, &self.0[target].needed_by].map(|list| list.len() as u32);
            let edge = |at: usize, back| Edge {
                at: at as u32,
                back,
                any_of,
                kind,
            };
            self.0[service].needs.push(edge(target, back));
            self.0[target].needed_by.push(edge(service, place));
        }
    }

    /// Takes the other end of an edge away; what moves into its place is told so.
    fn unlink(&mut self, edge: Edge) {
        let needed_by = &mut self.0[edge.at()].needed_by;
        needed_by.swap_remove(edge.back as usize);
        if let Some(&moved) = needed_by.get(edge.back as usize) {
            self.0[moved.at()].needs[moved.back as usize].back = edge.back;
        }
    }

    pub(super) fn needs(&self, service: usize) -> impl ExactSizeIterator<Item = Need> + '_ {
        self.0[service].needs.iter().map(|edge| Need {
            target: edge.at(),
            kind: edge.kind,
            any_of: edge.any_of,
        })
    }

    pub(super) fn dependents(&self, service: usize) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.0[service].needed_by.iter().map(Edge::at)
    }

    pub(super) fn needed_by(&self, service: usize) -> &[Edge] {
        &self.0[service].needed_by
    }

    /// What the needs of a service do to it, each by its place.
    pub(super) fn contributions<'a>(
        &'a self,
        service: usize,
        verdicts: &'a [Status],
    ) -> impl Iterator<Item = Status> + 'a {
        let needs = &self.0[service].needs;
        needs.iter().map(move |need| match need.any_of {
            None => need.through(verdicts[need.at()]),
            group => self.best(service, group, verdicts),
        })
    }

    /// What a service's end of an edge does to it, the needed one being at `status`.
    pub(super) fn contribution(&self, dependent: &Edge, status: Status, verdicts: &[Status]) -> Status {
        match dependent.any_of {
            None => dependent.through(status),
            group => self.best(dependent.at(), group, verdicts),
        }
    }

    /// A group does what the best of it does.
    fn best(&self, service: usize, group: Option<u16>, verdicts: &[Status]) -> Status {
        let members = self.0[service].needs.iter().filter(|need| need.any_of == group);
        let statuses = members.map(|need| need.through(verdicts[need.at()]));
        statuses.min().unwrap_or_default()
    }
}
