//! The world: a plan, an agenda of what is to happen when, and what a test can do to it.
//!
//! Single-threaded and without a runtime: one heap of jobs, ordered by time and then by the order in which they were
//! asked for. An asynchronous runtime with paused time was not taken: which of two ready tasks it wakes first is its own
//! affair, and one seed would not be one history.

mod fleet;
mod run;

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use ward_engine::{Config, Engine, Event, Recalled, StreamId};
use ward_model::{Freshness, InstanceState, KnownInstance, Mono, Status, Wall};

use crate::{
    Chance, DecisionClock, Fault, Record,
    process::{Message, Pause, Process, Starvation},
    reporter::{KEEPALIVE, Reporter},
};

/// What lies between reporters and the aggregator.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    /// The share of beats that never arrive.
    pub loss: f64,
    /// The shortest and the longest way of a message.
    pub delay: (Duration, Duration),
}

impl Default for Network {
    /// A quiet data centre.
    fn default() -> Self {
        Self {
            loss: 0.0,
            delay: (Duration::from_micros(200), Duration::from_millis(2)),
        }
    }
}

/// What a world is made of. The same plan makes the same world.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// How many services; instance `n` belongs to service `n % services`.
    pub services: usize,
    /// How many instances.
    pub instances: usize,
    /// Instance `n` reports every `intervals[n / services % intervals.len()]`. Phases are spread evenly by chance.
    pub intervals: Vec<Duration>,
    /// The way of messages.
    pub network: Network,
    /// How the engine judges.
    pub engine: Config,
    /// What its deadlines are made of.
    pub clock: DecisionClock,
    /// How many messages the aggregator takes in a second when they have queued up.
    pub intake_per_second: u32,
    /// False: nobody is there until [`Fault::Restart`].
    pub everybody_starts: bool,
}

impl Plan {
    /// So many instances that report every second, in ten services.
    pub fn new(seed: u64, instances: usize) -> Self {
        Self {
            seed,
            services: 10,
            instances,
            intervals: vec![Duration::from_secs(1)],
            network: Network::default(),
            engine: Config::default(),
            clock: DecisionClock::Monotonic,
            intake_per_second: 100_000,
            everybody_starts: true,
        }
    }

    /// The same without the observer's doubt about itself: the control.
    #[must_use]
    pub fn guards(mut self, guards: bool) -> Self {
        self.engine.guards = guards;
        self
    }
}

/// What is to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Job {
    Tick,
    /// The aggregator goes on, if nothing paused it for longer meanwhile.
    GoOn,
    /// A slice of a starved process is over.
    Starve,
    Fault(Fault),
    /// Comes to the aggregator's host.
    Arrive(Message),
    /// Is read, having waited.
    Read(Message),
    Connect {
        who: usize,
        life: u32,
    },
    Beat {
        who: usize,
        stream: StreamId,
    },
    /// Says hello again on the same connection.
    HelloAgain {
        who: usize,
        stream: StreamId,
    },
    /// A hello stayed unanswered.
    Unanswered {
        who: usize,
        stream: StreamId,
    },
    /// The reporter's keepalive, about a silence that began then.
    ReporterGivesUp {
        who: usize,
        stream: StreamId,
        since: Mono,
    },
    /// The aggregator's keepalive, about a reporter silent since then.
    AggregatorGivesUp {
        who: usize,
        stream: StreamId,
        since: Mono,
    },
}

/// A world in made-up time.
#[derive(Debug)]
pub struct Simulation {
    plan: Plan,
    chance: Chance,
    world: Mono,
    agenda: BinaryHeap<Reverse<(Mono, u64, Job)>>,
    asked: u64,
    process: Process,
    reporters: Vec<Reporter>,
    record: Record,
}

impl Simulation {
    /// The world of this plan, at its beginning: nobody has connected yet.
    pub fn new(plan: Plan) -> Self {
        let interval = |number: usize| plan.intervals[number / plan.services % plan.intervals.len()];
        let mut simulation = Self {
            chance: Chance::new(plan.seed),
            world: Mono::default(),
            agenda: BinaryHeap::new(),
            asked: 0,
            process: Process::new(plan.engine.clone(), plan.clock),
            reporters: (0..plan.instances)
                .map(|number| Reporter::new(number, plan.services, interval(number)))
                .collect(),
            record: Record::new((0..plan.instances).map(interval)),
            plan,
        };
        simulation.ask(Duration::ZERO, Job::Tick);
        for who in 0..simulation.plan.instances {
            let phase = simulation.reporters[who]
                .interval
                .mul_f64(simulation.chance.share());
            if simulation.plan.everybody_starts {
                simulation.ask(phase, Job::Connect { who, life: 0 });
            } else {
                simulation.reporters[who].condition = crate::reporter::Condition::Down;
                simulation.reporters[who].dead_since = Some(Mono::default());
            }
        }
        simulation
    }

    /// Lets so much time pass in the world.
    pub fn run(&mut self, time: Duration) {
        let end = self.world + time;
        while let Some(&Reverse((at, _, job))) = self.agenda.peek() {
            if at > end {
                break;
            }
            self.agenda.pop();
            self.world = at;
            self.carry_out(job);
        }
        self.world = end;
    }

    /// Lets time pass until `done` says so, looking every 10 ms; false if that took longer than `most`.
    pub fn run_until(&mut self, most: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.world + most;
        while !done(self) {
            if self.world >= end {
                return false;
            }
            self.run(Duration::from_millis(10));
        }
        true
    }

    /// Something goes wrong, or right again, after so much time.
    pub fn after(&mut self, time: Duration, fault: Fault) {
        self.ask(time, Job::Fault(fault));
    }

    /// The aggregator's process is stopped (SIGSTOP) from now on for so long.
    pub fn stop(&mut self, time: Duration) {
        self.pause(time, false);
    }

    /// The aggregator's machine is suspended from now on for so long.
    pub fn suspend(&mut self, time: Duration) {
        self.pause(time, true);
    }

    fn pause(&mut self, time: Duration, machine: bool) {
        let until = self.world + time;
        let since = self.process.pause.map_or(self.world, |pause| pause.since);
        self.process.pause = Some(Pause {
            since,
            until,
            machine,
        });
        self.ask(time, Job::GoOn);
        for who in 0..self.reporters.len() {
            if let Some(stream) = self.reporters[who].stream {
                self.ask_between(KEEPALIVE, Job::ReporterGivesUp { who, stream, since });
            }
        }
    }

    /// For so long every tick comes late, by a chance from `least` to `most`; between two the process stands, as one
    /// that is throttled does.
    pub fn starve(&mut self, time: Duration, least: Duration, most: Duration) {
        self.process.starvation = Some(Starvation {
            until: self.world + time,
            least,
            most,
        });
        self.ask(Duration::ZERO, Job::Starve);
    }

    /// The aggregator's wall clock says `wall` from now on.
    pub fn set_wall(&mut self, wall: Wall) {
        self.process.set_wall(wall, self.world);
    }

    /// The aggregator's wall clock now.
    pub fn wall(&mut self) -> Wall {
        self.process.now(self.world).wall
    }

    /// The network loses everything of a share of the fleet, chosen at random. Returns who they are.
    pub fn partition(&mut self, share: f64) -> Vec<usize> {
        let count = (self.reporters.len() as f64 * share).round() as usize;
        let chosen = self.chance.sample(count, self.reporters.len());
        for &who in &chosen {
            self.after(Duration::ZERO, Fault::Cut(who));
        }
        chosen
    }

    /// The aggregator remembers an instance from before its start, at which it had this status.
    pub fn recall(&mut self, who: usize, status: Status) {
        let reporter = &self.reporters[who];
        let (id, incarnation, interval) = (
            reporter.id.clone(),
            crate::reporter::incarnation(reporter.life),
            reporter.interval,
        );
        let lease = ward_engine::Lease::for_interval(interval).lost_after;
        let heard = self.plan.engine.settle.saturating_sub(lease);
        self.record
            .recalled(who, self.process.now(self.world).mono + heard);
        let known = KnownInstance {
            id,
            incarnation,
            interval,
            status,
            freshness: Freshness::Fresh,
        };
        self.apply(Event::Recall(Recalled {
            instances: vec![known],
            complete: true,
            ..Recalled::default()
        }));
    }

    /// The end of the network's fault for all of them.
    pub fn heal(&mut self, who: &[usize]) {
        for &who in who {
            self.after(Duration::ZERO, Fault::Heal(who));
        }
    }

    /// What happened so far.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The decision, to be asked.
    pub fn engine(&self) -> &Engine {
        &self.process.engine
    }

    /// How many instances there are to be.
    pub fn instances(&self) -> usize {
        self.reporters.len()
    }

    /// What is known of an instance.
    pub fn instance(&self, who: usize) -> Option<InstanceState> {
        let id = &self.reporters[who].id;
        let all = self.process.engine.instances(&id.service, usize::MAX);
        all.into_iter().find(|state| state.id == *id)
    }

    /// It works and what it sends arrives.
    pub fn is_well(&self, who: usize) -> bool {
        self.reporters[who].is_well()
    }

    /// Those that should have been convicted more than `leases` of their leases (and more than `least`) ago and are not.
    pub fn missed(&mut self, leases: u32, least: Duration) -> Vec<usize> {
        let now = self.process.now(self.world).mono;
        self.record.missed(leases, least, now)
    }

    /// How long the world has been running.
    pub fn elapsed(&self) -> Duration {
        self.world.since(Mono::default())
    }

    /// For what a test leaves to chance, so that the seed decides that as well.
    pub fn chance(&mut self) -> &mut Chance {
        &mut self.chance
    }

    fn ask(&mut self, after: Duration, job: Job) {
        self.asked += 1;
        self.agenda.push(Reverse((self.world + after, self.asked, job)));
    }

    fn ask_between(&mut self, (least, most): (Duration, Duration), job: Job) {
        let after = self.chance.between(least, most);
        self.ask(after, job);
    }
}
