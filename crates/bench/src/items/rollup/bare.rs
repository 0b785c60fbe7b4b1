//! The roll-up as bare arrays: the same services, instances and verdicts as in the engine, and nothing else.
//!
//! Statuses are bytes, everything is found by its number, nobody is told anything and nothing has a reason, a name or a
//! past. It shares no code with the engine, so that it serves as the second opinion about verdicts as well.

use std::collections::VecDeque;

use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use ward_model::Status;

/// Layers of services; each needs some of the layer before its own.
const LAYERS: usize = 8;
/// How many services need one, the last layer's excepted.
const DEPENDENTS: usize = 3;

/// Services in layers, by their numbers, and who needs whom. Instance `i` is of service `i % services`.
#[derive(Clone, Debug)]
pub(super) struct Bare {
    needs: Vec<Vec<usize>>,
    needed_by: Vec<Vec<usize>>,
    instances: Vec<u8>,
    counts: Vec<[u32; 4]>,
    own: Vec<u8>,
    effective: Vec<u8>,
    open: VecDeque<usize>,
    is_open: Vec<bool>,
}

impl Bare {
    /// Everything healthy. The same at each call.
    pub(super) fn new(services: usize, instances: usize) -> Self {
        let mut random = StdRng::seed_from_u64(7);
        let layer = services / LAYERS;
        let (mut needs, mut needed_by) = (vec![Vec::new(); services], vec![Vec::new(); services]);
        for first in (0..services - layer).step_by(layer) {
            for _ in 0..DEPENDENTS {
                let mut next: Vec<usize> = (first + layer..first + 2 * layer).collect();
                next.shuffle(&mut random);
                for (target, dependent) in (first..).zip(next) {
                    if !needed_by[target].contains(&dependent) {
                        needed_by[target].push(dependent);
                        needs[dependent].push(target);
                    }
                }
            }
        }
        let mut bare = Self {
            needs,
            needed_by,
            instances: vec![0; instances],
            counts: vec![[0; 4]; services],
            own: vec![0; services],
            effective: vec![0; services],
            open: VecDeque::new(),
            is_open: vec![false; services],
        };
        bare.compute_anew();
        bare
    }

    pub(super) fn services(&self) -> usize {
        self.own.len()
    }

    /// Services that need nobody.
    pub(super) fn roots(&self) -> std::ops::Range<usize> {
        0..self.services() / LAYERS
    }

    /// What a service needs.
    pub(super) fn needs(&self, service: usize) -> &[usize] {
        &self.needs[service]
    }

    pub(super) fn instances(&self) -> impl Iterator<Item = Status> + '_ {
        self.instances
            .iter()
            .map(|&status| Status::ALL[usize::from(status)])
    }

    /// The verdict about a service.
    pub(super) fn verdict(&self, service: usize) -> Status {
        Status::ALL[usize::from(self.effective[service])]
    }

    /// An instance has another status. Returns how many verdicts changed.
    pub(super) fn flip(&mut self, instance: usize, status: Status) -> usize {
        let service = instance % self.services();
        let status = status as u8;
        let before = std::mem::replace(&mut self.instances[instance], status);
        let counts = &mut self.counts[service];
        counts[usize::from(before)] -= 1;
        counts[usize::from(status)] += 1;
        let own = by_instances(counts);
        if own == self.own[service] {
            return 0;
        }
        self.own[service] = own;
        self.cascade(service)
    }

    /// From layer to layer: of two on the way the one that is needed comes first, so that each is looked at once.
    fn cascade(&mut self, service: usize) -> usize {
        let mut moved = 0;
        self.open.push_back(service);
        while let Some(service) = self.open.pop_front() {
            self.is_open[service] = false;
            let verdict = self.derived(service);
            if verdict == self.effective[service] {
                continue;
            }
            self.effective[service] = verdict;
            moved += 1;
            for &dependent in &self.needed_by[service] {
                if !std::mem::replace(&mut self.is_open[dependent], true) {
                    self.open.push_back(dependent);
                }
            }
        }
        moved
    }

    /// Every verdict from the instances alone.
    pub(super) fn compute_anew(&mut self) {
        self.counts.fill([0; 4]);
        let services = self.services();
        for of_all in self.instances.chunks(services) {
            for (counts, &status) in self.counts.iter_mut().zip(of_all) {
                counts[usize::from(status)] += 1;
            }
        }
        for service in 0..services {
            self.own[service] = by_instances(&self.counts[service]);
            self.effective[service] = self.derived(service);
        }
    }

    fn derived(&self, service: usize) -> u8 {
        let needed = self.needs[service].iter().map(|&target| self.effective[target]);
        needed.fold(self.own[service], u8::max)
    }
}

/// One healthy instance is enough, and one that is ill shows.
fn by_instances(counts: &[u32; 4]) -> u8 {
    const DEGRADED: u8 = Status::Degraded as u8;
    let ill = counts[usize::from(DEGRADED)] + counts[Status::Unhealthy as usize] > 0;
    let best = counts.iter().position(|&count| count > 0).unwrap_or(0) as u8;
    best.max(if ill { DEGRADED } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_by_step_comes_to_the_same_as_from_nothing() {
        let mut bare = Bare::new(80, 200);
        for step in 0..2_000 {
            let status = Status::ALL[rand::random_range(0..4)];
            let before = bare.effective.clone();
            let moved = bare.flip(rand::random_range(0..200), status);
            let differing = bare.effective.iter().zip(&before).filter(|(a, b)| a != b);
            assert_eq!(differing.count(), moved, "step {step}");
            let mut anew = bare.clone();
            anew.compute_anew();
            assert_eq!(
                (&anew.effective, &anew.counts),
                (&bare.effective, &bare.counts),
                "step {step}"
            );
        }
    }

    #[test]
    fn every_service_but_the_last_is_needed() {
        let bare = Bare::new(80, 80);
        assert_eq!(bare.roots().len(), 10);
        assert!(bare.roots().all(|service| bare.needs(service).is_empty()));
        assert!(
            bare.needed_by[..70]
                .iter()
                .all(|needed_by| (1..=3).contains(&needed_by.len()))
        );
        assert!(bare.needed_by[70..].iter().all(Vec::is_empty));
    }
}
