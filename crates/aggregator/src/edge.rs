//! Where Ward meets the network: gRPC for reporters, watchers and operators; HTTP for people, probes and Prometheus.
//!
//! Edges translate, bound and count. They decide nothing: what is to be decided goes to the [`Decider`], what is to be
//! watched comes from the [`Hub`]. No generated type gets past here.

mod admit;
mod alerts;
mod ask;
mod audit;
mod client;
mod closing;
mod codec;
mod command;
mod deadline;
mod failure;
#[doc(hidden)]
pub mod fuzzed;
pub(crate) mod grpc;
pub(crate) mod http;
mod operate;
mod past;
mod pieces;
mod query;
mod question;
mod refusal;
mod report;
mod standard;
mod watch;

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use ward_chassis::{Clock, Limits, Readiness};
use ward_model::Maintenance;

use crate::{
    access::Access, alerting::Alerting, decider::Decider, hub::Hub, memory::Memory, metrics::Metrics,
    reload::Reloader,
};

pub use client::ClientLimits;
pub(crate) use client::Clients;
pub(crate) use closing::Closings;
pub use http::{HttpLimits, Rate};
pub(crate) use report::Streams;
#[cfg(test)]
pub(crate) use report::{Answers, report};
pub(crate) use standard::{Standard, follow};

/// What every edge has in hand.
#[derive(Debug)]
pub(crate) struct Edge {
    pub(crate) clock: Clock,
    pub(crate) access: Access,
    pub(crate) decider: Decider,
    pub(crate) hub: Hub,
    pub(crate) metrics: Metrics,
    pub(crate) readiness: Readiness,
    pub(crate) limits: Limits,
    /// What is in force of the configuration.
    pub(crate) reloader: Reloader,
    /// What was decided, and what was known before.
    pub(crate) memory: Arc<Memory>,
    /// Who is to be told of it.
    pub(crate) alerting: Alerting,
    /// The next planned maintenance of each service, the nearest first.
    pub(crate) upcoming: ArcSwap<Vec<Maintenance>>,
    /// Tells report streams that this side ends them.
    pub(crate) closings: Closings,
    /// What each client may have.
    pub(crate) clients: Clients,
    /// Names report streams.
    pub(crate) streams: Streams,
    /// What `grpc.health.v1` answers.
    pub(crate) standard: Standard,
}

/// Silence of the engine's loop after which it counts as dead: hundreds of ticks, and less than any orchestrator's
/// patience.
const DEAD_AFTER: Duration = Duration::from_secs(5);

impl Edge {
    /// Whether this process should be left running. Asks nothing that it watches.
    pub(crate) fn is_alive(&self) -> bool {
        self.decider.silence() < DEAD_AFTER
    }
}

/// The version that is shown.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(crate) type Shared = Arc<Edge>;
