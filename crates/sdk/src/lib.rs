//! What a service links to be seen by Ward: a reporter, probe routes, and a client of Watch.
//!
//! ```no_run
//! use std::{io, time::Duration};
//!
//! use ward_sdk::{Check, Criticality, Reporter, Signal, Status};
//!
//! # async fn ping_database() -> io::Result<()> { Ok(()) }
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let reporter = Reporter::builder("payments")
//!         .version(env!("CARGO_PKG_VERSION"))
//!         .criticality(Criticality::Critical)
//!         .hard("bank")
//!         .soft("fraud-scoring")
//!         .check(
//!             Check::new("database", || async { ping_database().await })
//!                 .period(Duration::from_secs(2))
//!                 .timeout(Duration::from_millis(500))
//!                 .subject("payments-db"),
//!         )
//!         .signal(Signal::new("error_ratio").degraded(0.01, 0.005).unhealthy(0.05, 0.02))
//!         .heartbeat("consumer", Duration::from_secs(30))
//!         .start()?;
//!
//!     // Probes for an orchestrator, on a thread of their own. Or merge `reporter.routes()` into your router.
//!     let _probes = reporter.serve_probes(([127, 0, 0, 1], 8081).into())?;
//!
//!     let errors = reporter.signal("error_ratio").clone();
//!     errors.set(0.002); // some nanoseconds, wherever the aggregator is
//!     reporter.heartbeat("consumer").beat();
//!     reporter.set_status(Status::Degraded, "running on the standby card processor");
//!
//!     // ... serve ...
//!     reporter.shutdown().await;
//!     Ok(())
//! }
//! ```
//!
//! A reporter costs its service next to nothing and never waits for the aggregator: checks and reports run in the
//! background, the newest state is kept while the aggregator is away, and nothing queues up. It judges nothing beyond its
//! own checks. Calling the aggregator from the service's own path, a request for each report, was not taken: the monitor
//! would become a dependency.

mod backoff;
mod board;
mod builder;
mod check;
pub mod checks;
mod credentials;
mod grpc_health;
mod health;
mod liveness;
mod metrics;
mod probes;
mod reporter;
mod run;
mod server;
mod session;
mod signal;
mod stream;
mod traced;
mod trust;
pub mod watch;
mod word;

pub use builder::{Builder, StartError};
pub use check::{Check, Verdict};
pub use credentials::{Bearer, Credentials, Field, InvalidCredentials};
pub use health::{Component, Health};
pub use liveness::Heartbeat;
pub use probes::ProbeServer;
pub use reporter::Reporter;
pub use server::{Address, ConnectError, Connection, InvalidServer, Server};
pub use signal::{Signal, SignalHandle};
pub use traced::trace_changes;
pub use ward_model::{CheckKind, Criticality, MinHealthy, Status};
