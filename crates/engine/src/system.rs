//! The system's verdict, kept as counts so that one service's change costs the same however many there are.

use std::{cmp::Reverse, collections::BTreeSet};

use ward_model::{Condition, Criticality, Mono, Name, Reason, ServiceCounts, Status, Wall, bounds};

use crate::{
    rollup::through_criticality,
    world::{ServiceIx, World},
};

/// How many bad services are asked for their causes; the worst come first.
const ASKED_FOR_CAUSES: usize = 64;

/// How many critical services that are Unknown are named; one is enough to matter.
const UNKNOWN_TOLD: usize = 16;

/// Services by criticality, maintenance and verdict.
#[derive(Debug)]
pub(crate) struct System {
    tally: [[[u32; 4]; 2]; 3],
    /// Critical services that are Unknown.
    critical_unknown: BTreeSet<ServiceIx>,
    /// Services that make the system bad, the worst first.
    culprits: BTreeSet<(Reverse<Status>, ServiceIx)>,
    pub(crate) status: Status,
    pub(crate) since: Wall,
}

impl System {
    pub(crate) fn new(wall: Wall) -> Self {
        Self {
            tally: Default::default(),
            critical_unknown: BTreeSet::new(),
            culprits: BTreeSet::new(),
            status: Status::Unknown,
            since: wall,
        }
    }

    /// Counts a service as it is now.
    pub(crate) fn count(&mut self, world: &mut World, ix: ServiceIx) {
        let service = &mut world.services[ix];
        let now = (
            service.criticality(),
            service.maintenance.is_some(),
            service.effective.0,
        );
        let before = service.tallied.replace(now);
        if before != Some(now) {
            before.into_iter().for_each(|before| self.discount(ix, before));
            let (criticality, maintained, status) = now;
            self.tally[criticality as usize][usize::from(maintained)][status as usize] += 1;
            let contribution = through_criticality(criticality, maintained, status);
            if contribution.is_bad() {
                self.culprits.insert((Reverse(contribution), ix));
            }
            if (criticality, status) == (Criticality::Critical, Status::Unknown) {
                self.critical_unknown.insert(ix);
            }
        }
    }

    /// Takes a service that is no more out of the counts.
    pub(crate) fn forget(&mut self, world: &mut World, ix: ServiceIx) {
        let counted = world.services[ix].tallied.take();
        counted.into_iter().for_each(|counted| self.discount(ix, counted));
    }

    fn discount(&mut self, ix: ServiceIx, (criticality, maintained, status): (Criticality, bool, Status)) {
        self.tally[criticality as usize][usize::from(maintained)][status as usize] -= 1;
        self.critical_unknown.remove(&ix);
        self.culprits
            .remove(&(Reverse(through_criticality(criticality, maintained, status)), ix));
    }

    /// Computes the verdict again.
    pub(crate) fn settle(&mut self, wall: Wall) {
        let status = self.join().join(self.best());
        if status != self.status {
            (self.status, self.since) = (status, wall);
        }
    }

    fn join(&self) -> Status {
        self.cells()
            .map(|(criticality, maintained, status)| through_criticality(criticality, maintained, status))
            .max()
            .unwrap_or_default()
    }

    /// The best verdict among those that matter: if all of them are dead, so is the system. Unknown if none matters.
    /// Here too maintenance can do no worse than degrade: a system of one service is not dead while that is worked on.
    fn best(&self) -> Status {
        let matters = |cell: &(Criticality, bool, Status)| cell.0 != Criticality::Optional;
        self.cells()
            .filter(matters)
            .map(|(_, maintained, status)| through_criticality(Criticality::Critical, maintained, status))
            .min()
            .unwrap_or(Status::Unknown)
    }

    fn cells(&self) -> impl Iterator<Item = (Criticality, bool, Status)> + '_ {
        const CRITICALITIES: [Criticality; 3] = [
            Criticality::Critical,
            Criticality::Important,
            Criticality::Optional,
        ];
        let all = CRITICALITIES.into_iter().flat_map(|criticality| {
            [false, true].into_iter().flat_map(move |maintained| {
                Status::ALL
                    .into_iter()
                    .map(move |status| (criticality, maintained, status))
            })
        });
        all.filter(|&(criticality, maintained, status)| {
            self.tally[criticality as usize][usize::from(maintained)][status as usize] > 0
        })
    }

    pub(crate) fn counts(&self) -> ServiceCounts {
        let of = |status: Status| {
            self.tally
                .iter()
                .flatten()
                .map(|by_status| by_status[status as usize])
                .sum()
        };
        let [healthy, unknown, degraded, unhealthy] = Status::ALL.map(of);
        ServiceCounts {
            total: healthy + unknown + degraded + unhealthy,
            healthy,
            unknown,
            degraded,
            unhealthy,
        }
    }

    /// Critical services that are Unknown, at most [`UNKNOWN_TOLD`].
    pub(crate) fn critical_unknown(&self, world: &World) -> Vec<Name> {
        let told = self.critical_unknown.iter().take(UNKNOWN_TOLD);
        told.map(|&ix| world.services[ix].name.clone()).collect()
    }

    /// Root causes of the services that make it bad, the worst first.
    pub(crate) fn causes(&self, world: &World) -> Vec<ServiceIx> {
        let mut causes = Vec::new();
        let of_services = self
            .worst()
            .take(ASKED_FOR_CAUSES)
            .flat_map(|ix| causes_of(world, ix));
        for cause in of_services {
            if !causes.contains(&cause) && causes.len() < bounds::CAUSES {
                causes.push(cause);
            }
        }
        causes
    }

    /// Services that make it bad, the worst first.
    pub(crate) fn worst(&self) -> impl Iterator<Item = ServiceIx> + '_ {
        self.culprits.iter().map(|&(_, ix)| ix)
    }

    pub(crate) fn condition(&self, world: &World, settling: bool, now: Mono) -> Condition {
        let (reason, message) = match self.worst().next() {
            _ if self.status == Status::Unknown && settling => (
                Reason::Starting,
                "the aggregator has just started; reporters are coming back".into(),
            ),
            None if self.status.is_bad() => (Reason::NoInstances, "nothing that matters reports".into()),
            None => (Reason::Reported, String::new()),
            Some(ix) => {
                let condition = crate::view::effective(world, ix, now);
                let name = &world.services[ix].name;
                let message = format!("{name} is {}", condition.status);
                let message = if condition.message.is_empty() {
                    message
                } else {
                    format!("{message}: {}", condition.message)
                };
                (condition.reason, message)
            }
        };
        Condition {
            status: self.status,
            reason,
            message,
            since: self.since,
        }
    }
}

/// A bad service's causes; itself where nothing else is found.
fn causes_of(world: &World, ix: ServiceIx) -> Vec<ServiceIx> {
    let causes = &world.services[ix].causes;
    if causes.is_empty() {
        vec![ix]
    } else {
        causes.iter().map(|&(_, root)| root).collect()
    }
}
