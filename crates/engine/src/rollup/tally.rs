//! The system's verdict, kept as counts so that one service's change costs the same however many there are.

use ward_model::{Criticality, ServiceCounts, Status};

use super::{places::Places, tables::through_criticality};

/// How much a service matters, and whether it is in maintenance.
type Weight = (Criticality, bool);

/// Services by weight and verdict.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    /// By place; `None` where no service is.
    weights: Vec<Option<Weight>>,
    cells: [[[u32; 4]; 2]; 3],
    /// Services by what they do to the system.
    culprits: [Places; 4],
    /// Critical services that are Unknown.
    critical_unknown: Places,
    status: Status,
    is_stale: bool,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            weights: Vec::new(),
            cells: Default::default(),
            culprits: Default::default(),
            critical_unknown: Places::default(),
            status: Status::Unknown,
            is_stale: false,
        }
    }
}

impl Tally {
    /// A service at `status` has another weight; without one it is no more.
    pub(super) fn weigh(&mut self, service: usize, weight: Option<Weight>, status: Status) {
        if service >= self.weights.len() {
            self.weights.resize(service + 1, None);
            let sets = self.culprits.iter_mut().chain([&mut self.critical_unknown]);
            sets.for_each(|set| set.resize(service + 1));
        }
        let before = self.weights[service];
        if before != weight {
            self.count(service, status, false);
            self.weights[service] = weight;
            self.count(service, status, true);
        }
    }

    /// A service has another verdict.
    #[inline]
    pub(super) fn turn(&mut self, service: usize, before: Status, status: Status) {
        let Some((criticality, maintained)) = self.weights[service] else {
            return;
        };
        let cells = &mut self.cells[criticality as usize][usize::from(maintained)];
        cells[before as usize] -= 1;
        cells[status as usize] += 1;
        let done = |status| through_criticality(criticality, maintained, status);
        self.mark(service, done(before), false);
        self.mark(service, done(status), true);
        if criticality == Criticality::Critical {
            self.critical_unknown.set(service, status == Status::Unknown);
        }
        self.is_stale = true;
    }

    /// Every service anew, with these verdicts.
    pub(super) fn recount(&mut self, verdicts: &[Status]) {
        self.cells = Default::default();
        let sets = self.culprits.iter_mut().chain([&mut self.critical_unknown]);
        sets.for_each(Places::clear);
        for (service, &status) in verdicts.iter().enumerate() {
            self.count(service, status, true);
        }
        self.is_stale = true;
        self.settle();
    }

    /// A service enters or leaves the counts.
    fn count(&mut self, service: usize, status: Status, is_in: bool) {
        let Some((criticality, maintained)) = self.weights[service] else {
            return;
        };
        let cell = &mut self.cells[criticality as usize][usize::from(maintained)][status as usize];
        *cell = if is_in { *cell + 1 } else { *cell - 1 };
        self.mark(
            service,
            through_criticality(criticality, maintained, status),
            is_in,
        );
        if (criticality, status) == (Criticality::Critical, Status::Unknown) {
            self.critical_unknown.set(service, is_in);
        }
        self.is_stale = true;
    }

    #[inline]
    fn mark(&mut self, service: usize, done: Status, is_in: bool) {
        if done.is_bad() {
            self.culprits[done as usize].set(service, is_in);
        }
    }

    /// Computes the verdict again if it may be another.
    #[inline]
    pub(super) fn settle(&mut self) {
        if self.is_stale {
            self.status = self.join().join(self.best());
            self.is_stale = false;
        }
    }

    pub(super) fn status(&self) -> Status {
        self.status
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
            self.cells[criticality as usize][usize::from(maintained)][status as usize] > 0
        })
    }

    pub(super) fn totals(&self) -> ServiceCounts {
        let mut totals = [0; 4];
        for by_status in self.cells.iter().flatten() {
            for (total, count) in totals.iter_mut().zip(by_status) {
                *total += count;
            }
        }
        let [healthy, unknown, degraded, unhealthy] = totals;
        ServiceCounts {
            total: healthy + unknown + degraded + unhealthy,
            healthy,
            unknown,
            degraded,
            unhealthy,
        }
    }

    pub(super) fn culprits(&self) -> impl Iterator<Item = usize> + '_ {
        self.culprits.iter().rev().flat_map(Places::iter)
    }

    pub(super) fn critical_unknown(&self) -> impl Iterator<Item = usize> + '_ {
        self.critical_unknown.iter()
    }
}
