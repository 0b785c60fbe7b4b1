//! The loop itself.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval},
};
use ward_engine::{Event, Reply, Tick};
use ward_model::Mono;

use super::{
    Command, Shared, TOGETHER, Timings,
    voice::{Said, Voice},
};

/// How many commands are taken out of the inbox at once. Whether a tick is due is looked at behind each of them: most
/// take microseconds, but a list of all services takes a good part of a tick, and a batch of those would make the engine
/// doubt itself.
const BATCH: usize = TOGETHER;

pub(super) struct Running {
    voice: Voice,
    timings: Timings,
    shared: Arc<Shared>,
    /// How long the machine had been suspended at the last tick.
    suspended: Duration,
    /// When the last tick ended.
    ticked: Mono,
}

impl Running {
    pub(super) fn new(voice: Voice, timings: Timings, shared: Arc<Shared>) -> Self {
        let (suspended, ticked) = (shared.clock.suspended(), shared.clock.mono());
        Self {
            voice,
            timings,
            shared,
            suspended,
            ticked,
        }
    }

    /// Until stopped, or until nobody is left who could ask.
    pub(super) async fn run(
        &mut self,
        mut commands: mpsc::Receiver<Command>,
        mut stopped: oneshot::Receiver<()>,
        tick: Duration,
    ) {
        let mut ticks = interval(tick);
        // A late tick must be seen as late, once; a burst to make up for it would hide that from the engine.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                biased;
                _ = &mut stopped => return,
                _ = ticks.tick() => self.tick(),
                taken = commands.recv_many(&mut batch, BATCH) => {
                    if taken == 0 {
                        return;
                    }
                    for command in batch.drain(..) {
                        self.obey(command);
                        if self.shared.clock.mono().since(self.ticked) >= tick {
                            self.tick();
                            ticks.reset();
                        }
                    }
                    self.voice.wake();
                }
            }
        }
    }

    fn tick(&mut self) {
        let suspended = self.shared.clock.suspended();
        let tick = Tick {
            entropy: rand::random(),
            ingress: self.shared.ingress.load(Relaxed),
            suspended: suspended.saturating_sub(self.suspended),
        };
        self.suspended = suspended;
        self.apply(Event::Tick(tick), None);
        self.voice.wake();
        self.ticked = self.shared.clock.mono();
        self.shared.heartbeat.store(self.ticked.0, Relaxed);
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Apply {
                event,
                received,
                reply,
            } => {
                let answer = self.apply(event, Some(received));
                // Whoever asked may have left meanwhile; what was decided stands.
                drop(reply.send(answer));
            }
            Command::Decide { look, reply } => {
                let received = self.shared.clock.mono();
                let answer = look(self.voice.engine()).map(|event| self.apply(event, Some(received)));
                drop(reply.send(answer));
            }
            Command::Read(read) => read(self.voice.engine()),
        }
    }

    fn apply(&mut self, event: Event, received: Option<Mono>) -> Reply {
        let now = self.shared.clock.now();
        let Said { outcome, published } = self.voice.decide(event, now);
        if outcome.renewals {
            self.shared.renewals.send_replace(());
        }
        let past = |since: Mono| self.shared.clock.mono().since(since).as_secs_f64();
        if published || received.is_some() {
            self.timings.rollup.observe(past(now.mono));
        }
        if let Some(received) = received.filter(|_| published) {
            self.timings.report_to_watch.observe(past(received));
        }
        self.voice.tell();
        outcome.reply
    }
}
