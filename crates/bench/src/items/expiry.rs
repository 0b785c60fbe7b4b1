//! B4, the part without sockets: many instances fall silent at once among ten times as many that do not.
//!
//! Those lost are whole streams chosen at random, as where hosts fail, with deadlines spread over one tick. They are
//! suspect in one tick and lost in a later one; the figure is the CPU time of the worse of both, from its begin until the
//! hub has the states of the system and of all services, told to a watcher in the same run. That the states of the
//! instances follow, encoded, is a row of its own. Guards against a lying observer are off, or the conviction would be
//! spread over seconds on purpose.
//!
//! The limit is a sweep over a bare array of deadlines that stores a flag for each expired one and counts it for its
//! service. One fleet serves all samples; each loses others, when those before are back and forgiven.

use std::{hint::black_box, thread, time::Duration};

use anyhow::ensure;
use rand::seq::SliceRandom;
use ward_aggregator::Measured;
use ward_engine::{Event, Tick};
use ward_model::{Mono, Now};
use ward_proto::v1::{self, entity::State};

use crate::{
    fleet::{Fleet, PER_STREAM},
    goal::Goal,
    item::{Effort, Question, Rounds, Row, Subjects},
    machine,
    progress::Progress,
};

const SERVICES: usize = 1_000;
/// So many times as many are there as are lost.
const TIMES: usize = 11;
const TICK: Duration = Duration::from_millis(10);
/// From suspect to lost, at an interval of 5 s.
const CONFIRM: Duration = Duration::from_secs(5);
/// Whoever is not to fall silent beats once for so long.
const LONG: Duration = Duration::from_secs(3_600);
/// Behind it nothing is left of an earlier loss: twenty slots of 5 s, in which flapping is seen.
const FORGIVEN: Duration = Duration::from_secs(120);

pub(crate) fn run(effort: Effort, progress: &Progress) -> anyhow::Result<Vec<Row>> {
    let sizes: &[usize] = if effort.quick {
        &[1_000]
    } else {
        &[10_000, 100_000]
    };
    let rows = sizes.iter().map(|&lost| rows(lost, effort, progress));
    Ok(rows.collect::<anyhow::Result<Vec<_>>>()?.concat())
}

fn rows(lost: usize, effort: Effort, progress: &Progress) -> anyhow::Result<Vec<Row>> {
    let mut bare = Bare::new(lost);
    let mut ward = Ward::new(lost)?;
    let mut subjects = Subjects {
        limit: Some(Box::new(|| bare.sweep())),
        ward: Some(Box::new(|| ward.lose())),
        peers: Vec::new(),
    };
    let taken = Rounds::take(&mut subjects, effort.rounds, effort, progress)?;
    let among = lost * TIMES;
    let row = |what: &str, measure, goal| {
        taken.row(Question {
            item: "B4",
            what: &format!("{lost} of {among} in {SERVICES} services lost in one tick, {what}"),
            unit: "ms",
            measure,
            peer: None,
            goal,
        })
    };
    let goal = if lost > 10_000 { 18.0 } else { 20.0 };
    Ok(vec![
        row("to the verdict", 0, Goal::Under(goal)),
        row("until each instance is told as well", 1, Goal::None),
    ])
}

/// What silence costs with nothing of Ward in it.
struct Bare {
    deadlines: Vec<u64>,
    services: Vec<u32>,
    silent: Vec<bool>,
    counts: Vec<u32>,
    lost: usize,
}

impl Bare {
    fn new(lost: usize) -> Self {
        let all = lost * TIMES;
        Self {
            deadlines: vec![0; all],
            services: (0..all).map(|index| (index % SERVICES) as u32).collect(),
            silent: vec![false; all],
            counts: vec![0; SERVICES],
            lost,
        }
    }

    fn sweep(&mut self) -> anyhow::Result<Vec<f64>> {
        self.deadlines.fill(u64::MAX);
        self.silent.fill(false);
        for place in streams(self.deadlines.len()).into_iter().take(self.lost) {
            self.deadlines[place] = 1;
        }
        self.counts.fill(0);
        let begun = machine::cpu_of_thread();
        for (place, &deadline) in black_box(&self.deadlines).iter().enumerate() {
            if deadline <= 1 {
                self.silent[place] = true;
                self.counts[self.services[place] as usize] += 1;
            }
        }
        let took = machine::cpu_of_thread() - begun;
        let counted: u32 = black_box(&self.counts).iter().sum();
        ensure!(
            counted as usize == self.lost,
            "{counted} of {} were seen",
            self.lost
        );
        Ok(vec![millis(took); 2])
    }
}

/// The engine and the hub behind it.
struct Ward {
    measured: Measured,
    slab: std::sync::Arc<ward_engine::Slab>,
    slots: Vec<ward_engine::Slot>,
    /// In the order in which they are lost, sample by sample.
    order: Vec<usize>,
    lost: usize,
    now: Now,
}

/// What one tick cost, and who was told of what.
struct Ticked {
    verdict: Duration,
    told: Duration,
    services: Vec<v1::InstanceCounts>,
    instances: usize,
}

impl Ward {
    fn new(lost: usize) -> anyhow::Result<Self> {
        let fleet = Fleet::unguarded(SERVICES, lost * TIMES)?;
        Ok(Self {
            measured: Measured::new(fleet.engine),
            order: streams(fleet.slots.len()),
            slab: fleet.slab,
            slots: fleet.slots,
            lost,
            now: fleet.now,
        })
    }

    /// Others than last time fall silent. Milliseconds to the verdict, and until all is told.
    fn lose(&mut self) -> anyhow::Result<Vec<f64>> {
        self.bring_back()?;
        let begin = self.now.mono;
        for (place, &index) in self.order[..self.lost].iter().enumerate() {
            let spread = TICK.mul_f64((place + 1) as f64 / self.lost as f64);
            self.slab.touch(self.slots[index], begin + spread);
        }
        self.order.rotate_left(self.lost);
        let suspect = self.fall(begin, |counts| counts.suspect)?;
        let lost = self.fall(begin + CONFIRM, |counts| counts.lost)?;
        Ok(vec![
            millis(suspect.verdict.max(lost.verdict)),
            millis(suspect.told.max(lost.told)),
        ])
    }

    /// Nobody may be judged at `begin`, and all of them one tick later.
    fn fall(&mut self, begin: Mono, count: impl Fn(&v1::InstanceCounts) -> u32) -> anyhow::Result<Ticked> {
        let early = self.tick(begin);
        ensure!(early.instances == 0, "{} were judged early", early.instances);
        let ticked = self.tick(begin + TICK);
        let judged: u32 = ticked.services.iter().map(count).sum();
        ensure!(judged as usize == self.lost, "the services told of {judged}");
        ensure!(
            ticked.instances == self.lost,
            "{} instances were told",
            ticked.instances
        );
        Ok(ticked)
    }

    fn bring_back(&mut self) -> anyhow::Result<()> {
        for &slot in &self.slots {
            self.slab.touch(slot, self.now.mono + LONG);
        }
        self.tick(self.now.mono + TICK);
        self.tick(self.now.mono + FORGIVEN);
        let instances = self.measured.engine().figures().instances;
        let all = [self.slots.len() as u64, 0, 0, 0];
        ensure!(instances == all, "not all came back: {instances:?}");
        Ok(())
    }

    fn tick(&mut self, at: Mono) -> Ticked {
        self.now.mono = at;
        let begun = machine::cpu_of_thread();
        self.measured.decide(Event::Tick(Tick::default()), self.now);
        let verdict = machine::cpu_of_thread() - begun;
        let measured = &mut self.measured;
        let services = apart(|| measured.told_of_services().iter().filter_map(counts).collect());
        let begun = machine::cpu_of_thread();
        self.measured.tell();
        let told = verdict + (machine::cpu_of_thread() - begun);
        let measured = &mut self.measured;
        let is_instance = |entity: &&v1::Entity| matches!(entity.state, Some(State::Instance(_)));
        let instances = apart(|| measured.told_of_all().iter().filter(is_instance).count());
        Ticked {
            verdict,
            told,
            services,
            instances,
        }
    }
}

/// Does something in a thread of its own, as who watches does it in a process of its own: what is decoded there, a hundred
/// thousand states, and given back is not for the allocator to put in order in the tick that is measured next.
fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(work).join().expect("a reader does not fail"))
}

fn counts(entity: &v1::Entity) -> Option<v1::InstanceCounts> {
    match &entity.state {
        Some(State::Service(service)) => service.instances,
        _ => None,
    }
}

/// All places in the order in which whole streams of them fail.
fn streams(places: usize) -> Vec<usize> {
    let mut streams: Vec<_> = (0..places.div_ceil(PER_STREAM)).collect();
    streams.shuffle(&mut rand::rng());
    let of = |stream: usize| stream * PER_STREAM..places.min((stream + 1) * PER_STREAM);
    streams.into_iter().flat_map(of).collect()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
