//! Moments at which something must be looked at though nothing happens: startup deadlines, ends of flapping and of
//! maintenance, forgetting.
//!
//! A wake only says "look again": what it finds decides. Each holder has one at most, the earliest it needs, and asks
//! anew when that has come; so there are never many more wakes than things.

use ward_model::{Mono, Now};

use crate::{
    Engine,
    agenda::Agenda,
    world::{InstanceIx, ServiceIx, World},
};

/// What to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    Instance(InstanceIx),
    Service(ServiceIx),
    System,
}

/// For when a holder asked, if it did: eight bytes, as a million hold one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked(Mono);

impl Default for Asked {
    fn default() -> Self {
        Self(Self::NEVER)
    }
}

impl Asked {
    /// Five hundred years on, which is where a sum of moments ends that does not.
    const NEVER: Mono = Mono(u64::MAX);

    pub(crate) fn moment(self) -> Option<Mono> {
        (self.0 != Self::NEVER).then_some(self.0)
    }
}

impl From<Option<Mono>> for Asked {
    fn from(moment: Option<Mono>) -> Self {
        Self(moment.unwrap_or(Self::NEVER))
    }
}

/// The wakes to come.
#[derive(Debug, Default)]
pub(crate) struct Wakes(Agenda<Wake>);

impl Wakes {
    /// Makes `at` the one moment at which `wake` comes; `asked` is what its holder asked for so far.
    pub(crate) fn ask(&mut self, asked: &mut Asked, at: Option<Mono>, wake: Wake) {
        let at = Asked::from(at);
        if *asked == at {
            return;
        }
        if let Some(before) = std::mem::replace(asked, at).moment() {
            self.0.strike(before, wake);
        }
        if let Some(at) = at.moment() {
            self.0.note(at, wake);
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Engine {
    /// Looks at everything whose moment has come.
    pub(crate) fn wake_due(&mut self, now: Now) {
        let (world, settled) = (&self.world, self.started + self.config.settle);
        for wake in self.wakes.0.come(now.mono, |wake| asked(world, settled, wake)) {
            // One that came before may have seen to it.
            if asked(&self.world, settled, wake).is_some_and(|at| at <= now.mono) {
                self.wake(wake, now);
            }
        }
    }
}

/// For when the holder of a wake asked; `None` where nobody holds it any more.
fn asked(world: &World, settled: Mono, wake: Wake) -> Option<Mono> {
    match wake {
        Wake::Instance(ix) => world.instances.get(ix)?.next_wake.moment(),
        Wake::Service(ix) => world.services.get(ix)?.next_wake.moment(),
        Wake::System => Some(settled),
    }
}
