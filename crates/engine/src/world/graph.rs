//! Edges and evidence: who needs whom, and who says what about whom.
//!
//! An edge stands for each declared dependency, and one more for each subject that a service's checks are about: hard
//! if any of them is required, else soft.

use std::collections::BTreeMap;

use ward_model::{CheckKind, DependencyKind, Name, Now, Status};

use super::{Check, InstanceIx, ServiceIx, Subject, World};
use crate::rollup::Need;

impl World {
    /// Makes the edges of a service anew from what is declared and observed. Targets that were not there are made.
    pub(crate) fn rebuild_edges(&mut self, ix: ServiceIx, now: Now) {
        let declared = self.services[ix].declared_dependencies().to_vec();
        let (mut needs, mut groups) = (Vec::new(), Vec::new());
        for dependency in declared {
            let target = self.service_or_new(&dependency.service, now.mono, now.wall);
            if target != ix {
                needs.push(Need {
                    target,
                    kind: dependency.kind,
                    any_of: dependency.any_of.map(|group| number(&mut groups, group)),
                });
            }
        }
        for (&target, &[required, _]) in &self.services[ix].observes {
            let kind = if required > 0 {
                DependencyKind::Hard
            } else {
                DependencyKind::Soft
            };
            let need = Need {
                target,
                kind,
                any_of: None,
            };
            if !needs.contains(&need) {
                needs.push(need);
            }
        }
        if groups != self.services[ix].groups || !self.rollup.needs(ix).eq(needs.iter().copied()) {
            self.replace_edges(ix, &needs, groups);
        }
    }

    pub(crate) fn replace_edges(&mut self, ix: ServiceIx, needs: &[Need], groups: Vec<Name>) {
        let before: Vec<_> = self.rollup.needs(ix).collect();
        before.iter().for_each(|need| self.touch_service(need.target));
        self.rollup.set_needs(ix, needs);
        let service = &mut self.services[ix];
        let groups = std::mem::replace(&mut service.groups, groups);
        service.needs_told.get_or_insert((before, groups));
        self.touch_service(ix);
    }

    /// The dependencies of a service are others than were told. From here on what it has is told.
    pub(crate) fn take_rewired(&mut self, ix: ServiceIx) -> bool {
        let service = &mut self.services[ix];
        let told = service.needs_told.take();
        told.is_some_and(|(needs, groups)| {
            groups != service.groups || !self.rollup.needs(ix).eq(needs.iter().copied())
        })
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
        let observers = &mut self.services[subject].observers;
        *observers.entry(of).or_default() += 1;
        self.rollup.set_observers(subject, observers.len());
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
                self.rollup.count_evidence(subject, Some(status), None);
            }
            let observed = self.services[of].observes.entry(subject).or_default();
            observed[advisory] -= 1;
            if *observed == [0, 0] {
                self.services[of].observes.remove(&subject);
            }
            let observers = &mut self.services[subject].observers;
            release(observers, of);
            self.rollup.set_observers(subject, observers.len());
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
            let before = check.counted.replace((status, heard)).map(|(before, _)| before);
            self.rollup.count_evidence(subject, before, Some(status));
            self.touch_service(subject);
        }
    }
}

/// The number of a group: that of its first mention.
fn number(groups: &mut Vec<Name>, group: Name) -> u16 {
    let known = groups.iter().position(|known| *known == group);
    let number = known.unwrap_or_else(|| {
        groups.push(group);
        groups.len() - 1
    });
    u16::try_from(number).unwrap_or(u16::MAX)
}

fn release(counts: &mut BTreeMap<ServiceIx, u32>, of: ServiceIx) {
    if let Some(count) = counts.get_mut(&of) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&of);
        }
    }
}
