//! The server: gRPC and HTTP edges, the engine's loop, the watch hub, metrics; the composition root.
//!
//! It is started with a [`Config`], says where it listens, and is stopped. Everything it decides is decided in
//! `ward-engine`; everything here is an adapter between that and the network, or a bound on what the network may cost.

mod access;
mod alerting;
mod app;
mod config;
mod decider;
mod edge;
mod hub;
mod maintenance;
mod measured;
mod memory;
mod metrics;
mod rarely;
mod reload;
mod story;

pub use app::{App, RunError, StartError, run};
pub use config::{Config, SERVICE};
#[doc(hidden)]
pub use edge::fuzzed;
pub use edge::{ClientLimits, HttpLimits, Rate};
#[doc(hidden)]
pub use measured::Measured;
pub use memory::{AUDIT_DIR, DATABASE_FILE, store_place};
pub use reload::{ReloadError, Reloaded};
pub use ward_config::{GRPC_PORT, HTTP_PORT};
