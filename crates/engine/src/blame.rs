//! Who is to blame, kept up to date: for every bad service the nearest root causes and how far away they are.
//!
//! Roots spread backwards over bad edges, nearest first, all of them in one pass over the services that may have others
//! now. A search from each bad service on its own gives the same and was not taken: with one broken database under
//! everything it is quadratic, and costs seconds where this costs milliseconds.

use std::cmp::Ordering;

use ward_model::bounds;

use crate::{
    causes,
    once::Once,
    world::{ServiceIx, World},
};

/// A cause on its way: which, and to whom.
type Step = (ServiceIx, ServiceIx);

/// Lists that are kept from one time to the next.
#[derive(Debug, Default)]
pub(crate) struct Blame {
    observers: Once,
    affected: Once,
    /// What the affected had before, in their order.
    before: Vec<Vec<(u32, ServiceIx)>>,
    /// Causes on their way, by how far they have come.
    steps: Vec<Vec<Step>>,
}

impl Blame {
    /// Finds causes again after `dirty` services changed, edges of `rewired` and whatever verdicts the roll-up moved. Tells
    /// `touched` of those that have others.
    pub(crate) fn refresh(
        &mut self,
        world: &mut World,
        dirty: &[ServiceIx],
        rewired: &[ServiceIx],
        touched: &mut Once,
    ) {
        self.observers.resize(world.services.capacity());
        self.affected.resize(world.services.capacity());
        self.recount_observers(world);
        for ix in world.rollup.moved().chain(rewired.iter().copied()) {
            self.affected.note(ix);
        }
        self.find_roots(world, dirty);
        if !self.affected.is_empty() {
            self.find_affected(world);
            self.begin(world);
            self.spread(world);
            self.compare(world, touched);
        }
        self.observers.clear();
        self.affected.clear();
    }

    /// Instances whose checks are about a subject that became bad or good count as something else without those checks.
    fn recount_observers(&mut self, world: &mut World) {
        for ix in world.rollup.moved() {
            for &observer in world.services[ix].observers.keys() {
                self.observers.note(observer);
            }
        }
        for observer in self.observers.iter() {
            let instances: Vec<_> = world.services[observer].instances.values().collect();
            instances.into_iter().for_each(|ix| world.recount_without(ix));
        }
    }

    /// Who came to be bad by itself, or no longer is, has another cause.
    fn find_roots(&mut self, world: &mut World, dirty: &[ServiceIx]) {
        let World { services, rollup, .. } = world;
        let looked_at = dirty.iter().copied().chain(rollup.moved());
        for ix in looked_at.chain(self.observers.iter()) {
            let root = causes::is_root(rollup, ix, &services[ix].without);
            if std::mem::replace(&mut services[ix].root, root) != root {
                self.affected.note(ix);
            }
        }
    }

    /// The changed and all bad services that depend on them, however far.
    fn find_affected(&mut self, world: &World) {
        let mut place = 0;
        while let Some(ix) = self.affected.get(place) {
            place += 1;
            for dependent in world.rollup.dependents(ix) {
                if world.rollup.verdict(dependent).is_bad() {
                    self.affected.note(dependent);
                }
            }
        }
    }

    /// Roots begin at themselves; what is not affected passes on what it has.
    fn begin(&mut self, world: &mut World) {
        for ix in self.affected.iter() {
            self.before.push(std::mem::take(&mut world.services[ix].causes));
        }
        for ix in self.affected.iter() {
            if !world.rollup.verdict(ix).is_bad() {
                continue;
            }
            if world.services[ix].root {
                step(&mut self.steps, 0, (ix, ix));
            }
            for need in world.rollup.bad_needs(ix) {
                for &(far, root) in &world.services[need.target].causes {
                    step(&mut self.steps, far + 1, (root, ix));
                }
            }
        }
    }

    /// Carries causes to those whom something bad reaches, nearest first, those equally far in the order of their names.
    fn spread(&mut self, world: &mut World) {
        let mut far = 0;
        while let Some(here) = self.steps.get_mut(far as usize) {
            let mut here = std::mem::take(here);
            let name = |ix: ServiceIx| &world.services[ix].name;
            here.sort_unstable_by(|a, b| {
                let by_name = if a.0 == b.0 {
                    Ordering::Equal
                } else {
                    name(a.0).cmp(name(b.0))
                };
                by_name.then(a.1.cmp(&b.1))
            });
            for &(root, ix) in &here {
                let causes = &mut world.services[ix].causes;
                if causes.len() == bounds::CAUSES || causes.iter().any(|&(_, known)| known == root) {
                    continue;
                }
                causes.push((far, root));
                let heirs = world
                    .rollup
                    .heirs(ix)
                    .filter(|&heir| self.affected.contains(heir));
                heirs.for_each(|heir| step(&mut self.steps, far + 1, (root, heir)));
            }
            here.clear();
            self.steps[far as usize] = here;
            far += 1;
        }
    }

    fn compare(&mut self, world: &World, touched: &mut Once) {
        for (ix, before) in self.affected.iter().zip(self.before.drain(..)) {
            if world.services[ix].causes != before {
                touched.note(ix);
            }
        }
    }
}

fn step(steps: &mut Vec<Vec<Step>>, far: u32, step: Step) {
    let far = far as usize;
    if steps.len() <= far {
        steps.resize_with(far + 1, Vec::new);
    }
    steps[far].push(step);
}
