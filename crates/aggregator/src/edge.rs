//! Where Ward meets the network: gRPC for reporters, watchers and operators; HTTP for people, probes and Prometheus.
//!
//! Edges translate, bound and count. They decide nothing: what is to be decided goes to the [`Decider`], what is to be
//! watched comes from the [`Hub`]. No generated type gets past here.

mod closing;
mod codec;
pub(crate) mod grpc;
mod health;
pub(crate) mod http;
mod operate;
mod query;
mod refusal;
mod report;
mod watch;

use std::sync::Arc;

use ward_chassis::{Clock, Limits, Readiness};

use crate::{decider::Decider, hub::Hub, metrics::Metrics};

pub(crate) use closing::Closings;
pub(crate) use report::Streams;
#[cfg(test)]
pub(crate) use report::report;

/// What every edge has in hand.
#[derive(Debug)]
pub(crate) struct Edge {
    pub(crate) clock: Clock,
    pub(crate) decider: Decider,
    pub(crate) hub: Hub,
    pub(crate) metrics: Metrics,
    pub(crate) readiness: Readiness,
    pub(crate) limits: Limits,
    /// Tells report streams that this side ends them.
    pub(crate) closings: Closings,
    /// Names report streams.
    pub(crate) streams: Streams,
}

/// The version that is shown.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(crate) type Shared = Arc<Edge>;
