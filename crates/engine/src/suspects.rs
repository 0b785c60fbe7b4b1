//! Who falls silent, by when they will be convicted.
//!
//! A suspect's own `due` is the truth, and this only where to look for those whose time has come.

use ward_model::Mono;

use crate::{
    agenda::Agenda,
    world::{InstanceIx, World},
};

#[derive(Debug, Default)]
pub(crate) struct Suspects {
    later: Agenda<InstanceIx>,
    /// Those that were due and spared.
    spared: Vec<InstanceIx>,
}

impl Suspects {
    /// Will be convicted at `due`.
    pub(crate) fn note(&mut self, ix: InstanceIx, due: Mono) {
        self.later.note(due, ix);
    }

    /// Will not be convicted at `due`.
    pub(crate) fn strike(&mut self, ix: InstanceIx, due: Mono) {
        self.later.strike(due, ix);
    }

    /// Takes out those that are due, each once, in the order of their places. Who is not convicted is to be spared.
    pub(crate) fn come(&mut self, world: &World, now: Mono) -> Vec<InstanceIx> {
        let due_at = |ix| {
            let instance = world.instances.get(ix);
            instance
                .filter(|instance| instance.is_suspect())
                .map(|suspect| suspect.due)
        };
        let mut due = self.later.come(now, due_at);
        let spared = std::mem::take(&mut self.spared);
        due.extend(
            spared
                .into_iter()
                .filter(|&ix| due_at(ix).is_some_and(|due| due <= now)),
        );
        // A few runs that are in order each, since silence is found by a sweep: those the stable sort only merges.
        due.sort();
        due.dedup();
        due
    }

    /// These are due and are not convicted yet.
    pub(crate) fn spare(&mut self, spared: impl IntoIterator<Item = InstanceIx>) {
        self.spared.extend(spared);
    }
}
