//! B7: from the status of one instance to the verdicts of all services that stand on it.
//!
//! The limit is the same graph as bare arrays, see [`bare`]. It is held against two things: the room of the engine that
//! does this work and no other, see [`room`], and, with no goal, a whole report of a change, see [`report`]: whatever that
//! costs beside the roll-up (its sequence, its lease, its past for flapping, reasons and causes, and the state of
//! everything that changed as watchers are told it) is what users pay.

mod bare;
mod report;
mod room;

use std::{cell::RefCell, time::Duration};

use anyhow::ensure;
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use ward_model::Status;

use crate::{
    goal::Goal,
    item::{Effort, Question, Rounds, Row, Subject, Subjects},
    machine,
    progress::Progress,
};
use bare::Bare;
use report::Reports;
use room::Room;

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

/// An instance has another status.
type Step = (usize, Status);

/// Whatever keeps the verdicts up to date.
trait Turns {
    /// Takes step after step. Returns the time of the processor and how many verdicts about services moved.
    fn turn(&mut self, steps: &[Step]) -> anyhow::Result<(Duration, usize)>;
}

/// The same fleet three times.
struct All {
    size: Size,
    bare: RefCell<Bare>,
    room: RefCell<Room>,
    reports: RefCell<Reports>,
}

/// Steps after which everything is as it was before, so that they can be taken any number of times.
struct Round {
    what: String,
    steps: Vec<Step>,
    /// How many verdicts move.
    moved: usize,
    /// By what the time is divided: steps, or verdicts that move.
    each: usize,
}

pub(crate) fn run(effort: Effort, progress: &Progress) -> anyhow::Result<Vec<Row>> {
    let size = if effort.quick { QUICK } else { FULL };
    let bare = Bare::new(size.services, size.instances);
    let all = All {
        size,
        room: RefCell::new(Room::of(&bare)),
        reports: RefCell::new(Reports::of(&bare)?),
        bare: RefCell::new(bare),
    };
    let (flips, cascades) = (all.flips(), all.cascades());
    let mut rows = Vec::new();
    let mut row = |taken: &Rounds, what: &str, unit, peer, goal| {
        rows.push(taken.row(Question {
            item: "B7",
            what,
            unit,
            measure: 0,
            peer,
            goal,
        }));
    };
    let taken = all.of_room(&flips, effort, progress)?;
    let what = format!("the roll-up: {}", flips.what);
    row(&taken, &what, "ns", None, Goal::AtMost(3.0));
    let what = "the roll-up: the same against bare arrays computed anew";
    row(&taken, what, "ns", Some(0), Goal::AtLeast(100.0));
    let taken = all.of_room(&cascades, effort, progress)?;
    let what = format!("the roll-up: {}", cascades.what);
    row(&taken, &what, "ns", None, Goal::AtMost(2.0));
    let taken = all.anew(effort, progress)?;
    let what = "the roll-up: all of it computed anew from the instances";
    row(&taken, what, "us", None, Goal::AtMost(2.0));
    for round in [&flips, &cascades] {
        let taken = all.of_reports(round, effort, progress)?;
        let what = format!("a whole report: {}", round.what);
        row(&taken, &what, "ns", None, Goal::None);
    }
    all.equal_from_nothing()?;
    Ok(rows)
}

impl All {
    /// One instance of many becomes unknown, or healthy again, while others of its service stay healthy.
    fn flips(&self) -> Round {
        let Size {
            services,
            instances,
            flips,
            ..
        } = self.size;
        // The first of each service stays as it is.
        let mut chosen: Vec<usize> = (services..instances).collect();
        chosen.shuffle(&mut StdRng::seed_from_u64(11));
        chosen.truncate(flips);
        let there_and_back = [Status::Unknown, Status::Healthy];
        let turns = there_and_back.map(|status| chosen.iter().map(move |&instance| (instance, status)));
        let steps: Vec<Step> = turns.into_iter().flatten().collect();
        Round {
            what: format!("a flip without effect on its service, {instances} instances of {services}"),
            moved: 0,
            each: steps.len(),
            steps,
        }
    }

    /// A service that needs nobody becomes degraded, and then healthy again, and all that stand on it with it.
    fn cascades(&self) -> Round {
        let mut copy = self.bare.borrow().clone();
        let mut roots: Vec<usize> = copy.roots().collect();
        roots.shuffle(&mut StdRng::seed_from_u64(13));
        roots.truncate(self.size.cascades);
        let there_and_back = |&root: &usize| [(root, Status::Degraded), (root, Status::Healthy)];
        let steps: Vec<Step> = roots.iter().flat_map(there_and_back).collect();
        let moved: usize = steps.iter().map(|&(root, status)| copy.flip(root, status)).sum();
        Round {
            what: format!(
                "a cascade over {} of {} services, a service",
                moved / steps.len(),
                self.size.services
            ),
            steps,
            moved,
            each: moved,
        }
    }

    fn of_room(&self, round: &Round, effort: Effort, progress: &Progress) -> anyhow::Result<Rounds> {
        let anew: Subject<'_> = Box::new(|| Ok(vec![anew_nanos(|| self.bare.borrow_mut().compute_anew())]));
        let mut subjects = Subjects {
            limit: Some(subject(&self.bare, round)),
            ward: Some(subject(&self.room, round)),
            peers: vec![("all anew", anew)],
        };
        Rounds::take(&mut subjects, effort.rounds, effort, progress)
    }

    fn of_reports(&self, round: &Round, effort: Effort, progress: &Progress) -> anyhow::Result<Rounds> {
        let mut subjects = Subjects {
            limit: Some(subject(&self.bare, round)),
            ward: Some(subject(&self.reports, round)),
            peers: Vec::new(),
        };
        Rounds::take(&mut subjects, effort.rounds, effort, progress)
    }

    fn anew(&self, effort: Effort, progress: &Progress) -> anyhow::Result<Rounds> {
        const NANOS_A_MICRO: f64 = 1e3;
        let micros = |nanos: f64| Ok(vec![nanos / NANOS_A_MICRO]);
        let mut subjects = Subjects {
            limit: Some(Box::new(|| {
                micros(anew_nanos(|| self.bare.borrow_mut().compute_anew()))
            })),
            ward: Some(Box::new(|| {
                micros(anew_nanos(|| self.room.borrow_mut().compute_anew()))
            })),
            peers: Vec::new(),
        };
        Rounds::take(&mut subjects, effort.rounds, effort, progress)
    }

    /// After any history, step by step, everything is as it is where the end of it alone was told: for the engine, for its
    /// room, and as bare arrays have it.
    fn equal_from_nothing(self) -> anyhow::Result<()> {
        let (mut bare, mut room) = (self.bare.into_inner(), self.room.into_inner());
        let mut reports = self.reports.into_inner();
        for _ in 0..self.size.flips / 20 {
            let step = (
                rand::random_range(0..self.size.instances),
                Status::ALL[rand::random_range(0..4)],
            );
            let moved = [
                bare.turn(&[step])?.1,
                room.turn(&[step])?.1,
                reports.turn(&[step])?.1,
            ];
            ensure!(
                moved == [moved[0]; 3],
                "{step:?}: {moved:?} verdicts moved as bare arrays, in the room, by reports"
            );
        }
        let step_by_step: Vec<Status> = (0..self.size.services)
            .map(|service| room.verdict(service))
            .collect();
        let system = room.system();
        bare.compute_anew();
        room.compute_anew();
        let anew = Reports::of(&bare)?;
        for (service, &verdict) in step_by_step.iter().enumerate() {
            let (said, from_nothing) = (reports.said(service)?, anew.said(service)?);
            ensure!(
                said == from_nothing,
                "{service}: {said:?}, and from nothing {from_nothing:?}"
            );
            let verdicts = [
                bare.verdict(service),
                verdict,
                room.verdict(service),
                reports.verdict(service)?,
            ];
            ensure!(
                verdicts == [verdict; 4],
                "{service}: {verdicts:?} as bare arrays, in the room step by step, anew, by reports"
            );
        }
        let systems = [room.system(), reports.system(), anew.system()];
        ensure!(
            systems == [system; 3],
            "the system: {system}, and {systems:?} otherwise"
        );
        Ok(())
    }
}

impl Turns for Bare {
    fn turn(&mut self, steps: &[Step]) -> anyhow::Result<(Duration, usize)> {
        let begun = machine::cpu_of_thread();
        let moved = steps
            .iter()
            .map(|&(instance, status)| self.flip(instance, status));
        let moved = moved.sum();
        Ok((machine::cpu_of_thread() - begun, moved))
    }
}

/// A round of it is one turn.
fn subject<'a>(of: &'a RefCell<impl Turns>, round: &'a Round) -> Subject<'a> {
    Box::new(move || {
        let (time, moved) = of.borrow_mut().turn(&round.steps)?;
        ensure!(
            moved == round.moved,
            "{moved} verdicts moved, and should have {}",
            round.moved
        );
        Ok(vec![time.as_nanos() as f64 / round.each as f64])
    })
}

/// How long one computation of everything takes.
fn anew_nanos(mut compute: impl FnMut()) -> f64 {
    const TIMES: u32 = 20;
    let begun = machine::cpu_of_thread();
    (0..TIMES).for_each(|_| compute());
    (machine::cpu_of_thread() - begun).as_nanos() as f64 / f64::from(TIMES)
}
