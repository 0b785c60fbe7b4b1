//! What reporters do, and what goes wrong with them.

use std::time::Duration;

use ward_engine::StreamId;

use super::{Job, Simulation, run::TIMER_SLACK};
use crate::{
    Fault,
    process::Message,
    reporter::{CONNECT, Condition, KEEPALIVE, OPENING},
};

impl Simulation {
    pub(super) fn go_wrong(&mut self, fault: Fault) {
        match fault {
            Fault::Crash(who) => self.crash(who),
            Fault::Vanish(who) => self.fall_silent(who, Condition::Down),
            Fault::Hang(who) => self.fall_silent(who, Condition::Hung),
            Fault::Mend(who) => self.mend(who),
            Fault::Restart(who) => self.restart(who),
            Fault::Leave(who) => self.leave(who),
            Fault::Cut(who) => self.cut(who),
            Fault::Heal(who) => self.heal_one(who),
        }
    }

    fn crash(&mut self, who: usize) {
        self.reporters[who].condition = Condition::Down;
        self.reporters[who].dead_since.get_or_insert(self.world);
        if let Some(stream) = self.reporters[who].disconnect() {
            self.send(Message::End { who, stream });
            if self.reporters[who].cut.is_some() {
                self.leave_silent(who, stream);
            }
        }
    }

    fn leave(&mut self, who: usize) {
        if let Some(stream) = self.reporters[who]
            .stream
            .filter(|_| self.reporters[who].registered)
        {
            self.send(Message::Goodbye { who, stream });
        }
        self.crash(who);
    }

    fn fall_silent(&mut self, who: usize, condition: Condition) {
        self.reporters[who].condition = condition;
        self.reporters[who].dead_since.get_or_insert(self.world);
        if let Some(stream) = self.reporters[who].stream {
            self.leave_silent(who, stream);
        }
        if condition == Condition::Down {
            self.reporters[who].disconnect();
        }
    }

    fn leave_silent(&mut self, who: usize, stream: StreamId) {
        let since = self.reporters[who].dead_since.unwrap_or(self.world);
        self.ask_between(KEEPALIVE, Job::AggregatorGivesUp { who, stream, since });
    }

    fn mend(&mut self, who: usize) {
        if self.reporters[who].condition != Condition::Hung {
            return;
        }
        self.reporters[who].condition = Condition::Up;
        self.alive_unless_cut(who);
        match self.reporters[who].stream {
            Some(stream) if !self.process.seat(stream).ended => self.beat(who, stream),
            Some(stream) => self.reconnect(who, stream),
            None => self.connect(who, self.reporters[who].life),
        }
    }

    fn restart(&mut self, who: usize) {
        self.crash(who);
        let reporter = &mut self.reporters[who];
        reporter.condition = Condition::Up;
        reporter.life += 1;
        reporter.sequence = 0;
        let life = reporter.life;
        self.alive_unless_cut(who);
        self.connect(who, life);
    }

    fn alive_unless_cut(&mut self, who: usize) {
        let world = self.world;
        let reporter = &mut self.reporters[who];
        (reporter.dead_since, reporter.well_since) = (reporter.cut, world);
    }

    fn cut(&mut self, who: usize) {
        let (reporter, world) = (&mut self.reporters[who], self.world);
        reporter.cut.get_or_insert(world);
        reporter.dead_since.get_or_insert(world);
        if let Some(stream) = reporter.stream {
            self.leave_silent(who, stream);
            self.ask_between(
                KEEPALIVE,
                Job::ReporterGivesUp {
                    who,
                    stream,
                    since: world,
                },
            );
        }
    }

    fn heal_one(&mut self, who: usize) {
        let world = self.world;
        let reporter = &mut self.reporters[who];
        let cut = reporter.cut.take();
        if reporter.condition == Condition::Up && reporter.dead_since == cut {
            (reporter.dead_since, reporter.well_since) = (None, world);
            if let Some(stream) = reporter.stream.filter(|&stream| self.process.seat(stream).ended) {
                self.reconnect(who, stream);
            }
        }
    }

    pub(super) fn connect(&mut self, who: usize, life: u32) {
        let reporter = &self.reporters[who];
        if reporter.condition != Condition::Up || reporter.life != life || reporter.stream.is_some() {
            return;
        }
        let asleep = self.process.pause.is_some_and(|pause| pause.machine);
        if reporter.cut.is_some() || asleep {
            let pause = self.reporters[who].backoff(&mut self.chance);
            self.ask(CONNECT + pause, Job::Connect { who, life });
            return;
        }
        let stream = self.process.open();
        self.reporters[who].stream = Some(stream);
        self.say_hello(who, stream);
        self.ask(OPENING, Job::Unanswered { who, stream });
    }

    pub(super) fn hello_again(&mut self, who: usize, stream: StreamId) {
        let reporter = &self.reporters[who];
        if reporter.stream == Some(stream) && reporter.condition == Condition::Up {
            self.say_hello(who, stream);
        }
    }

    fn say_hello(&mut self, who: usize, stream: StreamId) {
        let reporter = &mut self.reporters[who];
        reporter.sequence += 1;
        let (life, sequence) = (reporter.life, reporter.sequence);
        self.send(Message::Hello {
            who,
            stream,
            life,
            sequence,
        });
    }

    pub(super) fn reconnect(&mut self, who: usize, stream: StreamId) {
        let reporter = &mut self.reporters[who];
        if reporter.stream != Some(stream) || reporter.condition != Condition::Up {
            return;
        }
        reporter.disconnect();
        let (life, pause) = (reporter.life, reporter.backoff(&mut self.chance));
        self.send(Message::End { who, stream });
        self.ask(pause, Job::Connect { who, life });
    }

    pub(super) fn beat(&mut self, who: usize, stream: StreamId) {
        let reporter = &self.reporters[who];
        if reporter.stream != Some(stream) || !reporter.registered || reporter.condition != Condition::Up {
            return;
        }
        let interval = reporter.interval;
        if !self.chance.happens(self.plan.network.loss) {
            self.send(Message::Beat { who, stream });
        }
        self.ask_between((interval, interval + TIMER_SLACK.1), Job::Beat { who, stream });
    }

    /// In the order of the connection; lost if the network is cut.
    fn send(&mut self, message: Message) {
        let delay = self
            .chance
            .between(self.plan.network.delay.0, self.plan.network.delay.1);
        let reporter = &mut self.reporters[message.who()];
        if reporter.cut.is_some() {
            return;
        }
        let at = (self.world + delay).max(reporter.last_arrival + Duration::from_nanos(1));
        reporter.last_arrival = at;
        self.ask(at.since(self.world), Job::Arrive(message));
    }
}
