//! What happens: one handler for each job of the agenda, those of the aggregator's process first.

use std::{collections::BTreeMap, time::Duration};

use ward_engine::{Event, Refusal, Reply, StreamId};
use ward_model::Mono;

use super::{Job, Simulation};
use crate::{
    process::{Message, Pause},
    reporter::KEEPALIVE,
};

/// How long a starved process runs each time.
const SLICE: Duration = Duration::from_millis(20);
/// How much later than asked a timer comes on a machine that is not busy.
pub(super) const TIMER_SLACK: (Duration, Duration) = (Duration::ZERO, Duration::from_micros(500));
/// When the first tick comes after a pause: other threads of the process have read something by then.
const WAKING: (Duration, Duration) = (Duration::ZERO, Duration::from_millis(2));
/// The first and the longest pause before a hello that mends one's own old state.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

impl Simulation {
    pub(super) fn carry_out(&mut self, job: Job) {
        match job {
            Job::Tick => self.tick(),
            Job::GoOn => self.go_on(),
            Job::Starve => self.starved(),
            Job::Fault(fault) => self.go_wrong(fault),
            Job::Arrive(message) => self.arrive(message),
            Job::Read(message) => self.read_or_queue(message),
            Job::Connect { who, life } => self.connect(who, life),
            Job::Beat { who, stream } => self.beat(who, stream),
            Job::HelloAgain { who, stream } => self.hello_again(who, stream),
            Job::Unanswered { who, stream } => {
                if !self.process.seat(stream).answered {
                    self.reconnect(who, stream);
                }
            }
            Job::ReporterGivesUp { who, stream, since } => {
                let silent = self.process.pause.is_some_and(|pause| pause.since == since);
                if silent || self.reporters[who].cut == Some(since) {
                    self.reconnect(who, stream);
                }
            }
            Job::AggregatorGivesUp { who, stream, since } => self.give_up(who, stream, since),
        }
    }

    pub(super) fn apply(&mut self, event: Event) -> Reply {
        let outcome = self.process.apply(event, self.world);
        self.note(outcome.changes);
        outcome.reply
    }

    fn note(&mut self, changes: Option<ward_model::ChangeSet>) {
        let now = self.process.now(self.world).mono;
        if let Some(changes) = changes {
            self.record.note(&changes, now, self.world, &self.reporters);
        }
    }

    fn tick(&mut self) {
        if self.process.pause.is_some() {
            self.process.tick_missed = true;
            return;
        }
        let entropy = self.chance.bits();
        let outcome = self.process.tick(entropy, self.world);
        self.note(outcome.changes);
        let period = self.plan.engine.tick;
        self.ask_between((period + TIMER_SLACK.0, period + TIMER_SLACK.1), Job::Tick);
    }

    fn go_on(&mut self) {
        let Some(pause) = self.process.pause.filter(|pause| pause.until <= self.world) else {
            return;
        };
        self.process.pause = None;
        if pause.machine {
            self.process.was_suspended(self.world.since(pause.since));
        }
        if std::mem::take(&mut self.process.tick_missed) {
            self.ask_between(WAKING, Job::Tick);
        }
        self.read_backlog();
    }

    /// Connections are read in no particular order, each in its own.
    fn read_backlog(&mut self) {
        let backlog = std::mem::take(&mut self.process.backlog);
        let takes =
            Duration::from_secs(1).mul_f64(backlog.len() as f64 / f64::from(self.plan.intake_per_second));
        let mut starts: BTreeMap<StreamId, Mono> = BTreeMap::new();
        for message in backlog {
            let stream = message.stream();
            let begin = self.world + takes.mul_f64(self.chance.share());
            let at = starts.entry(stream).or_insert(begin);
            *at = *at + Duration::from_micros(1);
            let (at, after) = (*at, at.since(self.world));
            self.process.seat(stream).busy_until = at;
            self.ask(after, Job::Read(message));
        }
    }

    /// One slice of a starved process is over: it stands until its next, late tick.
    fn starved(&mut self) {
        let Some(starvation) = self.process.starvation else {
            return;
        };
        if self.world >= starvation.until {
            self.process.starvation = None;
            return;
        }
        if self.process.pause.is_none() {
            let gap = self
                .chance
                .between(starvation.least, starvation.most)
                .saturating_sub(SLICE);
            self.process.pause = Some(Pause {
                since: self.world,
                until: self.world + gap,
                machine: false,
            });
            self.ask(gap, Job::GoOn);
            self.ask(gap + SLICE, Job::Starve);
        } else {
            self.ask(SLICE, Job::Starve);
        }
    }

    fn arrive(&mut self, message: Message) {
        if !matches!(message, Message::End { .. }) {
            self.record.reached(message.who(), self.world);
        }
        let busy_until = self.process.seat(message.stream()).busy_until;
        if busy_until > self.world && self.process.pause.is_none() {
            self.process.seat(message.stream()).busy_until = busy_until + Duration::from_micros(1);
            self.ask(
                busy_until.since(self.world) + Duration::from_micros(1),
                Job::Read(message),
            );
        } else {
            self.read_or_queue(message);
        }
    }

    fn read_or_queue(&mut self, message: Message) {
        if self.process.pause.is_some() {
            self.process.backlog.push(message);
        } else {
            self.take_in(message);
        }
    }

    fn take_in(&mut self, message: Message) {
        self.process.ingress += 1;
        if self.process.seat(message.stream()).ended {
            self.reconnect(message.who(), message.stream());
            return;
        }
        let now = self.process.now(self.world).mono;
        match message {
            Message::Hello {
                who,
                stream,
                life,
                sequence,
            } => self.take_hello(who, stream, life, sequence),
            Message::Beat { who, stream } => {
                if let Some(orphaned) = self.process.beat(stream, self.world) {
                    self.record.heard(who, stream, now);
                    if orphaned && self.reporters[who].stream == Some(stream) {
                        let after = self.reporters[who].hello_again(AGAIN, &mut self.chance);
                        self.ask(after, Job::HelloAgain { who, stream });
                    }
                }
            }
            Message::Goodbye { stream, .. } => {
                if let Some(registered) = self.process.seat(stream).registered.take() {
                    self.apply(Event::Goodbye {
                        slot: registered.slot,
                    });
                }
            }
            Message::End { who, stream } => {
                self.record.broken(who, stream, now);
                self.end(stream, true);
            }
        }
    }

    fn take_hello(&mut self, who: usize, stream: StreamId, life: u32, sequence: u64) {
        let hello = self.reporters[who].hello(life, sequence);
        let now = self.process.now(self.world).mono;
        self.process.seat(stream).answered = true;
        match self.apply(Event::Hello {
            stream: Some(stream),
            hello: Box::new(hello),
        }) {
            Reply::Registered(registered) => {
                self.record.held_by(who, stream, life, now);
                self.process.seat(stream).registered = Some(registered);
                if self.reporters[who].stream == Some(stream) {
                    if !self.reporters[who].registered {
                        let interval = self.reporters[who].interval;
                        self.ask(interval, Job::Beat { who, stream });
                    }
                    self.reporters[who].registered();
                }
            }
            Reply::Refused(refusal) => {
                self.record.refusals += 1;
                let pauses = match refusal {
                    Refusal::AlreadyExists(_) => (Duration::from_secs(1), Duration::from_secs(5)),
                    Refusal::Superseded(_) => (Duration::from_secs(30), Duration::from_secs(60)),
                    _ => AGAIN,
                };
                if self.reporters[who].stream == Some(stream) {
                    let after = self.reporters[who].hello_again(pauses, &mut self.chance);
                    self.ask(after, Job::HelloAgain { who, stream });
                }
            }
            reply => unreachable!("a hello is answered by a registration or a refusal, not by {reply:?}"),
        }
    }

    /// A connection is over, once.
    fn end(&mut self, stream: StreamId, by_peer: bool) {
        if !std::mem::replace(&mut self.process.seat(stream).ended, true) {
            self.process.seat(stream).registered = None;
            self.apply(Event::StreamEnded { stream, by_peer });
        }
    }

    /// The aggregator's keepalive: the reporter has not answered since then.
    fn give_up(&mut self, who: usize, stream: StreamId, since: Mono) {
        let reporter = &self.reporters[who];
        let silent = reporter.dead_since == Some(since) || reporter.stream != Some(stream);
        if silent && self.process.pause.is_some() {
            self.ask_between(KEEPALIVE, Job::AggregatorGivesUp { who, stream, since });
        } else if silent {
            self.end(stream, false);
        }
    }
}
