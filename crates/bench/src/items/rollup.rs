//! B7: from the status of one instance to the verdicts of all services that stand on it.
//!
//! The limit is the same graph as bare arrays, see [`bare`]. Ward is measured by the only way into its engine, a report
//! of a change: whatever that costs beside the roll-up (its sequence, its lease, its past for flapping, reasons and
//! causes, and the state of everything that changed as watchers are told it) is in the figure. A door into the roll-up
//! alone was not made for the sake of a smaller one.

mod bare;

use std::{cell::RefCell, sync::Arc, time::Duration};

use anyhow::{Context, bail, ensure};
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use ward_engine::{Config, Engine, Event, Outcome, Reply, Slab, Slot, StreamId};
use ward_model::{
    CheckResult, Dependency, DependencyKind, Entity, Epoch, Mono, Name, Now, Status, Update, Wall,
};

use crate::{
    fleet,
    goal::Goal,
    item::{Effort, Question, Rounds, Row, Subjects},
    machine,
    progress::Progress,
};
use bare::Bare;

/// Instances of one stream, as an agent of a host has them.
const PER_STREAM: usize = 256;
/// Longer than any past is remembered: nothing flaps.
const LONG: Duration = Duration::from_secs(3_600);

/// How much of it.
#[derive(Clone, Copy, Debug)]
struct Size {
    services: usize,
    instances: usize,
    flips: usize,
    cascades: usize,
}

const FULL: Size = Size {
    services: 10_000,
    instances: 172_000,
    flips: 50_000,
    cascades: 40,
};
const QUICK: Size = Size {
    services: 800,
    instances: 13_760,
    flips: 2_000,
    cascades: 4,
};

/// An engine, and how far it was told.
struct Ward {
    engine: Engine,
    slots: Vec<Slot>,
    sequences: Vec<u64>,
    check: Name,
    now: Now,
}

pub(crate) fn run(effort: Effort, progress: &Progress) -> anyhow::Result<Vec<Row>> {
    let size = if effort.quick { QUICK } else { FULL };
    let bare = RefCell::new(Bare::new(size.services, size.instances));
    let ward = RefCell::new(Ward::of(&bare.borrow())?);
    let mut rows = flips(size, &bare, &ward, effort, progress)?;
    rows.push(cascades(size, &bare, &ward, effort, progress)?);
    equals_from_nothing(size, &mut bare.borrow_mut(), &mut ward.borrow_mut())?;
    Ok(rows)
}

/// One instance of many becomes unknown, or healthy again, while others of its service stay healthy.
fn flips(
    size: Size,
    bare: &RefCell<Bare>,
    ward: &RefCell<Ward>,
    effort: Effort,
    progress: &Progress,
) -> anyhow::Result<Vec<Row>> {
    // The first of each service stays as it is.
    let mut chosen: Vec<usize> = (size.services..size.instances).collect();
    chosen.shuffle(&mut StdRng::seed_from_u64(11));
    chosen.truncate(size.flips);
    let turned = |status: &mut Status| {
        *status = match *status {
            Status::Healthy => Status::Unknown,
            _ => Status::Healthy,
        };
        *status
    };
    let (mut of_bare, mut of_ward) = (Status::Healthy, Status::Healthy);
    let mut subjects = Subjects {
        limit: Some(Box::new(|| {
            let (mut bare, status) = (bare.borrow_mut(), turned(&mut of_bare));
            let begun = machine::cpu_of_thread();
            let moved: usize = chosen.iter().map(|&instance| bare.flip(instance, status)).sum();
            let nanos = nanos_each(begun, chosen.len());
            ensure!(moved == 0, "{moved} verdicts changed");
            Ok(vec![nanos])
        })),
        ward: Some(Box::new(|| {
            let status = turned(&mut of_ward);
            let (nanos, moved) = ward
                .borrow_mut()
                .tell(chosen.iter().map(|&instance| (instance, status)))?;
            ensure!(moved == 0, "{moved} verdicts changed");
            Ok(vec![nanos / chosen.len() as f64])
        })),
        peers: vec![("all anew", Box::new(|| Ok(vec![anew(&mut bare.borrow_mut())])))],
    };
    let taken = Rounds::take(&mut subjects, effort.rounds, effort, progress)?;
    let Size {
        services, instances, ..
    } = size;
    let row = |what: &str, peer, goal| {
        taken.row(Question {
            item: "B7",
            what: &format!("a flip without effect on its service, {instances} instances of {services}{what}"),
            unit: "ns",
            measure: 0,
            peer,
            goal,
        })
    };
    Ok(vec![
        row(": a whole report", None, Goal::AtMost(3.0)),
        row(
            ": against bare arrays computed anew",
            Some(0),
            Goal::AtLeast(100.0),
        ),
    ])
}

/// Nanoseconds for every verdict from the instances alone, as bare arrays.
fn anew(bare: &mut Bare) -> f64 {
    const TIMES: usize = 20;
    let begun = machine::cpu_of_thread();
    (0..TIMES).for_each(|_| bare.compute_anew());
    nanos_each(begun, TIMES)
}

/// A service that needs nobody becomes degraded, and then healthy again, and all that stand on it with it.
fn cascades(
    size: Size,
    bare: &RefCell<Bare>,
    ward: &RefCell<Ward>,
    effort: Effort,
    progress: &Progress,
) -> anyhow::Result<Row> {
    let mut roots: Vec<usize> = bare.borrow().roots().collect();
    roots.shuffle(&mut StdRng::seed_from_u64(13));
    roots.truncate(size.cascades);
    let steps: Vec<(usize, Status)> = roots
        .iter()
        .flat_map(|&root| [(root, Status::Degraded), (root, Status::Healthy)])
        .collect();
    let mut copy = bare.borrow().clone();
    let expected: usize = steps
        .iter()
        .map(|&(instance, status)| copy.flip(instance, status))
        .sum();
    let mut subjects = Subjects {
        limit: Some(Box::new(|| {
            let mut bare = bare.borrow_mut();
            let begun = machine::cpu_of_thread();
            let moved: usize = steps
                .iter()
                .map(|&(instance, status)| bare.flip(instance, status))
                .sum();
            Ok(vec![nanos_each(begun, moved)])
        })),
        ward: Some(Box::new(|| {
            let (nanos, moved) = ward.borrow_mut().tell(steps.iter().copied())?;
            ensure!(
                moved == expected,
                "{moved} verdicts changed, and should have {expected}"
            );
            Ok(vec![nanos / moved as f64])
        })),
        peers: Vec::new(),
    };
    let taken = Rounds::take(&mut subjects, effort.rounds, effort, progress)?;
    let affected = expected / steps.len();
    Ok(taken.row(Question {
        item: "B7",
        what: &format!(
            "a cascade over {affected} of {} services, a service: a whole report",
            size.services
        ),
        unit: "ns",
        measure: 0,
        peer: None,
        goal: Goal::AtMost(2.0),
    }))
}

/// After any history, step by step, everything is as it is for an engine that was told the end of it alone, and as bare
/// arrays have it.
fn equals_from_nothing(size: Size, bare: &mut Bare, ward: &mut Ward) -> anyhow::Result<()> {
    for _ in 0..size.flips / 20 {
        let (instance, status) = (
            rand::random_range(0..size.instances),
            Status::ALL[rand::random_range(0..4)],
        );
        bare.flip(instance, status);
        ward.tell([(instance, status)])?;
    }
    bare.compute_anew();
    let anew = Ward::of(bare)?.engine;
    for service in 0..size.services {
        let name = Name::service(&fleet::service(service))?;
        let state = |engine: &Engine| {
            let state = engine.service(&name).context("a service that is not there")?;
            let (own, verdict) = (state.own, state.condition);
            let said =
                |condition: ward_model::Condition| (condition.status, condition.reason, condition.message);
            anyhow::Ok((said(own), said(verdict), state.causes, state.instances))
        };
        let (step_by_step, at_once) = (state(&ward.engine)?, state(&anew)?);
        ensure!(
            step_by_step == at_once,
            "{name}: {step_by_step:?}, and from nothing {at_once:?}"
        );
        let verdict = bare.verdict(service);
        ensure!(
            at_once.1.0 == verdict,
            "{name}: {at_once:?}, and as bare arrays {verdict}"
        );
    }
    let system = |engine: &Engine| engine.system().condition.status;
    ensure!(
        system(&ward.engine) == system(&anew),
        "the system's verdict is another from nothing"
    );
    Ok(())
}

impl Ward {
    /// An engine that was told the instances of `bare` as they are.
    fn of(bare: &Bare) -> anyhow::Result<Self> {
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

    /// Reports that instances have other statuses. Returns the nanoseconds it took, reports not made in them, and how
    /// many verdicts about services changed.
    fn tell(&mut self, changes: impl IntoIterator<Item = (usize, Status)>) -> anyhow::Result<(f64, usize)> {
        let events: Vec<Event> = changes
            .into_iter()
            .map(|(instance, status)| self.event(instance, status))
            .collect();
        let mut moved = 0;
        let begun = machine::cpu_of_thread();
        for event in events {
            self.now.mono = self.now.mono + LONG;
            let outcome = self.engine.apply(event, self.now);
            moved += verdicts(&outcome)?;
        }
        Ok((nanos_each(begun, 1), moved))
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

fn nanos_each(begun: Duration, times: usize) -> f64 {
    (machine::cpu_of_thread() - begun).as_nanos() as f64 / times as f64
}
