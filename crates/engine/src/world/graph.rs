//! Edges and evidence: who needs whom, and who says what about whom.
//!
//! An edge stands for each declared dependency, and one more for each subject that a service's checks are about: hard
//! if any of them is required, else soft.

use std::collections::BTreeMap;

use ward_model::{CheckKind, DependencyKind, Name, Now, Status};

use super::{Check, Edge, InstanceIx, ServiceIx, Subject, World};

impl World {
    /// Makes the edges of a service anew from what is declared and observed. Targets that were not there are made.
    pub(crate) fn rebuild_edges(&mut self, ix: ServiceIx, now: Now) {
        let declared = self.services[ix].declared_dependencies().to_vec();
        let mut edges: Vec<Edge> = Vec::new();
        for dependency in declared {
            let target = self.service_or_new(&dependency.service, now.mono, now.wall);
            if target != ix {
                edges.push(Edge {
                    target,
                    kind: dependency.kind,
                    any_of: dependency.any_of,
                });
            }
        }
        for (&target, &[required, _]) in &self.services[ix].observes {
            let kind = if required > 0 {
                DependencyKind::Hard
            } else {
                DependencyKind::Soft
            };
            let edge = Edge {
                target,
                kind,
                any_of: None,
            };
            if !edges.contains(&edge) {
                edges.push(edge);
            }
        }
        if edges != self.services[ix].edges {
            self.replace_edges(ix, edges);
        }
    }

    pub(crate) fn replace_edges(&mut self, ix: ServiceIx, edges: Vec<Edge>) {
        for edge in std::mem::take(&mut self.services[ix].edges) {
            release(&mut self.services[edge.target].dependents, ix);
            self.touch_service(edge.target);
        }
        for edge in &edges {
            *self.services[edge.target].dependents.entry(ix).or_default() += 1;
        }
        self.services[ix].edges = edges;
        self.services[ix].rewired = true;
        self.touch_service(ix);
    }

    /// The subject of a check, made if it is not there; `None` for what is about its own service.
    pub(crate) fn subject(&mut self, of: ServiceIx, subject: Option<Name>, now: Now) -> Option<Subject> {
        let name = subject?;
        let ix = self.service_or_new(&name, now.mono, now.wall);
        (ix != of).then(|| Subject::new(ix))
    }

    /// Enters a check's observation of its subject. The caller rebuilds the edges afterwards.
    pub(crate) fn add_observation(&mut self, of: ServiceIx, check: &Check) {
        let Some(subject) = check.subject.map(Subject::ix) else {
            return;
        };
        let advisory = usize::from(check.kind == CheckKind::Advisory);
        self.services[of].observes.entry(subject).or_default()[advisory] += 1;
        *self.services[subject].observers.entry(of).or_default() += 1;
        self.touch_service(subject);
    }

    /// Takes back the observations of an instance's checks.
    pub(crate) fn drop_observations(&mut self, ix: InstanceIx) {
        let of = self.instances[ix].service();
        for number in 0..self.instances[ix].checks.len() {
            let check = &mut self.instances[ix].checks[number];
            let Some(subject) = check.subject.map(Subject::ix) else {
                continue;
            };
            let advisory = usize::from(check.kind == CheckKind::Advisory);
            if let Some((status, _)) = check.counted.take() {
                self.services[subject].evidence[status as usize] -= 1;
            }
            let observed = self.services[of].observes.entry(subject).or_default();
            observed[advisory] -= 1;
            if *observed == [0, 0] {
                self.services[of].observes.remove(&subject);
            }
            release(&mut self.services[subject].observers, of);
            self.touch_service(subject);
        }
    }

    /// Brings the evidence about the subjects of an instance's checks up to date. One that is not heard says nothing.
    pub(crate) fn count_evidence(&mut self, ix: InstanceIx) {
        let heard = self.instances[ix].is_heard();
        for number in 0..self.instances[ix].checks.len() {
            let check = &mut self.instances[ix].checks[number];
            let Some(subject) = check.subject.map(Subject::ix) else {
                continue;
            };
            let status = if heard {
                check.leaf.status()
            } else {
                Status::Unknown
            };
            if check.counted == Some((status, heard)) {
                continue;
            }
            let before = check.counted.replace((status, heard));
            let evidence = &mut self.services[subject].evidence;
            if let Some((before, _)) = before {
                evidence[before as usize] -= 1;
            }
            evidence[status as usize] += 1;
            self.touch_service(subject);
        }
    }
}

fn release(counts: &mut BTreeMap<ServiceIx, u32>, of: ServiceIx) {
    if let Some(count) = counts.get_mut(&of) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&of);
        }
    }
}
