//! What is told of the system: its verdict, since when, because of whom. The verdict itself is the roll-up's.

use ward_model::{Condition, ObserverState, Reason, Status, SystemState, Wall, bounds};

use crate::{
    once::Once,
    world::{ServiceIx, World},
};

/// How many bad services are asked for their causes; the worst come first.
const ASKED_FOR_CAUSES: usize = 64;

/// How many critical services that are Unknown are named; one is enough to matter.
const UNKNOWN_TOLD: usize = 16;

/// The system's verdict as it was last settled.
#[derive(Debug)]
pub(crate) struct System {
    status: Status,
    since: Wall,
}

impl System {
    pub(crate) fn new(wall: Wall) -> Self {
        Self {
            status: Status::Unknown,
            since: wall,
        }
    }

    /// Takes the verdict of the roll-up.
    pub(crate) fn settle(&mut self, world: &World, wall: Wall) {
        let status = world.rollup.system();
        if status != self.status {
            (self.status, self.since) = (status, wall);
        }
    }

    /// All that is told of it.
    pub(crate) fn state(&self, world: &World, observer: ObserverState) -> SystemState {
        let named = |ix: ServiceIx| world.services[ix].name.clone();
        let unknown = world.rollup.critical_unknown().take(UNKNOWN_TOLD);
        SystemState {
            condition: self.condition(world, observer.settling),
            causes: causes(world).into_iter().map(named).collect(),
            observer,
            services: world.rollup.totals(),
            critical_unknown: unknown.map(named).collect(),
        }
    }

    /// Whether it may be another than was told. What is said of it beside its verdict and its counts rests on the
    /// services that make it bad, so it is as it was while nothing about those is `touched`.
    pub(crate) fn may_differ(&self, told: &SystemState, world: &World, touched: &Once) -> bool {
        let is_bad = |ix: ServiceIx| world.rollup.verdict(ix).is_bad();
        told.condition.status != self.status
            || told.services != world.rollup.totals()
            || touched.iter().any(is_bad)
    }

    fn condition(&self, world: &World, settling: bool) -> Condition {
        let (reason, message) = match world.rollup.culprits().next() {
            _ if self.status == Status::Unknown && settling => (
                Reason::Starting,
                "the aggregator has just started; reporters are coming back".into(),
            ),
            None if self.status.is_bad() => (Reason::NoInstances, "nothing that matters reports".into()),
            None => (Reason::Reported, String::new()),
            Some(ix) => by_culprit(world, ix),
        };
        Condition {
            status: self.status,
            reason,
            message,
            since: self.since,
        }
    }
}

fn by_culprit(world: &World, ix: ServiceIx) -> (Reason, String) {
    let condition = crate::view::effective(world, ix);
    let name = &world.services[ix].name;
    let colon = if condition.message.is_empty() { "" } else { ": " };
    let message = format!("{name} is {}{colon}{}", condition.status, condition.message);
    (condition.reason, message)
}

/// Root causes of the services that make it bad, the worst first.
fn causes(world: &World) -> Vec<ServiceIx> {
    let mut causes = Vec::new();
    for culprit in world.rollup.culprits().take(ASKED_FOR_CAUSES) {
        for cause in causes_of(world, culprit) {
            if !causes.contains(&cause) && causes.len() < bounds::CAUSES {
                causes.push(cause);
            }
        }
    }
    causes
}

/// A bad service's causes; itself where nothing else is found.
fn causes_of(world: &World, ix: ServiceIx) -> impl Iterator<Item = ServiceIx> + '_ {
    let causes = &world.services[ix].causes;
    let itself = causes.is_empty().then_some(ix);
    causes.iter().map(|&(_, root)| root).chain(itself)
}
