//! One simulated reporter: what the sdk does, as a state without timers of its own.
//!
//! The pauses are the sdk's (`backoff`, its keepalive, its timeouts), written down once more: a simulation that used the
//! sdk itself would need its runtime and its sockets.

use std::{collections::BTreeMap, time::Duration};

use ward_engine::StreamId;
use ward_model::{Hello, Incarnation, InstanceId, Mono, Name};

use crate::Chance;

/// How long a connection may stay without an answer to its hello.
pub(crate) const OPENING: Duration = Duration::from_secs(5);
/// How long connecting to nobody takes.
pub(crate) const CONNECT: Duration = Duration::from_secs(1);
/// How long it may take to be there again: the longest pause, connecting, and the pause before a hello is said again.
pub(crate) const RETURN: Duration = Duration::from_millis(2_500);
/// A ping goes out every 10 s and may stay unanswered for 5 s: a silent peer is given up within these.
pub(crate) const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(15));

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Up,
    Hung,
    Down,
}

#[derive(Debug)]
pub(crate) struct Reporter {
    pub(crate) id: InstanceId,
    pub(crate) interval: Duration,
    pub(crate) life: u32,
    /// Of the last hello. Grows with each, so that one that waited on a connection given up is seen as old.
    pub(crate) sequence: u64,
    pub(crate) condition: Condition,
    /// Since when the network loses everything of it.
    pub(crate) cut: Option<Mono>,
    /// The connection it uses, if it has one.
    pub(crate) stream: Option<StreamId>,
    pub(crate) registered: bool,
    /// When its last message reaches the aggregator's host: one connection keeps its order.
    pub(crate) last_arrival: Mono,
    /// When it ceased to report, if it did.
    pub(crate) dead_since: Option<Mono>,
    /// When it last began to report again.
    pub(crate) well_since: Mono,
    failures: u32,
    refusals: u32,
}

pub(crate) fn incarnation(life: u32) -> Incarnation {
    Incarnation::new(&format!("life-{life}")).expect("short and printable")
}

impl Reporter {
    pub(crate) fn new(number: usize, services: usize, interval: Duration) -> Self {
        let name = |text: String| Name::instance(&text).expect("letters and digits");
        Self {
            id: InstanceId {
                service: name(format!("s{}", number % services)),
                instance: name(format!("i{number}")),
            },
            interval,
            life: 0,
            sequence: 0,
            condition: Condition::Up,
            cut: None,
            stream: None,
            registered: false,
            last_arrival: Mono::default(),
            dead_since: None,
            well_since: Mono::default(),
            failures: 0,
            refusals: 0,
        }
    }

    /// The number behind an id made by [`Self::new`].
    pub(crate) fn number(id: &InstanceId) -> usize {
        id.instance.as_str()[1..].parse().expect("made by new")
    }

    /// What it said in this life with this sequence.
    pub(crate) fn hello(&self, life: u32, sequence: u64) -> Hello {
        Hello {
            id: self.id.clone(),
            incarnation: incarnation(life),
            version: String::new(),
            interval: self.interval,
            labels: BTreeMap::new(),
            criticality: None,
            dependencies: Vec::new(),
            checks: Vec::new(),
            signals: Vec::new(),
            min_healthy: None,
            startup_deadline: ward_model::bounds::STARTUP_DEADLINE_DEFAULT,
            sequence,
            results: Vec::new(),
            values: Vec::new(),
        }
    }

    /// Works, and what it sends arrives.
    pub(crate) fn is_well(&self) -> bool {
        self.condition == Condition::Up && self.cut.is_none()
    }

    pub(crate) fn disconnect(&mut self) -> Option<StreamId> {
        self.registered = false;
        self.stream.take()
    }

    pub(crate) fn registered(&mut self) {
        (self.registered, self.failures, self.refusals) = (true, 0, 0);
    }

    /// The pause before it connects again.
    pub(crate) fn backoff(&mut self, chance: &mut Chance) -> Duration {
        let most = Duration::from_millis(100 << self.failures.min(8)).min(Duration::from_secs(1));
        self.failures += 1;
        most.mul_f64(chance.share()).max(Duration::from_millis(50))
    }

    /// The pause before it says hello again after a refusal, which starts at `first` and grows to `most`.
    pub(crate) fn hello_again(
        &mut self,
        (first, most): (Duration, Duration),
        chance: &mut Chance,
    ) -> Duration {
        let pause = (first * (1 << self.refusals.min(8))).min(most);
        self.refusals += 1;
        pause.mul_f64(0.5 + chance.share() / 2.0)
    }
}
