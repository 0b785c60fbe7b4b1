//! The decision: a pure function from events and a time to changes.
//!
//! It does no I/O, reads no clock and draws no random number, so an hour of a thousand services runs in milliseconds
//! in a test and one seed replays one history. The one thing shared with the outside is the [`Slab`], into which edges
//! store beats; what is in it enters a decision only at a tick.

mod config;
mod event;
mod slab;

use std::sync::Arc;

use ward_model::{
    Epoch, Explanation, InstanceState, MinHealthy, Name, Now, Revision, ServiceState, Status, SystemState,
};

pub use config::{Config, Lease};
pub use event::{Declaration, Event, Outcome, Refusal, Registered, Reply, StreamId, Tick};
pub use slab::{Slab, Slot};

/// Stub while the real one is being built; the signatures hold.
#[derive(Debug)]
pub struct Engine {
    slab: Arc<Slab>,
    epoch: Epoch,
}

impl Engine {
    /// An empty system, seen from `now` on.
    pub fn new(config: Config, epoch: Epoch, slab: Arc<Slab>, now: Now) -> Self {
        Self { slab, epoch }
    }
    /// Takes one event. The only way in.
    pub fn apply(&mut self, event: Event, now: Now) -> Outcome {
        Outcome::default()
    }
    /// This life of the aggregator.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }
    /// The last revision published; 0 before the first.
    pub fn revision(&self) -> Revision {
        Revision(0)
    }
    /// The verdict.
    pub fn system(&self) -> SystemState {
        SystemState::default()
    }
    /// One service.
    pub fn service(&self, name: &Name) -> Option<ServiceState> {
        None
    }
    /// All services, in the order of their names, behind `after`.
    pub fn services<'a>(&'a self, after: Option<&'a Name>) -> impl Iterator<Item = ServiceState> + 'a {
        std::iter::empty()
    }
    /// The instances of a service, the worst first, at most `limit`.
    pub fn instances(&self, service: &Name, limit: usize) -> Vec<InstanceState> {
        Vec::new()
    }
    /// Why a service (`None`: the system) is as it is.
    pub fn explain(&self, name: Option<&Name>) -> Option<Explanation> {
        None
    }
    /// Figures for metrics.
    pub fn figures(&self) -> Figures {
        Figures::default()
    }
}

/// Figures about the engine itself, for metrics. Counters since the start unless said otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Name and verdict of each service, now.
    pub services: Vec<(Name, Status)>,
    /// The system's verdict, now.
    pub system: Status,
    /// Instances that are fresh, suspect, lost, exited, now.
    pub instances: [u64; 4],
    /// Transitions of the system, of services and of instances.
    pub transitions: [u64; 3],
    /// Instances made Lost because of silence.
    pub convictions: u64,
    /// Ticks that came late by more than four periods.
    pub late_ticks: u64,
    /// Score, degraded view, blind, settling, now.
    pub observer: ward_model::ObserverState,
    /// Declarations that disagreed with those in force.
    pub disagreements: u64,
}
