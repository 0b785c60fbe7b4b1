//! What the engine is told, and what it answers.

use std::{collections::BTreeMap, time::Duration};

use ward_model::{
    ChangeSet, Criticality, Dependency, Hello, Incarnation, InstanceId, KnownInstance, KnownService,
    Maintenance, MinHealthy, Name, SignalLevel, Update, Wall, bounds,
};

use crate::Slot;

/// One connection's report stream, named by the edge. Never reused in an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// Everything that can happen to the engine.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// An instance introduces itself on a stream, or once (`stream` is `None`). Answer: [`Reply::Registered`].
    Hello {
        /// The stream whose beats will keep it alive.
        stream: Option<StreamId>,
        /// What it says.
        hello: Box<Hello>,
    },
    /// An instance that knows no incarnation of its own reports once. The life it reports in already goes on; that of
    /// `hello` is for a new one. Answer: [`Reply::Registered`].
    HelloAnonymous {
        /// What it says.
        hello: Box<Hello>,
    },
    /// A stream whose instances may be under another interval now, see [`Outcome::renewals`]. Answer: [`Reply::Renewed`].
    Renew {
        /// Which.
        stream: StreamId,
    },
    /// Something changed at an instance; counts as a beat. Answer: [`Reply::Updated`] or [`Reply::FullStateWanted`].
    Update {
        /// Where it beats.
        slot: Slot,
        /// What changed.
        update: Update,
    },
    /// An instance leaves cleanly. Its stream must not beat the slot from here on: it is free at once.
    Goodbye {
        /// Where it beat.
        slot: Slot,
    },
    /// An instance that reports without a stream leaves cleanly.
    GoodbyeOnce {
        /// Who.
        id: InstanceId,
        /// In which life; another one's goodbye is refused. `None` is the present one, if that reports without a stream.
        incarnation: Option<Incarnation>,
    },
    /// A report stream is over; its slots may be used again.
    StreamEnded {
        /// Which.
        stream: StreamId,
        /// The peer ended it (end of stream, reset), not this side.
        by_peer: bool,
    },
    /// An agent saw the process of an instance end. Final and immediate.
    Exited {
        /// Whose process.
        id: InstanceId,
        /// In which life.
        incarnation: Incarnation,
        /// How it ended, for people.
        message: String,
    },
    /// The file's word about services; wins over what hellos declare. `None` takes it back. What is in force already
    /// changes nothing when it is said again. All of it comes into force in one revision, or, refused, none of it.
    DeclareAll(Vec<(Name, Option<Declaration>)>),
    /// Services and instances known from before the aggregator's start, or some of them: services before their instances.
    /// Who is there already is left as it is, and who does not fit is left out.
    Recall(Recalled),
    /// Somebody works on a service. Answer: [`Reply::Maintenance`].
    StartMaintenance {
        /// The service.
        service: Name,
        /// Who.
        by: String,
        /// Why.
        why: String,
        /// For how long; `None` until ended.
        duration: Option<Duration>,
    },
    /// The work is over.
    EndMaintenance {
        /// The service.
        service: Name,
    },
    /// An operator drops a service or an instance. Answer: [`Reply::Forgotten`].
    Forget {
        /// The service.
        service: Name,
        /// One of its instances, or all and the service with them.
        instance: Option<Name>,
    },
    /// Time passes. Sent every [`crate::Config::tick`].
    Tick(Tick),
}

/// What is known from before the aggregator's start, or a part of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recalled {
    /// What they were, and what was declared about them.
    pub services: Vec<KnownService>,
    /// Their instances.
    pub instances: Vec<KnownInstance>,
    /// Maintenance; its services are there from then on. What is over, or in the way of other maintenance, is left out.
    pub maintenance: Vec<Maintenance>,
    /// There is no more: services without any instance are let go of.
    pub complete: bool,
    /// Nobody can have asked yet: instances are not told of, which takes longer than to know them.
    pub untold: bool,
}

/// What a tick brings with it besides the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tick {
    /// Fresh random bits; the only randomness the engine has.
    pub entropy: u64,
    /// How many messages the edges have taken in since the start, all told.
    pub ingress: u64,
    /// By how much boot time moved more than monotonic time since the tick before (the machine was suspended).
    pub suspended: Duration,
}

/// What a service needs to be, by its owner or by the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Declaration {
    /// How much it matters.
    pub criticality: Option<Criticality>,
    /// How many of it must be there.
    pub min_healthy: Option<MinHealthy>,
    /// What it needs.
    pub dependencies: Option<Vec<Dependency>>,
    /// How often its instances are to be heard, whatever they say. Those on streams: within
    /// [`ward_model::bounds::INTERVAL_MAX`].
    pub interval: Option<Duration>,
    /// Levels of its signals, by their names; each replaces what an instance declares for that signal.
    pub levels: BTreeMap<Name, Levels>,
}

/// What the values of one signal mean.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Levels {
    /// From here on degraded.
    pub degraded: Option<SignalLevel>,
    /// From here on unhealthy.
    pub unhealthy: Option<SignalLevel>,
}

/// What came of an event.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The answer to who asked.
    pub reply: Reply,
    /// The next revision, if anything changed that others see.
    pub changes: Option<ChangeSet>,
    /// Instances on streams are under another interval now. Their reporters go by what they were told, and are judged by
    /// the longer of the two, until each stream has asked with [`Event::Renew`] and passed the answer on.
    pub renewals: bool,
}

/// The engine's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reply {
    /// Taken; nothing to add.
    #[default]
    Done,
    /// The instance may beat.
    Registered(Registered),
    /// These instances of the stream are under another interval than their reporters were told: tell them, and beat by
    /// these leases from here on.
    Renewed(Vec<Registered>),
    /// The update was taken. `undeclared` checks or signals past a bound were left out.
    Updated {
        /// How many results and values were left out.
        left_out: u32,
    },
    /// The sequence has a gap: send everything.
    FullStateWanted,
    /// The maintenance that is now in force.
    Maintenance(Box<Maintenance>),
    /// So many instances were dropped.
    Forgotten(u32),
    /// Not taken.
    Refused(Refusal),
}

/// Where an instance beats, and how long its silence is borne.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Its entry in the lease slab, for as long as the stream lives.
    pub slot: Slot,
    /// Silence until it is suspect; a beat sets the slot to now + this.
    pub suspect_after: Duration,
    /// Silence until it is lost.
    pub lost_after: Duration,
    /// How often it is to be heard: the file's word, or its own.
    pub interval: Duration,
    /// How many results and values were left out, being past a bound.
    pub left_out: u32,
}

/// Why an event was not taken. The message says what to do next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another incarnation holds the id and is fresh.
    #[error(
        "instance {0} is alive under another incarnation: stop it, or report under another instance name"
    )]
    AlreadyExists(InstanceId),
    /// The incarnation was replaced by a newer one.
    #[error("this incarnation of {0} was superseded by a newer one: start again under a new incarnation")]
    Superseded(InstanceId),
    /// The slot's instance is gone, or belongs to another stream by now.
    #[error("the instance behind this handle was forgotten or taken over: say hello again")]
    Forgotten,
    /// The sequence does not grow.
    #[error("sequence {got} was seen before, the last one taken is {last}: go on with {}", .last.saturating_add(1))]
    Replayed {
        /// The one sent.
        got: u64,
        /// The last one taken.
        last: u64,
    },
    /// Too many services: how many there would be.
    #[error("there would be {0} services, at most {most} are possible: name fewer, or forget some", most = bounds::SERVICES)]
    TooManyServices(usize),
    /// Too many instances.
    #[error("there are {0} instances already, the most there may be: forget some first")]
    TooManyInstances(usize),
    /// Too many instances of one service.
    #[error(
        "service {0} has {1} instances already, the most one service may have: end or forget some of them first"
    )]
    TooManyOfService(Name, usize),
    /// No such service.
    #[error("no service named {0}: list them with ward status")]
    NoService(Name),
    /// No such instance.
    #[error("no instance {0}: list them with ward status and the name of the service")]
    NoInstance(InstanceId),
    /// Still heard.
    #[error("instance {0} is still heard: stop it first, or it would only come back")]
    Alive(InstanceId),
    /// Not in maintenance.
    #[error("{0} is not in maintenance")]
    NotInMaintenance(Name),
    /// A window that ends before it starts.
    #[error("maintenance must last longer than zero (ends {0:?})")]
    EmptyWindow(Wall),
}
