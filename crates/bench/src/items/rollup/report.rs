//! The roll-up as those who report pay for it: by way of the engine, with everything that a report brings with it.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, bail, ensure};
use ward_engine::{Config, Engine, Event, Outcome, Reply, Slab, Slot, StreamId};
use ward_model::{
    CheckResult, Condition, Dependency, DependencyKind, Entity, Epoch, InstanceCounts, Mono, Name, Now,
    Reason, Status, Update, Wall,
};

use super::{Step, Turns, bare::Bare};
use crate::{fleet, machine};

/// Instances of one stream, as an agent of a host has them.
const PER_STREAM: usize = 256;
/// Longer than any past is remembered: nothing flaps.
const LONG: Duration = Duration::from_secs(3_600);

/// An engine, and how far it was told.
pub(super) struct Reports {
    engine: Engine,
    slots: Vec<Slot>,
    sequences: Vec<u64>,
    check: Name,
    now: Now,
}

/// Status, reason and message.
type Said = (Status, Reason, String);

impl Reports {
    /// An engine that was told the instances of `bare` as they are.
    pub(super) fn of(bare: &Bare) -> anyhow::Result<Self> {
        let now = Now {
            mono: Mono(1),
            wall: Wall(0),
        };
        let mut engine = Engine::new(Config::default(), Epoch(1), Arc::new(Slab::default()), now);
        let mut slots = Vec::new();
        for (instance, status) in bare.instances().enumerate() {
            let service = instance % bare.services();
            let mut hello = fleet::hello(&fleet::service(service), &format!("instance-{instance:07}"))?;
            hello.results[0].status = status;
            hello.dependencies = bare
                .needs(service)
                .iter()
                .map(|&target| hard(target))
                .collect::<Result<_, _>>()?;
            let stream = Some(StreamId((instance / PER_STREAM) as u64));
            let hello = Box::new(hello);
            match engine.apply(Event::Hello { stream, hello }, now).reply {
                Reply::Registered(registered) => slots.push(registered.slot),
                reply => bail!("an instance was not registered: {reply:?}"),
            }
        }
        Ok(Self {
            engine,
            sequences: vec![1; slots.len()],
            slots,
            check: Name::new("self")?,
            now,
        })
    }

    fn event(&mut self, instance: usize, status: Status) -> Event {
        self.sequences[instance] += 1;
        let result = CheckResult {
            name: self.check.clone(),
            status,
            message: String::new(),
        };
        Event::Update {
            slot: self.slots[instance],
            update: Update {
                sequence: self.sequences[instance],
                full: false,
                results: vec![result],
                values: Vec::new(),
            },
        }
    }

    /// Which verdict a service has.
    pub(super) fn verdict(&self, service: usize) -> anyhow::Result<Status> {
        Ok(self.said(service)?.1.0)
    }

    /// What is said of a service that does not depend on when it came to be so.
    pub(super) fn said(&self, service: usize) -> anyhow::Result<(Said, Said, Vec<Name>, InstanceCounts)> {
        let name = Name::service(&fleet::service(service))?;
        let state = self
            .engine
            .service(&name)
            .context("a service that is not there")?;
        let said = |condition: Condition| (condition.status, condition.reason, condition.message);
        Ok((
            said(state.own),
            said(state.condition),
            state.causes,
            state.instances,
        ))
    }

    /// The verdict about the system.
    pub(super) fn system(&self) -> Status {
        self.engine.system().condition.status
    }
}

impl Turns for Reports {
    /// Reports are not made in the time that is measured.
    fn turn(&mut self, steps: &[Step]) -> anyhow::Result<(Duration, usize)> {
        let reports = steps
            .iter()
            .map(|&(instance, status)| self.event(instance, status));
        let events: Vec<Event> = reports.collect();
        let mut moved = 0;
        let begun = machine::cpu_of_thread();
        for event in events {
            self.now.mono = self.now.mono + LONG;
            let outcome = self.engine.apply(event, self.now);
            moved += verdicts(&outcome)?;
        }
        Ok((machine::cpu_of_thread() - begun, moved))
    }
}

/// How many services have another verdict.
fn verdicts(outcome: &Outcome) -> anyhow::Result<usize> {
    ensure!(
        outcome.reply == Reply::Updated { left_out: 0 },
        "a report was not taken: {:?}",
        outcome.reply
    );
    let changes = outcome.changes.iter().flat_map(|set| &set.changes);
    let services =
        changes.filter(|change| matches!(change.entity, Entity::Service(_)) && change.is_transition());
    Ok(services.count())
}

fn hard(target: usize) -> anyhow::Result<Dependency> {
    Ok(Dependency {
        service: Name::service(&fleet::service(target))?,
        kind: DependencyKind::Hard,
        any_of: None,
    })
}
