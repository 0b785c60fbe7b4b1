//! The roll-up alone: the very room on which the engine stands, with the same graph as the bare arrays.
//!
//! As with those the status of each instance is a byte beside it, since the room keeps none.

use std::time::Duration;

use ward_engine::{Need, Rollup};
use ward_model::{DependencyKind, Status};

use super::{Step, Turns, bare::Bare};
use crate::machine;

pub(super) struct Room {
    rollup: Rollup,
    services: usize,
    instances: Vec<Status>,
}

impl Room {
    /// With the instances of `bare` as they are.
    pub(super) fn of(bare: &Bare) -> Self {
        let mut rollup = Rollup::default();
        let hard = |&target: &usize| Need {
            target,
            kind: DependencyKind::Hard,
            any_of: None,
        };
        let services = bare.services();
        (0..services).for_each(|service| rollup.insert(service));
        for service in 0..services {
            let needs: Vec<Need> = bare.needs(service).iter().map(hard).collect();
            rollup.set_needs(service, &needs);
        }
        let mut room = Self {
            rollup,
            services,
            instances: bare.instances().collect(),
        };
        room.compute_anew();
        room
    }

    /// Every verdict from the instances alone.
    pub(super) fn compute_anew(&mut self) {
        let of_all = self.instances.chunks(self.services);
        self.rollup
            .recompute(of_all.flat_map(|of_all| of_all.iter().copied().enumerate()));
    }

    pub(super) fn verdict(&self, service: usize) -> Status {
        self.rollup.verdict(service)
    }

    pub(super) fn system(&self) -> Status {
        self.rollup.system()
    }

    fn flip(&mut self, (instance, status): Step) -> usize {
        let before = std::mem::replace(&mut self.instances[instance], status);
        self.rollup
            .count(instance % self.services, Some(before), Some(status));
        self.rollup.propagate();
        self.rollup.moved().len()
    }
}

impl Turns for Room {
    fn turn(&mut self, steps: &[Step]) -> anyhow::Result<(Duration, usize)> {
        let begun = machine::cpu_of_thread();
        let moved = steps.iter().map(|&step| self.flip(step)).sum();
        Ok((machine::cpu_of_thread() - begun, moved))
    }
}
