//! The one writer: whoever holds it decides, and nobody else meanwhile.
//!
//! The loop holds it for ticks and for what waits in the inbox; an edge may take it for what it has at hand, if it is free
//! at that moment. Nobody but the loop ever waits for it.

use std::{
    mem,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use parking_lot::Mutex;
use ward_chassis::telemetry::TraceContext;
use ward_engine::{Event, Reply, Tick};
use ward_model::Mono;

use super::{
    Command, Shared, Timings, Unavailable,
    voice::{Said, Voice},
};
use crate::story::{Decision, Reported, exemplar, reported};

/// Where the writer is while nobody holds it. It is taken out for each use, so that one that fails on the way is gone: what
/// a decision left half done must not be decided upon.
#[derive(Debug, Default)]
pub(super) struct Seat(Mutex<Option<Box<Writer>>>);

impl Seat {
    pub(super) fn put(&self, writer: Writer) {
        *self.0.lock() = Some(Box::new(writer));
    }

    /// Waits until the writer is free.
    pub(super) fn hold<T>(&self, with: impl FnOnce(&mut Writer) -> T) -> Result<T, Unavailable> {
        let mut seat = self.0.lock();
        let mut writer = seat.take().ok_or(Unavailable)?;
        let done = with(&mut writer);
        *seat = Some(writer);
        Ok(done)
    }

    /// `None` if somebody else holds it now, or if it is gone.
    pub(super) fn hold_if_free<T>(&self, with: impl FnOnce(&mut Writer) -> T) -> Option<T> {
        let mut seat = self.0.try_lock()?;
        let mut writer = seat.take()?;
        let done = with(&mut writer);
        *seat = Some(writer);
        Some(done)
    }

    /// There is no writer from here on.
    pub(super) fn clear(&self) {
        drop(self.0.lock().take());
    }
}

/// An engine with its hub, and when it was last told that time passes.
#[derive(Debug)]
pub(super) struct Writer {
    voice: Voice,
    timings: Timings,
    shared: Arc<Shared>,
    every: Duration,
    /// How long the machine had been suspended at the last tick.
    suspended: Duration,
    /// When the last tick ended.
    ticked: Mono,
}

impl Writer {
    /// One that is told every so often that time passes.
    pub(super) fn new(voice: Voice, timings: Timings, shared: Arc<Shared>, every: Duration) -> Self {
        let (suspended, ticked) = (shared.clock.suspended(), shared.clock.mono());
        Self {
            voice,
            timings,
            shared,
            every,
            suspended,
            ticked,
        }
    }

    /// Until when no tick is due.
    pub(super) fn next_tick(&self) -> Mono {
        self.ticked + self.every
    }

    pub(super) fn is_tick_due(&self) -> bool {
        self.shared.clock.mono() >= self.next_tick()
    }

    /// To be asked behind each event: most take microseconds, but a list of all services takes a good part of a tick, and
    /// a batch of those would make the engine doubt itself.
    pub(super) fn tick_if_due(&mut self) {
        if self.is_tick_due() {
            self.tick();
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
        self.apply(Event::Tick(tick).into(), None);
        self.voice.tend();
        self.voice.wake();
        self.ticked = self.shared.clock.mono();
        self.shared.heartbeat.store(self.ticked.0, Relaxed);
    }

    /// Decides one event behind the other; [`Self::wake`] is to follow.
    pub(super) fn decide(&mut self, events: Vec<Reported>, received: Mono) -> Vec<Reply> {
        let events = events.into_iter();
        events.map(|event| self.apply(event, Some(received))).collect()
    }

    /// Does one thing that waited in the inbox; [`Self::wake`] is to follow.
    pub(super) fn obey(&mut self, command: Command) {
        match command {
            Command::Apply {
                events,
                received,
                reply,
            } => {
                let events = events.into_iter();
                let decided = events.map(|event| {
                    let reply = self.apply(event, Some(received));
                    self.tick_if_due();
                    reply
                });
                let answers = decided.collect();
                // Whoever asked may have left meanwhile; what was decided stands.
                drop(reply.send(answers));
            }
            Command::Decide { look, reply } => {
                let received = self.shared.clock.mono();
                let answer = look(self.voice.engine()).map(|event| self.apply(event.into(), Some(received)));
                drop(reply.send(answer));
            }
            Command::Read(read) => read(self.voice.engine()),
        }
        self.tick_if_due();
    }

    /// Wakes who watches for all that was published.
    pub(super) fn wake(&mut self) {
        self.voice.wake();
    }

    fn apply(&mut self, event: Reported, received: Option<Mono>) -> Reply {
        let now = self.shared.clock.now();
        let Reported { event, trace } = event;
        let kind = reported(&event);
        let Said {
            mut outcome,
            published,
            transitions,
        } = self.voice.decide(event, now);
        if mem::take(&mut outcome.renewals) {
            self.shared.renewals.send_replace(());
        }
        if published || received.is_some() {
            let done = self.shared.clock.mono();
            let (ago, taken) = (
                done.since(now.mono),
                received.map(|received| done.since(received)),
            );
            let decision = Decision {
                report: kind.zip(taken).map(|(kind, ago)| (kind, ago, trace)),
                ago,
                transitions,
            };
            let told = self.tell_story(decision, published);
            self.timings
                .rollup
                .observe(ago.as_secs_f64(), exemplar(told), None);
            if let Some(taken) = taken.filter(|_| published) {
                self.timings
                    .report_to_watch
                    .observe(taken.as_secs_f64(), exemplar(told), None);
            }
        }
        self.voice.tell();
        outcome.reply
    }

    /// Behind those who watch. What nobody sees has no story; and where nobody traces, nothing has.
    fn tell_story(&mut self, decision: Decision, published: bool) -> Option<TraceContext> {
        if !published || !decision.is_told() {
            return None;
        }
        self.voice.wake();
        self.shared.story.tell(decision)
    }
}
