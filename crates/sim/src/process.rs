//! The simulated aggregator process: the real engine and slab, behind a played edge and played clocks.
//!
//! Paused (stopped, starved or suspended) it neither ticks nor takes anything in; what reaches its host meanwhile waits.
//! On going on, connections are read in no particular order, each in its own order, while new messages come in.

use std::{sync::Arc, time::Duration};

use ward_engine::{Config, Engine, Event, Outcome, Registered, Slab, StreamId, Tick};
use ward_model::{Epoch, Mono, Now, Wall};

/// Where the time comes from that deadlines are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecisionClock {
    /// Runs evenly and stands while the machine is suspended, as `CLOCK_MONOTONIC` of Linux.
    Monotonic,
    /// Runs evenly and on while the machine is suspended, as monotonic clocks of other systems.
    Boot,
    /// The mistake: the wall clock. For showing what it costs.
    Wall,
}

/// What reporters send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Message {
    Hello {
        who: usize,
        stream: StreamId,
        life: u32,
        sequence: u64,
    },
    Beat {
        who: usize,
        stream: StreamId,
    },
    Goodbye {
        who: usize,
        stream: StreamId,
    },
    /// The peer ended the connection.
    End {
        who: usize,
        stream: StreamId,
    },
}

impl Message {
    pub(crate) fn who(self) -> usize {
        match self {
            Self::Hello { who, .. }
            | Self::Beat { who, .. }
            | Self::Goodbye { who, .. }
            | Self::End { who, .. } => who,
        }
    }

    pub(crate) fn stream(self) -> StreamId {
        match self {
            Self::Hello { stream, .. }
            | Self::Beat { stream, .. }
            | Self::Goodbye { stream, .. }
            | Self::End { stream, .. } => stream,
        }
    }
}

/// The edge's side of one connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seat {
    pub(crate) registered: Option<Registered>,
    pub(crate) answered: bool,
    pub(crate) ended: bool,
    /// What came in before is read by then; what comes later must not overtake it.
    pub(crate) busy_until: Mono,
}

/// Not running: since when, until when, and whether the whole machine stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pause {
    pub(crate) since: Mono,
    pub(crate) until: Mono,
    pub(crate) machine: bool,
}

/// Late ticks until a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Starvation {
    pub(crate) until: Mono,
    pub(crate) least: Duration,
    pub(crate) most: Duration,
}

#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) engine: Engine,
    pub(crate) slab: Arc<Slab>,
    pub(crate) seats: Vec<Seat>,
    pub(crate) backlog: Vec<Message>,
    pub(crate) pause: Option<Pause>,
    pub(crate) starvation: Option<Starvation>,
    pub(crate) tick_missed: bool,
    pub(crate) ingress: u64,
    clock: DecisionClock,
    last: Mono,
    /// How long the machine has been suspended, and how much of it the engine was told.
    suspended: (Duration, Duration),
    wall_offset_ms: i64,
}

/// 2026-01-01T00:00:00Z, where every history begins.
const BEGIN: i64 = 1_767_225_600_000;

impl Process {
    pub(crate) fn new(config: Config, clock: DecisionClock) -> Self {
        let slab = Arc::new(Slab::default());
        let now = Now {
            mono: Mono::default(),
            wall: Wall(BEGIN),
        };
        Self {
            engine: Engine::new(config, Epoch(1), slab.clone(), now),
            slab,
            seats: Vec::new(),
            backlog: Vec::new(),
            pause: None,
            starvation: None,
            tick_missed: false,
            ingress: 0,
            clock,
            last: Mono::default(),
            suspended: (Duration::ZERO, Duration::ZERO),
            wall_offset_ms: 0,
        }
    }

    /// Its clocks at a moment of the world.
    pub(crate) fn now(&mut self, world: Mono) -> Now {
        let wall = BEGIN + i64::try_from(world.0 / 1_000_000).expect("a short history") + self.wall_offset_ms;
        let mono = match self.clock {
            DecisionClock::Monotonic => Mono(
                world
                    .since(Mono::default())
                    .saturating_sub(self.suspended.0)
                    .as_nanos() as u64,
            ),
            DecisionClock::Boot => world,
            DecisionClock::Wall => Mono(u64::try_from(wall - BEGIN).unwrap_or(0).saturating_mul(1_000_000)),
        };
        self.last = self.last.max(mono);
        Now {
            mono: self.last,
            wall: Wall(wall),
        }
    }

    /// The wall clock says `wall` from now on.
    pub(crate) fn set_wall(&mut self, wall: Wall, world: Mono) {
        let even = BEGIN + i64::try_from(world.0 / 1_000_000).expect("a short history");
        self.wall_offset_ms = wall.0 - even;
    }

    pub(crate) fn apply(&mut self, event: Event, world: Mono) -> Outcome {
        let now = self.now(world);
        self.engine.apply(event, now)
    }

    pub(crate) fn tick(&mut self, entropy: u64, world: Mono) -> Outcome {
        let suspended = if self.clock == DecisionClock::Boot {
            Duration::ZERO
        } else {
            self.suspended.0 - self.suspended.1
        };
        self.suspended.1 = self.suspended.0;
        self.apply(
            Event::Tick(Tick {
                entropy,
                ingress: self.ingress,
                suspended,
            }),
            world,
        )
    }

    pub(crate) fn was_suspended(&mut self, time: Duration) {
        self.suspended.0 += time;
    }

    pub(crate) fn open(&mut self) -> StreamId {
        self.seats.push(Seat::default());
        StreamId(self.seats.len() as u64 - 1)
    }

    pub(crate) fn seat(&mut self, stream: StreamId) -> &mut Seat {
        &mut self.seats[stream.0 as usize]
    }

    /// A beat of a connection: what the edge's hot path does. True if the instance must say hello again.
    pub(crate) fn beat(&mut self, stream: StreamId, world: Mono) -> Option<bool> {
        let registered = self.seat(stream).registered?;
        let now = self.now(world).mono;
        self.slab.touch(registered.slot, now + registered.suspect_after);
        Some(self.slab.is_orphaned(registered.slot))
    }
}
