//! The engine's writer and its loop: the one place where events get an order and time passes.
//!
//! The loop has an operating system thread and a small runtime of its own, so that a busy edge cannot make a tick late and
//! a long roll-up cannot starve an edge. Whoever wants something decided sends an event and waits for the answer; what
//! changed is published to the hub before the answer leaves, by the one who decides and so in order.
//!
//! Reports are most of what is decided, and each takes some microseconds, less than it takes to wake another thread and be
//! woken by it. So a report stream that finds the writer free decides by itself, and goes through the inbox if not. A
//! lock that everybody waits on was not taken: readers and writers would queue on it unseen, and a tick with them.
//!
//! It judges nothing and keeps nothing.

mod run;
mod voice;
mod writer;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};
use ward_chassis::{Clock, telemetry::Exemplar};
use ward_engine::{Declaration, Engine, Event, Reply, Slab};
use ward_model::{Entity, Epoch, Mono, Name};

pub(crate) use voice::Voice;

use self::writer::{Seat, Writer};
use crate::{
    hub::{self, Hub},
    memory::Ear,
    story::{Reported, Story},
};

/// How many calls may wait. Each call and each report stream has one outstanding at most, so a full inbox means that many
/// are waiting already; more of them wait where they are, which costs nobody else anything.
const INBOX: usize = 1_024;

/// Places of the inbox that updates leave to everything else: hellos, goodbyes, commands and questions come in as few as
/// there are of those who ask, and wait; updates can be left out, because a newer one says more.
const NOT_FOR_UPDATES: usize = INBOX / 4;

/// How long updates wait at most, and how old what waits may be before they are left out at once. A stream that waits reads
/// no beats, and the shortest lease leaves 2 s for what is late: half of that. Longer than a busy machine makes anybody wait.
const LATE: Duration = Duration::from_secs(1);

/// How many events one caller should have decided at once: a fraction of a tick's worth.
pub(crate) const TOGETHER: usize = 64;

/// How many at most a caller decides by itself: it does no tick in between, and each may move thousands of services.
const BY_ITSELF: usize = 8;

/// The engine is not there any more: the process is ending, or the decision itself failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the aggregator is stopping: try again in a moment, or at another one")]
pub(crate) struct Unavailable;

/// Makes an event of what it sees.
type Look = Box<dyn FnOnce(&Engine) -> Option<Event> + Send>;

/// A command, and since when it waits.
struct Waiting {
    since: Mono,
    command: Command,
}

enum Command {
    Apply {
        events: Vec<Reported>,
        received: Mono,
        reply: oneshot::Sender<Vec<Reply>>,
    },
    Decide {
        look: Look,
        reply: oneshot::Sender<Option<Reply>>,
    },
    Read(Box<dyn FnOnce(&Engine) + Send>),
}

/// What the writer measures about itself.
#[derive(Clone, Debug)]
pub(crate) struct Timings {
    /// Seconds of one application of an event, roll-up included.
    pub(crate) rollup: HistogramWithExemplars<Exemplar>,
    /// Seconds from taking a message in to publishing what it changed.
    pub(crate) report_to_watch: HistogramWithExemplars<Exemplar>,
}

/// A handle to the engine. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Decider {
    inbox: mpsc::Sender<Waiting>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clock: Clock,
    slab: Arc<Slab>,
    /// Messages that edges have taken in, all told.
    ingress: AtomicU64,
    /// Moves when streams have to ask for renewals.
    renewals: watch::Sender<()>,
    /// Nothing in the inbox waits for longer than since then, unless it is empty: nanoseconds of [`Mono`].
    oldest: AtomicU64,
    /// When time last passed for the engine: nanoseconds of [`Mono`].
    heartbeat: AtomicU64,
    /// What was decided, for traces.
    story: Story,
    /// Empty once the loop has ended, which lets go of the circle that its occupant makes of this.
    seat: Seat,
}

/// The loop's thread. Dropping it stops the loop as well.
#[derive(Debug)]
pub(crate) struct Loop {
    stop: Option<oneshot::Sender<()>>,
    /// Nothing is ever sent: it ends with its sender. `None` once that was seen.
    ended: Option<oneshot::Receiver<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// One life of the aggregator.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) epoch: Epoch,
    pub(crate) clock: Clock,
    /// Hears what is published in it.
    pub(crate) ear: Ear,
}

impl Life {
    /// A new one.
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            epoch: new_epoch(),
            clock,
            ear: Ear::default(),
        }
    }
}

/// Starts the engine of a life, with what the file declares in force before anything is published.
pub(crate) fn start(
    config: ward_engine::Config,
    hub_config: hub::Config,
    declarations: impl IntoIterator<Item = (Name, Declaration)>,
    timings: Timings,
    life: Life,
) -> io::Result<(Loop, Decider, Hub)> {
    let Life { epoch, clock, ear } = life;
    let slab = Arc::new(Slab::default());
    let tick = config.tick;
    let mut engine = Engine::new(config, epoch, slab.clone(), clock.now());
    let declared = declarations.into_iter();
    let declared = declared.map(|(service, declaration)| (service, Some(declaration)));
    let declared = engine.apply(Event::DeclareAll(declared.collect()), clock.now());
    if let Reply::Refused(refusal) = declared.reply {
        return Err(io::Error::other(refusal));
    }
    let state = entities(&engine);
    let (publisher, hub) = hub::hub(engine.epoch(), engine.revision(), state, hub_config);
    let shared = Arc::new(Shared {
        heartbeat: AtomicU64::new(clock.mono().0),
        clock,
        slab,
        ingress: AtomicU64::new(0),
        oldest: AtomicU64::new(0),
        renewals: watch::Sender::new(()),
        story: Story::default(),
        seat: Seat::default(),
    });
    let (inbox, commands) = mpsc::channel(INBOX);
    let (stop, stopped) = oneshot::channel();
    let (alive, ended) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    shared.seat.put(Writer::new(
        Voice::new(engine, publisher, ear),
        timings,
        shared.clone(),
        tick,
    ));
    let looped = shared.clone();
    let thread = thread::Builder::new()
        .name("ward-decider".into())
        .spawn(move || {
            // Dropped when the thread ends, however it does.
            let _alive: oneshot::Sender<()> = alive;
            runtime.block_on(run::run(looped.clone(), commands, stopped, tick));
            looped.seat.clear();
        })?;
    Ok((
        Loop {
            stop: Some(stop),
            ended: Some(ended),
            thread: Some(thread),
        },
        Decider { inbox, shared },
        hub,
    ))
}

/// Random, so that no restart repeats one; within 53 bits, so that no JSON reader rounds it.
fn new_epoch() -> Epoch {
    Epoch((rand::random::<u64>() >> 11) | 1)
}

/// The system and its services.
pub(crate) fn entities(engine: &Engine) -> Vec<Entity> {
    let system = std::iter::once(Entity::System(engine.system()));
    system.chain(engine.services(None).map(Entity::Service)).collect()
}

impl Decider {
    /// Has an event decided, which came in just now. What it changed is published when this returns.
    ///
    /// Dropping the future does not take back the event once it was sent.
    pub(crate) async fn apply(&self, event: impl Into<Reported>) -> Result<Reply, Unavailable> {
        let mut answers = self.send(vec![event.into()], self.shared.clock.mono()).await?;
        answers.pop().ok_or(Unavailable)
    }

    /// The same for events of a report, which came in at `received`: one behind the other, with nothing of others in
    /// between but time. If they are few and nobody else decides right now, waits to, or has a tick to do, that is done by
    /// the caller. So they should be of a kind that is decided in microseconds. The answers are in the order of the events.
    pub(crate) async fn report(
        &self,
        events: Vec<Reported>,
        received: Mono,
    ) -> Result<Vec<Reply>, Unavailable> {
        match self.decide_here(events, received) {
            Ok(answers) => Ok(answers),
            Err(events) => self.send(events, received).await,
        }
    }

    /// The same for what may be left out when there is too much: `None` if it was, or if nobody knows, which is when it
    /// would have to wait and may not, when too much waits already, or when it has waited for [`LATE`]. It may be decided
    /// then all the same, even behind what is offered later: the loop takes commands out of the inbox before it holds the
    /// writer, and in between who finds nobody waiting decides by itself. So this is for updates only. They carry sequence
    /// numbers, and one behind a newer one is refused: [`ward_engine::Refusal::Replayed`].
    pub(crate) async fn offer(
        &self,
        events: Vec<Reported>,
        received: Mono,
        may_wait: bool,
    ) -> Result<Option<Vec<Reply>>, Unavailable> {
        match self.decide_here(events, received) {
            Ok(answers) => Ok(Some(answers)),
            Err(_) if !may_wait || self.is_overloaded(received) => Ok(None),
            Err(events) => timeout(LATE, self.send(events, received)).await.ok().transpose(),
        }
    }

    /// Whether updates are left out at `now`: too many wait to be decided, or one of them for too long.
    pub(crate) fn is_overloaded(&self, now: Mono) -> bool {
        let waits = || now.since(Mono(self.shared.oldest.load(Relaxed)));
        self.inbox.capacity() <= NOT_FOR_UPDATES || !self.nobody_waits() && waits() > LATE
    }

    fn nobody_waits(&self) -> bool {
        self.queued() == 0
    }

    /// What waits for the engine's own thread.
    pub(crate) fn queued(&self) -> usize {
        self.inbox.max_capacity() - self.inbox.capacity()
    }

    /// Decides by itself, or gives back what has to wait.
    fn decide_here(&self, events: Vec<Reported>, received: Mono) -> Result<Vec<Reply>, Vec<Reported>> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        // Who waits already goes first.
        if events.len() > BY_ITSELF || !self.nobody_waits() {
            return Err(events);
        }
        let mut waiting = Some(events);
        let decided = self.shared.seat.hold_if_free(|writer| {
            let events = waiting.take_if(|_| !writer.is_tick_due())?;
            let answers = writer.decide(events, received);
            writer.wake();
            Some(answers)
        });
        decided.flatten().ok_or_else(|| waiting.unwrap_or_default())
    }

    /// Lets a command wait for its turn.
    async fn put(&self, command: Command) -> Result<(), Unavailable> {
        let since = self.shared.clock.mono();
        if self.nobody_waits() {
            self.shared.oldest.store(since.0, Relaxed);
        }
        let waiting = Waiting { since, command };
        self.inbox.send(waiting).await.map_err(|_| Unavailable)
    }

    async fn send(&self, events: Vec<Reported>, received: Mono) -> Result<Vec<Reply>, Unavailable> {
        let (reply, answers) = oneshot::channel();
        let command = Command::Apply {
            events,
            received,
            reply,
        };
        self.put(command).await?;
        answers.await.map_err(|_| Unavailable)
    }

    /// Has the event decided that `look` makes of what it sees, if any; nothing happens in between. `look` runs on the
    /// engine's thread.
    pub(crate) async fn decide(
        &self,
        look: impl FnOnce(&Engine) -> Option<Event> + Send + 'static,
    ) -> Result<Option<Reply>, Unavailable> {
        let (reply, answer) = oneshot::channel();
        let look = Box::new(look);
        self.put(Command::Decide { look, reply }).await?;
        answer.await.map_err(|_| Unavailable)
    }

    /// Looks at the engine between two events. `read` runs on the engine's thread: it should copy and leave.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Engine) -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        let (reply, answer) = oneshot::channel();
        let read = Box::new(move |engine: &Engine| {
            // Whoever asked may have left meanwhile.
            drop(reply.send(read(engine)));
        });
        self.put(Command::Read(read)).await?;
        answer.await.map_err(|_| Unavailable)
    }

    /// In which traces the last transitions stand.
    pub(crate) fn story(&self) -> &Story {
        &self.shared.story
    }

    /// Counts a message taken in by an edge, so that the engine can see whether anything is still coming.
    #[inline]
    pub(crate) fn count_ingress(&self) {
        self.shared.ingress.fetch_add(1, Relaxed);
    }

    /// Changes whenever intervals of instances on streams did: each stream is to ask with [`Event::Renew`] then.
    pub(crate) fn renewals(&self) -> watch::Receiver<()> {
        self.shared.renewals.subscribe()
    }

    /// Where beats go.
    pub(crate) fn slab(&self) -> &Arc<Slab> {
        &self.shared.slab
    }

    /// How long ago time last passed for the engine.
    pub(crate) fn silence(&self) -> Duration {
        self.shared
            .clock
            .mono()
            .since(Mono(self.shared.heartbeat.load(Relaxed)))
    }
}

#[cfg(test)]
mod tests;
